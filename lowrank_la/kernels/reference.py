"""NumPy twins of all kernels: the tests' oracle, and what runs with LOWRANK_LA_JIT=0."""

# ruff: noqa: D103 - each function has the docstring of the kernel of the same name

from __future__ import annotations

import numpy as np

from .._typing import Array

_CHUNK = 1 << 13


def _row_of(lo: int, hi: int, indptr: Array) -> Array:
    return np.repeat(np.arange(lo, hi), np.diff(indptr[lo : hi + 1]))


def products(
    lo: int, hi: int, left: Array, right: Array, indptr: Array, cols: Array, out: Array
) -> None:
    rows = _row_of(lo, hi, indptr)
    start, stop = int(indptr[lo]), int(indptr[hi])
    for p in range(start, stop, _CHUNK):
        s = slice(p, min(p + _CHUNK, stop))
        i = rows[s.start - start : s.stop - start]
        out[s] = np.einsum("pq,pq->p", left[i], right[cols[s]].conj())


def weighted_sums(
    lo: int, hi: int, weights: Array, other: Array, indptr: Array, cols: Array, out: Array
) -> None:
    for i in range(lo, hi):
        s = slice(indptr[i], indptr[i + 1])
        out[i] = weights[s] @ other[cols[s]]


def loss_sums(
    lo: int,
    hi: int,
    left: Array,
    right: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    code: int,
    parameter: float,
    out: Array,
) -> float:
    residual = np.empty(int(indptr[hi]), np.result_type(left, right))
    products(lo, hi, left, right, indptr, cols, residual)
    residual = residual[int(indptr[lo]) :] - data[int(indptr[lo]) : int(indptr[hi])]
    size = np.abs(residual)
    unit = residual / np.where(size > 0, size, 1)
    if code == 0:
        total, slope = 0.5 * np.sum(size.astype(float) ** 2), residual
    elif code == 1:
        total, slope = np.sum(size.astype(float)), unit
    else:
        inside = size <= parameter
        total = np.sum(np.where(inside, 0.5 * size**2, parameter * (size - 0.5 * parameter)))
        slope = np.where(inside, residual, parameter * unit)
    padded = np.zeros(int(indptr[hi]), slope.dtype)
    padded[int(indptr[lo]) :] = slope
    weighted_sums(lo, hi, padded, right, indptr, cols, out)
    return float(total)


def ridge_rows(
    lo: int,
    hi: int,
    other: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    ridge: Array,
    out: Array,
) -> None:
    identity = np.eye(other.shape[1])
    for i in range(lo, hi):
        s = slice(indptr[i], indptr[i + 1])
        v = other[cols[s]]
        gram = v.T @ v.conj() + ridge[i] * identity
        out[i] = np.linalg.lstsq(gram, v.T @ data[s], rcond=None)[0]


def row_products(lo: int, hi: int, matrix: Array, x: Array, out: Array) -> None:
    out[lo:hi] = matrix[lo:hi].conj() @ x


def row_combination(lo: int, hi: int, matrix: Array, weights: Array, out: Array) -> None:
    out += weights[lo:hi] @ matrix[lo:hi]


def _loss(code: int, parameter: float, residual: Array) -> tuple[float, Array]:
    size = np.abs(residual)
    if code == 0:
        return 0.5 * float(np.sum(size.astype(float) ** 2)), residual
    slope = residual / np.where(size > 0, size, 1)
    if code == 1:
        return float(np.sum(size.astype(float))), slope
    inside = size <= parameter
    value = np.where(inside, 0.5 * size**2, parameter * (size - 0.5 * parameter))
    slope = np.where(inside, residual, parameter * slope).astype(residual.dtype)
    return float(np.sum(value)), slope


def residual_sums(
    lo: int,
    hi: int,
    matrix: Array,
    x: Array,
    data: Array,
    code: int,
    parameter: float,
    residual: Array,
    out: Array,
) -> float:
    residual[lo:hi] = matrix[lo:hi].conj() @ x - data[lo:hi]
    total, slope = _loss(code, parameter, residual[lo:hi])
    out += slope @ matrix[lo:hi]
    return total


def form_products(lo: int, hi: int, vectors: Array, x: Array, out: Array) -> None:
    out[lo:hi] = vectors[lo:hi] @ x.T


