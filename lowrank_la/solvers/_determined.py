"""Whether the measurements that are kept determine every row and every column."""

from __future__ import annotations

import numpy as np

from .._grid import grid_of
from .._typing import Array
from ..errors import IncompatibleError
from ..problem import Problem

# A measurement that has this share in its own fit stands alone; rows that go at once, of so many
# numbers in all where they are filled up to the longest; and a ratio of pivots that is zero.
ALONE, BATCH, NUMBERS, FLAT = 0.999, 64, 1 << 22, 3e-3
# An eigenvalue that is zero in single precision; entries that are worked through at once; and how
# many of a row are looked at first, in units of the rank.
SINGULAR, BLOCK, SOME = 1e-5, 1 << 15, 12


def determined(problem: Problem, U: Array, V: Array, kept: Array) -> bool:
    """Whether every row and column is still determined if one of its kept measurements goes.

    If not, that measurement is fitted whatever it is, and its residual says nothing: as of a
    row whose kept entries all lie in columns that are multiples of each other, but for one.

    Parameters
    ----------
    problem : Problem
        The problem.
    U, V : array
        Orthonormal bases of columns and rows of the matrix.
    kept : array of bool, shape (m,)
        Which measurements are kept.
    """
    grid = grid_of(problem.operator)
    if grid is None:
        raise IncompatibleError("only measurements that are single entries can be told apart")
    n1, n2 = problem.shape
    rows, columns = (
        divmod(np.arange(kept.size), n2) if grid.rows is None else (grid.rows, grid.columns)
    )
    assert columns is not None
    i, j = rows[kept], columns[kept]
    return _leverage(i, j, n1, V) < ALONE and _leverage(j, i, n2, U) < ALONE


def _leverage(i: Array, j: Array, n: int, basis: Array) -> float:
    """The largest share that a measurement has in its own fit, of row i to basis[j]."""
    order = np.argsort(i, kind="stable")
    i, j = i[order], j[order]
    starts = np.searchsorted(i, np.arange(n + 1))
    lengths = np.diff(starts)
    worst, hi = 0.0, 0
    while hi < n:
        lo, hi = hi, hi + _together(lengths[hi : hi + BATCH], basis.shape[1])
        part = slice(starts[lo], starts[hi])
        lines, v = i[part] - lo, basis[j[part]]
        # One row after another: filled up with zeros to the longest.
        counts = np.diff(starts[lo : hi + 1])
        block = np.zeros((hi - lo, int(counts.max(initial=1)), basis.shape[1]), basis.dtype)
        block[lines, np.arange(lines.size) - (starts[lo:hi] - starts[lo])[lines]] = v
        gram = block.conj().swapaxes(1, 2) @ block
        # Rows without any measurement are for others to judge.
        gram[counts == 0] = np.eye(basis.shape[1])
        try:
            root = np.linalg.cholesky(gram)
        except np.linalg.LinAlgError:
            return 1.0
        sizes = np.abs(np.diagonal(root, axis1=1, axis2=2))
        if not np.all(sizes.min(axis=1) > FLAT * sizes.max(axis=1)):
            return 1.0
        turned = block @ np.linalg.inv(root).conj().swapaxes(1, 2)
        worst = max(worst, float(np.max(np.sum(np.abs(turned) ** 2, axis=2), initial=0.0)))
    return worst


def _together(lengths: Array, rank: int) -> int:
    """How many rows may be filled up to the longest of them at once; at least one."""
    filled = np.arange(1, lengths.size + 1) * np.maximum.accumulate(lengths) * rank
    return max(1, int(np.count_nonzero(filled <= NUMBERS)))


def spanned(problem: Problem, U: Array, s: Array, V: Array, threshold: float) -> bool:
    """Whether what is kept of each row and column of all entries meets every direction.

    Less than `determined`, for rows and columns that keep many measurements, at the cost of a
    part of a pass over the matrix: a row whose kept entries all lie in columns in which the
    matrix has rank r - 1, or none.

    Parameters
    ----------
    problem : Problem
        A problem with all entries observed.
    U, s, V : array
        Singular value decomposition of the matrix.
    threshold : float
        Above it a measurement is set aside.
    """
    data = problem.data.reshape(problem.shape)
    return _rows_spanned(data, U * s, V, V, threshold) and _rows_spanned(
        data.T, V.conj(), (U * s).conj(), U.conj(), threshold
    )


def _rows_spanned(data: Array, left: Array, right: Array, basis: Array, threshold: float) -> bool:
    """The same of the rows, of which some entries will do where these meet every direction."""
    some = slice(None, None, max(1, len(right) // (SOME * right.shape[1])))
    lines = np.flatnonzero(_short(data[:, some], left, right[some], basis[some], threshold))
    if some.step == 1 or lines.size == 0:
        return lines.size == 0
    return not _short(data[lines], left[lines], right, basis, threshold).any()


def _short(data: Array, left: Array, right: Array, basis: Array, threshold: float) -> Array:
    """Rows whose kept entries do not meet every direction of the basis of the columns."""
    pairs = np.triu_indices(basis.shape[1])
    # Upper triangles of b b^H for all rows b of the basis.
    kind = np.complex64 if basis.dtype.kind == "c" else np.float32
    products = (basis[:, pairs[0]] * basis[:, pairs[1]].conj()).astype(kind)
    height = max(1, BLOCK // max(1, data.shape[1]))
    out = np.empty(len(data), bool)
    for lo in range(0, len(data), height):
        part = slice(lo, lo + height)
        residual = data[part] - left[part] @ right.conj().T
        kept = (np.abs(residual) <= threshold).astype(np.float32)
        out[part] = _singular(kept @ products, basis.shape[1], pairs)
    return out


def _singular(sums: Array, rank: int, pairs: tuple[Array, Array]) -> Array:
    """Which have an eigenvalue as small as `SINGULAR`; with all measurements they are one."""
    blocks = np.zeros((len(sums), rank, rank), sums.dtype)
    blocks[:, pairs[1], pairs[0]] = sums.conj()
    shift = sums.real.dtype.type(SINGULAR)
    try:
        root = np.linalg.cholesky(blocks - shift * np.eye(rank, dtype=shift.dtype))
    except np.linalg.LinAlgError:
        return ~(np.linalg.eigvalsh(blocks)[:, 0] > shift)
    return np.asarray(~np.isfinite(root).all(axis=(1, 2)))
