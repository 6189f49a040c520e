"""How far to go along a direction.

A `Step` is a frozen value; what it remembers of the last step is passed in. Lengths are in
units of the method (`unit`), which makes defaults hold across operators and scales.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, cast, runtime_checkable

import numpy as np

from . import _check
from ._typing import Array
from .errors import IncompatibleError, InvalidInputError, InvalidTypeError, unknown_name
from .factors import Factors
from .losses import Squared
from .operators import HasNormalProduct
from .problem import Evaluation, Problem

__all__ = [
    "Automatic",
    "Backtracking",
    "Constant",
    "ExactLineSearch",
    "Geometric",
    "Line",
    "LossProportional",
    "MedianResidual",
    "Polyak",
    "Step",
]


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
    iteration : int
        Steps taken before this one.
    """

    problem: Problem
    X: Factors
    at: Evaluation
    direction: Factors
    iteration: int = 0

    def point(self, t: float) -> Factors:
        """The point at length t."""
        t = self.X.left.real.dtype.type(t)
        left = self.X.left + t * self.direction.left
        if self.problem.symmetric:
            return Factors(left, left)
        return Factors(left, self.X.right + t * self.direction.right)

    @cached_property
    def _trials(self) -> dict[float, Evaluation]:
        return {}

    def evaluate(self, t: float, *, residual: bool = False) -> Evaluation:
        """Objective and gradient at length t; the last one asked for is kept.

        One pass over the data has both, so that the step that a search accepts has cost
        nothing besides.
        """
        found = self._trials.get(t)
        if found is None or (residual and found.residual is None):
            found = self.problem.evaluate(self.point(t), residual=residual)
            self._trials.clear()
            self._trials[t] = found
        return found

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
        ``a1 = A(dL R^H + L dR^H)`` and ``a2 = A(dL dR^H)``: two forward calls, or one pass over
        the data where the operator offers `line_sums`.

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
        X, D = self.X, self.direction
        ee, e1, e2, s11, s12, s22 = self._sums()
        coefficients = np.array([0.5 * ee, e1, e2 + 0.5 * s11, s12, 0.5 * s22])
        if self.problem.nuclear:
            pairs = ((X.left, D.left), (X.right, D.right))
            squares = [
                sum(_dot(a, a) for a, _ in pairs),
                2 * sum(_dot(a, b) for a, b in pairs),
                sum(_dot(b, b) for _, b in pairs),
            ]
            coefficients[:3] += 0.5 * self.problem.nuclear * np.array(squares)
        return coefficients * (0.5 if self.problem.symmetric else 1.0)

    def _sums(self) -> Array:
        """e.e, e.a1, e.a2, a1.a1, a1.a2, a2.a2."""
        X, D, operator = self.X, self.direction, self.problem.operator
        if self.at.residual is None and self.problem.sums_along_lines:
            return cast(HasNormalProduct, operator).line_sums(X, D, self.problem.prepared)
        e = self.problem.residual(X) if self.at.residual is None else self.at.residual
        a1 = operator.forward(Factors(np.hstack([D.left, X.left]), np.hstack([X.right, D.right])))
        a2 = operator.forward(D)
        parts = (e, a1, a2)
        return np.array([_dot(parts[a], parts[b]) for a in range(3) for b in range(a, 3)])


def _dot(a: Array, b: Array) -> float:
    # Not vdot: its summation order changes with the number of BLAS threads.
    return float(np.sum((a.conj() * b).real, dtype=float))


