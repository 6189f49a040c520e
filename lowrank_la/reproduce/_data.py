"""The numbers of a claim: one value per grid point and repeat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from .._typing import Array
from ..errors import InvalidInputError, unknown_name


class Setting(SimpleNamespace):
    """The parameters of one grid point, as attributes."""

    def as_dict(self) -> dict[str, Any]:
        """The parameters by name."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class Data:
    """Measured numbers on a grid.

    Attributes
    ----------
    points : sequence of Setting
        The grid points.
    numbers : mapping from str to array, shape (points, repeats)
        Measured numbers by name.
    """

    points: Sequence[Setting]
    numbers: Mapping[str, Array]

    @property
    def repeats(self) -> int:
        """Number of repeats of each point."""
        return int(next(iter(self.numbers.values())).shape[1])

    def where(self, **parameters: Any) -> Data:
        """The grid points with these parameters.

        Raises
        ------
        InvalidInputError
            If there is none.
        """
        kept = [
            k
            for k, point in enumerate(self.points)
            if all(getattr(point, name) == value for name, value in parameters.items())
        ]
        if not kept:
            raise InvalidInputError(f"no grid point has {parameters}")
        numbers = {name: values[kept] for name, values in self.numbers.items()}
        return Data([self.points[k] for k in kept], numbers)

    def mean(self, name: str) -> Array:
        """Mean over the repeats, one value per point.

        The geometric one where all repeats are positive (errors, rates, counts).
        """
        if name not in self.numbers:
            raise unknown_name("number", name, self.numbers)
        values = self.numbers[name]
        positive = np.all(values > 0, axis=1)
        with np.errstate(all="ignore"):
            geometric = np.exp(np.mean(np.log(np.where(values > 0, values, np.nan)), axis=1))
        return np.asarray(np.where(positive, geometric, np.mean(values, axis=1)))

    def at(self, name: str, **parameters: Any) -> float:
        """Mean of a number at the one grid point with these parameters.

        Raises
        ------
        InvalidInputError
            If there is not exactly one.
        """
        values = self.where(**parameters).mean(name)
        if values.size != 1:
            raise InvalidInputError(f"{values.size} grid points have {parameters}, not one")
        return float(values[0])

    def parameter(self, name: str) -> Array:
        """A parameter over the points."""
        return np.asarray([getattr(point, name) for point in self.points])

    def resampled(self, repeats: Array) -> Data:
        """The data with these repeats in place of the given ones, the same for all points."""
        return Data(self.points, {name: v[:, repeats] for name, v in self.numbers.items()})

    def table(self) -> list[dict[str, Any]]:
        """One row per point: its parameters, and median, least and largest of each number."""
        rows = []
        for k, point in enumerate(self.points):
            row = point.as_dict()
            for name, values in self.numbers.items():
                row[name] = float(np.median(values[k]))
                row[f"{name} low"] = float(np.min(values[k]))
                row[f"{name} high"] = float(np.max(values[k]))
            rows.append(row)
        return rows


def bootstrap(
    data: Data, statistic: Callable[[Data], float], *, draws: int = 400, level: float = 0.95
) -> tuple[float, float, float]:
    """A statistic and its percentile interval over resampled repeats.

    Parameters
    ----------
    data : Data
        Measured numbers.
    statistic : callable
        From data to a number.
    draws : int
        Number of resamples.
    level : float
        Coverage.

    Returns
    -------
    value, low, high : float
    """
    value = float(statistic(data))
    if data.repeats == 1:
        return value, value, value
    generator = np.random.default_rng(0)
    with np.errstate(all="ignore"):
        found = [
            float(statistic(data.resampled(generator.integers(data.repeats, size=data.repeats))))
            for _ in range(draws)
        ]
    tail = 50 * (1 - level)
    # Counts that were never reached are infinite, which interpolated percentiles turn into NaN.
    low, high = np.percentile(found, [tail, 100 - tail], method="nearest")
    return value, float(low), float(high)
