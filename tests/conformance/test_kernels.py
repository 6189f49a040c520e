"""Every kernel against its NumPy twin."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from lowrank_la.kernels import (
    _chunks,
    _jit,
    dense,
    entries,
    quadratic,
    reference,
    robust,
    rows,
    selection,
    sketched,
    sorting,
    tangent,
)
from lowrank_la.kernels.warmup import warmup

KINDS = [np.float64, np.float32, np.complex128, np.complex64]
needs_jit = pytest.mark.skipif(not _jit.enabled(), reason="kernels are not compiled")


def draw(rng, shape, kind):
    out = rng.standard_normal(shape)
    if np.dtype(kind).kind == "c":
        out = out + 1j * rng.standard_normal(shape)
    return out.astype(kind)


def setting(kind, seed=0, n1=30, n2=23, rank=5):
    rng = np.random.default_rng(seed)
    mask = rng.random((n1, n2)) < 0.35
    mask[3] = False
    i, j = np.nonzero(mask)
    indptr = np.concatenate(([0], np.cumsum(mask.sum(1)))).astype(np.int64)
    return {
        "L": draw(rng, (n1, rank), kind),
        "R": draw(rng, (n2, rank), kind),
        "indptr": indptr,
        "cols": j.astype(np.uint32),
        "y": draw(rng, i.size, kind),
        "n1": n1,
    }


def agree(a, b, kind):
    tolerance = 200 * np.finfo(kind).eps
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
def test_entries(kind):
    s = setting(kind)
    a, b = np.empty_like(s["y"]), np.empty_like(s["y"])
    for module, out in ((entries, a), (reference, b)):
        module.products(0, s["n1"], s["L"], s["R"], s["indptr"], s["cols"], out)
    agree(a, b, kind)
    a, b = np.empty_like(s["L"]), np.empty_like(s["L"])
    for module, out in ((entries, a), (reference, b)):
        module.weighted_sums(0, s["n1"], s["y"], s["R"], s["indptr"], s["cols"], out)
    agree(a, b, kind)


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", [0, 1, 2])
def test_loss_sums(kind, code):
    s = setting(kind)
    outs, values = [], []
    for module in (entries, reference):
        out = np.zeros_like(s["L"])
        values.append(
            module.loss_sums(5, 28, s["L"], s["R"], s["indptr"], s["cols"], s["y"], code, 0.7, out)
        )
        outs.append(out)
    agree(*outs, kind)
    agree(*values, kind)


@needs_jit
@pytest.mark.parametrize("order", ["pairs", "keys", "none"])
def test_sorting(order):
    rng = np.random.default_rng(0)
    keys, others = rng.integers(0, 7, 40), rng.permutation(40)
    if order != "none":
        keys.sort()
    if order == "pairs":
        others.sort()
    found = []
    for module in (sorting, reference):
        ends = np.full(9, -1)
        rank = module.counted(keys, others, ends)
        for before in (np.empty(0, np.int64), np.argsort(others)):
            starts, places = ends[:-1].copy(), np.empty(40, np.int64)
            minors = np.empty(40, np.uint32)
            module.placed(keys, others, before, starts, places, minors)
            found.append((rank, ends, starts, places, minors))
    assert found[0][0] == {"pairs": 2, "keys": 1, "none": 0}[order]
    for a, b in zip(found[:2], found[2:], strict=True):
        for one, two in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(found[1][3], np.lexsort((others, keys)))


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
def test_ridge_rows(kind):
    s = setting(kind)
    ridge = np.full(s["n1"], 0.3, np.zeros(0, kind).real.dtype)
    outs = []
    for module in (rows, reference):
        out = np.empty_like(s["L"])
        module.ridge_rows(0, s["n1"], s["R"], s["indptr"], s["cols"], s["y"], ridge, out)
        outs.append(out)
    np.testing.assert_allclose(*outs, rtol=1e4 * np.finfo(kind).eps, atol=1e3 * np.finfo(kind).eps)


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("m", [1, 4, 7])
def test_dense(kind, m):
    rng = np.random.default_rng(0)
    matrix, x, z = draw(rng, (m, 50), kind), draw(rng, 50, kind), draw(rng, m, kind)
    outs = [np.zeros(m, kind) for _ in range(2)]
    for module, out in zip((dense, reference), outs, strict=True):
        module.row_products(0, m, matrix, x, out)
    agree(*outs, kind)
    outs = [np.ones(50, kind) for _ in range(2)]
    for module, out in zip((dense, reference), outs, strict=True):
        module.row_combination(0, m, matrix, z, out)
    agree(*outs, kind)


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("m", [1, 4, 7])
@pytest.mark.parametrize("code", [0, 1, 2])
def test_dense_in_one_pass(kind, m, code):
    """Residual, loss and combination; a residual that vanishes has no slope."""
    rng = np.random.default_rng(0)
    matrix, x, y = draw(rng, (m + 2, 50), kind), draw(rng, 50, kind), draw(rng, m + 2, kind)
    matrix[1], y[1] = 0, 0
    found = []
    for module in (dense, reference):
        e, out = np.zeros(m + 2, kind), np.ones(50, kind)
        total = module.residual_sums(1, m + 1, matrix, x, y, code, 2.0, e, out)
        found.append((total, e, out))
    for a, b in zip(*found, strict=True):
        agree(np.asarray(a), np.asarray(b), kind)
    assert found[0][1][0] == found[0][1][-1] == 0


@needs_jit
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize(("lo", "hi"), [(0, 9), (2, 8), (3, 4)])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_quadratic_forms(kind, lo, hi, rank):
    """Vectors that fill up the last four count once."""
    rng = np.random.default_rng(0)
    vectors, y = draw(rng, (9, 20), kind), draw(rng, 9, kind)
    x, d, weights = (draw(rng, shape, kind) for shape in ((rank, 20), (rank, 20), (9, rank)))
    for name, start, args in (
        ("form_products", np.zeros((9, rank), kind), (vectors, x)),
        ("form_combination", np.ones((rank, 20), kind), (vectors, weights)),
    ):
        outs = start.copy(), start.copy()
        for module, out in zip((quadratic, reference), outs, strict=True):
            getattr(module, name)(lo, hi, *args, out)
        agree(*outs, kind)
    for moved in (x[:0], d):
        for code in (0, 1, 2):
            found = []
            for module in (quadratic, reference):
                out = np.ones((rank, 20), kind)
                total = module.form_sums(lo, hi, vectors, x, moved, y, code, 2.0, out)
                found.append((total, out))
            for a, b in zip(*found, strict=True):
                agree(np.asarray(a), np.asarray(b), kind)


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
def test_tangent_products(kind):
    rng = np.random.default_rng(0)
    # Four rows at a time, and two that are left.
    matrix = draw(rng, (5, 18), kind)
    left, right = draw(rng, (3, 6), kind), draw(rng, (3, 3), kind)
    found = []
    for module in (dense, reference):
        outs = np.zeros((5, 3, 6), kind), np.zeros((5, 3, 3), kind)
        module.tangent_products(1, 4, matrix, left, right, *outs)
        found.append(outs)
    for a, b in zip(*found, strict=True):
        agree(a, b, kind)
    A = matrix[2].reshape(6, 3)
    agree(found[0][0][2], (A @ right.T).T, kind)
    agree(found[0][1][2], (A.conj().T @ left.T).T, kind)


@needs_jit
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "rank"), [(1, 2), (2, 1), (7, 2), (8, 3), (130, 2)])
def test_packed_products(kind, n, rank):
    rng = np.random.default_rng(0)
    matrix, factor = draw(rng, (5, n * (n + 1) // 2), kind), draw(rng, (rank, n), kind)
    outs = [np.zeros((5, rank, n), kind) for _ in range(2)]
    for module, out in zip((dense, reference), outs, strict=True):
        module.packed_products(1, 4, matrix, factor, out)
    agree(*outs, kind)


@needs_jit
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("levels", [0, 3])
def test_kept_thresholds(kind, levels):
    """Rows of all lengths, with ties if there are few levels; the order of values is random."""
    rng = np.random.default_rng(0)
    lengths = np.concatenate((np.arange(30), [400]))
    indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    values = rng.random(indptr[-1]).astype(kind)
    values = np.floor(levels * values).astype(kind) if levels else values
    for share in (0.0, 0.2, 0.7, 1.0):
        kept = np.floor(share * lengths).astype(np.int64)
        outs = [np.full(lengths.size, -1, kind) for _ in range(2)]
        for module, out in zip((selection, reference), outs, strict=True):
            module.kept_thresholds(3, 31, values, indptr, kept, out)
        np.testing.assert_array_equal(*outs)


@needs_jit
def test_selection_ends_with_nan():
    values = np.full(50, np.nan)
    values[::3] = 1.0
    out = np.empty(1)
    kept, indptr = np.array([20]), np.array([0, 50])
    selection.kept_thresholds(0, 1, values, indptr, kept, out)


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by_norm", [False, True])
def test_sketched_rows(kind, by_norm):
    """Iterations stop where both twins stop; rows shorter than the sketch are solved exactly."""
    s = setting(kind, n2=60)
    rng = np.random.default_rng(1)
    real = np.zeros(0, kind).real.dtype
    signs = rng.choice([-1.0, 1.0], 64).astype(real)
    picks = np.sort(rng.random(18))
    start = draw(rng, s["L"].shape, kind)
    outs, counts = [], []
    for module in (sketched, reference):
        out, count = np.zeros_like(s["L"]), np.full(s["n1"], -7)
        args = (s["R"], s["indptr"], s["cols"], s["y"], start, signs, picks, by_norm)
        module.sketched_rows(2, 28, *args, 0.02, 1e-2, 0.05, 40, count, out)
        outs.append(out)
        counts.append(count)
    assert np.array_equal(*counts)
    assert set(counts[0][2:28]) > {-1}
    np.testing.assert_allclose(*outs, rtol=1e5 * np.finfo(kind).eps, atol=1e5 * np.finfo(kind).eps)
    # A row without entries is zero and not the start, for both.
    none = s["indptr"].copy()
    none[6:] = none[6:] - (none[6] - none[5])
    for module in (sketched, reference):
        out, count = np.ones_like(s["L"]), np.full(s["n1"], -7)
        empty = (s["R"], none, s["cols"], s["y"], start, signs, picks, by_norm)
        module.sketched_rows(4, 8, *empty, 0.02, 1e-2, 0.05, 40, count, out)
        assert count[5] == -1
        assert not out[5].any()
        assert out[6].any()
    # Without the iteration, and to the end of it: the same exact solution.
    exact, ended = np.zeros_like(s["L"]), np.zeros_like(s["L"])
    args = (s["R"], s["indptr"], s["cols"], s["y"], start, signs, picks, by_norm, 0.02)
    sketched.sketched_rows(0, s["n1"], *args, 0.0, 0.0, 0, count, exact)
    assert set(count) == {-1}
    tol = 50 * np.finfo(kind).eps
    sketched.sketched_rows(0, s["n1"], *args, tol, 0.0, 60, count, ended)
    assert count.max() > 5
    np.testing.assert_allclose(exact, ended, rtol=0, atol=1e4 * np.finfo(kind).eps)
    residual_rows = s["cols"][s["indptr"][10] : s["indptr"][11]]
    v = s["R"][residual_rows].conj()
    y = s["y"][s["indptr"][10] : s["indptr"][11]]
    gram = v.conj().T @ v + 0.02 * np.eye(5)
    expected = np.linalg.solve(gram, v.conj().T @ y + 0.02 * start[10])
    np.testing.assert_allclose(exact[10], expected, atol=1e4 * np.finfo(kind).eps)


def tangent_setting(kind):
    s = setting(kind)
    rng = np.random.default_rng(7)
    n2, rank = s["R"].shape
    i = np.repeat(np.arange(s["n1"]), np.diff(s["indptr"]))
    order = np.lexsort((i, s["cols"]))
    counts = np.bincount(s["cols"], minlength=n2)
    s["columns"] = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    s["rows"] = i[order].astype(np.uint32)
    s["dL"], s["dR"] = draw(rng, s["L"].shape, kind), draw(rng, s["R"].shape, kind)
    s["mine"], s["pairs"] = np.hstack([s["dL"], s["L"]]), np.hstack([s["R"], s["dR"]])
    s["shift"] = np.linspace(1.0, 3.0, rank).astype(s["L"].real.dtype)
    return s


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
def test_tangent_sums(kind):
    s = tangent_setting(kind)
    outs, sums = [], []
    for module in (tangent, reference):
        out = np.zeros_like(s["L"])
        module.tangent_sums(2, 28, s["mine"], s["pairs"], s["indptr"], s["cols"], out)
        outs.append(out)
        args = (s["mine"], s["pairs"], s["indptr"], s["cols"], s["y"])
        sums.append(module.line_sums(2, 28, *args))
    agree(*outs, kind)
    agree(*(np.array(v) for v in sums), kind)


@needs_jit
@pytest.mark.parametrize("kind", KINDS)
def test_normal_blocks(kind):
    s = tangent_setting(kind)
    n1, rank = s["L"].shape
    blocks, inverses, products = [], [], []
    for module in (tangent, reference):
        block, inverse = (np.zeros((n1, rank, rank), kind) for _ in range(2))
        module.normal_blocks(0, n1, s["R"], s["indptr"], s["cols"], block)
        module.inverse_blocks(0, n1, block, s["shift"], 0.0, inverse)
        product = np.zeros_like(s["L"])
        module.block_products(1, n1, block, s["L"], product)
        blocks.append(block)
        inverses.append(inverse)
        products.append(product)
    agree(*blocks, kind)
    agree(*products, kind)
    loose = 1e4 * np.finfo(kind).eps
    np.testing.assert_allclose(*inverses, rtol=loose, atol=loose)
    # A row without entries has the shift alone.
    np.testing.assert_allclose(inverses[0][3], np.diag(1 / s["shift"]), rtol=1e-5)


@needs_jit
@pytest.mark.parametrize("kind", [np.float64, np.complex128])
def test_inverse_blocks_leave_out_what_is_not_determined(kind):
    rng = np.random.default_rng(0)
    v = draw(rng, (4, 2), kind)
    blocks = np.stack([v @ v.conj().T, np.zeros((4, 4), kind), np.eye(4, dtype=kind)])
    outs = []
    for module in (tangent, reference):
        out = np.full_like(blocks, 7)
        module.inverse_blocks(0, 3, blocks, np.zeros(4), 1e-12, out)
        outs.append(out)
    np.testing.assert_allclose(*outs, atol=1e-10)
    assert not outs[0][1].any()
    # A generalised inverse: B X B = B.
    np.testing.assert_allclose(blocks[0] @ outs[0][0] @ blocks[0], blocks[0], atol=1e-10)


@needs_jit
@pytest.mark.parametrize(
    ("kind", "lanes"), [(kind, None) for kind in KINDS] + [(kind, (0,)) for kind in KINDS[:2]]
)
def test_tangent_cg(kind, lanes):
    s = tangent_setting(kind)
    n1, (n2, rank) = s["n1"], s["R"].shape
    inverses = [np.zeros((n, rank, rank), kind) for n in (n1, n2)]
    sides = ((s["R"], s["indptr"], s["cols"]), (s["L"], s["columns"], s["rows"]))
    for inverse, (other, indptr, cols) in zip(inverses, sides, strict=True):
        reference.normal_blocks(0, len(inverse), other, indptr, cols, inverse)
        reference.inverse_blocks(0, len(inverse), inverse.copy(), s["shift"], 0.0, inverse)
    solutions, counts = [], []
    for module in (tangent, reference):
        residuals = s["dL"].copy(), s["dR"].copy()
        outs = np.empty_like(s["L"]), np.empty_like(s["R"])
        layouts = (s["indptr"], s["cols"], s["columns"], s["rows"])
        args = (lanes, s["L"], s["R"], *layouts, s["shift"], *inverses, *residuals)
        counts.append(module.tangent_cg(*args, 1e-3, 60, *outs))
        solutions.append(np.concatenate(outs))
    assert 3 < counts[0][0] == counts[1][0] < 60
    assert counts[0][1] <= 1e-3
    size = np.abs(solutions[1]).max()
    np.testing.assert_allclose(*solutions, atol=size * 1e4 * np.finfo(kind).eps)
    # It solves the normal equations.
    left, right = solutions[0][:n1], solutions[0][n1:]
    images = np.empty_like(s["L"]), np.empty_like(s["R"])
    for image, d, F, pairs, (indptr, cols) in (
        (images[0], left, s["L"], np.hstack([s["R"], right]), (s["indptr"], s["cols"])),
        (images[1], right, s["R"], np.hstack([s["L"], left]), (s["columns"], s["rows"])),
    ):
        reference.tangent_sums(0, len(d), np.hstack([d, F]), pairs, indptr, cols, image)
    gap = np.concatenate(images) + s["shift"] * solutions[0] - np.concatenate([s["dL"], s["dR"]])
    assert np.linalg.norm(gap) < 0.05 * np.linalg.norm(s["dL"])


@needs_jit
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("rank", [1, 2, 3, 4, 7, 10])
def test_thresholded_products(kind, soft, rank):
    """Row counts that are no multiple of four, and columns over more than one tile."""
    rng = np.random.default_rng(0)
    shape, stride = (23, 1100), 7
    data, left = draw(rng, shape, kind), draw(rng, (shape[0], rank), kind)
    right = draw(rng, (rank, shape[1]), kind)
    outs = []
    for module in (robust, reference):
        sample = np.full((shape[0], -(-shape[1] // stride)), -1, kind)
        rows_, columns = np.zeros((shape[0], rank), kind), np.ones((rank, shape[1]), kind)
        hits = np.zeros(shape[0], np.int64), np.ones(shape[1], kind)
        squares = 0.0
        for lo, hi in ((0, 4), (4, 9), (9, 23)):
            squares += module.thresholded_products(
                lo,
                hi,
                data,
                left,
                right,
                kind(1.5),
                soft,
                stride,
                sample,
                rows_,
                columns,
                *hits,
            )
        outs.append((sample, rows_, columns, *hits, np.array(squares)))
    assert 0 < outs[0][3].sum() < data.size
    for a, b in zip(*outs, strict=True):
        agree(a, b, kind)


@needs_jit
def test_nan_passes_the_threshold():
    data = np.ones((4, 5))
    data[2, 3] = np.nan
    for soft in (False, True):
        rows_, columns = np.zeros((4, 1)), np.zeros((1, 5))
        squares = robust.thresholded_products(
            0,
            4,
            data,
            np.ones((4, 1)),
            np.zeros((1, 5)),
            2.0,
            soft,
            1,
            np.zeros((4, 5)),
            rows_,
            columns,
            np.zeros(4, np.int64),
            np.zeros(5),
        )
        assert np.isnan(squares)
        assert np.isnan(rows_[2, 0])
        assert np.isnan(columns[0, 3])
        assert np.isfinite(columns[0, :3]).all()


def test_every_kernel_has_a_twin_of_the_same_signature():
    for module in (entries, robust, rows, dense, quadratic, selection, sketched, tangent):
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", "") != module.__name__:
                continue
            function = getattr(value, "py_func", value)
            twin = inspect.signature(getattr(reference, name))
            assert list(inspect.signature(function).parameters) == list(twin.parameters)


@needs_jit
def test_nan_is_not_lost():
    s = setting(np.float64)
    s["y"][4] = np.nan
    out = np.zeros_like(s["L"])
    total = entries.loss_sums(
        0, s["n1"], s["L"], s["R"], s["indptr"], s["cols"], s["y"], 0, 0.0, out
    )
    assert np.isnan(total)
    assert np.isnan(out).any()


def test_warmup_counts_kernels():
    assert warmup(["float64", "float32"]) == 110 if _jit.enabled() else 46


def test_borders_depend_on_the_data_alone():
    indptr = np.concatenate(([0], np.cumsum(np.full(1000, 300)))).astype(np.int64)
    cuts = _chunks.borders(indptr)
    assert cuts[0] == 0
    assert cuts[-1] == 1000
    assert np.all(np.diff(indptr[cuts]) < 2 * _chunks.ENTRIES_PER_CHUNK)


def test_results_come_in_chunk_order(monkeypatch):
    monkeypatch.setattr(_chunks, "threads", lambda: 2)
    cuts = np.arange(0, 101, 10)
    found = _chunks.run(lambda lo, hi: (lo, hi), cuts, 1e12)
    assert found == [(k, k + 10) for k in range(0, 100, 10)]


def test_an_error_in_a_chunk_is_raised(monkeypatch):
    monkeypatch.setattr(_chunks, "threads", lambda: 2)

    def fail(lo, hi):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _chunks.run(fail, np.arange(0, 101, 10), 1e12)


def test_a_cache_that_cannot_be_written_does_not_stop_the_import(monkeypatch):
    import numba

    real = numba.njit

    def no_locator(*args, cache=False, **options):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return real(*args, **options)

    monkeypatch.setattr(numba, "njit", no_locator)
    monkeypatch.setattr(_jit, "enabled", lambda: True)

    @_jit.kernel
    def products(a, b):
        return a * b

    assert products(2, 3) == 6
