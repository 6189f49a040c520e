"""Kernels over observed entries with explicit vectors, for real data and moderate ranks.

Twins of the plain kernels of the same names without `wide`, from which they differ by rounding
and by these conventions: matrices whose rows are gathered are padded with zeros (`padded`) to
the width that `lanes` tells, a tuple of zeros whose length is the number of blocks and hence
known to the compiler; outputs have the true rank.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from . import _jit
from ._jit import inline, kernel
from ._losses import ABSOLUTE, HUBER, SQUARED

COMPILED = _jit.enabled()
if COMPILED:
    from ._vectors import (
        add_outer,
        add_row,
        add_rows,
        add_tile,
        at,
        block_at,
        clamped,
        dot,
        dots,
        inverse_roots,
        maximum,
        minus,
        plus,
        put_tile,
        put_triangle,
        row_of,
        scaled,
        signs,
        store,
        tile,
        times,
        total,
        triangle,
        zeros,
    )

BLOCK = 8
ONE = (0,)
# Bytes of a row: with fewer, vectors are mostly padding; with more, they do not fit registers.
FEWEST, MOST = 12, 256
# Sizes of triangles that are kept in registers, few as each is compiled; larger ones have tiles.
TRIANGLE, TILED = (4, 6, 8, 10, 12, 16), 64


def lanes_of(rank: int, dtype: Any) -> tuple[int, ...] | None:
    """What wide kernels take as `lanes` for this rank; None where the plain kernels serve."""
    if dtype.kind != "f" or not COMPILED:
        return None
    if not FEWEST <= rank * dtype.itemsize <= MOST:
        return None
    return (0,) * -(-rank // BLOCK)


def solver_of(rank: int, dtype: Any) -> tuple[Any, tuple[Any, ...]] | None:
    """The kernel for ridge least squares and its arguments before the padded factor, or None."""
    if dtype.kind != "f" or not COMPILED or rank > TILED:
        return None
    if rank > TRIANGLE[-1]:
        return tiled_ridge_rows, ()
    return wide_ridge_rows, ((0,) * min(size for size in TRIANGLE if size >= rank),)


def blocks_of(rank: int, dtype: Any) -> tuple[int, ...] | None:
    """What `wide_normal_blocks` takes as `size` for this rank, or None."""
    found = solver_of(rank, dtype)
    return found[1][0] if found is not None and found[1] else None


def padded(*matrices: Array) -> Array:
    """Matrices of one shape side by side, each padded with zeros to whole blocks."""
    n, rank = matrices[0].shape
    width = -(-rank // BLOCK) * BLOCK
    out = np.zeros((n, width * len(matrices)), matrices[0].dtype)
    for k, matrix in enumerate(matrices):
        out[:, k * width : k * width + rank] = matrix
    return out


@kernel
def wide_products(lo, hi, lanes, left, right, indptr, cols, out):  # type: ignore[no-untyped-def]
    """out[p] = <left[i], right[cols[p]]> for the stored entries p of rows lo..hi-1."""
    for i in range(lo, hi):
        u = row_of(left, i, 0, lanes)
        p = indptr[i]
        stop = indptr[i + 1]
        while p + BLOCK <= stop:
            store(out, p, dots(u, right, cols, p, 0))
            p += BLOCK
        while p < stop:
            out[p] = dot(u, right, at(cols, p), 0)
            p += 1


@kernel
def wide_weighted_sums(lo, hi, lanes, weights, other, indptr, cols, out):  # type: ignore[no-untyped-def]
    """out[i] = sum of weights[p] other[cols[p]] over the stored entries p of row i."""
    row = np.empty(other.shape[1], other.dtype)
    for i in range(lo, hi):
        g = zeros(other, lanes)
        p = indptr[i]
        stop = indptr[i + 1]
        while p + BLOCK <= stop:
            g = add_rows(g, block_at(weights, p), other, cols, p)
            p += BLOCK
        while p < stop:
            g = add_row(g, at(weights, p), other, at(cols, p))
            p += 1
        store(row, 0, g)
        for q in range(out.shape[1]):
            out[i, q] = row[q]


@kernel
def wide_loss_sums(  # type: ignore[no-untyped-def]
    lo, hi, lanes, left, right, indptr, cols, data, code, parameter, out
):
    """Residual, loss and gradient of rows lo..hi-1 in one pass; nothing of length m is stored.

    With e_p = <left[i], right[cols[p]]> - data[p], writes
    out[i] = sum of slope(e_p) right[cols[p]] and returns the sum of the losses of e_p.
    """
    loss = 0.0
    row = np.empty(right.shape[1], right.dtype)
    for i in range(lo, hi):
        u = row_of(left, i, 0, lanes)
        g = zeros(right, lanes)
        losses = zeros(right, ONE)
        p = indptr[i]
        stop = indptr[i + 1]
        if code == SQUARED:
            while p + BLOCK <= stop:
                e = minus(dots(u, right, cols, p, 0), block_at(data, p))
                losses = plus(losses, times(e, e))
                g = add_rows(g, e, right, cols, p)
                p += BLOCK
            losses = scaled(losses, 0.5)
        else:
            while p + BLOCK <= stop:
                e = minus(dots(u, right, cols, p, 0), block_at(data, p))
                if code == HUBER:
                    # With w the slope, the loss is w (e - w / 2) inside and outside.
                    w = clamped(e, parameter)
                    losses = plus(losses, times(w, minus(e, scaled(w, 0.5))))
                else:
                    w = signs(e)
                    losses = plus(losses, times(w, e))
                g = add_rows(g, w, right, cols, p)
                p += BLOCK
        loss += total(losses)
        while p < stop:
            e0 = dot(u, right, at(cols, p), 0) - at(data, p)
            w0 = e0
            size = abs(e0)
            if code == SQUARED or (code == HUBER and size <= parameter):
                loss += 0.5 * e0 * e0
            elif code == ABSOLUTE:
                loss += size
                w0 = np.sign(e0)
            else:
                loss += parameter * (size - 0.5 * parameter)
                w0 = np.sign(e0) * type(e0)(parameter)
            g = add_row(g, w0, right, at(cols, p))
            p += 1
        store(row, 0, g)
        for q in range(out.shape[1]):
            out[i, q] = row[q]
    return loss


@inline
def _solve(systems, inverse, rank, rhs, ridge, eps):  # type: ignore[no-untyped-def]
    """Cholesky of BLOCK systems in the lanes of vectors; solutions replace right-hand sides.

    Rows of the triangles follow each other in `systems`; the right-hand sides start at row
    `rhs`. A pivot at most eps times the largest diagonal entry belongs to a direction that the
    entries of the row do not determine: its coefficient is zero, which gives the basic solution.
    """
    shift = block_at(ridge, 0)
    largest = zeros(systems, ONE)
    for a in range(rank):
        k = BLOCK * (a * (a + 1) // 2 + a)
        d = plus(block_at(systems, k), shift)
        store(systems, k, d)
        largest = maximum(largest, d)
    floor = scaled(largest, eps)
    for a in range(rank):
        ka = BLOCK * (a * (a + 1) // 2)
        for b in range(a):
            kb = BLOCK * (b * (b + 1) // 2)
            s = block_at(systems, ka + BLOCK * b)
            for c in range(0, BLOCK * b, BLOCK):
                s = minus(s, times(block_at(systems, ka + c), block_at(systems, kb + c)))
            store(systems, ka + BLOCK * b, times(s, block_at(inverse, BLOCK * b)))
        d = block_at(systems, ka + BLOCK * a)
        s = block_at(systems, BLOCK * (rhs + a))
        for c in range(a):
            x = block_at(systems, ka + BLOCK * c)
            d = minus(d, times(x, x))
            s = minus(s, times(x, block_at(systems, BLOCK * (rhs + c))))
        d = inverse_roots(d, floor)
        store(inverse, BLOCK * a, d)
        store(systems, BLOCK * (rhs + a), times(s, d))
    for a in range(rank - 1, -1, -1):
        s = block_at(systems, BLOCK * (rhs + a))
        for c in range(a + 1, rank):
            x = block_at(systems, BLOCK * (c * (c + 1) // 2 + a))
            s = minus(s, times(x, block_at(systems, BLOCK * (rhs + c))))
        store(systems, BLOCK * (rhs + a), times(s, block_at(inverse, BLOCK * a)))


@kernel
def wide_ridge_rows(lo, hi, size, other, indptr, cols, data, ridge, out):  # type: ignore[no-untyped-def]
    """out[i] = argmin_u sum over row i of (<u, other[cols[p]]> - data[p])^2 + ridge[i] |u|^2.

    `size` is a tuple at least as long as the rank, in as many blocks: the triangle of the
    normal matrix then stays in registers.
    """
    rank = out.shape[1]
    rhs = len(size) * (len(size) + 1) // 2
    systems = np.zeros((rhs + len(size), BLOCK), other.dtype)
    inverse = np.zeros((len(size), BLOCK), other.dtype)
    shift = np.zeros(BLOCK, other.dtype)
    eps = rank * np.finfo(ridge.dtype).eps
    for first in range(lo, hi, BLOCK):
        count = min(BLOCK, hi - first)
        for k in range(count):
            sums = triangle(other, size)
            for p in range(indptr[first + k], indptr[first + k + 1]):
                sums = add_outer(sums, size, other, at(cols, p), at(data, p))
            put_triangle(sums, size, systems, k)
            shift[k] = ridge[first + k]
        _solve(systems, inverse, rank, rhs, shift, eps)
        for k in range(count):
            for a in range(rank):
                out[first + k, a] = systems[rhs + a, k]


@kernel
def wide_normal_blocks(lo, hi, size, other, indptr, cols, out):  # type: ignore[no-untyped-def]
    """out[i] = sum of v v^T over the stored entries p of row i, with v = other[cols[p]].

    `size` as in `wide_ridge_rows`.
    """
    rank = out.shape[1]
    systems = np.zeros((len(size) * (len(size) + 1) // 2 + len(size), BLOCK), other.dtype)
    for i in range(lo, hi):
        sums = triangle(other, size)
        for p in range(indptr[i], indptr[i + 1]):
            sums = add_outer(sums, size, other, at(cols, p), 0.0)
        put_triangle(sums, size, systems, 0)
        for a in range(rank):
            start = a * (a + 1) // 2
            for b in range(a + 1):
                out[i, a, b] = systems[start + b, 0]
                out[i, b, a] = systems[start + b, 0]


@kernel
def tiled_ridge_rows(lo, hi, other, indptr, cols, data, ridge, out):  # type: ignore[no-untyped-def]
    """As `wide_ridge_rows` for any rank: BLOCK by BLOCK tiles, one after the other."""
    rank = out.shape[1]
    blocks = other.shape[1] // BLOCK
    rhs = rank * (rank + 1) // 2
    systems = np.zeros((rhs + rank, BLOCK), other.dtype)
    inverse = np.zeros((rank, BLOCK), other.dtype)
    square = np.zeros((BLOCK + 1, BLOCK), other.dtype)
    shift = np.zeros(BLOCK, other.dtype)
    eps = rank * np.finfo(ridge.dtype).eps
    for first in range(lo, hi, BLOCK):
        count = min(BLOCK, hi - first)
        for k in range(count):
            shift[k] = ridge[first + k]
            for a in range(blocks):
                for b in range(a + 1):
                    sums = tile(other)
                    for p in range(indptr[first + k], indptr[first + k + 1]):
                        sums = add_tile(sums, other, at(cols, p), a, b, at(data, p))
                    put_tile(sums, square)
                    for c in range(BLOCK * a, min(rank, BLOCK * (a + 1))):
                        start = c * (c + 1) // 2
                        for d in range(BLOCK * b, min(c + 1, BLOCK * (b + 1))):
                            systems[start + d, k] = square[c - BLOCK * a, d - BLOCK * b]
                        if a == b:
                            systems[rhs + c, k] = square[BLOCK, c - BLOCK * a]
        _solve(systems, inverse, rank, rhs, shift, eps)
        for k in range(count):
            for a in range(rank):
                out[first + k, a] = systems[rhs + a, k]
