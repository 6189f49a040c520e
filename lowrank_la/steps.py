"""How far to go along a direction.

A `Step` is a frozen value; what it remembers of the last step is passed in. Lengths are in
units of the method (`unit`), which makes defaults hold across operators and scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from . import _check
from ._typing import Array
from .errors import IncompatibleError, InvalidTypeError, unknown_name
from .factors import Factors
from .losses import Squared
from .problem import Evaluation, Problem

__all__ = ["Backtracking", "Constant", "ExactLineSearch", "Line", "Polyak", "Step"]


@dataclass(frozen=True, eq=False)
class Line:
    """The objective along ``(L + t dL, R + t dR)``.

    Attributes
    ----------
    problem : Problem
    X : Factors
        The point.
    at : Evaluation
        Objective and gradient there.
    direction : Factors
        The pair (dL, dR); one array twice for symmetric problems.
    """

    problem: Problem
    X: Factors
    at: Evaluation
    direction: Factors

    def point(self, t: float) -> Factors:
        """The point at length t."""
        t = self.X.left.real.dtype.type(t)
        left = self.X.left + t * self.direction.left
        if self.problem.symmetric:
            return Factors(left, left)
        return Factors(left, self.X.right + t * self.direction.right)

    @cached_property
    def slope(self) -> float:
        """Derivative of the objective at t = 0."""
        total = np.vdot(self.at.left, self.direction.left).real
        if not self.problem.symmetric:
            total += np.vdot(self.at.right, self.direction.right).real
        return float(total)

    def quartic(self) -> Array:
        """Coefficients of the squared-loss objective in t, constant first, shape (5,).

        With residual e, ``A(X(t)) - data = e + t a1 + t^2 a2`` where
        ``a1 = A(dL R^H + L dR^H)`` and ``a2 = A(dL dR^H)``: two forward calls.

        Raises
        ------
        IncompatibleError
            For another loss, along which the objective is no quartic.
        """
        if not isinstance(self.problem.loss, Squared):
            raise IncompatibleError(
                f"the exact line search needs the squared loss, got {self.problem.loss}; "
                f"Backtracking() takes any smooth loss"
            )
        X, D, operator = self.X, self.direction, self.problem.operator
        e = self.problem.residual(X) if self.at.residual is None else self.at.residual
        a1 = operator.forward(Factors(np.hstack([D.left, X.left]), np.hstack([X.right, D.right])))
        a2 = operator.forward(D)

        def dot(a: Array, b: Array) -> float:
            # Not vdot: its summation order changes with the number of BLAS threads.
            return float(np.sum((a.conj() * b).real, dtype=float))

        coefficients = np.array(
            [
                0.5 * dot(e, e),
                dot(e, a1),
                dot(e, a2) + 0.5 * dot(a1, a1),
                dot(a1, a2),
                0.5 * dot(a2, a2),
            ]
        )
        if self.problem.nuclear:
            pairs = ((X.left, D.left), (X.right, D.right))
            squares = [
                sum(dot(a, a) for a, _ in pairs),
                2 * sum(dot(a, b) for a, b in pairs),
                sum(dot(b, b) for _, b in pairs),
            ]
            coefficients[:3] += 0.5 * self.problem.nuclear * np.array(squares)
        return coefficients * (0.5 if self.problem.symmetric else 1.0)


@runtime_checkable
class Step(Protocol):
    """What a descent method needs of a step rule."""

    needs_residual: ClassVar[bool]
    oracle: ClassVar[tuple[str, ...]]

    def length(self, line: Line, unit: float, previous: float) -> float:
        """Step length along the line; `previous` is the last one, 0 at first."""
        ...


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
            value = line.problem.objective(line.point(trial))
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
        """The smallest-objective positive root of the quartic's derivative."""
        c = line.quartic()
        if not np.isfinite(c).all():
            return float("nan")
        if unit <= 0 or not c.any():
            return 0.0
        # In units of the method the coefficients are of like size.
        scaled = c * unit ** np.arange(5)
        derivative = scaled[1:] * np.arange(1, 5)
        roots = np.roots(derivative[::-1])
        real = roots.real[np.abs(roots.imag) <= 1e-8 * (1 + np.abs(roots.real))]
        candidates = real[real > 0]
        if candidates.size == 0:
            return 0.0
        # Without the constant, which would hide small differences.
        values = np.polyval(np.concatenate((scaled[:0:-1], [0.0])), candidates)
        return float(candidates[np.argmin(values)] * unit)


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


RULES: dict[str, type] = {
    "constant": Constant,
    "backtracking": Backtracking,
    "exact": ExactLineSearch,
    "polyak": Polyak,
}


def as_step(value: Any) -> Step:
    """A step rule from a number, a name or a rule.

    Raises
    ------
    UnknownNameError
        If there is no rule of that name.
    InvalidTypeError
        If it is none of the three.
    """
    if isinstance(value, str):
        if value not in RULES:
            raise unknown_name("step rule", value, RULES)
        return RULES[value]()  # type: ignore[no-any-return]
    if isinstance(value, Step):
        return value
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        return Constant(float(value))
    raise InvalidTypeError(
        f"step_size must be a number, one of {', '.join(RULES)}, or a rule from "
        f"lowrank_la.steps, got {value!r}"
    )
