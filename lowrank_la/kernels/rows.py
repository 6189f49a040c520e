"""Row-wise ridge least squares: the half sweep of alternating minimisation."""

from __future__ import annotations

import numpy as np

from ._jit import inline, kernel


@inline
def _add_normal(gram, rhs, v, y):  # type: ignore[no-untyped-def]
    for a in range(v.size):
        rhs[a] += v[a] * y
        for b in range(a + 1):
            gram[a, b] += v[a] * np.conj(v[b])


@inline
def _cholesky_solve(gram, rhs, floor):  # type: ignore[no-untyped-def]
    """Solve gram x = rhs in place, using the lower triangle; the solution is left in rhs.

    A pivot at most `floor` belongs to a direction that the row's entries do not determine:
    its coefficient is zero, which gives the basic solution.
    """
    rank = rhs.size
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
        gram[a, a] = np.sqrt(d) if d > floor else d * 0.0
    for a in range(rank):
        s = rhs[a]
        for c in range(a):
            s -= gram[a, c] * rhs[c]
        pivot = gram[a, a].real
        rhs[a] = s / pivot if pivot > 0.0 else s * 0.0
    for a in range(rank - 1, -1, -1):
        s = rhs[a]
        for c in range(a + 1, rank):
            s -= np.conj(gram[c, a]) * rhs[c]
        pivot = gram[a, a].real
        rhs[a] = s / pivot if pivot > 0.0 else s * 0.0


@kernel
def ridge_rows(lo, hi, other, indptr, cols, data, ridge, out):  # type: ignore[no-untyped-def]
    """out[i] = argmin_u sum over row i of |<u, conj(other[cols[p]])> - data[p]|^2 + ridge[i] |u|^2.

    Normal equations of size rank, formed four entries at a time and solved by Cholesky.
    """
    rank = other.shape[1]
    gram = np.empty((rank, rank), other.dtype)
    for i in range(lo, hi):
        rhs = out[i]
        rhs[:] = 0
        gram[:] = 0
        p = indptr[i]
        stop = indptr[i + 1]
        while p + 4 <= stop:
            v0 = other[cols[p]]
            v1 = other[cols[p + 1]]
            v2 = other[cols[p + 2]]
            v3 = other[cols[p + 3]]
            y0 = data[p]
            y1 = data[p + 1]
            y2 = data[p + 2]
            y3 = data[p + 3]
            for a in range(rank):
                a0 = v0[a]
                a1 = v1[a]
                a2 = v2[a]
                a3 = v3[a]
                rhs[a] += (a0 * y0 + a1 * y1) + (a2 * y2 + a3 * y3)
                row = gram[a]
                for b in range(a + 1):
                    row[b] += (a0 * np.conj(v0[b]) + a1 * np.conj(v1[b])) + (
                        a2 * np.conj(v2[b]) + a3 * np.conj(v3[b])
                    )
            p += 4
        while p < stop:
            _add_normal(gram, rhs, other[cols[p]], data[p])
            p += 1
        largest = 0.0
        for a in range(rank):
            gram[a, a] += ridge[i]
            largest = max(largest, gram[a, a].real)
        _cholesky_solve(gram, rhs, largest * rank * np.finfo(ridge.dtype).eps)