def positive_minimiser(quartic: Sequence[float]) -> float:
    """The t > 0 at which a quartic that falls at 0 is least, 0.0 if there is none.

    Between its turning points the derivative is monotone: each root is bracketed and found by
    Newton's method, in a small part of the time of `numpy.roots`.

    Parameters
    ----------
    quartic : sequence of float
        Coefficients, constant first, shape (5,); the last not negative.

    Returns
    -------
    float
    """
    _, d, c, b, a = (k * value for k, value in enumerate(quartic))
    borders = [0.0]
    if a > 0:
        square = b * b - 3 * a * c
        if square > 0:
            # Vieta's formula instead of the difference of like numbers.
            q = -(b + math.copysign(math.sqrt(square), b))
            turns = (q / (3 * a), c / q if q else 0.0)
            borders += sorted(t for t in turns if t > 0)
    elif b == 0:
        return -d / c if c > 0 > d else 0.0
    elif b < 0 < -c / (2 * b):
        # A quartic whose leading coefficients are lost to rounding.
        borders.append(-c / (2 * b))

    def derivative(t: float) -> float:
        return ((a * t + b) * t + c) * t + d

    if a > 0 or b > 0:
        last = max(2 * borders[-1], abs(d / (a or b)) ** (1 / 3 if a else 1 / 2), 1e-150)
        while derivative(last) <= 0 and last < 1e150:
            last *= 4
        borders.append(last)
    # A local minimum is where the derivative changes from negative to positive.
    pairs = [
        (low, high)
        for low, high in itertools.pairwise(borders)
        if derivative(low) < 0 < derivative(high)
    ]
    minima = [_root(a, b, c, d, low, high) for low, high in pairs]
    # Without the constant, which would hide small differences.
    return min(minima, key=lambda t: t * (d + t * (c / 2 + t * (b / 3 + t * a / 4))), default=0.0)


def _root(a: float, b: float, c: float, d: float, low: float, high: float) -> float:
    """The root of a cubic that rises through zero between two points: Newton and bisection."""
    t = min(-d / c, high) if c > 0 > d and low == 0.0 else 0.5 * (low + high)
    for _ in range(200):
        value = ((a * t + b) * t + c) * t + d
        if value < 0:
            low = t
        else:
            high = t
        slope = (3 * a * t + 2 * b) * t + c
        new = t - value / slope if slope > 0 else high
        if low < new < high:
            # Newton squares the relative error.
            if abs(new - t) <= 1e-8 * t:
                return new
        else:
            # Halves the exponent where the bracket spans orders of magnitude.
            new = 0.5 * (low + high) if high < 16 * low else math.sqrt(low * high)
            if low == 0.0:
                new = high / 16
            if abs(new - t) <= 4e-16 * t:
                return new
        t = new
    return t


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
        if self.small is not None and _size(line.X) <= SMALL * seen_norm(line.problem):
            return self.small * unit
        rule = ExactLineSearch() if line.problem.exact_steps else Backtracking()
        return rule.length(line, unit, previous)


def seen_norm(problem: Problem) -> float:
    """``|X|_F`` as the squares of the data suggest it."""
    return float(np.linalg.norm(problem.data)) / float(np.sqrt(problem.operator.isometry))


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


def gaussian_moduli(problem: Problem) -> tuple[float, float]:
    """Mean and median modulus of a standard Gaussian, real or complex as the data are."""
    if problem.data.dtype.kind == "c":
        return float(np.sqrt(np.pi) / 2), float(np.sqrt(np.log(2)))
    return float(np.sqrt(2 / np.pi)), 0.6744897501960817


def _matrix_norm(problem: Problem, deviation: float) -> float:
    """``|D|_F`` of the matrix whose measurements have this standard deviation."""
    return float(deviation * np.sqrt(problem.data.size / problem.operator.isometry))


def norm_of_mean(problem: Problem, mean: float) -> float:
    """``|D|_F`` of the matrix whose Gaussian measurements have this mean modulus."""
    return _matrix_norm(problem, mean / gaussian_moduli(problem)[0])


