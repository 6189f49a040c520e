"""Rates fitted to curves, with an interval, or nothing where there is no rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError

__all__ = ["RateFit", "fit_rate"]

MIN_POINTS = 8
MIN_R2 = 0.98
# A window must span at least this factor in y, ...
MIN_SPAN = 3.0
# ... and this share of all that the curve changes by, in log y, before its floor.
MIN_SHARE = 0.4
# A power law must hold over this share of the range of log x: linear convergence that slows
# down after a plateau looks like one over less.
MIN_RANGE = 1 / 3
# Largest relative difference between the slopes of the two halves of a window: the first
# bound that some window meets decides, the last one is what is still called straight.
EVENNESS = (0.02, 0.04, 0.07, 0.10)
# The strict bounds must not cost more than this share of the change of the widest window.
KEPT_SHARE = 0.5
# Largest |c| for slopes that go like distance**c. A stretched exponential, or a geometric
# curve taken for a power law, looks straight on any short window, but keeps its c.
MAX_BEND = 0.25
# A curve may end on a floor if, at the slope of its last tenth, all of it would change by less
# than this in log y.
TAIL = 0.1
FLAT = 1.0
# Points within this factor of the floor belong to it.
FLOOR_FACTOR = 10.0
# Number of starts of the window that are tried.
STARTS = 41
BLOCKS = 8
# Relative error of slopes that rounding alone can make.
EXACT = 1e-10
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
        95 % interval of the rate, from the scatter of slopes over blocks of the window and
        from their drift between its two halves.
    window : tuple of float
        First and last x used.
    r2 : float
        Share of the variance of log y that the fit explains.
    log_scale : float
        Logarithm of y at x = 0 ("linear") or x = 1 ("power") on the fitted line.
    """

    model: str
    rate: float
    interval: tuple[float, float]
    window: tuple[float, float]
    r2: float
    log_scale: float

    @property
    def scale(self) -> float:
        """Value y at x = 0 ("linear") or x = 1 ("power") on the fitted line; may overflow."""
        with np.errstate(over="ignore"):
            return float(np.exp(self.log_scale))

    def predict(self, x: Any) -> Array:
        """The fitted law at x."""
        x = np.asarray(x, float)
        change = x * np.log(self.rate) if self.model == "linear" else self.rate * np.log(x)
        return np.asarray(np.exp(self.log_scale + change))


def fit_rate(x: Any, y: Any, *, model: str = "linear") -> RateFit | None:
    """Fit a geometric or a power law to a positive curve, on an automatic window.

    The window leaves out the floor on which a curve ends, then as much of the beginning as
    is needed for a straight line. A curve that follows another law (sublinear, superlinear,
    a sawtooth) has no such window, though every smooth curve looks straight on a short one.

    Parameters
    ----------
    x : array, shape (k,)
        Abscissa, not decreasing: iterations, sample sizes, ...
    y : array, shape (k,)
        Values; those that are not positive and finite are left out.
    model : {"linear", "power"}
        ``y = scale * rate**x`` (linear convergence) or ``y = scale * x**rate``.

    Returns
    -------
    RateFit or None
        None if no window of at least 8 points, a factor of 3 in y and 40 % of the change of
        log y before the floor is straight: ``r2 >= 0.98``, slopes of its two halves within
        10 %, and no bend of another law.

    Raises
    ------
    InvalidInputError
        For lengths that differ, x that decreases, or an unknown model.
    InvalidTypeError
        For data that are not numbers.

    Examples
    --------
    >>> import numpy as np, lowrank_la as ll
    >>> round(ll.fit_rate(np.arange(50), 0.5 ** np.arange(50)).rate, 6)
    0.5
    """
    try:
        x, y = np.asarray(x, float), np.asarray(y, float)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError("x and y must be numbers") from error
    if x.shape != y.shape or x.ndim != 1:
        raise InvalidInputError(f"x and y must be vectors of one length, got {x.shape}, {y.shape}")
    if model not in ("linear", "power"):
        raise InvalidInputError(f"model must be 'linear' or 'power', got {model!r}")
    usable = np.isfinite(x) & np.isfinite(y) & (y > 0)
    if model == "power":
        usable &= x > 0
    x, y = x[usable], y[usable]
    if np.any(np.diff(x) < 0):
        raise InvalidInputError("x must not decrease")
    # A coarse clock can give one time to several iterations.
    distinct = np.diff(x, prepend=-np.inf) > 0
    x, y = x[distinct], y[distinct]
    if x.size < MIN_POINTS:
        return None
    abscissa, ordinate = (np.log(x) if model == "power" else x), np.log(y)
    if model == "power":
        window = _window(abscissa, ordinate, x, MIN_RANGE)
    else:
        window = _window(abscissa, ordinate, _since_onset(x, ordinate), 0.0)
    if window is None:
        return None
    start, stop = window
    a, b = abscissa[start:stop], ordinate[start:stop]
    slope, level = np.polyfit(a, b, 1)
    width = _width(a, b)
    low, high = slope - width, slope + width
    linear = model == "linear"
    return RateFit(
        model=model,
        rate=float(np.exp(slope)) if linear else float(slope),
        interval=(float(np.exp(low)), float(np.exp(high))) if linear else (float(low), float(high)),
        window=(float(x[start]), float(x[stop - 1])),
        r2=_r2(a, b),
        log_scale=float(level),
    )