def form_sums(
    lo: int,
    hi: int,
    vectors: Array,
    x: Array,
    d: Array,
    data: Array,
    code: int,
    parameter: float,
    out: Array,
) -> float:
    rows = vectors[lo:hi]
    s = rows @ x.T
    forms = 2 * np.sum(s * (rows @ d.T), axis=1) if len(d) else np.sum(s * s, axis=1)
    total, slope = _loss(code, parameter, forms - data[lo:hi])
    out += (slope[:, None] * s).T @ rows
    return total


def form_combination(lo: int, hi: int, vectors: Array, weights: Array, out: Array) -> None:
    out += weights[lo:hi].T @ vectors[lo:hi]


def packed_products(lo: int, hi: int, matrix: Array, factor: Array, out: Array) -> None:
    n = factor.shape[1]
    upper = np.triu_indices(n, 1)
    for i in range(lo, hi):
        full = np.zeros((n, n), factor.dtype)
        full[upper] = matrix[i, n:] * np.sqrt(0.5)
        full += full.T
        full[np.diag_indices(n)] = matrix[i, :n]
        out[i] = factor @ full


def tangent_products(
    lo: int,
    hi: int,
    matrix: Array,
    left: Array,
    right: Array,
    out_left: Array,
    out_right: Array,
) -> None:
    for i in range(lo, hi):
        A = matrix[i].reshape(left.shape[1], right.shape[1])
        out_left[i] = right @ A.T
        out_right[i] = left @ A.conj()


def kept_thresholds(
    lo: int, hi: int, values: Array, indptr: Array, kept: Array, out: Array
) -> None:
    for i in range(lo, hi):
        row = values[indptr[i] : indptr[i + 1]]
        if kept[i] <= 0:
            out[i] = np.inf
        elif kept[i] >= row.size:
            out[i] = 0
        else:
            out[i] = np.partition(row, row.size - kept[i])[row.size - kept[i]]


def _sketch(block: Array, signs: Array, picks: Array, by_norm: bool) -> Array:
    m, size = block.shape[0], picks.size
    if by_norm:
        norms = np.sum(np.abs(block.astype(np.result_type(block, float))) ** 2, axis=1)
        sums = np.cumsum(norms)
        p = np.minimum(np.searchsorted(sums, picks * sums[-1]), m - 1)
        scale = np.sqrt(sums[-1] / (size * norms[p]))
        return block[p] * scale[:, None].astype(signs.dtype)
    padded = 1 << max(0, int(m - 1).bit_length())
    work = np.zeros((padded, block.shape[1]), block.dtype)
    work[:m] = signs[:m, None] * block
    half = 1
    while half < padded:
        pairs = work.reshape(-1, 2, half, block.shape[1])
        work = np.stack([pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]], axis=1)
        half *= 2
    work = work.reshape(padded, -1)
    return work[np.minimum((picks * padded).astype(int), padded - 1)] / float(np.sqrt(size))


def _iterate(
    block: Array,
    residual: Array,
    inverse: Array,
    damping: float,
    target: float,
    limit: int,
) -> tuple[int, Array]:
    d = np.zeros(block.shape[1], block.dtype)
    g = inverse @ (block.conj().T @ residual)
    direction, gamma, done = g, float(np.vdot(g, g).real), 0
    while not gamma <= target and done < limit:
        t = inverse.conj().T @ direction
        image = block @ t
        curvature = float(np.vdot(image, image).real + damping * np.vdot(t, t).real)
        expected = float(np.vdot(direction, direction).real)
        if not expected / 50 < curvature < expected * 50:
            return -1, d
        step = gamma / curvature
        d, residual = d + step * t, residual - step * image
        g = inverse @ (block.conj().T @ residual - damping * d)
        new = float(np.vdot(g, g).real)
        direction, gamma, done = g + new / gamma * direction, new, done + 1
    return (done if gamma <= target else -1), d


