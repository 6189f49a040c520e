"""The pass of robust PCA over all entries: residual, threshold and both products.

Four rows and TILE columns at a time, whose residuals stay in cache: nothing as large as the
matrix is written. Loops run over columns and read from several slices but write to one, since
the compiler vectorises only what it can show not to overlap, and gives up on many slices.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import inline, kernel

TILE = 512
# From one row to the next the sampled columns move by this, a prime.
SHIFT = 7919


@inline
def _residual(e: Any, data: Any, left: Any, right: Any, i: int, j: int, n: int) -> None:
    """e[k, p] = data[i + k, j + p] - sum of left[i + k, q] right[q, j + p]."""
    e0, e1, e2, e3 = e[0], e[1], e[2], e[3]
    y0 = data[i, j : j + n]
    y1 = data[i + 1, j : j + n]
    y2 = data[i + 2, j : j + n]
    y3 = data[i + 3, j : j + n]
    for p in range(n):
        e0[p] = y0[p]
        e1[p] = y1[p]
        e2[p] = y2[p]
        e3[p] = y3[p]
    u0, u1, u2, u3 = left[i], left[i + 1], left[i + 2], left[i + 3]
    rank = right.shape[0]
    q = 0
    while q + 4 <= rank:
        a00, a01, a02, a03 = u0[q], u0[q + 1], u0[q + 2], u0[q + 3]
        a10, a11, a12, a13 = u1[q], u1[q + 1], u1[q + 2], u1[q + 3]
        a20, a21, a22, a23 = u2[q], u2[q + 1], u2[q + 2], u2[q + 3]
        a30, a31, a32, a33 = u3[q], u3[q + 1], u3[q + 2], u3[q + 3]
        b0 = right[q, j : j + n]
        b1 = right[q + 1, j : j + n]
        b2 = right[q + 2, j : j + n]
        b3 = right[q + 3, j : j + n]
        for p in range(n):
            e0[p] -= (a00 * b0[p] + a01 * b1[p]) + (a02 * b2[p] + a03 * b3[p])
            e1[p] -= (a10 * b0[p] + a11 * b1[p]) + (a12 * b2[p] + a13 * b3[p])
            e2[p] -= (a20 * b0[p] + a21 * b1[p]) + (a22 * b2[p] + a23 * b3[p])
            e3[p] -= (a30 * b0[p] + a31 * b1[p]) + (a32 * b2[p] + a33 * b3[p])
        q += 4
    if q + 2 <= rank:
        a00, a01 = left[i, q], left[i, q + 1]
        a10, a11 = left[i + 1, q], left[i + 1, q + 1]
        a20, a21 = left[i + 2, q], left[i + 2, q + 1]
        a30, a31 = left[i + 3, q], left[i + 3, q + 1]
        b0 = right[q, j : j + n]
        b1 = right[q + 1, j : j + n]
        for p in range(n):
            e0[p] -= a00 * b0[p] + a01 * b1[p]
            e1[p] -= a10 * b0[p] + a11 * b1[p]
            e2[p] -= a20 * b0[p] + a21 * b1[p]
            e3[p] -= a30 * b0[p] + a31 * b1[p]
        q += 2
    if q < rank:
        a0, a1, a2, a3 = left[i, q], left[i + 1, q], left[i + 2, q], left[i + 3, q]
        b = right[q, j : j + n]
        for p in range(n):
            e0[p] -= a0 * b[p]
            e1[p] -= a1 * b[p]
            e2[p] -= a2 * b[p]
            e3[p] -= a3 * b[p]


@inline
def _cut(e: Any, n: int, threshold: Any, hits: Any) -> Any:
    """Set what is above the threshold to zero; how many that were, and the rest's squares."""
    # Numbers of the type of the data, since mixed types are not vectorised well.
    zero = e.dtype.type(0)
    one = e.dtype.type(1)
    count = zero
    squares = zero
    for p in range(n):
        x = e[p]
        # A NaN is not above, so that it is kept and seen.
        above = abs(x) > threshold
        x = zero if above else x
        hit = one if above else zero
        count += hit
        hits[p] += hit
        squares += x * x
        e[p] = x
    return count, squares


@inline
def _clip(e: Any, n: int, threshold: Any, hits: Any) -> Any:
    """Move what is above the threshold to it; how many that were, and all squares."""
    zero = e.dtype.type(0)
    one = e.dtype.type(1)
    count = zero
    squares = zero
    for p in range(n):
        x = e[p]
        hit = one if abs(x) > threshold else zero
        count += hit
        hits[p] += hit
        x = threshold if x > threshold else x
        x = -threshold if x < -threshold else x
        squares += x * x
        e[p] = x
    return count, squares