@dataclass(frozen=True)
class MedianResidual:
    """Absolute loss: a step proportional to the median modulus of the residual.

    A subgradient of the absolute loss does not shrink near the solution, so that its step has
    to. The median tells how far the solution is even if up to half of the data are outliers,
    whose share need not be known. For Gaussian measurements the step is, in the mean, that of
    gradient descent on the squared loss with the constant `value`; outliers weaken the
    subgradient and raise the median, and up to a share of 0.3 the two cancel to 15 %.

    Parameters
    ----------
    value : float
        Stable below 1 with many measurements; 0.3 to 0.5 is usual. Fewer measurements and
        more outliers want smaller values.
    """

    value: float = 0.5
    needs_residual: ClassVar[bool] = True
    oracle: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _check.number(self.value, "step_size", low=0.0, high=np.finfo(float).max)

    def length(self, line: Line, unit: float, previous: float) -> float:
        """``value unit median|e| / (E|g| median|g|)`` with g standard Gaussian."""
        mean, median = gaussian_moduli(line.problem)
        return self.value * unit * self.level(line.problem, line.X, line.at) / (mean * median)

    def level(self, problem: Problem, X: Factors, at: Evaluation) -> float:
        """Median modulus of the residual."""
        residual = problem.residual(X) if at.residual is None else at.residual
        return float(np.median(np.abs(residual)))

    def distance(self, problem: Problem, X: Factors, at: Evaluation) -> float:
        """Estimate of ``|X - X*|_F``: what Gaussian measurements with this median come from."""
        _, median = gaussian_moduli(problem)
        return _matrix_norm(problem, self.level(problem, X, at) / median)


@dataclass(frozen=True)
class LossProportional:
    """Absolute loss without outliers: a step proportional to the mean modulus of the residual.

    The subgradient times the loss is then, in the mean, the gradient of the squared loss, and
    `value` its constant step (Ma, Fattahi 2023; their ``(pi / 2) eta f``). With outliers the
    mean does not go to zero and neither does the step: the solvers give up where that shows.

    Parameters
    ----------
    value : float
        Stable below 1 with many measurements; 0.3 to 0.5 is usual.
    """

    value: float = 0.5
    needs_residual: ClassVar[bool] = False
    oracle: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _check.number(self.value, "value", low=0.0, high=np.finfo(float).max)

    def length(self, line: Line, unit: float, previous: float) -> float:
        """``value unit mean|e| / (E|g|)^2`` with g standard Gaussian."""
        mean, _ = gaussian_moduli(line.problem)
        return self.value * unit * self.level(line.problem, line.X, line.at) / mean**2

    def level(self, problem: Problem, X: Factors, at: Evaluation) -> float:
        """Mean modulus of the residual."""
        return problem.misfit(X, at) / problem.data.size

    def distance(self, problem: Problem, X: Factors, at: Evaluation) -> float:
        """Estimate of ``|X - X*|_F``: what Gaussian measurements with this mean come from."""
        return norm_of_mean(problem, self.level(problem, X, at))


NORMS = ("factors", "frobenius", "spectral")


@dataclass(frozen=True)
class Geometric:
    """Steps that shrink by a schedule: moves of length ``initial decay^t``.

    Takes noise and outliers alike, at the price of two parameters: the moves, which add up to
    ``initial / (1 - decay)``, must be longer than the way, and ``decay^t`` is the accuracy
    that t iterations can reach.

    Parameters
    ----------
    initial : float
        Length of the first move; see `norm` for its unit.
    decay : float
        Ratio of a move to the one before, in (0, 1).
    norm : {"factors", "frobenius", "spectral"}
        "factors": the length of a move is measured in the factors, with the metric of the
        method, and `initial` is relative to the size of the matrix that the data suggest
        (Tong, Ma, Chi 2021b). Otherwise the factors move by ``initial decay^t Q F / |Q|`` with
        ``Q = A*(s)`` and its Frobenius or spectral norm (Ma, Fattahi 2023): right for the plain
        method from a start near zero, which it leaves at a fixed rate. It needs Q itself, two
        further passes over the data.
    """

    initial: float = 0.25
    decay: float = 0.97
    norm: str = "factors"
    needs_residual: ClassVar[bool] = False
    oracle: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _check.number(self.initial, "initial", low=1e-300, high=1e300)
        _check.number(self.decay, "decay", low=1e-3, high=1 - 1e-9)
        if self.norm not in NORMS:
            raise InvalidInputError(
                f"norm must be one of {', '.join(map(repr, NORMS))}, got {self.norm!r}"
            )

    def length(self, line: Line, unit: float, previous: float) -> float:
        """The scheduled length over the norm; 0 where that is zero."""
        size = self._size(line)
        return self.initial * self.decay**line.iteration * unit / size if size > 0 else 0.0

    def _size(self, line: Line) -> float:
        if self.norm == "factors":
            # The direction is -g M^{-1}: its length in the metric M is that of the gradient.
            return float(np.sqrt(max(-line.slope, 0.0)))
        problem = line.problem
        slope = problem.loss.slope(problem.residual(line.X))
        Q = problem.operator.adjoint_right(slope, np.eye(problem.shape[1], dtype=line.X.dtype))
        if problem.symmetric:
            Q = 0.5 * (Q + Q.conj().T)
        if not np.isfinite(Q).all():
            return float("nan")
        return float(np.linalg.norm(Q, "fro" if self.norm == "frobenius" else 2))