def sketched_rows(
    lo: int,
    hi: int,
    other: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    start: Array,
    signs: Array,
    picks: Array,
    by_norm: bool,
    damping: float,
    tol: float,
    forcing: float,
    limit: int,
    counts: Array,
    out: Array,
) -> None:
    for i in range(lo, hi):
        s = slice(indptr[i], indptr[i + 1])
        if s.start == s.stop:
            out[i], counts[i] = 0, -1
            continue
        block = other[cols[s]].conj()
        residual = data[s] - block @ start[i]
        done = -1
        if block.shape[0] > picks.size:
            sketch = _sketch(block, signs, picks, by_norm)
            try:
                inverse = np.linalg.inv(np.linalg.cholesky(sketch.conj().T @ sketch))
            except np.linalg.LinAlgError:
                pass
            else:
                sizes = [inverse @ (block.conj().T @ v) for v in (data[s], residual)]
                squares = [float(np.vdot(v, v).real) for v in sizes]
                target = max(tol**2 * squares[0], forcing**2 * squares[1])
                done, d = _iterate(block, residual, inverse, damping, target, limit)
        if done < 0:
            gram = block.conj().T @ block + damping * np.eye(block.shape[1], dtype=block.dtype)
            d = np.linalg.lstsq(gram, block.conj().T @ residual, rcond=None)[0]
        out[i], counts[i] = start[i] + d, done


def tangent_sums(
    lo: int, hi: int, mine: Array, pairs: Array, indptr: Array, cols: Array, out: Array
) -> None:
    rank = out.shape[1]
    for i in range(lo, hi):
        v = pairs[cols[indptr[i] : indptr[i + 1]]]
        out[i] = (v.conj() @ mine[i]) @ v[:, :rank]


def line_sums(
    lo: int, hi: int, mine: Array, pairs: Array, indptr: Array, cols: Array, data: Array
) -> tuple[float, ...]:
    rank = mine.shape[1] // 2
    start, stop = int(indptr[lo]), int(indptr[hi])
    rows = _row_of(lo, hi, indptr)
    parts = [np.empty(stop - start, mine.dtype) for _ in range(3)]
    for p in range(start, stop, _CHUNK):
        s = slice(p, min(p + _CHUNK, stop))
        here = slice(s.start - start, s.stop - start)
        u, v = mine[rows[here]], pairs[cols[s]].conj()
        parts[0][here] = np.einsum("pq,pq->p", u[:, rank:], v[:, :rank]) - data[s]
        parts[1][here] = np.einsum("pq,pq->p", u, v)
        parts[2][here] = np.einsum("pq,pq->p", u[:, :rank], v[:, rank:])
    return tuple(
        float(np.sum((parts[a].conj() * parts[b]).real, dtype=float))
        for a in range(3)
        for b in range(a, 3)
    )


def normal_blocks(lo: int, hi: int, other: Array, indptr: Array, cols: Array, out: Array) -> None:
    for i in range(lo, hi):
        v = other[cols[indptr[i] : indptr[i + 1]]]
        out[i] = v.T @ v.conj()


def inverse_blocks(lo: int, hi: int, blocks: Array, shift: Array, floor: float, out: Array) -> None:
    rank = blocks.shape[1]
    for i in range(lo, hi):
        shifted = blocks[i] + np.diag(shift)
        largest = max(float(shifted.diagonal().real.max()), 0.0)
        kept: list[int] = []
        for a in range(rank):
            # The pivot of Cholesky is the Schur complement of what is kept.
            d = shifted[a, a].real
            if kept:
                b = shifted[kept, a]
                d = d - (b.conj() @ np.linalg.solve(shifted[np.ix_(kept, kept)], b)).real
            if d > floor * largest:
                kept.append(a)
        out[i] = 0
        if kept:
            out[i][np.ix_(kept, kept)] = np.linalg.inv(shifted[np.ix_(kept, kept)])


def block_products(lo: int, hi: int, blocks: Array, x: Array, out: Array) -> None:
    out[lo:hi] = np.einsum("iab,ib->ia", blocks[lo:hi], x[lo:hi])


