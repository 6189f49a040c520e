"""Kernels over vectors whose quadratic forms are measured, four vectors at a time.

All numbers are real: a complex vector is one of twice the length, and its product with a complex
factor two real products. A row of x or of d is a column of a factor in that form.
"""

from __future__ import annotations

import numpy as np

from ._jit import inline, kernel
from ._losses import slope, value

# Bytes of two rows of x that stay in the nearest cache beside the vectors read.
CACHED = 1 << 14


@inline
def _products(a0, a1, a2, a3, v, w):  # type: ignore[no-untyped-def]
    """Inner products of four vectors with v and w; each is read once."""
    s0 = v.dtype.type(0)
    s1 = s0
    s2 = s0
    s3 = s0
    t0 = s0
    t1 = s0
    t2 = s0
    t3 = s0
    for k in range(v.size):
        s0 += a0[k] * v[k]
        s1 += a1[k] * v[k]
        s2 += a2[k] * v[k]
        s3 += a3[k] * v[k]
        t0 += a0[k] * w[k]
        t1 += a1[k] * w[k]
        t2 += a2[k] * w[k]
        t3 += a3[k] * w[k]
    return s0, s1, s2, s3, t0, t1, t2, t3


@inline
def _products_of_one(a, v, w):  # type: ignore[no-untyped-def]
    s = v.dtype.type(0)
    t = s
    for k in range(v.size):
        s += a[k] * v[k]
        t += a[k] * w[k]
    return s, t


@inline
def _combine(a0, a1, a2, a3, c0, c1, c2, c3, o):  # type: ignore[no-untyped-def]
    for k in range(o.size):
        o[k] += (c0 * a0[k] + c1 * a1[k]) + (c2 * a2[k] + c3 * a3[k])


@inline
def _combine_both(a0, a1, a2, a3, c, s, q, o, o2):  # type: ignore[no-untyped-def]
    """Adds combinations of four vectors to two sums; each is read once."""
    c0, c1, c2, c3 = c[0] * s[q, 0], c[1] * s[q, 1], c[2] * s[q, 2], c[3] * s[q, 3]
    p = q + 1
    d0, d1, d2, d3 = c[0] * s[p, 0], c[1] * s[p, 1], c[2] * s[p, 2], c[3] * s[p, 3]
    for k in range(o.size):
        v0, v1, v2, v3 = a0[k], a1[k], a2[k], a3[k]
        o[k] += (c0 * v0 + c1 * v1) + (c2 * v2 + c3 * v3)
        o2[k] += (d0 * v0 + d1 * v1) + (d2 * v2 + d3 * v3)


@inline
def _combine_all(a0, a1, a2, a3, c, s, out):  # type: ignore[no-untyped-def]
    """out[q] += sum_p c[p] s[q, p] a_p."""
    rank = out.shape[0]
    for q in range(0, rank - 1, 2):
        _combine_both(a0, a1, a2, a3, c, s, q, out[q], out[q + 1])
    if rank % 2:
        q = rank - 1
        c0, c1, c2, c3 = c[0] * s[q, 0], c[1] * s[q, 1], c[2] * s[q, 2], c[3] * s[q, 3]
        _combine(a0, a1, a2, a3, c0, c1, c2, c3, out[q])


@kernel
def form_products(lo, hi, vectors, x, out):  # type: ignore[no-untyped-def]
    """out[i, q] = <vectors[i], x[q]> for rows lo..hi-1."""
    rank = x.shape[0]
    if 2 * x.itemsize * x.shape[1] <= CACHED:
        # One stream at a time comes faster from memory.
        for i in range(lo, hi):
            for q in range(0, rank, 2):
                p = min(q + 1, rank - 1)
                out[i, q], out[i, p] = _products_of_one(vectors[i], x[q], x[p])
        return
    for i in range(lo, hi, 4):
        # The last vectors may come twice.
        i1 = min(i + 1, hi - 1)
        i2 = min(i + 2, hi - 1)
        i3 = min(i + 3, hi - 1)
        for q in range(0, rank, 2):
            p = min(q + 1, rank - 1)
            s0, s1, s2, s3, t0, t1, t2, t3 = _products(
                vectors[i], vectors[i1], vectors[i2], vectors[i3], x[q], x[p]
            )
            out[i, q] = s0
            out[i1, q] = s1
            out[i2, q] = s2
            out[i3, q] = s3
            out[i, p] = t0
            out[i1, p] = t1
            out[i2, p] = t2
            out[i3, p] = t3


