"""Rules for losses that are smooth, and Polyak's, which is for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import _check
from ..factors import Factors
from ._line import Line
from ._quartic import positive_minimiser


@dataclass(frozen=True)
class Constant:
    """The same length always, in units of the method.

    Parameters
    ----------
    value : float
        Gradient descent is stable below 1, scaled gradient descent too; 0.3 to 0.5 is usual.
    """

    value: float = 0.5
    needs_residual: ClassVar[bool] = False
    oracle: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _check.number(self.value, "step_size", low=0.0, high=np.finfo(float).max)

    def length(self, line: Line, unit: float, previous: float) -> float:
        """The constant times the unit."""
        return self.value * unit


@dataclass(frozen=True)
class Backtracking:
    """Armijo's rule: shrink until the objective falls by a share of what the slope promises.

    Parameters
    ----------
    initial : float
        First trial, in units of the method; later trials start at `growth` times the last
        step.
    shrink, growth : float
        Factors between trials.
    sufficient : float
        Share of the promised decrease that is enough.
    """

    initial: float = 1.0
    shrink: float = 0.5
    growth: float = 2.0
    sufficient: float = 1e-4
    needs_residual: ClassVar[bool] = False
    oracle: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _check.number(self.initial, "initial", low=1e-300, high=1e300)
        _check.number(self.shrink, "shrink", low=0.01, high=0.99)
        _check.number(self.growth, "growth", low=1.0)
        _check.number(self.sufficient, "sufficient", low=0.0, high=0.5)

    def length(self, line: Line, unit: float, previous: float) -> float:
        """The first trial that passes; 0 if none does down to rounding."""
        trial = self.growth * previous if previous > 0 else self.initial * unit
        smallest = np.finfo(line.X.dtype).eps * trial
        while trial > smallest:
            value = line.evaluate(float(trial)).value
            if value <= line.at.value + self.sufficient * trial * line.slope:
                return float(trial)
            trial *= self.shrink
        return 0.0


@dataclass(frozen=True)
class ExactLineSearch:
    """The global minimiser along the direction: squared loss makes it that of a quartic."""

    needs_residual: ClassVar[bool] = True
    oracle: ClassVar[tuple[str, ...]] = ()

    def length(self, line: Line, unit: float, previous: float) -> float:
        """The positive minimiser of the quartic."""
        c = line.quartic()
        if not np.isfinite(c).all():
            return float("nan")
        if unit <= 0 or not c.any():
            return 0.0
        # In units of the method the coefficients are of like size.
        best = positive_minimiser((c * unit ** np.arange(5)).tolist())
        return best * unit


# |X| over |y| / sqrt(isometry) up to which an iterate is still on its way from near zero.
SMALL = 0.1


@dataclass(frozen=True)
class Automatic:
    """The exact line search on the squared loss, backtracking on other losses.

    Backtracking too where the operator has a residual as large as the matrix, which its gradient
    does without (`lowrank_la.Problem.exact_steps`).

    Parameters
    ----------
    small : float, optional
        Constant step, in units of the method, while the iterate is smaller than a tenth of what
        the data suggest. From a start near zero a constant step lets the directions of the
        matrix grow faster than all others; the first exact step would lift all alike and leave
        errors that more columns than the rank keep for long. Default: none.
    """

    small: float | None = None
    needs_residual: ClassVar[bool] = True
    oracle: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        if self.small is not None:
            _check.number(self.small, "small", low=0.0, high=np.finfo(float).max)

    def length(self, line: Line, unit: float, previous: float) -> float:
        """The step of the rule that applies."""
        if self.small is not None and _size(line.X) <= SMALL * line.problem.norm_estimate:
            return self.small * unit
        rule = ExactLineSearch() if line.problem.exact_steps else Backtracking()
        return rule.length(line, unit, previous)


def _size(X: Factors) -> float:
    """``|X|_F`` by Gram matrices, to half of the digits."""
    left = X.left.conj().T @ X.left
    right = left if X.symmetric else X.right.conj().T @ X.right
    return float(np.sqrt(max(np.sum((left * right.T).real, dtype=float), 0.0)))


@dataclass(frozen=True)
class Polyak:
    """Polyak's step ``(f - f_min) / <gradient, direction>``.

    Parameters
    ----------
    f_min : float
        The optimal objective; an oracle quantity, zero for exact data that can be fitted.
    """

    f_min: float = 0.0
    needs_residual: ClassVar[bool] = False
    oracle: ClassVar[tuple[str, ...]] = ("f_min",)

    def __post_init__(self) -> None:
        _check.number(self.f_min, "f_min")

    def length(self, line: Line, unit: float, previous: float) -> float:
        """The step; 0 where the objective is at f_min or below."""
        gap = line.at.value - self.f_min
        return gap / -line.slope if gap > 0 and line.slope < 0 else 0.0
