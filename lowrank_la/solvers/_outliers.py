"""What methods share that set large entries of the residual aside: the pass, and the threshold."""

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
# The threshold in units of the lower quarter of all moduli, which more than half of outliers do
# not move; and, once it no longer falls, of the median modulus of what is kept: three standard
# deviations of Gaussian noise.
LOWEST, KEPT = 4.0, 4.5
# It no longer falls after so many iterations in which the lower quarter fell by less than this.
CALM, FALL = 5, 0.9
# For clipping: by less than this power of the decay,
FOLLOWS = 0.25
# and from then on it falls by this factor at least.
SETTLES = 0.7
# The first one, which is the largest too, in units of the median modulus of the residual (rows
# of large norm are far above it), and at most in units of that of the data.
FIRST, MOST = 30.0, 3.0
# A row or column lags if its share of outliers is above the typical one by this share of what
# is typically kept; the threshold then goes up by BACK (if clipped, less). From FAR on it may be
# lost.
LAG, FAR, BACK, BACK_CLIPPED = 0.5, 0.4, 10.0, 3.0
# The slowest decay that is tried.
SLOWEST = 0.985
# The threshold stays above so many rounding errors of a typical entry.
ROUNDING = 128.0
# Noise may be so large, relative to the matrix, before it counts as a part that is missing; so
# many residuals may lie between one and two thresholds, relative to those below.
NOISE, BORDER = 0.25, 0.25
# Residuals have no gap if more than this share lies between one and two thresholds, and by this
# factor more than between two and four.
TAILS, STEEP = 0.01, 1.5
# With a larger share of outliers than this, a wrong matrix may look like noise that is larger
# than that; the threshold then falls once more, more slowly, down to this decay.
CROWDED, QUIET, ONCE_MORE = 0.2, 0.03, 0.9
# Only where rows or columns keep fewer than so many times what they need is it looked at that no
# measurement stands alone, and only once the gradient is small.
SCARCE, NEAR = 5.0, 1e-3
# A gradient smaller than the residual by this factor means that the residual is to stay.
STAYS = 30.0


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


@dataclass
class Schedule:
    """The threshold and what it depends on.

    Attributes
    ----------
    threshold, first : float
        The present one, and the largest.
    decay : float
        Factor by which it falls at most.
    calm : int
        Iterations in a row in which residuals hardly fell although the threshold might have.
    lagged : float
        The lower quarter when rows lagged last.
    """

    threshold: float
    first: float
    decay: float
    calm: int
    lagged: float

    def follow(self, found: Cut, before: float, floor: float, *, soft: bool) -> None:
        """The threshold of the next iteration.

        Where rows or columns lag, what is set aside of them is lost to them: the threshold
        goes back up, and falls more slowly from then on.

        Parameters
        ----------
        found : Cut
            The last pass.
        before : float
            The lower quarter of the pass before.
        floor : float
            What rounding errors do not exceed.
        soft : bool
            Whether residuals are clipped, which loses nothing.
        """
        falling = self.decay * self.threshold
        strange = found.share > CROWDED and found.misfit > QUIET and self.calm >= CALM
        lags = found.lag > LAG * (1.0 - found.share)
        # Down at rounding errors whatever lags is lost.
        lost = lags and self.threshold <= floor
        if (strange and self.decay < ONCE_MORE) or (lost and self.decay < SLOWEST):
            self.threshold = self.first
            self.decay, self.calm = float(np.sqrt(self.decay)), 0
            return
        # Where a slower fall got no further than the last, rows lag for another reason.
        if lags and self.decay < SLOWEST and found.lowest < FALL * self.lagged:
            self.lagged = found.lowest
            back = BACK_CLIPPED if soft else BACK
            self.threshold = min(back * self.threshold, self.first)
            self.decay, self.calm = float(np.sqrt(self.decay)), 0
            return
        if soft:
            self._follow_clipped(found, before, floor)
            return
        level = LOWEST * found.lowest
        settled = self.calm >= CALM
        idle = (settled or level > falling) and found.lowest > FALL * before
        self.calm = self.calm + 1 if idle else 0
        if idle and settled:
            level = max(level, KEPT * found.typical)
            if FALL * self.threshold < level < self.threshold / FALL:
                # Left alone, since every change moves entries in or out and never ends.
                return
        self.threshold = min(max(level, falling, floor), self.first)

    def _follow_clipped(self, found: Cut, before: float, floor: float) -> None:
        """The same for clipping, whose errors are in proportion to the threshold."""
        self.calm = self.calm + 1 if found.lowest > self.decay**FOLLOWS * before else 0
        settled = self.calm >= CALM
        falling = (min(self.decay, SETTLES) if settled else self.decay) * self.threshold
        level = LOWEST * found.lowest if settled else 0.0
        if FALL * self.threshold < level < self.threshold / FALL:
            return
        self.threshold = min(max(level, falling, floor), self.first)


def gapless(found: Cut, threshold: float, calm: int, eps: float) -> bool:
    """Whether errors of all sizes are among what has come to a standstill.

    Three standard deviations of Gaussian noise, where the threshold has to be, leave 0.3 % above,
    and outliers of any size are no fewer further away from it.
    """
    still = calm >= CALM and found.misfit > np.sqrt(eps)
    still = still and threshold > FALL * KEPT * found.typical
    return bool(still and found.border > max(TAILS, STEEP * found.beyond))


def doubt(problem: Problem, s: Array, found: Cut, calm: int) -> str:
    """Why the data might not tell that the matrix is right; empty if they do.

    Small residuals of what is kept say nothing by themselves: where the threshold falls, they
    are small whatever the matrix is.

    Parameters
    ----------
    problem : Problem
        The problem.
    s : array, shape (r,)
        Singular values of the matrix.
    found : Cut
        The last pass.
    calm : int
        Iterations in a row in which nothing fell.
    """
    good = (1.0 - found.share) * problem.informative
    unknowns = problem.degrees_of_freedom(s.size)
    if good < 1.2 * unknowns:
        return f"{good:.0f} entries are kept for {unknowns} degrees of freedom"
    if found.least < 1.0:
        return "a row or a column keeps too few entries to be determined"
    if found.lag > FAR * (1.0 - found.share):
        return "much more is set aside of a row or a column than of most"
    if found.misfit <= np.sqrt(np.finfo(problem.data.dtype).eps):
        return ""
    if found.misfit < STAYS * relative_gradient(problem, s, found):
        return ""
    # What is kept does not fit and will not: noise, or a wrong matrix.
    if calm < CALM:
        return "the threshold is still being found"
    if found.misfit > (QUIET if found.share > CROWDED else NOISE):
        return (
            f"{found.share:.0%} of outliers, and what is kept is off by {found.misfit:.2g} of the "
            f"matrix, which may be noise or not"
        )
    if found.border > BORDER:
        return "residuals go on beyond the threshold as below it, which noise would not"
    return ""


def relative_gradient(problem: Problem, s: Array, found: Cut) -> float:
    """Of half the squares that are kept, in the geometry of the matrix."""
    squares = np.linalg.norm(found.rows) ** 2 + np.linalg.norm(found.columns) ** 2
    return float(np.sqrt(squares) / (problem.operator.isometry * np.linalg.norm(s)))
