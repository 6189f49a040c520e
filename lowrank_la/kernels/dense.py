"""Kernels over dense measurement matrices, one flattened matrix a row, four rows at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._codes import ABSOLUTE, HUBER, SQUARED
from ._jit import inline, kernel


# As in the kernels over entries: the cache does not see edits of another file.
@inline
def _value(code: int, parameter: float, residual: Any) -> float:
    size = abs(residual)
    if code == SQUARED or (code == HUBER and size <= parameter):
        return 0.5 * size * size
    if code == ABSOLUTE:
        return size
    return parameter * (size - 0.5 * parameter)


@inline
def _slope(code: int, parameter: float, residual: Any) -> Any:
    if code == SQUARED:
        return residual
    size = abs(residual)
    if code == HUBER and size <= parameter:
        return residual
    if size == 0.0:
        return residual
    if code == ABSOLUTE:
        return residual * type(residual)(1.0 / size)
    return residual * type(residual)(parameter / size)


@kernel
def row_products(lo, hi, matrix, x, out):  # type: ignore[no-untyped-def]
    """out[i] = sum_k conj(matrix[i, k]) x[k] for rows lo..hi-1."""
    n = x.size
    i = lo
    while i + 4 <= hi:
        a0 = matrix[i]
        a1 = matrix[i + 1]
        a2 = matrix[i + 2]
        a3 = matrix[i + 3]
        s0 = np.conj(a0[0]) * x[0]
        s1 = np.conj(a1[0]) * x[0]
        s2 = np.conj(a2[0]) * x[0]
        s3 = np.conj(a3[0]) * x[0]
        for k in range(1, n):
            s0 += np.conj(a0[k]) * x[k]
            s1 += np.conj(a1[k]) * x[k]
            s2 += np.conj(a2[k]) * x[k]
            s3 += np.conj(a3[k]) * x[k]
        out[i] = s0
        out[i + 1] = s1
        out[i + 2] = s2
        out[i + 3] = s3
        i += 4
    while i < hi:
        a0 = matrix[i]
        s0 = np.conj(a0[0]) * x[0]
        for k in range(1, n):
            s0 += np.conj(a0[k]) * x[k]
        out[i] = s0
        i += 1


@kernel
def row_combination(lo, hi, matrix, weights, out):  # type: ignore[no-untyped-def]
    """out[k] += sum_i weights[i] matrix[i, k] over rows lo..hi-1."""
    n = out.size
    i = lo
    while i + 4 <= hi:
        a0 = matrix[i]
        a1 = matrix[i + 1]
        a2 = matrix[i + 2]
        a3 = matrix[i + 3]
        w0 = weights[i]
        w1 = weights[i + 1]
        w2 = weights[i + 2]
        w3 = weights[i + 3]
        for k in range(n):
            out[k] += (w0 * a0[k] + w1 * a1[k]) + (w2 * a2[k] + w3 * a3[k])
        i += 4
    while i < hi:
        a0 = matrix[i]
        w0 = weights[i]
        for k in range(n):
            out[k] += w0 * a0[k]
        i += 1


@kernel
def residual_sums(lo, hi, matrix, x, data, code, parameter, residual, out):  # type: ignore[no-untyped-def]
    """Residual, loss and combination of rows lo..hi-1 in one pass over the matrix.

    With e_i = sum_k conj(matrix[i, k]) x[k] - data[i], writes residual[i] = e_i, adds
    sum_i slope(e_i) matrix[i] to out, and returns the sum of the losses of e_i. Four rows are
    still in cache when they are read for the second time.
    """
    n = x.size
    total = 0.0
    i = lo
    while i + 4 <= hi:
        a0 = matrix[i]
        a1 = matrix[i + 1]
        a2 = matrix[i + 2]
        a3 = matrix[i + 3]
        s0 = np.conj(a0[0]) * x[0]
        s1 = np.conj(a1[0]) * x[0]
        s2 = np.conj(a2[0]) * x[0]
        s3 = np.conj(a3[0]) * x[0]
        for k in range(1, n):
            s0 += np.conj(a0[k]) * x[k]
            s1 += np.conj(a1[k]) * x[k]
            s2 += np.conj(a2[k]) * x[k]
            s3 += np.conj(a3[k]) * x[k]
        s0 -= data[i]
        s1 -= data[i + 1]
        s2 -= data[i + 2]
        s3 -= data[i + 3]
        residual[i] = s0
        residual[i + 1] = s1
        residual[i + 2] = s2
        residual[i + 3] = s3
        total += (_value(code, parameter, s0) + _value(code, parameter, s1)) + (
            _value(code, parameter, s2) + _value(code, parameter, s3)
        )
        w0 = _slope(code, parameter, s0)
        w1 = _slope(code, parameter, s1)
        w2 = _slope(code, parameter, s2)
        w3 = _slope(code, parameter, s3)
        for k in range(n):
            out[k] += (w0 * a0[k] + w1 * a1[k]) + (w2 * a2[k] + w3 * a3[k])
        i += 4
    while i < hi:
        a0 = matrix[i]
        s0 = np.conj(a0[0]) * x[0]
        for k in range(1, n):
            s0 += np.conj(a0[k]) * x[k]
        s0 -= data[i]
        residual[i] = s0
        total += _value(code, parameter, s0)
        w0 = _slope(code, parameter, s0)
        for k in range(n):
            out[k] += w0 * a0[k]
        i += 1
    return total


@kernel
def packed_products(lo, hi, matrix, factor, out):  # type: ignore[no-untyped-def]
    """out[i, q] = A_i @ factor[q] for rows lo..hi-1, A_i a packed real symmetric matrix.

    A row of the matrix holds the n diagonal entries of A_i, then those above the diagonal row
    by row, times sqrt(2); factor is (r, n).
    """
    rank, n = factor.shape
    scale = factor[0, 0] * 0 + np.sqrt(0.5)
    for i in range(lo, hi):
        row = matrix[i]
        for q in range(rank):
            v = factor[q]
            o = out[i, q]
            for a in range(n):
                o[a] = row[a] * v[a]
            start = n
            for a in range(n):
                length = n - 1 - a
                upper = row[start : start + length]
                below = v[a + 1 :]
                target = o[a + 1 :]
                weight = scale * v[a]
                s = upper[0] * below[0] * 0 if length > 0 else v[a] * 0
                for b in range(length):
                    s += upper[b] * below[b]
                    target[b] += weight * upper[b]
                o[a] += scale * s
                start += length


@kernel
def tangent_products(lo, hi, matrix, left, right, out_left, out_right):  # type: ignore[no-untyped-def]
    """out_left[i, q] = A_i right[q] and out_right[i, q] = A_i^H left[q] for rows lo..hi-1.

    A row of the matrix is A_i, flattened; left is (r, n1), right (r, n2). Each row of A_i is
    used for all products while it is in cache.
    """
    rank, n1 = left.shape
    n2 = right.shape[1]
    for i in range(lo, hi):
        out_right[i] = 0
        for a in range(n1):
            row = matrix[i, a * n2 : (a + 1) * n2]
            for q in range(rank):
                v = right[q]
                o = out_right[i, q]
                weight = left[q, a]
                s = row[0] * v[0] * 0
                for b in range(n2):
                    s += row[b] * v[b]
                    o[b] += weight * np.conj(row[b])
                out_left[i, q, a] = s


@kernel
def gram_rows(lo, hi, rows, out):  # type: ignore[no-untyped-def]
    """out[a, b] += <rows[a], rows[b]> for a in lo..hi-1 and b >= a; real numbers.

    Two rows against four at a time, in pieces that stay in cache.
    """
    n, m = rows.shape
    piece, tile = 512, 48
    for place in range(((m + piece - 1) // piece) * ((n - lo + tile - 1) // tile)):
        start = place // ((n - lo + tile - 1) // tile) * piece
        first = lo + place % ((n - lo + tile - 1) // tile) * tile
        stop, last = min(start + piece, m), min(first + tile, n)
        a = lo
        while a < min(hi, last):
            x0 = rows[a, start:stop]
            x1 = rows[min(a + 1, hi - 1), start:stop]
            b = max(a, first)
            while b < last:
                y0 = rows[b, start:stop]
                y1 = rows[min(b + 1, last - 1), start:stop]
                y2 = rows[min(b + 2, last - 1), start:stop]
                y3 = rows[min(b + 3, last - 1), start:stop]
                s00 = x0[0] * 0
                s01 = s00
                s02 = s00
                s03 = s00
                s10 = s00
                s11 = s00
                s12 = s00
                s13 = s00
                for k in range(stop - start):
                    s00 += x0[k] * y0[k]
                    s01 += x0[k] * y1[k]
                    s02 += x0[k] * y2[k]
                    s03 += x0[k] * y3[k]
                    s10 += x1[k] * y0[k]
                    s11 += x1[k] * y1[k]
                    s12 += x1[k] * y2[k]
                    s13 += x1[k] * y3[k]
                out[a, b] += s00
                if b + 1 < last:
                    out[a, b + 1] += s01
                if b + 2 < last:
                    out[a, b + 2] += s02
                if b + 3 < last:
                    out[a, b + 3] += s03
                if a + 1 < hi:
                    out[a + 1, b] += s10
                    if b + 1 < last:
                        out[a + 1, b + 1] += s11
                    if b + 2 < last:
                        out[a + 1, b + 2] += s12
                    if b + 3 < last:
                        out[a + 1, b + 3] += s13
                b += 4
            a += 2
