"""Kernels of Gauss-Newton steps over observed entries: the tangent map, a line, row blocks.

With X = L R^H the tangent map is ``t = A(dL R^H + L dR^H)``. A factor and its direction lie
side by side in one array of twice the width, `pairs`, so that an entry gathers one row. As
elsewhere, the same kernels serve the column-sorted layout with the factors' roles exchanged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _jit
from ._jit import inline, kernel

if _jit.enabled():
    from ._vectors import (
        add_row,
        add_rows,
        at,
        block_at,
        dot,
        dots,
        minus,
        pair_dots,
        plus,
        row_of,
        store,
        times,
        total,
        zeros,
    )

BLOCK = 8
ONE = (0,)


@inline
def _dot(u: Any, v: Any, width: int) -> Any:
    s = u[0] * np.conj(v[0])
    for q in range(1, width):
        s += u[q] * np.conj(v[q])
    return s


@kernel
def tangent_sums(lo, hi, mine, pairs, indptr, cols, out):  # type: ignore[no-untyped-def]
    """out[i] = sum of t_p pairs[cols[p], :rank], with t_p = <mine[i], conj(pairs[cols[p]])>.

    Rows of `mine` are (direction, factor), rows of `pairs` (factor, direction): t_p is the
    tangent map at the stored entry p of row i.
    """
    rank = out.shape[1]
    width = 2 * rank
    for i in range(lo, hi):
        u = mine[i]
        g = out[i]
        g[:] = 0
        p = indptr[i]
        stop = indptr[i + 1]
        while p + 4 <= stop:
            v0 = pairs[cols[p]]
            v1 = pairs[cols[p + 1]]
            v2 = pairs[cols[p + 2]]
            v3 = pairs[cols[p + 3]]
            s0 = u[0] * np.conj(v0[0])
            s1 = u[0] * np.conj(v1[0])
            s2 = u[0] * np.conj(v2[0])
            s3 = u[0] * np.conj(v3[0])
            for q in range(1, width):
                s0 += u[q] * np.conj(v0[q])
                s1 += u[q] * np.conj(v1[q])
                s2 += u[q] * np.conj(v2[q])
                s3 += u[q] * np.conj(v3[q])
            for q in range(rank):
                g[q] += (s0 * v0[q] + s1 * v1[q]) + (s2 * v2[q] + s3 * v3[q])
            p += 4
        while p < stop:
            v0 = pairs[cols[p]]
            s0 = _dot(u, v0, width)
            for q in range(rank):
                g[q] += s0 * v0[q]
            p += 1


@kernel
def line_sums(lo, hi, mine, pairs, indptr, cols, data):  # type: ignore[no-untyped-def]
    """Inner products (e.e, e.a1, e.a2, a1.a1, a1.a2, a2.a2) over the entries of rows lo..hi-1.

    Along (L + t dL, R + t dR) the residual is e + t a1 + t^2 a2. Rows of `mine` are (direction,
    factor), rows of `pairs` (factor, direction).
    """
    width = mine.shape[1]
    rank = width // 2
    ee = e1 = e2 = s11 = s12 = s22 = 0.0
    for i in range(lo, hi):
        u = mine[i]
        for p in range(indptr[i], indptr[i + 1]):
            v = pairs[cols[p]]
            a1 = _dot(u, v, width)
            e = u[rank] * np.conj(v[0])
            a2 = u[0] * np.conj(v[rank])
            for q in range(1, rank):
                e += u[rank + q] * np.conj(v[q])
                a2 += u[q] * np.conj(v[rank + q])
            e -= data[p]
            ee += abs(e) ** 2
            e1 += (np.conj(e) * a1).real
            e2 += (np.conj(e) * a2).real
            s11 += abs(a1) ** 2
            s12 += (np.conj(a1) * a2).real
            s22 += abs(a2) ** 2
    return ee, e1, e2, s11, s12, s22


@kernel
def wide_tangent_sums(lo, hi, lanes, mine, pairs, indptr, cols, out):  # type: ignore[no-untyped-def]
    """out[i] = sum of t_p pairs[cols[p], first], with t_p = <mine[i], pairs[cols[p]]>.

    Rows of `mine` are (direction, factor), rows of `pairs` (factor, direction).
    """
    row = np.empty(mine.shape[1] // 2, mine.dtype)
    for i in range(lo, hi):
        d = row_of(mine, i, 0, lanes)
        u = row_of(mine, i, 1, lanes)
        g = zeros(mine, lanes)
        p = indptr[i]
        stop = indptr[i + 1]
        while p + BLOCK <= stop:
            t = pair_dots(d, u, pairs, cols, p)
            g = add_rows(g, t, pairs, cols, p)
            p += BLOCK
        while p < stop:
            j = at(cols, p)
            g = add_row(g, dot(d, pairs, j, 0) + dot(u, pairs, j, 1), pairs, j)
            p += 1
        store(row, 0, g)
        for q in range(out.shape[1]):
            out[i, q] = row[q]


@kernel
def wide_line_sums(lo, hi, lanes, mine, pairs, indptr, cols, data):  # type: ignore[no-untyped-def]
    """Inner products (e.e, e.a1, e.a2, a1.a1, a1.a2, a2.a2) over the entries of rows lo..hi-1.

    Along (L + t dL, R + t dR) the residual is e + t a1 + t^2 a2. Rows of `mine` are (direction,
    factor), rows of `pairs` (factor, direction).
    """
    ee = e1 = e2 = s11 = s12 = s22 = 0.0
    for i in range(lo, hi):
        d = row_of(mine, i, 0, lanes)
        u = row_of(mine, i, 1, lanes)
        vee = zeros(mine, ONE)
        ve1 = zeros(mine, ONE)
        ve2 = zeros(mine, ONE)
        v11 = zeros(mine, ONE)
        v12 = zeros(mine, ONE)
        v22 = zeros(mine, ONE)
        p = indptr[i]
        stop = indptr[i + 1]
        while p + BLOCK <= stop:
            e = minus(dots(u, pairs, cols, p, 0), block_at(data, p))
            a1 = pair_dots(d, u, pairs, cols, p)
            a2 = dots(d, pairs, cols, p, 1)
            vee = plus(vee, times(e, e))
            ve1 = plus(ve1, times(e, a1))
            ve2 = plus(ve2, times(e, a2))
            v11 = plus(v11, times(a1, a1))
            v12 = plus(v12, times(a1, a2))
            v22 = plus(v22, times(a2, a2))
            p += BLOCK
        ee += total(vee)
        e1 += total(ve1)
        e2 += total(ve2)
        s11 += total(v11)
        s12 += total(v12)
        s22 += total(v22)
        while p < stop:
            j = at(cols, p)
            e0 = dot(u, pairs, j, 0) - at(data, p)
            b1 = dot(d, pairs, j, 0) + dot(u, pairs, j, 1)
            b2 = dot(d, pairs, j, 1)
            ee += e0 * e0
            e1 += e0 * b1
            e2 += e0 * b2
            s11 += b1 * b1
            s12 += b1 * b2
            s22 += b2 * b2
            p += 1
    return ee, e1, e2, s11, s12, s22


@kernel
def normal_blocks(lo, hi, other, indptr, cols, out):  # type: ignore[no-untyped-def]
    """out[i] = sum of v v^H over the stored entries p of row i, with v = other[cols[p]]."""
    rank = other.shape[1]
    for i in range(lo, hi):
        gram = out[i]
        gram[:] = 0
        p = indptr[i]
        stop = indptr[i + 1]
        while p + 4 <= stop:
            v0 = other[cols[p]]
            v1 = other[cols[p + 1]]
            v2 = other[cols[p + 2]]
            v3 = other[cols[p + 3]]
            for a in range(rank):
                a0 = v0[a]
                a1 = v1[a]
                a2 = v2[a]
                a3 = v3[a]
                row = gram[a]
                for b in range(a + 1):
                    row[b] += (a0 * np.conj(v0[b]) + a1 * np.conj(v1[b])) + (
                        a2 * np.conj(v2[b]) + a3 * np.conj(v3[b])
                    )
            p += 4
        while p < stop:
            v0 = other[cols[p]]
            for a in range(rank):
                a0 = v0[a]
                for b in range(a + 1):
                    gram[a, b] += a0 * np.conj(v0[b])
            p += 1
        for a in range(rank):
            for b in range(a):
                gram[b, a] = np.conj(gram[a, b])


@kernel
def inverse_blocks(lo, hi, blocks, shift, floor, out):  # type: ignore[no-untyped-def]
    """out[i] = (blocks[i] + diag(shift))^{-1} by Cholesky, for Hermitian blocks.

    A pivot at most `floor` times the largest diagonal entry belongs to a direction that the
    block does not determine, and is left at zero there.
    """
    rank = blocks.shape[1]
    c = np.empty((rank, rank), blocks.dtype)
    w = np.empty((rank, rank), blocks.dtype)
    for i in range(lo, hi):
        largest = 0.0
        for a in range(rank):
            largest = max(largest, blocks[i, a, a].real + shift[a])
        for a in range(rank):
            for b in range(a):
                s = blocks[i, a, b]
                for q in range(b):
                    s -= c[a, q] * np.conj(c[b, q])
                c[a, b] = s * c[b, b].real
            d = blocks[i, a, a].real + shift[a]
            for q in range(a):
                d -= abs(c[a, q]) ** 2
            # The diagonal holds the reciprocals of the pivots.
            c[a, a] = 1.0 / np.sqrt(d) if d > floor * largest else d * 0.0
        # w = C^{-1}, lower triangular.
        for b in range(rank):
            w[b, b] = c[b, b]
            for a in range(b + 1, rank):
                s = c[a, b] * w[b, b]
                for q in range(b + 1, a):
                    s += c[a, q] * w[q, b]
                w[a, b] = -s * c[a, a].real
        for a in range(rank):
            for b in range(a + 1):
                s = np.conj(w[a, a]) * w[a, b]
                for q in range(a + 1, rank):
                    s += np.conj(w[q, a]) * w[q, b]
                out[i, a, b] = s
                out[i, b, a] = np.conj(s)


@kernel
def block_products(lo, hi, blocks, x, out):  # type: ignore[no-untyped-def]
    """out[i] = blocks[i] @ x[i], for Hermitian blocks."""
    rank = x.shape[1]
    for i in range(lo, hi):
        g = out[i]
        g[:] = 0
        for a in range(rank):
            s = x[i, a]
            # The rows of the transpose, so that the inner loop is one of whole vectors.
            for b in range(rank):
                g[b] += np.conj(blocks[i, a, b]) * s


@inline
def _real_dot(a: Any, b: Any, x: Any, y: Any) -> float:
    """Re <a, x> + Re <b, y>, in double precision."""
    total = 0.0
    for i in range(a.shape[0]):
        for q in range(a.shape[1]):
            total += (np.conj(a[i, q]) * x[i, q]).real
    for i in range(b.shape[0]):
        for q in range(b.shape[1]):
            total += (np.conj(b[i, q]) * y[i, q]).real
    return total


@kernel
def tangent_cg(  # type: ignore[no-untyped-def]
    lanes,
    left,
    right,
    indptr_l,
    cols_l,
    indptr_r,
    cols_r,
    shift,
    inverse_l,
    inverse_r,
    residual_l,
    residual_r,
    tol,
    limit,
    out_l,
    out_r,
):
    """Conjugate gradients on ``(J* A* A J + diag(shift)) d = residual``, from zero.

    With explicit vectors where `lanes` is a tuple as for `wide` kernels, without for None.
    Preconditioned by the blocks `inverse_l` and `inverse_r`. The residuals are overwritten, and
    the solution is written to `out_l` and `out_r`. Ends when the preconditioned residual is
    below `tol` times that at zero, after `limit` iterations, or where the curvature is lost to
    rounding. Returns the number of iterations and the share of the residual that is left.
    """
    n1 = left.shape[0]
    n2 = right.shape[0]
    rank = left.shape[1]
    width = rank if lanes is None else BLOCK * len(lanes)
    mine_l = np.zeros((n1, 2 * width), left.dtype)
    pair_l = np.zeros((n1, 2 * width), left.dtype)
    mine_r = np.zeros((n2, 2 * width), left.dtype)
    pair_r = np.zeros((n2, 2 * width), left.dtype)
    mine_l[:, width : width + rank] = left
    pair_l[:, :rank] = left
    mine_r[:, width : width + rank] = right
    pair_r[:, :rank] = right
    z_l = np.empty_like(left)
    z_r = np.empty_like(right)
    out_l[:] = 0
    out_r[:] = 0
    block_products(0, n1, inverse_l, residual_l, z_l)
    block_products(0, n2, inverse_r, residual_r, z_r)
    d_l = z_l.copy()
    d_r = z_r.copy()
    gamma = _real_dot(residual_l, residual_r, z_l, z_r)
    first = gamma
    done = 0
    while done < limit and gamma > tol * tol * first:
        mine_l[:, :rank] = d_l
        pair_l[:, width : width + rank] = d_l
        mine_r[:, :rank] = d_r
        pair_r[:, width : width + rank] = d_r
        if lanes is None:
            tangent_sums(0, n1, mine_l, pair_r, indptr_l, cols_l, z_l)
            tangent_sums(0, n2, mine_r, pair_l, indptr_r, cols_r, z_r)
        else:
            wide_tangent_sums(0, n1, lanes, mine_l, pair_r, indptr_l, cols_l, z_l)
            wide_tangent_sums(0, n2, lanes, mine_r, pair_l, indptr_r, cols_r, z_r)
        for i in range(n1):
            for q in range(rank):
                z_l[i, q] += shift[q] * d_l[i, q]
        for i in range(n2):
            for q in range(rank):
                z_r[i, q] += shift[q] * d_r[i, q]
        curvature = _real_dot(d_l, d_r, z_l, z_r)
        if not curvature > 0.0:
            break
        step = gamma / curvature
        step_ = shift.dtype.type(step)
        for i in range(n1):
            for q in range(rank):
                out_l[i, q] += step_ * d_l[i, q]
                residual_l[i, q] -= step_ * z_l[i, q]
        for i in range(n2):
            for q in range(rank):
                out_r[i, q] += step_ * d_r[i, q]
                residual_r[i, q] -= step_ * z_r[i, q]
        block_products(0, n1, inverse_l, residual_l, z_l)
        block_products(0, n2, inverse_r, residual_r, z_r)
        new = _real_dot(residual_l, residual_r, z_l, z_r)
        ratio = shift.dtype.type(new / gamma)
        for i in range(n1):
            for q in range(rank):
                d_l[i, q] = z_l[i, q] + ratio * d_l[i, q]
        for i in range(n2):
            for q in range(rank):
                d_r[i, q] = z_r[i, q] + ratio * d_r[i, q]
        gamma = new
        done += 1
    share = np.sqrt(max(gamma, 0.0) / first) if first > 0.0 else 0.0
    return done, share
