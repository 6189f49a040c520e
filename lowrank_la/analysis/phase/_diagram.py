"""The share of successes over a plane of two parameters."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ... import _check
from ..._typing import Array
from ...errors import FileFormatError, InvalidInputError
from ...storage import read, save, unpacking
from ._grid import from_nearest
from ._logistic import chance_at, logistic


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """Share of successes over a plane.

    Attributes
    ----------
    x_name, y_name : str
        Parameters.
    x, y : array, shape (nx,), (ny,)
        Their values, ascending.
    successes, trials : array of int, shape (ny, nx)
        Runs that reached the target, and runs made; cells far from the border have none.
    possible : array of bool, shape (ny, nx)
        Whether the generator can make instances there: not with more entries than there are.
    label : str
        Solver and problem.
    target : float
        Relative error that counts as success.
    complete : bool
        False if Ctrl-C or the budget ended the measurement.
    """

    x_name: str
    y_name: str
    x: Array
    y: Array
    successes: Array
    trials: Array
    possible: Array
    label: str
    target: float
    complete: bool = True

    @property
    def share(self) -> Array:
        """Share of successes, shape (ny, nx).

        A cell without runs lies inside a block whose corners all agree; it has their share.
        NaN where no instance is possible.
        """
        with np.errstate(invalid="ignore"):
            share = self.successes / np.where(self.trials > 0, self.trials, np.nan)
        known = np.isfinite(share) | ~self.possible
        return from_nearest(share, known)

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Wilson's binomial interval of the share, each shape (ny, nx); NaN without runs.

        Parameters
        ----------
        level : float
            Coverage.
        """
        from scipy import stats

        z = stats.norm.ppf(0.5 + _check.number(level, "level", low=0.0, high=1.0) / 2)
        n = np.where(self.trials > 0, self.trials, np.nan)
        p = self.successes / n
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return middle - half, middle + half

    def border(self, level: float = 0.95, *, draws: int = 200) -> tuple[Array, Array, Array]:
        """Where along x the share crosses one half, for each y, with an interval.

        A logistic curve in x is fitted to each row by maximum likelihood; the interval comes
        from redrawing the successes (parametric bootstrap).

        Parameters
        ----------
        level : float
            Coverage of the interval.
        draws : int
            Number of redraws.

        Returns
        -------
        middle, low, high : array, shape (ny,)
            NaN for rows in which the share does not cross one half.
        """
        generator = np.random.default_rng(0)
        tail = 50 * (1 - level)
        out = np.full((3, self.y.size), np.nan)
        for row in range(self.y.size):
            tried = self.trials[row] > 0
            x, n = self.x[tried], self.trials[row, tried]
            fit = logistic(x, self.successes[row, tried], n)
            if fit is None:
                continue
            out[0, row] = fit[0]
            chance = chance_at(x, *fit)
            again = [logistic(x, generator.binomial(n, chance), n) for _ in range(draws)]
            found = [f[0] for f in again if f is not None]
            if len(found) > draws // 2:
                out[1:, row] = np.percentile(found, [tail, 100 - tail])
        return out[0], out[1], out[2]

    def fit(self, model: str = "power") -> tuple[float, float]:
        """Fit the border x as a function of y.

        Parameters
        ----------
        model : {"power", "linear"}
            ``x = a y^b`` or ``x = a + b y``.

        Returns
        -------
        a, b : float

        Raises
        ------
        InvalidInputError
            If fewer than three rows have a border.
        """
        if model not in ("power", "linear"):
            raise InvalidInputError(f"model must be 'power' or 'linear', got {model!r}")
        border = self.border(draws=2)[0]
        known = np.isfinite(border)
        if known.sum() < 3:
            raise InvalidInputError(
                f"{known.sum()} rows have a border; a fit needs three. Widen the range of "
                f"{self.x_name}"
            )
        if model == "power":
            slope, level = np.polyfit(np.log(self.y[known]), np.log(border[known]), 1)
            return float(np.exp(level)), float(slope)
        slope, level = np.polyfit(self.y[known], border[known], 1)
        return float(level), float(slope)

    def save(self, path: Any) -> Path:
        """Write the diagram to an .npz file, without pickle; `load` reads it."""
        header = {
            "kind": "phase diagram",
            "names": [self.x_name, self.y_name],
            "label": self.label,
            "target": self.target,
            "complete": self.complete,
        }
        arrays = {n: getattr(self, n) for n in ("x", "y", "successes", "trials", "possible")}
        return save(path, header, arrays)

    @classmethod
    def load(cls, path: Any) -> PhaseDiagram:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            If the file holds no phase diagram.
        """
        header, arrays = read(path)
        if header.get("kind") != "phase diagram":
            raise FileFormatError(f"{path} holds a {header.get('kind')}, not a phase diagram")
        with unpacking(path):
            x_name, y_name = header["names"]
            return cls(
                x_name,
                y_name,
                **arrays,
                label=header["label"],
                target=header["target"],
                complete=header["complete"],
            )

    def __repr__(self) -> str:
        return (
            f"<PhaseDiagram of {self.label} over {self.x_name} x {self.y_name}: "
            f"{int(self.trials.sum())} runs in {int((self.trials > 0).sum())} of "
            f"{self.trials.size} cells>"
        )