@inline
def _row_sums(e: Any, right: Any, j: int, n: int, out: Any, i: int) -> None:
    """out[i + k, q] += sum of e[k, p] right[q, j + p]."""
    zero = e.dtype.type(0)
    e0, e1, e2, e3 = e[0], e[1], e[2], e[3]
    rank = right.shape[0]
    q = 0
    while q + 2 <= rank:
        b0 = right[q, j : j + n]
        b1 = right[q + 1, j : j + n]
        s00 = s01 = s10 = s11 = s20 = s21 = s30 = s31 = zero
        for p in range(n):
            s00 += e0[p] * b0[p]
            s01 += e0[p] * b1[p]
            s10 += e1[p] * b0[p]
            s11 += e1[p] * b1[p]
            s20 += e2[p] * b0[p]
            s21 += e2[p] * b1[p]
            s30 += e3[p] * b0[p]
            s31 += e3[p] * b1[p]
        out[i, q] += s00
        out[i, q + 1] += s01
        out[i + 1, q] += s10
        out[i + 1, q + 1] += s11
        out[i + 2, q] += s20
        out[i + 2, q + 1] += s21
        out[i + 3, q] += s30
        out[i + 3, q + 1] += s31
        q += 2
    if q < rank:
        b0 = right[q, j : j + n]
        s00 = s10 = s20 = s30 = zero
        for p in range(n):
            s00 += e0[p] * b0[p]
            s10 += e1[p] * b0[p]
            s20 += e2[p] * b0[p]
            s30 += e3[p] * b0[p]
        out[i, q] += s00
        out[i + 1, q] += s10
        out[i + 2, q] += s20
        out[i + 3, q] += s30


@inline
def _column_sums(e: Any, left: Any, i: int, j: int, n: int, out: Any) -> None:
    """out[q, j + p] += sum of left[i + k, q] e[k, p]."""
    e0, e1, e2, e3 = e[0], e[1], e[2], e[3]
    u0, u1, u2, u3 = left[i], left[i + 1], left[i + 2], left[i + 3]
    rank = left.shape[1]
    q = 0
    while q + 2 <= rank:
        a00, a10, a20, a30 = u0[q], u1[q], u2[q], u3[q]
        a01, a11, a21, a31 = u0[q + 1], u1[q + 1], u2[q + 1], u3[q + 1]
        o0 = out[q, j : j + n]
        o1 = out[q + 1, j : j + n]
        for p in range(n):
            o0[p] += (a00 * e0[p] + a10 * e1[p]) + (a20 * e2[p] + a30 * e3[p])
            o1[p] += (a01 * e0[p] + a11 * e1[p]) + (a21 * e2[p] + a31 * e3[p])
        q += 2
    if q < rank:
        a0, a1, a2, a3 = left[i, q], left[i + 1, q], left[i + 2, q], left[i + 3, q]
        o = out[q, j : j + n]
        for p in range(n):
            o[p] += (a0 * e0[p] + a1 * e1[p]) + (a2 * e2[p] + a3 * e3[p])


@kernel
def thresholded_products(  # type: ignore[no-untyped-def]
    lo,
    hi,
    data,
    left,
    right,
    threshold,
    soft,
    stride,
    sample,
    rows,
    columns,
    row_hits,
    column_hits,
):
    """Products of the residual, without what stands out, with both factors; rows lo..hi-1.

    With E = data - left right and K the part of E up to the threshold (`soft`: E clipped to
    it), writes rows = K right^T and adds left^T K to `columns`; `right` and `columns` are
    (r, n2). `row_hits` and, added to, `column_hits` count the entries above the threshold.
    sample[i, c] = |E| at every `stride`-th column, from another one in each row. Returns the
    sum of the squares of K. There must be four rows at least.
    """
    rank = right.shape[0]
    n2 = data.shape[1]
    zero = data.dtype.type(0)
    e = np.zeros((4, TILE), data.dtype)
    squares = 0.0
    for i in range(lo, hi):
        row_hits[i] = 0
        for q in range(rank):
            rows[i, q] = zero
    for start in range(lo, hi, 4):
        # The last four rows may overlap those before, which then count as zeros.
        i = min(start, hi - 4)
        for j in range(0, n2, TILE):
            n = min(TILE, n2 - j)
            _residual(e, data, left, right, i, j, n)
            hits = column_hits[j : j + n]
            for k in range(4):
                row = e[k]
                if i + k < start:
                    row[:] = zero
                    continue
                at = (i + k) * SHIFT % stride
                if at < j:
                    at += (j - at + stride - 1) // stride * stride
                while at < j + n:
                    sample[i + k, at // stride] = abs(row[at - j])
                    at += stride
                if soft:
                    above, square = _clip(row, n, threshold, hits)
                else:
                    above, square = _cut(row, n, threshold, hits)
                row_hits[i + k] += np.int64(above)
                squares += np.float64(square)
            _row_sums(e, right, j, n, rows, i)
            _column_sums(e, left, i, j, n, columns)
    return squares
