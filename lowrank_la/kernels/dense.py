"""Kernels over dense measurement matrices, one flattened matrix a row, four rows at a time."""

from __future__ import annotations

import numpy as np

from ._jit import kernel


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