def tangent_cg(
    lanes: tuple[int, ...] | None,
    left: Array,
    right: Array,
    indptr_l: Array,
    cols_l: Array,
    indptr_r: Array,
    cols_r: Array,
    shift: Array,
    inverse_l: Array,
    inverse_r: Array,
    residual_l: Array,
    residual_r: Array,
    tol: float,
    limit: int,
    out_l: Array,
    out_r: Array,
) -> tuple[int, float]:
    def precondition() -> tuple[list[Array], float]:
        parts = zip((inverse_l, inverse_r), residuals, strict=True)
        z = [np.einsum("iab,ib->ia", inverse, r) for inverse, r in parts]
        return z, float(sum(np.vdot(a, b).real for a, b in zip(residuals, z, strict=True)))

    residuals = [residual_l, residual_r]
    out_l[:], out_r[:] = 0, 0
    d, gamma = precondition()
    first, done = gamma, 0
    z = [np.empty_like(left), np.empty_like(right)]
    while done < limit and gamma > tol * tol * first:
        mine = [np.hstack([a, b]) for a, b in zip(d, (left, right), strict=True)]
        pairs = [np.hstack([b, a]) for a, b in zip(d, (left, right), strict=True)]
        tangent_sums(0, len(left), mine[0], pairs[1], indptr_l, cols_l, z[0])
        tangent_sums(0, len(right), mine[1], pairs[0], indptr_r, cols_r, z[1])
        z = [a + shift * b for a, b in zip(z, d, strict=True)]
        curvature = float(sum(np.vdot(a, b).real for a, b in zip(d, z, strict=True)))
        if not curvature > 0:
            break
        step = shift.dtype.type(gamma / curvature)
        for out, residual, a, b in zip((out_l, out_r), residuals, d, z, strict=True):
            out += step * a
            residual -= step * b
        ahead, new = precondition()
        d = [a + shift.dtype.type(new / gamma) * b for a, b in zip(ahead, d, strict=True)]
        gamma, done = new, done + 1
    return done, float(np.sqrt(max(gamma, 0.0) / first)) if first > 0 else 0.0


def _narrow(out: Array, *padded: Array) -> list[Array]:
    """The columns of padded factors that `out` has."""
    return [factor[:, : out.shape[1]] for factor in padded]


def _parts(lanes: tuple[int, ...], pair: Array) -> Array:
    """A padded pair, whose padding adds nothing to inner products."""
    half = 8 * len(lanes)
    if pair.shape[1] != 2 * half:
        raise ValueError(f"a pair of width {pair.shape[1]} for {len(lanes)} blocks of lanes")
    return pair


def wide_products(
    lo: int,
    hi: int,
    lanes: tuple[int, ...],
    left: Array,
    right: Array,
    indptr: Array,
    cols: Array,
    out: Array,
) -> None:
    products(lo, hi, left, right, indptr, cols, out)


def wide_weighted_sums(
    lo: int,
    hi: int,
    lanes: tuple[int, ...],
    weights: Array,
    other: Array,
    indptr: Array,
    cols: Array,
    out: Array,
) -> None:
    (other,) = _narrow(out, other)
    weighted_sums(lo, hi, weights, other, indptr, cols, out)


def wide_loss_sums(
    lo: int,
    hi: int,
    lanes: tuple[int, ...],
    left: Array,
    right: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    code: int,
    parameter: float,
    out: Array,
) -> float:
    left, right = _narrow(out, left, right)
    return loss_sums(lo, hi, left, right, indptr, cols, data, code, parameter, out)


def wide_tangent_sums(
    lo: int,
    hi: int,
    lanes: tuple[int, ...],
    mine: Array,
    pairs: Array,
    indptr: Array,
    cols: Array,
    out: Array,
) -> None:
    full = np.zeros((out.shape[0], 8 * len(lanes)), out.dtype)
    tangent_sums(lo, hi, _parts(lanes, mine), _parts(lanes, pairs), indptr, cols, full)
    out[lo:hi] = full[lo:hi, : out.shape[1]]


def wide_line_sums(
    lo: int,
    hi: int,
    lanes: tuple[int, ...],
    mine: Array,
    pairs: Array,
    indptr: Array,
    cols: Array,
    data: Array,
) -> tuple[float, ...]:
    return line_sums(lo, hi, _parts(lanes, mine), _parts(lanes, pairs), indptr, cols, data)


def wide_ridge_rows(
    lo: int,
    hi: int,
    size: tuple[int, ...],
    other: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    ridge: Array,
    out: Array,
) -> None:
    tiled_ridge_rows(lo, hi, other, indptr, cols, data, ridge, out)


def tiled_ridge_rows(
    lo: int,
    hi: int,
    other: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    ridge: Array,
    out: Array,
) -> None:
    (other,) = _narrow(out, other)
    ridge_rows(lo, hi, other, indptr, cols, data, ridge, out)