RULES: dict[str, type] = {
    "auto": Automatic,
    "constant": Constant,
    "backtracking": Backtracking,
    "exact": ExactLineSearch,
    "polyak": Polyak,
}
SUBGRADIENT_RULES: dict[str, type] = {
    "median": MedianResidual,
    "loss": LossProportional,
    "geometric": Geometric,
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
    if isinstance(value, (MedianResidual, LossProportional, Geometric)):
        raise IncompatibleError(
            f"{type(value).__name__} is for the absolute loss, whose subgradients do not shrink: "
            f"use it with the solvers subgradient and scaled_subgradient"
        )
    if isinstance(value, Step):
        return value
    if _is_number(value):
        return Constant(float(value))
    raise InvalidTypeError(
        f"step_size must be a number, one of {', '.join(RULES)}, or a rule from "
        f"lowrank_la.steps, got {value!r}"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def as_subgradient_step(value: Any) -> Step:
    """A step rule for the absolute loss from a number, a name or a rule.

    Parameters
    ----------
    value : float, str or Step
        A number is that of `MedianResidual`.

    Returns
    -------
    Step

    Raises
    ------
    UnknownNameError
        If there is no rule of that name.
    IncompatibleError
        For rules that do not converge on a loss that is not smooth, and for `Polyak` by name,
        which leaves out the optimal objective.
    InvalidTypeError
        If it is none of the three.
    """
    names = ", ".join(SUBGRADIENT_RULES)
    if isinstance(value, str) and value in RULES and value not in ("polyak", "auto"):
        value = RULES[value]()
    if isinstance(value, str):
        if value not in SUBGRADIENT_RULES:
            raise unknown_name("step rule", value, SUBGRADIENT_RULES)
        if value == "polyak":
            raise IncompatibleError(
                "the Polyak step on the absolute loss needs the objective at the solution, which "
                "outliers and noise keep above zero: steps.Polyak(f_min=...), with f_min=0 for "
                "exact data; or step_size='median', which needs nothing"
            )
        return SUBGRADIENT_RULES[value]()  # type: ignore[no-any-return]
    if isinstance(value, Constant):
        raise IncompatibleError(
            "constant steps do not converge on the absolute loss: its subgradients do not "
            "shrink, and the iterates end at a distance proportional to the step. Use a number "
            "or step_size='median', or steps.Geometric"
        )
    if isinstance(value, (Automatic, Backtracking, ExactLineSearch)):
        raise IncompatibleError(
            f"{type(value).__name__} needs a direction of descent, which a subgradient of the "
            f"absolute loss need not be: the search ends at a kink. Use step_size='median' or "
            f"steps.Geometric; or a smooth loss such as losses.Huber with scaledgd"
        )
    if isinstance(value, Step):
        return value
    if _is_number(value):
        return MedianResidual(float(value))
    raise InvalidTypeError(
        f"step_size must be a number, one of {names}, or a rule from lowrank_la.steps, "
        f"got {value!r}"
    )
