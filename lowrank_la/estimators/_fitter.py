"""The fit: effects and a sweep over the factors in turn."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._interrupts import interrupts
from .._typing import Array
from ..driver import solve
from ..factors import Factors
from ..operators.entries import EntrySampling
from ..problem import Problem
from ..result import Status
from ._effects import AdditiveEffects
from ._model import Completion
from ._table import Triples

EFFECTS = ("additive", "mean", "none")


@dataclass(frozen=True)
class Fitter:
    """What a fit depends on besides the cells."""

    rank: int
    ridge: float
    effects: str
    damping: float
    bounds: tuple[float, float] | None
    max_iter: int
    tol: float
    seed: Any
    progress: Any

    def fit(self, cells: Triples) -> Completion:
        with interrupts() as interrupted:
            return self._fit(cells, interrupted)

    def _fit(self, cells: Triples, interrupted: Callable[[], bool]) -> Completion:
        begun = time.perf_counter()
        # Effects and ridge say something about empty rows, so they are allowed.
        operator = EntrySampling(cells.i, cells.j, cells.shape, empty="allow")
        effects = self._effects(cells, cells.values)
        weight = self._weight(cells, effects)
        fitted = np.zeros(cells.values.size)
        factors: Factors | None = None
        verdict = (Status.BUDGET, f"{self.max_iter} sweeps used up")
        sweep = 0
        for sweep in range(1, self.max_iter + 1):
            residual = cells.values - effects.at(cells.i, cells.j)
            if not residual.any():
                verdict = (Status.CONVERGED, "the effects alone fit all cells")
                break
            problem = Problem(operator, residual, nuclear=weight)
            result = solve(
                problem,
                "altmin",
                rank=self.rank if factors is None else None,
                start="spectral" if factors is None else factors,
                max_iter=1,
                tol=0.0,
                rng=self.seed,
            )
            factors = result.factors
            before, fitted = fitted, operator.forward(factors)
            if self.progress is not None:
                objective = float(result.trace["objective"][-1])
                self.progress(sweep, objective + effects.penalty(self.damping))
            if interrupted():
                verdict = (Status.INTERRUPTED, f"interrupted after {sweep} sweeps")
                break
            moved = float(np.linalg.norm(fitted - before))
            effects = self._effects(cells, cells.values - fitted, effects.mean)
            if moved <= self.tol * float(np.linalg.norm(cells.values - effects.mean)):
                verdict = (Status.CONVERGED, f"fitted values moved by less than {self.tol:g}")
                break
        n1, n2 = cells.shape
        return Completion(
            factors=factors or Factors(np.zeros((n1, self.rank)), np.zeros((n2, self.rank))),
            effects=effects,
            bounds=self.bounds,
            ridge=weight,
            status=verdict[0],
            reason=verdict[1],
            n_iter=sweep,
            seconds=time.perf_counter() - begun,
            row_labels=cells.row_labels,
            column_labels=cells.column_labels,
        )

    def _effects(self, cells: Triples, values: Array, mean: float | None = None) -> AdditiveEffects:
        if self.effects == "none":
            return AdditiveEffects.constant(0.0, cells.shape)
        if mean is None:
            mean = float(values.mean())
        if self.effects == "mean":
            return AdditiveEffects.constant(mean, cells.shape)
        return AdditiveEffects.fit(
            cells.i, cells.j, values, cells.shape, mean=mean, damping=self.damping
        )

    def _weight(self, cells: Triples, effects: AdditiveEffects) -> float:
        spread = float(np.std(cells.values - effects.at(cells.i, cells.j)))
        n1, n2 = cells.shape
        size = cells.values.size
        return self.ridge * spread * float(np.sqrt(size / n1) + np.sqrt(size / n2))