def _window(a: Array, b: Array, distance: Array, wide: float) -> tuple[int, int] | None:
    """First and one past the last point of the window, if there is one."""
    stop = _before_floor(a, b)
    ends = [stop]
    # A run that stops soon after it has reached its floor has few points there.
    shorter = _above(b[:stop], b[:stop].min())
    if stop - shorter <= max(2 * MIN_POINTS, stop // 5):
        ends.append(shorter)
    windows = [
        (start, end)
        for end in ends
        if (start := _after_transient(a[:end], b[:end], distance[:end], wide)) is not None
    ]
    # Plateau, line and floor together can look even; the scatter of their slopes tells.
    best: tuple[float, tuple[int, int] | None] = (np.inf, None)
    for window in windows:
        width = max(EXACT, _width(a[slice(*window)], b[slice(*window)]))
        if width < 0.5 * best[0]:
            best = width, window
    return best[1]


def _above(b: Array, floor: float) -> int:
    """One past the last point that is clearly above a floor; all if none is."""
    above = np.flatnonzero(b > floor + np.log(FLOOR_FACTOR))
    return int(above[-1]) + 1 if above.size else int(b.size)


def _since_onset(x: Array, b: Array) -> Array:
    """Distance from where the curve leaves its plateau, if it begins with one."""
    away = np.abs(b - b[0]) > 0.1 * np.ptp(b)
    return x - x[max(0, int(np.argmax(away)) - 1)]


def _before_floor(a: Array, b: Array) -> int:
    """One past the last point above the floor; all points if the curve does not end flat."""
    whole = a[-1] - a[0]
    tail = a >= a[-1] - TAIL * whole
    tail[-MIN_POINTS:] = True
    fit = stats.linregress(a[tail], b[tail])
    # The error of an exactly constant tail is NaN.
    if fit.slope * whole < -(FLAT + 2 * np.nan_to_num(fit.stderr) * whole):
        return int(b.size)
    return _above(b, float(np.median(b[tail])))


def _after_transient(a: Array, b: Array, distance: Array, wide: float) -> int | None:
    """The first start from which the curve is straight, in the strictest sense that it is."""
    if a.size < MIN_POINTS:
        return None
    change = np.abs(b - b[-1])
    enough = max(np.log(MIN_SPAN), MIN_SHARE * np.ptp(b))
    last = a.size - MIN_POINTS
    starts = np.unique(np.searchsorted(a, np.linspace(a[0], a[last], STARTS)))
    straight = [
        (start, unevenness)
        for start in starts.tolist()
        if change[start] >= enough
        and a[-1] - a[start] >= wide * (a[-1] - a[0])
        and _ahead(b, start)
        and _r2(a[start:], b[start:]) >= MIN_R2
        and (unevenness := _unevenness(a[start:], b[start:], distance[start:])) <= EVENNESS[-1]
    ]
    if not straight:
        return None
    for bound in EVENNESS:
        for start, unevenness in straight:
            if unevenness <= bound and change[start] >= KEPT_SHARE * change[straight[0][0]]:
                return int(start)
    return None


def _ahead(b: Array, start: int) -> bool:
    """Whether the curve was not already, before the window, where the window leads to."""
    falls = b[start] > b[-1]
    before = b[start] - b[:start] if falls else b[:start] - b[start]
    return bool(np.all(before < np.log(MIN_SPAN)))


def _unevenness(a: Array, b: Array, distance: Array) -> float:
    """Relative difference of the slopes of two halves; infinite if they bend like another law."""
    halves = _halves(a)
    first, second = _half_slopes(a, b)
    if first * second <= 0:
        return float("inf")
    near, far = (max(float(np.median(distance[half])), 1e-300) for half in halves)
    apart = np.log(far / near)
    if abs(np.log(second / first)) > MAX_BEND * apart:
        return float("inf")
    return float(abs(first - second) / max(abs(first), abs(second)))


def _halves(a: Array) -> tuple[slice, slice]:
    """The points on either side of the middle, a few at least."""
    few = MIN_POINTS // 2
    middle = int(np.clip(np.searchsorted(a, 0.5 * (a[0] + a[-1])), few, a.size - few))
    return slice(0, middle), slice(middle, None)


def _half_slopes(a: Array, b: Array) -> tuple[float, float]:
    first, second = (float(np.polyfit(a[s], b[s], 1)[0]) for s in _halves(a))
    return first, second


def _width(a: Array, b: Array) -> float:
    """Half width of the interval of the slope: scatter over blocks, and drift between halves."""
    first, second = _half_slopes(a, b)
    return float(np.hypot(_block_error(a, b), first - second))


def _r2(a: Array, b: Array) -> float:
    residual = b - np.polyval(np.polyfit(a, b, 1), a)
    spread = float(np.sum((b - b.mean()) ** 2))
    return 1.0 - float(np.sum(residual**2)) / spread if spread > 0 else 0.0


def _block_error(a: Array, b: Array) -> float:
    """Half width of a 95 % interval of the slope, from the slopes of consecutive blocks.

    Errors of an iteration are correlated; block slopes see the curvature and the slow
    oscillation that a textbook standard error would miss.
    """
    place = (a - a[0]) / (a[-1] - a[0])
    for count in range(BLOCKS, 1, -1):
        block = np.minimum((count * place).astype(int), count - 1)
        if np.bincount(block, minlength=count).min() >= 3:
            break
    else:
        count, block = 2, np.arange(a.size) * 2 // a.size
    slopes = [np.polyfit(a[block == k], b[block == k], 1)[0] for k in range(count)]
    quantile = stats.t.ppf(0.5 + LEVEL / 2, count - 1)
    scatter = float(quantile * np.std(slopes, ddof=1) / np.sqrt(count))
    # Exact data: an interval that rounding cannot miss.
    return max(scatter, EXACT * float(np.max(np.abs(slopes))))
