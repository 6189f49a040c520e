"""Orthonormal bases by Cholesky, and by Householder's QR where that would not do."""

from __future__ import annotations

import numpy as np
import pytest

from lowrank_la._orthonormal import inner, orthonormal

KINDS = ["float32", "float64", "complex64", "complex128"]
# Even columns; uneven ones; and too uneven for Cholesky: nearly dependent, and zero.
SCALES = {"even": 1.0, "uneven": 1e-2, "tiny": 1e-9, "zero": 0.0}


def block(n, kind, third=1.0):
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((n, 4)) + 1j * rng.standard_normal((n, 4))
    drawn[:, 2] *= third
    return (drawn if kind.startswith("c") else drawn.real).astype(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("third", SCALES)
@pytest.mark.parametrize("accurate", [False, True])
def test_factors_of_a_block(kind, third, accurate):
    given = block(300, kind, SCALES[third])
    eps = float(np.finfo(kind).eps)
    Q, T = orthonormal(given, accurate=accurate)
    assert Q.dtype == T.dtype == given.dtype
    assert Q.flags.c_contiguous
    np.testing.assert_allclose(Q @ T, given, atol=300 * eps)
    off = np.abs(Q.conj().T @ Q - np.eye(4)).max()
    assert off <= (1e4 * eps if accurate else 30 * eps**0.5)
    if third != "uneven":
        # By QR, or as good.
        assert off <= 1e2 * eps


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [3, 4, 300])
def test_an_orthonormal_block_stays_as_it_is(kind, n):
    atol = 100 * float(np.finfo(kind).eps)
    Q, _ = orthonormal(block(n, kind))
    again, T = orthonormal(Q)
    np.testing.assert_allclose(again, Q, atol=atol)
    np.testing.assert_allclose(T, np.eye(min(n, 4)), atol=atol)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [5, 256, 700])
def test_inner_products_in_slices(kind, n):
    a, b = block(n, kind), block(n, kind, 2.0)
    np.testing.assert_allclose(inner(a, b), a.conj().T @ b, rtol=1e3 * np.finfo(kind).eps)
