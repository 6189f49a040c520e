"""Block Krylov iteration for leading singular vectors."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.initial._krylov import KEPT, block_size, leading_triplets

KINDS = [np.float64, np.float32, np.complex128]


def gaussian(rng, shape, kind):
    out = rng.standard_normal(shape)
    if np.dtype(kind).kind == "c":
        out = out + 1j * rng.standard_normal(shape)
    return out.astype(kind)


def triplets(A, k, accuracy, seed=1):
    counts = []

    def right(v):
        counts.append(v.shape[1])
        return A @ v

    start = gaussian(np.random.default_rng(seed), (A.shape[1], block_size(k)), A.dtype)
    return *leading_triplets(right, lambda u: A.conj().T @ u, start, k, accuracy), counts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "k"), [((300, 200), 5), ((200, 300), 1), ((90, 80), 14)])
def test_triplets_of_a_gaussian_matrix(kind, shape, k):
    """No gap to speak of: the hardest case, beyond the number of blocks that are kept."""
    A = gaussian(np.random.default_rng(0), shape, kind)
    u, s, v, counts = triplets(A, k, 1e-3)
    eps = float(np.finfo(kind).eps)
    np.testing.assert_allclose(s, np.linalg.svd(A, compute_uv=False)[:k], rtol=1e-5)
    for basis in (u, v):
        assert basis.dtype == A.dtype
        np.testing.assert_allclose(basis.conj().T @ basis, np.eye(k), atol=100 * eps)
    residual = A.conj().T @ (A @ v) - v * s**2
    assert np.all(np.linalg.norm(residual, axis=0) <= 1.5e-3 * s**2)
    assert set(counts) == {block_size(k)}


def test_restarts():
    """A slowly falling spectrum takes more blocks than are kept."""
    rng = np.random.default_rng(0)
    u, _ = np.linalg.qr(rng.standard_normal((400, 350)))
    v, _ = np.linalg.qr(rng.standard_normal((350, 350)))
    s = 1 + 0.2 * np.linspace(1, 0, 350) ** 2
    _, found, _, counts = triplets((u * s) @ v.T, 2, 1e-4)
    assert sum(counts) > KEPT
    np.testing.assert_allclose(found, s[:2], rtol=1e-6)


def test_looser_is_cheaper():
    A = gaussian(np.random.default_rng(0), (300, 200), float)
    loose, tight = (triplets(A, 5, accuracy) for accuracy in (0.03, 1e-4))
    assert len(loose[3]) < 0.8 * len(tight[3])
    np.testing.assert_allclose(loose[1], tight[1], rtol=5e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_zero(kind):
    rng = np.random.default_rng(0)
    A = gaussian(rng, (120, 3), kind) @ gaussian(rng, (3, 100), kind)
    u, s, v, _ = triplets(A, 5, 1e-3)
    assert np.array_equal(s > 0, [True, True, True, False, False])
    np.testing.assert_allclose((u * s) @ v.conj().T, A, atol=2e3 * np.finfo(kind).eps)


def test_flat_spectra_are_found_whole():
    """One vector alone would see a single direction of a multiple value."""
    A = np.diag(np.concatenate((np.full(6, 2.0), np.ones(74))))
    _, s, _, _ = triplets(A, 6, 1e-3)
    np.testing.assert_allclose(s, 2, rtol=1e-6)


@pytest.mark.parametrize("kind", ["float64", "float32", "complex128"])
def test_products_of_prepared_data(kind):
    problem = ll.problems.completion((60, 50), 2, sampling=0.4, dtype=kind, rng=0).problem
    operator = problem.operator
    rng = np.random.default_rng(0)
    for side, n, product in (
        ("left", 50, operator.adjoint_right),
        ("right", 60, operator.adjoint_left),
    ):
        factor = gaussian(rng, (n, 5), kind)
        found = operator.prepared_product(problem.prepared, factor, side=side)
        assert found.dtype == factor.dtype
        np.testing.assert_allclose(found, product(problem.data, factor), rtol=1e-5)


def test_starts_agree_with_the_svd_of_the_backprojection():
    case = ll.problems.completion((150, 120), 4, sampling=0.3, rng=0)
    i, j = case.problem.operator.positions
    dense = np.zeros((150, 120))
    dense[i, j] = case.problem.data / case.problem.operator.isometry
    s = np.linalg.svd(dense, compute_uv=False)[:4]
    start = ll.initial.spectral(case.problem, 4)
    np.testing.assert_allclose(start.singular_values(), s, rtol=3e-3)
    np.testing.assert_allclose(ll.initial.spectral_values(case.problem, 4), s, rtol=1e-5)
    again = ll.initial.spectral(case.problem, 4)
    assert np.array_equal(start.left, again.left)
