"""Row-wise least squares from where the rows are: residual, loss, gradient and step in one pass.

With explicit vectors, for real data; matrices are padded as in `wide`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _jit
from ._jit import inline, kernel

if _jit.enabled():
    from ._vectors import (
        add_outer,
        add_row,
        add_rows,
        at,
        block_at,
        dot,
        dots,
        inverse_roots,
        maximum,
        minus,
        plus,
        put_triangle,
        row_of,
        scaled,
        store,
        times,
        total,
        triangle,
        zeros,
    )

BLOCK = 8
ONE = (0,)
# Sizes of triangles that are kept in registers, few as each is compiled.
SIZES = (4, 6, 8, 10, 12, 16)


@inline
def _factor(systems, kept, base, rank, ridge, eps):  # type: ignore[no-untyped-def]
    """Cholesky of BLOCK systems in the lanes of vectors, to `kept` from place `base` on.

    The rows of a triangle follow each other; the inverse stands for each diagonal entry. A pivot
    at most eps times the largest diagonal entry belongs to a direction that the entries of the
    row do not determine; its inverse is zero, so that no step is taken along it.
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
        d = block_at(systems, ka + BLOCK * a)
        for b in range(a):
            kb = base + BLOCK * (b * (b + 1) // 2)
            s = block_at(systems, ka + BLOCK * b)
            for c in range(0, BLOCK * b, BLOCK):
                s = minus(s, times(block_at(kept, base + ka + c), block_at(kept, kb + c)))
            s = times(s, block_at(kept, kb + BLOCK * b))
            store(kept, base + ka + BLOCK * b, s)
            d = minus(d, times(s, s))
        store(kept, base + ka + BLOCK * a, inverse_roots(d, floor))


@inline
def _substitute(kept, base, rank, rhs):  # type: ignore[no-untyped-def]
    """Solutions of the systems that `_factor` left, in place of the right-hand sides."""
    for a in range(rank):
        k = base + BLOCK * (a * (a + 1) // 2)
        s = block_at(rhs, BLOCK * a)
        for c in range(a):
            s = minus(s, times(block_at(kept, k + BLOCK * c), block_at(rhs, BLOCK * c)))
        store(rhs, BLOCK * a, times(s, block_at(kept, k + BLOCK * a)))
    for a in range(rank - 1, -1, -1):
        s = block_at(rhs, BLOCK * a)
        for c in range(a + 1, rank):
            k = base + BLOCK * (c * (c + 1) // 2 + a)
            s = minus(s, times(block_at(kept, k), block_at(rhs, BLOCK * c)))
        k = base + BLOCK * (a * (a + 1) // 2 + a)
        store(rhs, BLOCK * a, times(s, block_at(kept, k)))


@inline
def _moments(systems, count, rank, points, rhs):  # type: ignore[no-untyped-def]
    """Write b - G u for BLOCK systems with G and b to rhs; returns ``u.Gu / 2 - b.u``, summed."""
    sums = zeros(systems, ONE)
    for a in range(rank):
        u = block_at(points, BLOCK * a)
        b = block_at(systems, BLOCK * (count + a))
        s = b
        for c in range(rank):
            k = a * (a + 1) // 2 + c if c <= a else c * (c + 1) // 2 + a
            s = minus(s, times(block_at(systems, BLOCK * k), block_at(points, BLOCK * c)))
        store(rhs, BLOCK * a, s)
        sums = plus(sums, times(u, plus(b, s)))
    return -0.5 * total(sums)


@kernel
def row_steps_anew(  # type: ignore[no-untyped-def]
    lo, hi, size, mine, other, indptr, cols, data, ridge, kept, slope, step
):
    """Steps to argmin_d sum over row i of |e_p + <d, other[cols[p]]>|^2 + ridge[i] |u + d|^2.

    With u = mine[i] and e_p = <u, other[cols[p]]> - data[p], writes slope[i], the gradient of
    half of it at d = 0, and step[i], and to `kept` the Cholesky factors of eight rows at a time.
    Residuals are not formed. Returns half the sum of all e_p^2, up to rounding errors of the size
    of that of the data, and half the sum of all data[p]^2. `lo` is a multiple of eight; `size` as
    in `wide_ridge_rows`.
    """
    rank = step.shape[1]
    length = BLOCK * (rank * (rank + 1) // 2)
    count = len(size) * (len(size) + 1) // 2
    systems = np.zeros((count + len(size), BLOCK), other.dtype)
    rhs = np.zeros((rank, BLOCK), other.dtype)
    points = np.zeros((rank, BLOCK), other.dtype)
    shift = np.zeros(BLOCK, other.dtype)
    eps = rank * np.finfo(ridge.dtype).eps
    loss = 0.0
    whole = 0.0
    for first in range(lo, hi, BLOCK):
        here = min(BLOCK, hi - first)
        if here < BLOCK:
            points[:] = 0
        for k in range(here):
            i = first + k
            sums = triangle(other, size)
            for p in range(indptr[i], indptr[i + 1]):
                sums = add_outer(sums, size, other, at(cols, p), at(data, p))
            put_triangle(sums, size, systems, k)
            shift[k] = ridge[i]
            for a in range(rank):
                points[a, k] = mine[i, a]
        squares = zeros(other, ONE)
        p = indptr[first]
        stop = indptr[first + here]
        while p + BLOCK <= stop:
            y = block_at(data, p)
            squares = plus(squares, times(y, y))
            p += BLOCK
        whole += 0.5 * total(squares)
        while p < stop:
            whole += 0.5 * data[p] * data[p]
            p += 1
        loss += _moments(systems, count, rank, points, rhs)
        for a in range(rank):
            k = BLOCK * a
            s = minus(block_at(rhs, k), times(block_at(shift, 0), block_at(points, k)))
            store(rhs, k, s)
        for k in range(here):
            for a in range(rank):
                slope[first + k, a] = -rhs[a, k]
        base = first // BLOCK * length
        _factor(systems, kept, base, rank, shift, eps)
        _substitute(kept, base, rank, rhs)
        for k in range(here):
            for a in range(rank):
                step[first + k, a] = rhs[a, k]
    return loss + whole, whole


@kernel
def row_steps_again(  # type: ignore[no-untyped-def]
    lo, hi, lanes, mine, other, indptr, cols, data, ridge, kept, slope, step
):
    """As `row_steps_anew` from residuals, with the factors that it left or others like these.

    Returns half the sum of all e_p^2.
    """
    rank = step.shape[1]
    length = BLOCK * (rank * (rank + 1) // 2)
    rhs = np.zeros((rank, BLOCK), other.dtype)
    row = np.empty(other.shape[1], other.dtype)
    loss = 0.0
    for first in range(lo, hi, BLOCK):
        here = min(BLOCK, hi - first)
        for k in range(here):
            i = first + k
            u = row_of(mine, i, 0, lanes)
            g = zeros(other, lanes)
            losses = zeros(other, ONE)
            p = indptr[i]
            stop = indptr[i + 1]
            while p + BLOCK <= stop:
                e = minus(dots(u, other, cols, p, 0), block_at(data, p))
                losses = plus(losses, times(e, e))
                g = add_rows(g, e, other, cols, p)
                p += BLOCK
            while p < stop:
                e0 = dot(u, other, at(cols, p), 0) - at(data, p)
                loss += 0.5 * e0 * e0
                g = add_row(g, e0, other, at(cols, p))
                p += 1
            store(row, 0, g)
            loss += 0.5 * total(losses)
            for a in range(rank):
                s = row[a] + ridge[i] * mine[i, a]
                slope[i, a] = s
                rhs[a, k] = -s
        _substitute(kept, first // BLOCK * length, rank, rhs)
        for k in range(here):
            for a in range(rank):
                step[first + k, a] = rhs[a, k]
    return loss


def size_of(rank: int, dtype: Any) -> tuple[int, ...] | None:
    """What the kernels take as `size` for this rank; None where they are not for it."""
    if dtype.kind != "f" or rank > SIZES[-1]:
        return None
    return (0,) * min(size for size in SIZES if size >= rank)


def kept_size(n: int, rank: int) -> int:
    """Length of the array that keeps the Cholesky factors of n rows."""
    return -(-n // BLOCK) * BLOCK * (rank * (rank + 1) // 2)
