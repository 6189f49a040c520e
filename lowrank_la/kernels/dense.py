"""Kernels over dense measurement matrices, one flattened matrix a row, four rows at a time."""

from __future__ import annotations

import numpy as np

from ._jit import inline, kernel
from ._losses import slope, value


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
        total += (value(code, parameter, s0) + value(code, parameter, s1)) + (
            value(code, parameter, s2) + value(code, parameter, s3)
        )
        w0 = slope(code, parameter, s0)
        w1 = slope(code, parameter, s1)
        w2 = slope(code, parameter, s2)
        w3 = slope(code, parameter, s3)
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
        total += value(code, parameter, s0)
        w0 = slope(code, parameter, s0)
        for k in range(n):
            out[k] += w0 * a0[k]
        i += 1
    return total


# Side up to which a packed matrix is unpacked into cache for its products.
SMALL = 128


@inline
def _unpack(row, scale, full):  # type: ignore[no-untyped-def]
    n = full.shape[0]
    start = n
    for a in range(n):
        full[a, a] = row[a]
        length = n - 1 - a
        upper = row[start : start + length]
        target = full[a, a + 1 :]
        for b in range(length):
            target[b] = scale * upper[b]
        for b in range(length):
            full[a + 1 + b, a] = target[b]
        start += length


@inline
def _dots(a0, a1, a2, a3, v):  # type: ignore[no-untyped-def]
    """Products of four rows with v, without conjugates."""
    s0 = a0[0] * v[0] * 0
    s1 = s0
    s2 = s0
    s3 = s0
    for k in range(v.size):
        s0 += a0[k] * v[k]
        s1 += a1[k] * v[k]
        s2 += a2[k] * v[k]
        s3 += a3[k] * v[k]
    return s0, s1, s2, s3


@inline
def _symmetric_products(full, factor, out):  # type: ignore[no-untyped-def]
    """out[q] = full @ factor[q], four rows at a time."""
    rank, n = factor.shape
    for q in range(rank):
        v = factor[q]
        for a in range(0, n, 4):
            # The last rows may come twice.
            b = min(a + 1, n - 1)
            c = min(a + 2, n - 1)
            d = min(a + 3, n - 1)
            s0, s1, s2, s3 = _dots(full[a], full[b], full[c], full[d], v)
            out[q, a] = s0
            out[q, b] = s1
            out[q, c] = s2
            out[q, d] = s3


@kernel
def packed_products(lo, hi, matrix, factor, out):  # type: ignore[no-untyped-def]
    """out[i, q] = A_i @ factor[q] for rows lo..hi-1, A_i a packed real symmetric matrix.

    A row of the matrix holds the n diagonal entries of A_i, then those above the diagonal row
    by row, times sqrt(2); factor is (r, n).
    """
    rank, n = factor.shape
    scale = factor[0, 0] * 0 + np.sqrt(0.5)
    small = n <= SMALL
    full = np.empty((n, n) if small else (0, 0), factor.dtype)
    for i in range(lo, hi):
        row = matrix[i]
        if small:
            _unpack(row, scale, full)
            _symmetric_products(full, factor, out[i])
            continue
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

    A row of the matrix is A_i, flattened; left is (r, n1), right (r, n2). Four rows of A_i are
    used for all products while they are in cache.
    """
    rank, n1 = left.shape
    n2 = right.shape[1]
    for i in range(lo, hi):
        out_right[i] = 0
        a = 0
        while a + 4 <= n1:
            r0 = matrix[i, a * n2 : (a + 1) * n2]
            r1 = matrix[i, (a + 1) * n2 : (a + 2) * n2]
            r2 = matrix[i, (a + 2) * n2 : (a + 3) * n2]
            r3 = matrix[i, (a + 3) * n2 : (a + 4) * n2]
            for q in range(rank):
                v = right[q]
                o = out_right[i, q]
                w0 = left[q, a]
                w1 = left[q, a + 1]
                w2 = left[q, a + 2]
                w3 = left[q, a + 3]
                s0, s1, s2, s3 = _dots(r0, r1, r2, r3, v)
                for b in range(n2):
                    o[b] += (w0 * np.conj(r0[b]) + w1 * np.conj(r1[b])) + (
                        w2 * np.conj(r2[b]) + w3 * np.conj(r3[b])
                    )
                out_left[i, q, a] = s0
                out_left[i, q, a + 1] = s1
                out_left[i, q, a + 2] = s2
                out_left[i, q, a + 3] = s3
            a += 4
        while a < n1:
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
            a += 1
