"""The pass of methods that set large entries of the residual aside, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._grid import Grid, grid_of, sample_of
from .._typing import Array
from ..errors import IncompatibleError
from ..factors import Factors
from ..kernels import _chunks
from ..kernels.robust import thresholded_products
from ..operators.full import FullObservation
from ..problem import Problem

# Residuals that quantiles are taken of.
SAMPLE = 1 << 12
# Entries that are worked through at once where the sparse part is written out.
BLOCK = 1 << 15
# Rows of a piece that one thread works on, and at most so many pieces, each with column sums.
ROWS, PIECES = 128, 8


@dataclass
class Cut:
    """What one pass over the measurements tells.

    Attributes
    ----------
    rows, columns : array, shape (n1, r) and (n2, r)
        ``A*(k) V`` and ``A*(k)^H U``, with k the residual without what stands out.
    squares : float
        ``|k|^2``.
    share : float
        Share of the measurements above the threshold.
    lag : float
        By how much the share of the worst row or column is above the typical one.
    least : float
        The smallest number of measurements that a row or column keeps, relative to `needed`.
    lowest, typical, median, mean : float
        Of the residual's moduli the lower quarter, the median of those kept, and median and mean
        of all.
    border : float
        Number of moduli between one and two thresholds, relative to that below.
    beyond : float
        The same between two and four thresholds.
    misfit : float
        Norm of the residual that is kept, made up for what is not, relative to the matrix.
    """

    rows: Array
    columns: Array
    squares: float
    share: float
    lag: float
    least: float
    lowest: float
    typical: float
    median: float
    mean: float
    border: float
    beyond: float
    misfit: float


def refuses(problem: Problem) -> str | None:
    """Why methods that set entries aside cannot take the problem."""
    if problem.nuclear:
        return "has no nuclear-norm weight; set nuclear=0"
    if grid_of(problem.operator) is None:
        operator = type(problem.operator).__name__
        return f"needs an operator that observes single entries, which {operator} does not"
    return None


def cut(problem: Problem, U: Array, s: Array, V: Array, threshold: float, soft: bool) -> Cut:
    """Residual of ``U diag(s) V^H``, cut at the threshold, and its products with U and V."""
    dense = isinstance(problem.operator, FullObservation) and problem.data.dtype.kind == "f"
    if dense and problem.shape[0] >= 4 and U.dtype == problem.data.dtype:
        return _fused(problem, U, s, V, threshold, soft)
    return _generic(problem, U, s, V, threshold, soft)


def median_residual(problem: Problem, U: Array, s: Array, V: Array) -> float:
    """Median modulus of the residual of ``U diag(s) V^H``, of long data that of a sample."""
    data, (_, n2) = problem.data, problem.shape
    if isinstance(problem.operator, FullObservation):
        places = sample_of(data.size, SAMPLE)
        i, j = divmod(places, n2)
        misfit = data[places] - np.sum((U * s)[i] * V.conj()[j], axis=1)
    else:
        misfit = data - problem.operator.forward(Factors(U * s, V))
    return float(np.median(np.abs(misfit)))


def _fused(problem: Problem, U: Array, s: Array, V: Array, threshold: float, soft: bool) -> Cut:
    (n1, n2), dtype = problem.shape, U.dtype
    data = problem.data.reshape(n1, n2)
    left, right = np.ascontiguousarray(U * s), np.ascontiguousarray(V.T)
    stride = max(1, -(-n1 * n2 // SAMPLE))
    sample = np.full((n1, -(-n2 // stride)), -1, dtype)
    rows, row_hits = np.empty((n1, s.size), dtype), np.empty(n1, np.int64)
    pieces = max(1, min(PIECES, n1 // ROWS))
    level = dtype.type(min(threshold, float(np.finfo(dtype).max)))

    def piece(lo: int, hi: int) -> tuple[float, Array, Array]:
        columns, hits = np.zeros((s.size, n2), dtype), np.zeros(n2, dtype)
        args = (data, left, right, level, soft, stride, sample, rows, columns, row_hits, hits)
        return thresholded_products(lo, hi, *args), columns, hits

    work = 3.0 * n1 * n2 * s.size
    found = _chunks.run(piece, _chunks.even_borders(n1, pieces), work)
    columns = sum(part[1] for part in found[1:]) + found[0][1]
    hits = sum(part[2] for part in found[1:]) + found[0][2]
    sample = sample[~(sample < 0)]
    return _summary(
        rows,
        # With U diag(s) for U; no s is zero.
        np.ascontiguousarray((columns / s[:, None]).T),
        sum(part[0] for part in found),
        sample,
        threshold,
        (row_hits, np.full(n1, n2)),
        (hits.astype(np.int64), np.full(n2, n1)),
        s,
        problem.operator.isometry,
    )


def _generic(problem: Problem, U: Array, s: Array, V: Array, threshold: float, soft: bool) -> Cut:
    operator, grid = problem.operator, grid_of(problem.operator)
    if grid is None:
        raise IncompatibleError(refuses(problem))
    residual = problem.data - operator.forward(Factors(U * s, V))
    size = np.abs(residual)
    above = size > threshold
    if soft:
        scale = np.ones_like(size)
        np.divide(size.dtype.type(threshold), size, out=scale, where=above)
        kept = residual * scale
    else:
        kept = np.where(above, residual.dtype.type(0), residual)
    by_row, by_column = _counts(grid, above)
    return _summary(
        operator.adjoint_right(kept, V),
        operator.adjoint_left(kept, U),
        float(np.sum(np.abs(kept) ** 2, dtype=float)),
        size[sample_of(size.size, SAMPLE)],
        threshold,
        by_row,
        by_column,
        s,
        problem.operator.isometry,
    )


def _counts(grid: Grid, above: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    n1, n2 = grid.shape
    if grid.rows is None:
        matrix = above.reshape(n1, n2)
        return (
            (np.count_nonzero(matrix, axis=1), np.full(n1, n2)),
            (np.count_nonzero(matrix, axis=0), np.full(n2, n1)),
        )
    assert grid.columns is not None
    i, j = grid.rows, grid.columns
    return (
        (np.bincount(i[above], minlength=n1), np.bincount(i, minlength=n1)),
        (np.bincount(j[above], minlength=n2), np.bincount(j, minlength=n2)),
    )


def set_aside(
    problem: Problem, U: Array, s: Array, V: Array, threshold: float
) -> tuple[Array, Array]:
    """Which residuals of ``U diag(s) V^H`` are above the threshold, and the residuals there."""
    if not isinstance(problem.operator, FullObservation):
        residual = problem.data - problem.operator.forward(Factors(U * s, V))
        where = np.flatnonzero(np.abs(residual) > threshold)
        return where, residual[where]
    n1, n2 = problem.shape
    data, left, right = problem.data.reshape(n1, n2), U * s, V.conj().T
    places, values = [], []
    # Rows that fit into cache, since the residual is as large as the matrix.
    height = max(1, BLOCK // n2)
    for lo in range(0, n1, height):
        residual = (data[lo : lo + height] - left[lo : lo + height] @ right).ravel()
        above = np.flatnonzero(np.abs(residual) > threshold)
        places.append(above + lo * n2)
        values.append(residual[above])
    return np.concatenate(places), np.concatenate(values)


def _summary(
    rows: Array,
    columns: Array,
    squares: float,
    sample: Array,
    threshold: float,
    by_row: tuple[Array, Array],
    by_column: tuple[Array, Array],
    s: Array,
    isometry: float,
) -> Cut:
    total = int(by_row[1].sum())
    share = float(by_row[0].sum()) / total
    lag, least = 0.0, np.inf
    for hits, lengths in (by_row, by_column):
        seen = lengths > 0
        shares = hits[seen] / lengths[seen]
        middle = shares.size // 2
        lag = max(lag, float(np.max(shares) - np.partition(shares, middle)[middle]))
        # A row with r unknowns is fitted by r measurements whatever they are.
        needed = np.minimum(2 * s.size + 2, lengths[seen])
        least = min(least, float(np.min((lengths - hits)[seen] / needed)))
    places = [int(level * (sample.size - 1)) for level in (0.25, 0.5 * (1.0 - share), 0.5)]
    lowest, typical, median = (float(v) for v in np.partition(sample, places)[places])
    below = int(np.count_nonzero(sample <= threshold))
    double = int(np.count_nonzero(sample <= 2.0 * threshold))
    border = (double - below) / max(1, below)
    beyond = (int(np.count_nonzero(sample <= 4.0 * threshold)) - double) / max(1, below)
    kept = max(1.0 - share, 1.0 / total)
    misfit = float(np.sqrt(squares / kept / isometry) / np.linalg.norm(s))
    mean = float(np.mean(sample))
    return Cut(
        rows,
        columns,
        squares,
        share,
        lag,
        least,
        lowest,
        typical,
        median,
        mean,
        border,
        beyond,
        misfit,
    )
