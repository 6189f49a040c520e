"""Rules that turn measured numbers into verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from ..errors import InvalidInputError
from ._data import Data, bootstrap

# Below this number of repeats an interval says nothing.
MIN_REPEATS = 3


class Verdict(Enum):
    """What the measurements say of a statement."""

    CONSISTENT = "consistent"
    NOT_CONSISTENT = "not consistent"
    NOT_DECIDED = "not decided"


@dataclass(frozen=True)
class Check:
    """One part of a claim: a statistic and the range that the statement allows it.

    Attributes
    ----------
    statement : str
        What is checked, in words.
    statistic : callable
        From `Data` to a number.
    low, high : float
        The range in which the statement holds.
    predicted : callable or None
        From `Data` to the predicted value, where there is one.
    """

    statement: str
    statistic: Callable[[Data], float]
    low: float = -np.inf
    high: float = np.inf
    predicted: Callable[[Data], float] | None = None

    def judge(self, data: Data, *, deterministic: bool = False) -> Finding:
        """Measure the statistic with its interval, and compare it with the range.

        Consistent if the interval lies inside the range, not consistent if outside, not
        decided if it lies across a border, if there are too few repeats to have an interval,
        or if the number could not be measured.
        """
        try:
            value, low, high = bootstrap(data, self.statistic)
        except InvalidInputError as error:
            # The grid was changed, and lacks points that this check is about.
            missing = (float("nan"), float("nan"))
            return Finding(self, float("nan"), missing, None, Verdict.NOT_DECIDED, str(error))
        predicted = None if self.predicted is None else float(self.predicted(data))
        verdict, why = self._compare(value, low, high)
        if verdict is not Verdict.NOT_DECIDED and not deterministic and data.repeats < MIN_REPEATS:
            verdict = Verdict.NOT_DECIDED
            why = f"{data.repeats} repeats give no interval; at least {MIN_REPEATS} do"
        return Finding(self, value, (low, high), predicted, verdict, why)

    def _compare(self, value: float, low: float, high: float) -> tuple[Verdict, str]:
        found, accepted = _interval(value, low, high), _range(self.low, self.high)
        if np.isnan([value, low, high]).any():
            return Verdict.NOT_DECIDED, "the number could not be measured in every repeat"
        if low >= self.low and high <= self.high:
            return Verdict.CONSISTENT, f"{found}, within {accepted}"
        if high < self.low or low > self.high:
            return Verdict.NOT_CONSISTENT, f"{found}, outside {accepted}"
        return Verdict.NOT_DECIDED, f"{found}, across a border of {accepted}"


@dataclass(frozen=True)
class Finding:
    """A check and what was measured.

    Attributes
    ----------
    check : Check
    measured : float
    interval : tuple of float
        95 % bootstrap interval over the repeats.
    predicted : float or None
    verdict : Verdict
    why : str
    """

    check: Check
    measured: float
    interval: tuple[float, float]
    predicted: float | None
    verdict: Verdict
    why: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "statement": self.check.statement,
            "measured": self.measured,
            "interval": list(self.interval),
            "accepted": [self.check.low, self.check.high],
            "predicted": self.predicted,
            "verdict": self.verdict.value,
            "why": self.why,
        }


def overall(findings: list[Finding]) -> tuple[Verdict, str]:
    """The verdict on all checks together: the worst of them, and its reason."""
    for verdict in (Verdict.NOT_CONSISTENT, Verdict.NOT_DECIDED):
        for finding in findings:
            if finding.verdict is verdict:
                return verdict, f"{finding.check.statement}: {finding.why}"
    return Verdict.CONSISTENT, "; ".join(f"{f.check.statement}: {f.why}" for f in findings)


def _range(low: float, high: float) -> str:
    if np.isinf(low):
        return f"at most {high:.3g}"
    if np.isinf(high):
        return f"at least {low:.3g}"
    return f"[{low:.3g}, {high:.3g}]"


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3g}" if low == high else f"{value:.3g} ({low:.3g} to {high:.3g})"


# --- the statistics that most claims need ---


def follows(
    number: str, law: Callable[[Any], float], factor: float, *, what: str, **where: Any
) -> Check:
    """At every point the number is the law, up to a factor."""

    def ratios(data: Data) -> Any:
        data = data.where(**where) if where else data
        return data.mean(number) / np.array([law(point) for point in data.points])

    def worst(data: Data) -> float:
        return float(np.exp(np.max(np.abs(np.log(ratios(data))))))

    return Check(what, worst, high=factor, predicted=lambda data: 1.0)


def between(number: str, low: float, high: float, *, what: str, **where: Any) -> tuple[Check, ...]:
    """At every point the number lies in [low, high]."""

    def pick(data: Data) -> Any:
        return (data.where(**where) if where else data).mean(number)

    checks = []
    if low > -np.inf:
        checks.append(Check(f"{what} (least)", lambda d: float(np.min(pick(d))), low=low))
    if high < np.inf:
        checks.append(Check(f"{what} (largest)", lambda d: float(np.max(pick(d))), high=high))
    return tuple(checks)


def spread(number: str, high: float, *, what: str, relative: bool = True, **where: Any) -> Check:
    """The largest and the least over the points differ by at most `high` (a ratio, if relative)."""

    def statistic(data: Data) -> float:
        values = (data.where(**where) if where else data).mean(number)
        if values.size < 2 or (relative and np.min(values) <= 0):
            # One point agrees with itself, and a ratio of signs says nothing.
            return float("nan")
        if relative:
            return float(np.max(values) / np.min(values))
        return float(np.max(values) - np.min(values))

    return Check(what, statistic, high=high, predicted=lambda data: 1.0 if relative else 0.0)


def exponent(
    number: str,
    over: str,
    low: float,
    high: float,
    *,
    what: str,
    law: float | None = None,
    **where: Any,
) -> Check:
    """The slope of log number against log parameter lies in [low, high]."""

    def statistic(data: Data) -> float:
        data = data.where(**where) if where else data
        _several(data, over)
        x, y = np.log(data.parameter(over).astype(float)), np.log(data.mean(number))
        return float(np.polyfit(x, y, 1)[0])

    return Check(what, statistic, low, high, None if law is None else lambda data: law)


def ratio(
    number: str, over: dict[str, Any], under: dict[str, Any], low: float, high: float, *, what: str
) -> Check:
    """The number at one point over that at another lies in [low, high]."""
    return Check(what, lambda d: d.at(number, **over) / d.at(number, **under), low, high)


def increases(number: str, over: str, *, what: str, **where: Any) -> Check:
    """The number grows strictly with a parameter: the least step between neighbours is positive."""

    def statistic(data: Data) -> float:
        data = data.where(**where) if where else data
        _several(data, over)
        order = np.argsort(data.parameter(over))
        return float(np.min(np.diff(data.mean(number)[order])))

    return Check(what, statistic, low=np.finfo(float).tiny)


def _several(data: Data, over: str) -> None:
    if np.unique(data.parameter(over)).size < 2:
        raise InvalidInputError(f"a single value of {over} shows no dependence on it")
