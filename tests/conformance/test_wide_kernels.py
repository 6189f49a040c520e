"""Kernels with explicit vectors against the plain ones and the NumPy twins."""

from __future__ import annotations

import numpy as np
import pytest

from lowrank_la.factors import Factors
from lowrank_la.kernels import _jit, _losses, entries, reference, tangent, wide
from lowrank_la.losses import Squared
from lowrank_la.operators.entries import EntrySampling

pytestmark = pytest.mark.skipif(not _jit.enabled(), reason="kernels are not compiled")
KINDS = [np.float64, np.float32]
# One block and several, with padding and without.
RANKS = [3, 10, 20]


def setting(kind, rank, seed=0, n1=40, n2=37):
    rng = np.random.default_rng(seed)
    mask = rng.random((n1, n2)) < 0.6
    mask[3] = False
    # Rows with all remainders of entries modulo the block.
    for k in range(12):
        mask[20 + k, k:] = False
    i, j = np.nonzero(mask)
    return {
        "n1": n1,
        "lanes": (0,) * -(-rank // wide.BLOCK),
        "L": rng.standard_normal((n1, rank)).astype(kind),
        "R": rng.standard_normal((n2, rank)).astype(kind),
        "dL": rng.standard_normal((n1, rank)).astype(kind),
        "dR": rng.standard_normal((n2, rank)).astype(kind),
        "layout": (np.concatenate(([0], np.cumsum(mask.sum(1)))), j.astype(np.uint32)),
        "y": rng.standard_normal(i.size).astype(kind),
    }


def agree(a, b, kind, factor=400):
    tolerance = factor * np.finfo(kind).eps
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", RANKS)
def test_products_and_sums(kind, rank):
    s = setting(kind, rank)
    L, R = wide.padded(s["L"]), wide.padded(s["R"])
    outs = [np.zeros_like(s["y"]) for _ in range(3)]
    wide.wide_products(2, 38, s["lanes"], L, R, *s["layout"], outs[0])
    reference.wide_products(2, 38, s["lanes"], L, R, *s["layout"], outs[1])
    entries.products(2, 38, s["L"], s["R"], *s["layout"], outs[2])
    agree(outs[0], outs[1], kind)
    agree(outs[0], outs[2], kind)
    outs = [np.full_like(s["L"], 7) for _ in range(3)]
    wide.wide_weighted_sums(2, 38, s["lanes"], s["y"], R, *s["layout"], outs[0])
    reference.wide_weighted_sums(2, 38, s["lanes"], s["y"], R, *s["layout"], outs[1])
    entries.weighted_sums(2, 38, s["y"], s["R"], *s["layout"], outs[2])
    agree(outs[0], outs[1], kind)
    agree(outs[0], outs[2], kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize("code", [_losses.SQUARED, _losses.ABSOLUTE, _losses.HUBER])
def test_loss_sums(kind, rank, code):
    s = setting(kind, rank)
    L, R = wide.padded(s["L"]), wide.padded(s["R"])
    outs = [np.full_like(s["L"], 7) for _ in range(3)]
    tail = (*s["layout"], s["y"], code, 0.7)
    values = [
        wide.wide_loss_sums(2, 38, s["lanes"], L, R, *tail, outs[0]),
        reference.wide_loss_sums(2, 38, s["lanes"], L, R, *tail, outs[1]),
        entries.loss_sums(2, 38, s["L"], s["R"], *tail, outs[2]),
    ]
    for k in (1, 2):
        agree(outs[0], outs[k], kind)
        assert values[0] == pytest.approx(values[k], rel=100 * float(np.finfo(kind).eps))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", RANKS)
def test_tangent_and_line(kind, rank):
    s = setting(kind, rank)
    mine, pairs = wide.padded(s["dL"], s["L"]), wide.padded(s["R"], s["dR"])
    outs = [np.full_like(s["L"], 7) for _ in range(2)]
    lines = []
    for module, out in zip((tangent, reference), outs, strict=True):
        module.wide_tangent_sums(2, 38, s["lanes"], mine, pairs, *s["layout"], out)
        lines.append(module.wide_line_sums(2, 38, s["lanes"], mine, pairs, *s["layout"], s["y"]))
    agree(*outs, kind, 2000)
    agree(*(np.array(line) for line in lines), kind, 2000)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 2, 3, 6, 7, 8, 9, 13, 16, 20, 40])
def test_ridge_rows(kind, rank):
    s = setting(kind, rank)
    ridge = np.linspace(0.3, 3, s["n1"]).astype(kind)
    kernel, size = wide.solver_of(rank, np.dtype(kind))
    args = (*size, wide.padded(s["R"]), *s["layout"], s["y"], ridge)
    outs = [np.full_like(s["L"], 7) for _ in range(2)]
    # Numbers of rows that are no multiple of the block.
    kernel(1, 39, *args, outs[0])
    getattr(reference, kernel.__name__)(1, 39, *args, outs[1])
    np.testing.assert_allclose(*outs, rtol=2e4 * np.finfo(kind).eps, atol=2e3 * np.finfo(kind).eps)
    assert (outs[0][0] == 7).all()
    assert (outs[0][39] == 7).all()
    assert (outs[0][3] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [1, 5, 10])
