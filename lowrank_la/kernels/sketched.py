"""Row-wise least squares by conjugate gradients, preconditioned with a sketch of each row."""

from __future__ import annotations

import numpy as np

from ._jit import inline, kernel

# A sketch of size 2 r keeps squared lengths within a factor of 12 or so.
MISJUDGED = 50.0


@inline
def _cholesky(gram, floor):  # type: ignore[no-untyped-def]
    """Lower factor in place; the number of pivots at most `floor`, which become zero."""
    rank = gram.shape[0]
    lacking = 0
    for a in range(rank):
        for b in range(a):
            s = gram[a, b]
            for c in range(b):
                s -= gram[a, c] * np.conj(gram[b, c])
            pivot = gram[b, b].real
            gram[a, b] = s / pivot if pivot > 0.0 else s * 0.0
        d = gram[a, a].real
        for c in range(a):
            d -= abs(gram[a, c]) ** 2
        if d > floor:
            gram[a, a] = np.sqrt(d)
        else:
            # NaN ends here too.
            gram[a, a] = d * 0.0
            lacking += 1
    return lacking


@inline
def _forward(lower, x):  # type: ignore[no-untyped-def]
    for a in range(x.size):
        s = x[a]
        for c in range(a):
            s -= lower[a, c] * x[c]
        pivot = lower[a, a].real
        x[a] = s / pivot if pivot > 0.0 else s * 0.0


@inline
def _backward(lower, x):  # type: ignore[no-untyped-def]
    for a in range(x.size - 1, -1, -1):
        s = x[a]
        for c in range(a + 1, x.size):
            s -= np.conj(lower[c, a]) * x[c]
        pivot = lower[a, a].real
        x[a] = s / pivot if pivot > 0.0 else s * 0.0


@inline
def _gram(matrix, rows, out):  # type: ignore[no-untyped-def]
    """Lower triangle of ``matrix[:rows]^H matrix[:rows]``; returns the largest diagonal entry."""
    rank = matrix.shape[1]
    out[:] = 0
    p = 0
    while p + 4 <= rows:
        v0 = matrix[p]
        v1 = matrix[p + 1]
        v2 = matrix[p + 2]
        v3 = matrix[p + 3]
        for a in range(rank):
            a0 = np.conj(v0[a])
            a1 = np.conj(v1[a])
            a2 = np.conj(v2[a])
            a3 = np.conj(v3[a])
            row = out[a]
            for b in range(a + 1):
                row[b] += (a0 * v0[b] + a1 * v1[b]) + (a2 * v2[b] + a3 * v3[b])
        p += 4
    while p < rows:
        v0 = matrix[p]
        for a in range(rank):
            a0 = np.conj(v0[a])
            for b in range(a + 1):
                out[a, b] += a0 * v0[b]
        p += 1
    largest = 0.0
    for a in range(rank):
        largest = max(largest, out[a, a].real)
    return largest


@inline
def _adjoint(block, m, x, out):  # type: ignore[no-untyped-def]
    out[:] = 0
    for p in range(m):
        v = block[p]
        weight = x[p]
        for a in range(out.size):
            out[a] += np.conj(v[a]) * weight


@inline
def _product(block, m, x, out):  # type: ignore[no-untyped-def]
    for p in range(m):
        v = block[p]
        s = v[0] * x[0]
        for a in range(1, x.size):
            s += v[a] * x[a]
        out[p] = s


@inline
def _squares(x):  # type: ignore[no-untyped-def]
    total = 0.0
    for a in range(x.size):
        total += x[a].real ** 2 + x[a].imag ** 2
    return total


@inline
def _srht(block, m, signs, picks, work, sketch):  # type: ignore[no-untyped-def]
    """Random signs, Walsh-Hadamard transform, and rows picked evenly."""
    rank = block.shape[1]
    padded = 1
    while padded < m:
        padded *= 2
    for p in range(m):
        for a in range(rank):
            work[p, a] = signs[p] * block[p, a]
    work[m:padded] = 0
    half = 1
    while half < padded:
        for begin in range(0, padded, 2 * half):
            for p in range(begin, begin + half):
                upper = work[p]
                lower = work[p + half]
                for a in range(rank):
                    x = upper[a]
                    y = lower[a]
                    upper[a] = x + y
                    lower[a] = x - y
        half *= 2
    scale = 1.0 / np.sqrt(picks.size)
    for s in range(picks.size):
        p = min(int(picks[s] * padded), padded - 1)
        for a in range(rank):
            sketch[s, a] = work[p, a] * scale


@inline
def _by_norm(block, m, picks, sums, sketch):  # type: ignore[no-untyped-def]
    """Rows picked in proportion to their squared norms; `picks` ascend."""
    total = 0.0
    for p in range(m):
        total += _squares(block[p])
        sums[p] = total
    p = 0
    for s in range(picks.size):
        while p < m - 1 and sums[p] < picks[s] * total:
            p += 1
        weight = sums[p] - sums[p - 1] if p > 0 else sums[0]
        scale = np.sqrt(total / (picks.size * weight)) if weight > 0.0 else 0.0
        for a in range(block.shape[1]):
            sketch[s, a] = block[p, a] * scale