@kernel
def form_combination(lo, hi, vectors, weights, out):  # type: ignore[no-untyped-def]
    """out[q] += sum_i weights[i, q] vectors[i] over rows lo..hi-1."""
    rank = out.shape[0]
    s = np.empty((rank, 4), weights.dtype)
    one = np.empty(4, weights.dtype)
    for i in range(lo, hi, 4):
        # The last vectors may come twice; they count once.
        i1 = min(i + 1, hi - 1)
        i2 = min(i + 2, hi - 1)
        i3 = min(i + 3, hi - 1)
        for p, j in enumerate((i, i1, i2, i3)):
            one[p] = 1 if i + p < hi else 0
            for q in range(rank):
                s[q, p] = weights[j, q]
        _combine_all(vectors[i], vectors[i1], vectors[i2], vectors[i3], one, s, out)


@kernel
def form_sums(lo, hi, vectors, x, d, data, code, parameter, out):  # type: ignore[no-untyped-def]
    """Losses and gradient of quadratic forms in one pass over the vectors.

    With s = <vectors[i], x> and e_i = sum_q s_q^2 - data[i], adds sum_i slope(e_i) s_q vectors[i]
    to out[q] and returns the sum of the losses of e_i. If d has rows, it is the linearised forms
    instead: with t = <vectors[i], d> and e_i = 2 sum_q s_q t_q - data[i].
    """
    rank = x.shape[0]
    linear = d.shape[0] > 0
    s = np.empty((rank + 1, 4), x.dtype)
    e = np.empty(4, x.dtype)
    total = 0.0
    for i in range(lo, hi, 4):
        # The last vectors may come twice; they count once.
        i1 = min(i + 1, hi - 1)
        i2 = min(i + 2, hi - 1)
        i3 = min(i + 3, hi - 1)
        a0 = vectors[i]
        a1 = vectors[i1]
        a2 = vectors[i2]
        a3 = vectors[i3]
        e[:] = 0
        if linear:
            for q in range(rank):
                s0, s1, s2, s3, t0, t1, t2, t3 = _products(a0, a1, a2, a3, x[q], d[q])
                s[q, 0] = s0
                s[q, 1] = s1
                s[q, 2] = s2
                s[q, 3] = s3
                e[0] += s0 * (t0 + t0)
                e[1] += s1 * (t1 + t1)
                e[2] += s2 * (t2 + t2)
                e[3] += s3 * (t3 + t3)
        else:
            for q in range(0, rank, 2):
                p = min(q + 1, rank - 1)
                s0, s1, s2, s3, t0, t1, t2, t3 = _products(a0, a1, a2, a3, x[q], x[p])
                s[q, 0] = s0
                s[q, 1] = s1
                s[q, 2] = s2
                s[q, 3] = s3
                s[q + 1, 0] = t0
                s[q + 1, 1] = t1
                s[q + 1, 2] = t2
                s[q + 1, 3] = t3
            for q in range(rank):
                for p in range(4):
                    e[p] += s[q, p] * s[q, p]
        for p in range(4):
            if i + p < hi:
                e[p] -= data[i + p]
                total += value(code, parameter, e[p])
                e[p] = slope(code, parameter, e[p])
            else:
                e[p] = 0
        _combine_all(a0, a1, a2, a3, e, s, out)
    return total
