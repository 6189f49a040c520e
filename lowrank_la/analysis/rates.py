"""Rates fitted to curves, with an interval, or nothing where there is no rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from .._typing import Array
from ..errors import InvalidInputError

__all__ = ["RateFit", "fit_rate"]

MIN_POINTS = 8
MIN_R2 = 0.98
# A window must span at least this factor in y.
MIN_SPAN = 3.0
# Points within this factor of the level at which a curve ends flat belong to its floor.
FLOOR_FACTOR = 10.0
BLOCKS = 8
LEVEL = 0.95


@dataclass(frozen=True)
class RateFit:
    """A fitted rate.

    Attributes
    ----------
    model : {"linear", "power"}
    rate : float
        "linear": the factor by which y changes per unit of x. "power": the exponent of x.
    interval : tuple of float
        95 % interval of the rate, from the scatter of slopes over blocks of the window.
    window : tuple of float
        First and last x used.
    r2 : float
        Share of the variance of log y that the fit explains.
    scale : float
        y at x = 0 ("linear") or x = 1 ("power") on the fitted line.
    """

    model: str
    rate: float
    interval: tuple[float, float]
    window: tuple[float, float]
    r2: float
    scale: float

    def predict(self, x: Any) -> Array:
        """The fitted law at x."""
        x = np.asarray(x, float)
        powers = self.rate**x if self.model == "linear" else x**self.rate
        return np.asarray(self.scale * powers)


def fit_rate(x: Any, y: Any, *, model: str = "linear") -> RateFit | None:
    """Fit a geometric or a power law to a positive curve, on an automatic window.

    The window leaves out the floor on which a curve ends, then as much of the beginning as
    is needed for a straight line.

    Parameters
    ----------
    x : array, shape (k,)
        Abscissa, increasing: iterations, sample sizes, ...
    y : array, shape (k,)
        Values; those that are not positive and finite are left out.
    model : {"linear", "power"}
        ``y = scale * rate**x`` (linear convergence) or ``y = scale * x**rate``.

    Returns
    -------
    RateFit or None
        None if no window of at least 8 points, spanning a factor of 3 in y, is straight
        (``r2 >= 0.98``).

    Raises
    ------
    InvalidInputError
        For lengths that differ or an unknown model.

    Examples
    --------
    >>> import numpy as np, lowrank_la as ll
    >>> round(ll.fit_rate(np.arange(50), 0.5 ** np.arange(50)).rate, 6)
    0.5
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.shape != y.shape or x.ndim != 1:
        raise InvalidInputError(f"x and y must be vectors of one length, got {x.shape}, {y.shape}")
    if model not in ("linear", "power"):
        raise InvalidInputError(f"model must be 'linear' or 'power', got {model!r}")
    usable = np.isfinite(x) & np.isfinite(y) & (y > 0)
    if model == "power":
        usable &= x > 0
    x, y = x[usable], y[usable]
    if x.size < MIN_POINTS:
        return None
    abscissa, ordinate = (np.log(x) if model == "power" else x), np.log(y)
    stop = _before_floor(ordinate)
    start = _after_transient(abscissa, ordinate, stop)
    if start is None:
        return None
    a, b = abscissa[start:stop], ordinate[start:stop]
    slope, level = np.polyfit(a, b, 1)
    error = _block_error(a, b)
    low, high = slope - error, slope + error
    linear = model == "linear"
    return RateFit(
        model=model,
        rate=float(np.exp(slope)) if linear else float(slope),
        interval=(float(np.exp(low)), float(np.exp(high))) if linear else (float(low), float(high)),
        window=(float(x[start]), float(x[stop - 1])),
        r2=_r2(a, b),
        scale=float(np.exp(level)),
    )


def _before_floor(b: Array) -> int:
    """One past the last point above the floor; all points if the curve does not end flat."""
    tail = b[-max(MIN_POINTS, b.size // 10) :]
    # A floor: over the last tenth the curve falls far less than it scatters or fell before.
    fall = tail[0] - tail[-1]
    steps = np.abs(np.diff(b))
    typical = np.max(steps) * (tail.size - 1) if steps.size else 0.0
    if fall > 0.05 * min(typical, b[0] - b.min() + 1e-300):
        return int(b.size)
    above = np.flatnonzero(b > np.median(tail) + np.log(FLOOR_FACTOR))
    return int(above[-1]) + 1 if above.size else int(b.size)


def _after_transient(a: Array, b: Array, stop: int) -> int | None:
    """The first start from which the curve is straight up to `stop`."""
    if stop < MIN_POINTS:
        return None
    last = stop - MIN_POINTS
    for start in np.unique(np.linspace(0, last, min(last + 1, 41)).astype(int)):
        window = slice(start, stop)
        if abs(b[start] - b[stop - 1]) < np.log(MIN_SPAN):
            return None
        if _r2(a[window], b[window]) >= MIN_R2 and _even(a[window], b[window]):
            return int(start)
    return None


def _even(a: Array, b: Array) -> bool:
    """Whether the two halves of a window have like slopes."""
    middle = a.size // 2
    slopes = [np.polyfit(a[s], b[s], 1)[0] for s in (slice(0, middle), slice(middle, None))]
    return bool(abs(slopes[0] - slopes[1]) <= 0.1 * max(abs(slopes[0]), abs(slopes[1])))


def _r2(a: Array, b: Array) -> float:
    residual = b - np.polyval(np.polyfit(a, b, 1), a)
    spread = float(np.sum((b - b.mean()) ** 2))
    return 1.0 - float(np.sum(residual**2)) / spread if spread > 0 else 0.0


def _block_error(a: Array, b: Array) -> float:
    """Half width of the interval of the slope, from the slopes of consecutive blocks.

    Errors of an iteration are correlated; block slopes see the curvature and the slow
    oscillation that a textbook standard error would miss.
    """
    count = int(np.clip(a.size // 3, 2, BLOCKS))
    blocks = zip(np.array_split(a, count), np.array_split(b, count), strict=True)
    slopes = [np.polyfit(x, y, 1)[0] for x, y in blocks]
    quantile = stats.t.ppf(0.5 + LEVEL / 2, count - 1)
    return float(quantile * np.std(slopes, ddof=1) / np.sqrt(count))