@inline
def _iterate(block, m, residual, lower, vectors, image, bounds, limit):  # type: ignore[no-untyped-def]
    """Conjugate gradients on the preconditioned normal equations; iterations, or -1 on failure.

    `vectors` holds the correction (0, the result), the direction, its preimage and the gradient;
    `bounds` the damping, and what the squared gradient must come below.
    """
    d, direction, t, g = vectors[0], vectors[1], vectors[2], vectors[3]
    damping, target = bounds
    d[:] = 0
    _adjoint(block, m, residual, g)
    _forward(lower, g)
    direction[:] = g
    gamma = _squares(g)
    done = 0
    while not gamma <= target and done < limit:
        t[:] = direction
        _backward(lower, t)
        _product(block, m, t, image)
        curvature = damping * _squares(t)
        for p in range(m):
            curvature += image[p].real ** 2 + image[p].imag ** 2
        # A sketch that misjudges a direction so much makes the gradient say nothing of the error.
        expected = _squares(direction)
        if not (MISJUDGED * curvature > expected and curvature < MISJUDGED * expected):
            return -1
        step = gamma / curvature
        for a in range(d.size):
            d[a] += step * t[a]
        for p in range(m):
            residual[p] -= step * image[p]
        _adjoint(block, m, residual, g)
        for a in range(d.size):
            g[a] -= damping * d[a]
        _forward(lower, g)
        new = _squares(g)
        for a in range(d.size):
            direction[a] = g[a] + new / gamma * direction[a]
        gamma = new
        done += 1
    return done if gamma <= target else -1


@kernel
def sketched_rows(  # type: ignore[no-untyped-def]
    lo,
    hi,
    other,
    indptr,
    cols,
    data,
    start,
    signs,
    picks,
    by_norm,
    damping,
    tol,
    forcing,
    limit,
    counts,
    out,
):
    """out[i] ~ argmin_u sum_p |<u, conj(other[cols[p]])> - data[p]|^2 + damping |u - start[i]|^2.

    Conjugate gradients from start[i], preconditioned by the triangular factor of a sketch of
    the row's matrix; they end when the preconditioned gradient is below `tol` times that at
    zero, or below `forcing` times that at the start. Rows with no more entries than the sketch,
    and those on which this fails, are solved exactly; rows without entries become zero.
    counts[i]: iterations, -1 for exact.
    """
    rank = other.shape[1]
    longest = 0
    for i in range(lo, hi):
        longest = max(longest, indptr[i + 1] - indptr[i])
    padded = 1
    while padded < longest:
        padded *= 2
    block = np.empty((longest, rank), other.dtype)
    work = np.empty((1 if by_norm else padded, rank), other.dtype)
    sums = np.empty(longest, np.float64)
    residual = np.empty(longest, other.dtype)
    image = np.empty(longest, other.dtype)
    sketch = np.empty((picks.size, rank), other.dtype)
    lower = np.empty((rank, rank), other.dtype)
    vectors = np.empty((4, rank), other.dtype)
    eps = np.finfo(signs.dtype).eps
    for i in range(lo, hi):
        first = indptr[i]
        m = indptr[i + 1] - first
        if m == 0:
            # The start of such a row is no information, whatever the damping.
            out[i] = 0
            counts[i] = -1
            continue
        for p in range(m):
            row = other[cols[first + p]]
            for a in range(rank):
                block[p, a] = np.conj(row[a])
        done = -1
        if m > picks.size:
            if by_norm:
                _by_norm(block, m, picks, sums, sketch)
            else:
                _srht(block, m, signs, picks, work, sketch)
            largest = _gram(sketch, picks.size, lower)
            if _cholesky(lower, largest * rank * eps) == 0:
                _adjoint(block, m, data[first : first + m], vectors[3])
                _forward(lower, vectors[3])
                reference = _squares(vectors[3])
                _product(block, m, start[i], image)
                for p in range(m):
                    residual[p] = data[first + p] - image[p]
                _adjoint(block, m, residual, vectors[3])
                _forward(lower, vectors[3])
                target = max(tol**2 * reference, forcing**2 * _squares(vectors[3]))
                bounds = (damping, target)
                done = _iterate(block, m, residual, lower, vectors, image, bounds, limit)
        if done < 0:
            _product(block, m, start[i], image)
            for p in range(m):
                residual[p] = data[first + p] - image[p]
            largest = _gram(block, m, lower) + damping
            for a in range(rank):
                lower[a, a] += damping
            _cholesky(lower, largest * rank * eps)
            _adjoint(block, m, residual, vectors[0])
            _forward(lower, vectors[0])
            _backward(lower, vectors[0])
        for a in range(rank):
            out[i, a] = start[i, a] + vectors[0, a]
        counts[i] = done