def test_normal_blocks(kind, rank):
    s = setting(kind, rank)
    size = wide.blocks_of(rank, np.dtype(kind))
    outs = [np.full((s["n1"], rank, rank), 7, kind) for _ in range(2)]
    for module, out in zip((wide, reference), outs, strict=True):
        module.wide_normal_blocks(1, 39, size, wide.padded(s["R"]), *s["layout"], out)
    agree(*outs, kind)
    assert wide.blocks_of(20, np.dtype(kind)) is None


@pytest.mark.parametrize("rank", [10, 20])
def test_what_a_row_does_not_determine_is_zero(rank):
    """Rows with fewer entries than the rank fit them, with some coefficients zero."""
    s = setting(np.float64, rank)
    kernel, size = wide.solver_of(rank, np.dtype(float))
    out = np.empty_like(s["L"])
    args = (*size, wide.padded(s["R"]), *s["layout"], s["y"], np.zeros(s["n1"]))
    kernel(0, s["n1"], *args, out)
    assert np.isfinite(out).all()
    indptr, cols = s["layout"]
    few = [i for i in range(s["n1"]) if 0 < indptr[i + 1] - indptr[i] < rank]
    assert len(few) > 3
    for i in few:
        here = slice(indptr[i], indptr[i + 1])
        np.testing.assert_allclose(s["R"][cols[here]] @ out[i], s["y"][here], atol=1e-6)
        assert not out[i].all()


@pytest.mark.parametrize("place", [0, 9, -1])
@pytest.mark.parametrize("code", [_losses.SQUARED, _losses.ABSOLUTE, _losses.HUBER])
def test_nan_is_not_lost(place, code):
    s = setting(np.float64, 10)
    s["y"][place] = np.nan
    row = int(np.searchsorted(s["layout"][0], place % s["y"].size, side="right")) - 1
    L, R = wide.padded(s["L"]), wide.padded(s["R"])
    out = np.zeros_like(s["L"])
    total = wide.wide_loss_sums(0, s["n1"], s["lanes"], L, R, *s["layout"], s["y"], code, 0.7, out)
    assert np.isnan(total)
    assert np.isnan(out[row]).all()
    assert np.isfinite(np.delete(out, row, axis=0)).all()
    for rank in (10, 20):
        s2 = setting(np.float64, rank)
        kernel, size = wide.solver_of(rank, np.dtype(float))
        args = (*size, wide.padded(s2["R"]), *s["layout"], s["y"], np.zeros(s["n1"]))
        out = np.zeros_like(s2["L"])
        kernel(0, s["n1"], *args, out)
        assert np.isnan(out[row]).all()
        # Neighbours are solved in other lanes of the same vectors.
        assert np.isfinite(np.delete(out, row, axis=0)).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rank", [2, 5, 12])
def test_the_operator_gives_what_plain_kernels_give(monkeypatch, kind, rank):
    rng = np.random.default_rng(0)
    i, j = np.nonzero(rng.random((60, 45)) < 0.4)
    shuffled = rng.permutation(i.size)
    operator = EntrySampling(i[shuffled], j[shuffled], (60, 45), empty="allow")
    y = rng.standard_normal(i.size).astype(kind)
    X, D = (
        Factors(*(rng.standard_normal((n, rank)).astype(kind) for n in (60, 45))) for _ in range(2)
    )
    prepared = operator.prepare(y)

    def all_of_them():
        return [
            operator.forward(X),
            operator.adjoint_right(y, X.right),
            operator.adjoint_left(y, X.left),
            *operator.loss_gradient(X, prepared, Squared()),
            operator.row_solve(prepared, X.right, 0.1, side="left"),
            operator.row_solve(prepared, X.left, 0.1, side="right"),
            *operator.normal_product(X, D),
            operator.line_sums(X, D, prepared),
            operator.normal_blocks(X.right, side="left"),
        ]

    fast = all_of_them()
    monkeypatch.setattr(wide, "lanes_of", lambda *_: None)
    monkeypatch.setattr(wide, "solver_of", lambda *_: None)
    for a, b in zip(fast, all_of_them(), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        np.testing.assert_allclose(
            a, b, rtol=1e4 * np.finfo(kind).eps, atol=2e3 * np.finfo(kind).eps
        )


def test_ranks_that_vectors_do_not_suit():
    assert wide.lanes_of(10, np.dtype(float)) == (0, 0)
    assert wide.lanes_of(1, np.dtype(float)) is None
    assert wide.lanes_of(33, np.dtype(float)) is None
    assert wide.lanes_of(10, np.dtype(complex)) is None
    assert wide.solver_of(10, np.dtype(complex)) is None
    assert wide.solver_of(65, np.dtype(float)) is None


def test_an_edit_of_a_shared_file_makes_cached_kernels_stale():
    stamps = [
        getattr(kernel._cache, "_cache_file", None) for kernel in (wide.wide_products, wide._solve)
    ]
    if any(stamp is None for stamp in stamps):
        pytest.skip("kernels are not cached here")
    for stamp in stamps:
        assert stamp._source_stamp[1:] == tuple(map(_jit._stamp, _jit.SHARED))
