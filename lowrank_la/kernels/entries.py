"""Kernels over observed entries, stored row by row.

Four entries at a time: the loop over the rank then has four independent sums. The same
kernels serve the column-sorted layout with the factors' roles exchanged.
"""

from __future__ import annotations

import numpy as np

from ._jit import kernel
from ._losses import slope, value


@kernel
def products(lo, hi, left, right, indptr, cols, out):  # type: ignore[no-untyped-def]
    """out[p] = <left[i], conj(right[cols[p]])> for the stored entries p of rows lo..hi-1."""
    rank = left.shape[1]
    for i in range(lo, hi):
        u = left[i]
        p = indptr[i]
        stop = indptr[i + 1]
        while p + 4 <= stop:
            v0 = right[cols[p]]
            v1 = right[cols[p + 1]]
            v2 = right[cols[p + 2]]
            v3 = right[cols[p + 3]]
            s0 = u[0] * np.conj(v0[0])
            s1 = u[0] * np.conj(v1[0])
            s2 = u[0] * np.conj(v2[0])
            s3 = u[0] * np.conj(v3[0])
            for q in range(1, rank):
                s0 += u[q] * np.conj(v0[q])
                s1 += u[q] * np.conj(v1[q])
                s2 += u[q] * np.conj(v2[q])
                s3 += u[q] * np.conj(v3[q])
            out[p] = s0
            out[p + 1] = s1
            out[p + 2] = s2
            out[p + 3] = s3
            p += 4
        while p < stop:
            v0 = right[cols[p]]
            s0 = u[0] * np.conj(v0[0])
            for q in range(1, rank):
                s0 += u[q] * np.conj(v0[q])
            out[p] = s0
            p += 1


@kernel
def weighted_sums(lo, hi, weights, other, indptr, cols, out):  # type: ignore[no-untyped-def]
    """out[i] = sum of weights[p] other[cols[p]] over the stored entries p of row i."""
    rank = other.shape[1]
    if rank == 1:
        # The products of Lanczos iterations; four sums, since there is no rank to vectorise over.
        x = other[:, 0]
        for i in range(lo, hi):
            p = indptr[i]
            stop = indptr[i + 1]
            s0 = weights[p] * x[cols[p]] if p < stop else weights[0] * 0
            p += 1
            s1 = s0 * 0
            s2 = s0 * 0
            s3 = s0 * 0
            while p + 4 <= stop:
                s0 += weights[p] * x[cols[p]]
                s1 += weights[p + 1] * x[cols[p + 1]]
                s2 += weights[p + 2] * x[cols[p + 2]]
                s3 += weights[p + 3] * x[cols[p + 3]]
                p += 4
            while p < stop:
                s0 += weights[p] * x[cols[p]]
                p += 1
            out[i, 0] = (s0 + s1) + (s2 + s3)
        return
    for i in range(lo, hi):
        g = out[i]
        g[:] = 0
        p = indptr[i]
        stop = indptr[i + 1]
        while p + 4 <= stop:
            w0 = weights[p]
            w1 = weights[p + 1]
            w2 = weights[p + 2]
            w3 = weights[p + 3]
            v0 = other[cols[p]]
            v1 = other[cols[p + 1]]
            v2 = other[cols[p + 2]]
            v3 = other[cols[p + 3]]
            for q in range(rank):
                g[q] += (w0 * v0[q] + w1 * v1[q]) + (w2 * v2[q] + w3 * v3[q])
            p += 4
        while p < stop:
            w0 = weights[p]
            v0 = other[cols[p]]
            for q in range(rank):
                g[q] += w0 * v0[q]
            p += 1


@kernel
def loss_sums(lo, hi, left, right, indptr, cols, data, code, parameter, out):  # type: ignore[no-untyped-def]
    """Residual, loss and gradient of rows lo..hi-1 in one pass; nothing of length m is stored.

    With e_p = <left[i], conj(right[cols[p]])> - data[p], writes
    out[i] = sum of slope(e_p) right[cols[p]] and returns the sum of the losses of e_p.
    """
    rank = left.shape[1]
    total = 0.0
    for i in range(lo, hi):
        u = left[i]
        g = out[i]
        g[:] = 0
        p = indptr[i]
        stop = indptr[i + 1]
        while p + 4 <= stop:
            v0 = right[cols[p]]
            v1 = right[cols[p + 1]]
            v2 = right[cols[p + 2]]
            v3 = right[cols[p + 3]]
            s0 = u[0] * np.conj(v0[0])
            s1 = u[0] * np.conj(v1[0])
            s2 = u[0] * np.conj(v2[0])
            s3 = u[0] * np.conj(v3[0])
            for q in range(1, rank):
                s0 += u[q] * np.conj(v0[q])
                s1 += u[q] * np.conj(v1[q])
                s2 += u[q] * np.conj(v2[q])
                s3 += u[q] * np.conj(v3[q])
            s0 -= data[p]
            s1 -= data[p + 1]
            s2 -= data[p + 2]
            s3 -= data[p + 3]
            total += (value(code, parameter, s0) + value(code, parameter, s1)) + (
                value(code, parameter, s2) + value(code, parameter, s3)
            )
            w0 = slope(code, parameter, s0)
            w1 = slope(code, parameter, s1)
            w2 = slope(code, parameter, s2)
            w3 = slope(code, parameter, s3)
            for q in range(rank):
                g[q] += (w0 * v0[q] + w1 * v1[q]) + (w2 * v2[q] + w3 * v3[q])
            p += 4
        while p < stop:
            v0 = right[cols[p]]
            s0 = u[0] * np.conj(v0[0])
            for q in range(1, rank):
                s0 += u[q] * np.conj(v0[q])
            s0 -= data[p]
            total += value(code, parameter, s0)
            w0 = slope(code, parameter, s0)
            for q in range(rank):
                g[q] += w0 * v0[q]
            p += 1
    return total