def thresholded_products(
    lo: int,
    hi: int,
    data: Array,
    left: Array,
    right: Array,
    threshold: float,
    soft: bool,
    stride: int,
    sample: Array,
    rows: Array,
    columns: Array,
    row_hits: Array,
    column_hits: Array,
) -> float:
    e = data[lo:hi] - left[lo:hi] @ right
    size = np.abs(e)
    for i in range(lo, hi):
        picked = size[i - lo, i * 7919 % stride :: stride]
        sample[i, : picked.size] = picked
    above = size > threshold
    kept = np.clip(e, -threshold, threshold) if soft else np.where(above, 0, e).astype(e.dtype)
    rows[lo:hi] = kept @ right.T
    columns += left[lo:hi].T @ kept
    row_hits[lo:hi] = np.count_nonzero(above, axis=1)
    column_hits += np.count_nonzero(above, axis=0)
    return float(np.sum(kept.astype(float) ** 2))


def wide_normal_blocks(
    lo: int,
    hi: int,
    size: tuple[int, ...],
    other: Array,
    indptr: Array,
    cols: Array,
    out: Array,
) -> None:
    normal_blocks(lo, hi, other[:, : out.shape[1]], indptr, cols, out)


def counted(keys: Array, others: Array, ends: Array) -> int:
    ends[0] = 0
    ends[1:] = np.cumsum(np.bincount(keys, minlength=ends.size - 1))
    steps = np.diff(keys)
    if not np.all((steps > 0) | ((steps == 0) & (np.diff(others) >= 0))):
        return int(np.all(steps >= 0))
    return 2


def placed(
    keys: Array, others: Array, before: Array, starts: Array, order: Array, minors: Array
) -> None:
    given = before if before.size else np.arange(keys.size)
    order[:] = given[np.argsort(keys[given], kind="stable")]
    minors[:] = others[order]
    starts += np.bincount(keys, minlength=starts.size)


def row_steps_anew(
    lo: int,
    hi: int,
    size: tuple[int, ...],
    mine: Array,
    other: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    ridge: Array,
    kept: Array,
    slope: Array,
    step: Array,
) -> tuple[float, float]:
    rank = step.shape[1]
    factors, lower = kept.reshape(-1, rank * (rank + 1) // 2, 8), np.tril_indices(rank)
    for i in range(lo, hi):
        v = other[cols[indptr[i] : indptr[i + 1]], :rank]
        gram = v.T @ v + ridge[i] * np.eye(rank, dtype=v.dtype)
        floor = rank * np.finfo(ridge.dtype).eps * gram.diagonal().max()
        factors[i // 8, :, i % 8] = _inverted_cholesky(gram, floor)[lower]
    args = (mine, other, indptr, cols, data, ridge, kept, slope, step)
    loss = row_steps_again(lo, hi, (), *args)
    whole = 0.5 * float(np.sum(data[indptr[lo] : indptr[hi]].astype(float) ** 2))
    return loss, whole


def row_steps_again(
    lo: int,
    hi: int,
    lanes: tuple[int, ...],
    mine: Array,
    other: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    ridge: Array,
    kept: Array,
    slope: Array,
    step: Array,
) -> float:
    rank = step.shape[1]
    factors, lower = kept.reshape(-1, rank * (rank + 1) // 2, 8), np.tril_indices(rank)
    loss = 0.0
    for i in range(lo, hi):
        s = slice(indptr[i], indptr[i + 1])
        v, u = other[cols[s], :rank], mine[i, :rank]
        e = v @ u - data[s]
        loss += 0.5 * float(np.sum(e.astype(float) ** 2))
        slope[i] = e @ v + ridge[i] * u
        factor = np.zeros((rank, rank))
        factor[lower] = factors[i // 8, :, i % 8]
        step[i] = _substituted(factor, -slope[i])
    return loss


def _inverted_cholesky(gram: Array, floor: float) -> Array:
    """Cholesky's factor with inverse diagonal entries, zero for pivots up to the floor."""
    out = np.zeros(gram.shape)
    for a in range(len(gram)):
        column = gram[a:, a] - out[a:, :a] @ out[a, :a]
        if column[0] > floor:
            out[a:, a] = column / np.sqrt(column[0])
            out[a, a] = column[0] ** -0.5
    return out


def _substituted(factor: Array, rhs: Array) -> Array:
    sure = factor.diagonal() > 0
    lower = np.tril(factor, -1) + np.diag(1 / np.where(sure, factor.diagonal(), 1))
    first = np.linalg.solve(lower, np.where(sure, rhs, 0))
    out = np.zeros(rhs.size)
    kept = np.flatnonzero(sure)
    out[kept] = np.linalg.solve(lower[np.ix_(kept, kept)].T, first[kept])
    return out
