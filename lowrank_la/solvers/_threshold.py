"""The threshold above which entries of the residual are set aside, and when to doubt the rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Array
from ..problem import Problem
from ._outliers import Cut

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
