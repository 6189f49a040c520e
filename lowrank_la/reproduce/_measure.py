"""Numbers that many claims measure on a run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..analysis.cells import Outcome
from ..analysis.rates import fit_rate
from ._data import Setting

Number = Callable[[Outcome, Setting], float]


def iterations_to(threshold: float, column: str = "rel_error") -> Number:
    """Iterations until a column is at most `threshold`; infinite if it never is."""
    return lambda outcome, p: outcome.first(column, threshold)


def final(column: str = "rel_error") -> Number:
    """The last value of a column."""
    return lambda outcome, p: outcome.last(column)


def rate(below: float = np.inf, above: float = 0.0, column: str = "rel_error") -> Number:
    """Factor per iteration, fitted where the column lies between two levels.

    NaN where `fit_rate` finds no straight part; infinite for a run that did not stay finite or
    never came below the upper level.
    """

    def measure(outcome: Outcome, p: Setting) -> float:
        y = outcome[column]
        if not np.isfinite(y).all() or y[-1] > max(y[0], below):
            return float("inf")
        kept = (y < below) & (y > above)
        fit = fit_rate(outcome["iteration"][kept], y[kept])
        return float("nan") if fit is None else fit.rate

    return measure


def slope(first: float, last: float, column: str = "rel_error", *, power: bool = False) -> Number:
    """Least-squares slope of log column on the iteration (on its logarithm, if `power`).

    Infinite for a run that did not stay finite, -infinite for one that had ended before.
    """

    def measure(outcome: Outcome, p: Setting) -> float:
        t, y = outcome["iteration"].astype(float), outcome[column]
        if not np.isfinite(y).all():
            return float("inf")
        kept = (t >= first) & (t <= last) & (t > 0)
        if np.count_nonzero(kept) < 2:
            return float("-inf")
        x = np.log(t[kept]) if power else t[kept]
        return float(np.polyfit(x, np.log(y[kept]), 1)[0])

    return measure


def at(iteration: int, column: str = "rel_error") -> Number:
    """The column at an iteration; infinite if the run ended earlier without being finite."""

    def measure(outcome: Outcome, p: Setting) -> float:
        place = int(np.searchsorted(outcome["iteration"], iteration))
        y = outcome[column]
        return float(y[min(place, y.size - 1)])

    return measure
