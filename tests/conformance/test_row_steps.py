"""Row solves from where the rows are: kernels against their twins, and what is kept."""

from __future__ import annotations

import numpy as np
import pytest

from lowrank_la.factors import Factors
from lowrank_la.kernels import _jit, reference, row_steps, wide
from lowrank_la.operators.entries import EntrySampling

needs_jit = pytest.mark.skipif(not _jit.enabled(), reason="kernels are not compiled")
KINDS = [np.float64, np.float32]
RANKS = [1, 3, 10, 16]


def setting(kind, rank, n1=45, n2=37):
    rng = np.random.default_rng(0)
    mask = rng.random((n1, n2)) < 0.6
    # Rows without entries and with fewer than the rank; the last group of eight is not full.
    mask[3] = False
    mask[4, 2:] = False
    i, j = np.nonzero(mask)
    L, R = (rng.standard_normal((n, rank)).astype(kind) for n in (n1, n2))
    return i, j, L, R, rng.standard_normal(i.size).astype(kind)


def close(a, b, kind, factor=2e3):
    tolerance = factor * np.finfo(kind).eps
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_kernels_and_their_twins(kind, rank, weight):
    i, j, L, R, y = setting(kind, rank)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(i, minlength=len(L)))))
    entries = (indptr, j.astype(np.uint32), y, np.full(len(L), weight, kind))
    size = row_steps.size_of(rank, np.dtype(kind))
    lanes = (0,) * -(-rank // 8)
    found = []
    for module in (row_steps, reference):
        kept = np.zeros(row_steps.kept_size(len(L), rank), kind)
        outs = [np.full_like(L, 7) for _ in range(4)]
        sums = np.zeros(3)
        for lo, hi in ((0, 16), (16, 45)):
            sums[:2] += module.row_steps_anew(
                lo, hi, size, L, wide.padded(R), *entries, kept, *outs[:2]
            )
        for lo, hi in ((0, 16), (16, 45)):
            sums[2] += module.row_steps_again(
                lo, hi, lanes, wide.padded(L), wide.padded(R), *entries, kept, *outs[2:]
            )
        # Where nothing determines a coefficient, rounding errors tell pivots from zero.
        sure = np.diff(indptr) >= rank if weight == 0 else slice(None)
        found.append((sums, outs[0], outs[1][sure], outs[2], outs[3][sure]))
    for a, b in zip(*found, strict=True):
        close(a, b, kind, 1e5 if rank == 16 else 1e4)
    sums, slope, step, slope_again, step_again = found[0]
    assert sums[0] == pytest.approx(sums[2], rel=1e3 * float(np.finfo(kind).eps))
    close(slope, slope_again, kind)
    close(step, step_again, kind, 1e5)


@pytest.mark.parametrize("kind", ["float64", "float32", "complex128"])
@pytest.mark.parametrize("rank", [3, 18])
@pytest.mark.parametrize("side", ["left", "right"])
def test_steps_lead_to_the_solutions(kind, rank, side):
    rng = np.random.default_rng(1)
    i, j = np.nonzero(rng.random((60, 50)) < 0.7)
    L, R = (rng.standard_normal((n, rank)) for n in (60, 50))
    y = rng.standard_normal(i.size)
    if kind == "complex128":
        L, R, y = L + 1j * L[::-1], R - 2j * R[::-1], y + 1j * y[::-1]
    X, y = Factors(L.astype(kind), R.astype(kind)), y.astype(kind)
    operator = EntrySampling(i, j, (60, 50))
    prepared = operator.prepare(y)
    mine, fixed = (X.left, X.right) if side == "left" else (X.right, X.left)
    weights = np.linspace(0.5, 1.0, len(mine)).astype(mine.real.dtype)
    loss, slope, step, kept = operator.row_steps(X, prepared, weights, side=side)
    eps = float(np.finfo(kind).eps)
    solution = operator.row_solve(prepared, fixed, weights, side=side)
    np.testing.assert_allclose(mine + step, solution, atol=1e4 * eps * np.abs(solution).max())
    e = operator.forward(X) - y
    assert loss == pytest.approx(0.5 * np.vdot(e, e).real, rel=1e3 * eps)
    adjoint = operator.adjoint_right if side == "left" else operator.adjoint_left
    expected = adjoint(e, fixed) + weights[:, None] * mine
    np.testing.assert_allclose(slope, expected, atol=1e3 * eps * np.abs(expected).max())
    assert (kept is None) == (kind == "complex128" or rank == 18)
    if kept is not None:
        before = kept.copy()
        _, again, other, same = operator.row_steps(X, prepared, weights, side=side, kept=kept)
        np.testing.assert_allclose(again, slope, atol=1e3 * eps * np.abs(slope).max())
        np.testing.assert_allclose(other, step, atol=1e4 * eps * np.abs(step).max())
        assert same is kept
        assert np.array_equal(kept, before)


def test_small_residuals_are_not_lost_to_cancellation():
    """Half a sum of squares of 1e-26 beside data of size one."""
    rng = np.random.default_rng(2)
    i, j = np.nonzero(rng.random((60, 50)) < 0.7)
    X = Factors(rng.standard_normal((60, 3)), rng.standard_normal((50, 3)))
    operator = EntrySampling(i, j, (60, 50))
    y = operator.forward(X)
    moved = Factors(X.left * (1 + 1e-13), X.right)
    loss, _, step, kept = operator.row_steps(moved, operator.prepare(y), 0.0, side="left")
    assert loss == pytest.approx(0.5 * np.sum((operator.forward(moved) - y) ** 2), rel=0.1)
    assert np.abs(step).max() < 1e-11
    assert kept is not None


def test_rows_without_entries_stay():
    i, j, L, R, y = setting(np.float64, 3)
    operator = EntrySampling(i, j, (len(L), len(R)), empty="allow")
    _, slope, step, _ = operator.row_steps(Factors(L, R), operator.prepare(y), 0.0, side="left")
    assert not slope[3].any()
    assert not step[3].any()
    assert np.count_nonzero(step[4]) <= 2


def test_solves_of_a_subclass_count():
    class Shifted(EntrySampling):
        def row_solve(self, *args, **options):
            return super().row_solve(*args, **options) + 1

    i, j, L, R, y = setting(np.float64, 3)
    steps = []
    for kind in (EntrySampling, Shifted):
        operator = kind(i, j, (len(L), len(R)), empty="allow")
        steps.append(operator.row_steps(Factors(L, R), operator.prepare(y), 0.5, side="left")[2])
    np.testing.assert_allclose(steps[1], steps[0] + 1, atol=1e-10)
