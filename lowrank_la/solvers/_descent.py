"""What the methods ``factor <- factor - step gradient metric^{-1}`` share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._point import PointState
from .._typing import Array
from ..errors import SolverBreakdownError
from ..factors import Factors
from ..gauss_newton import contraction
from ..initial import spectral_values
from ..problem import Evaluation, Problem
from ..steps import Automatic, Constant, ExactLineSearch, Line, Step, as_step
from ._protocol import Solver


@dataclass
class DescentState(PointState):
    """Factors, and the objective and gradient at them.

    Attributes
    ----------
    residual : array or None
        The residual, if the step rule uses it.
    unit : float
        Natural length of a step.
    damping : float
        What was added to the metric in the last step.
    step : float
        Length of the last step; 0 before the first.
    """

    residual: Array | None
    unit: float
    damping: float
    step: float = 0.0

    def go(self, X: Factors, at: Evaluation, step: float, damping: float) -> None:
        """Bind the next iterate."""
        self.place(X, at)
        self.residual, self.step, self.damping = at.residual, step, damping
        self.iteration += 1


@dataclass(frozen=True, kw_only=True)
class Descent(Solver):
    """Base of gradient descent and its preconditioned relatives; both factors move at once."""

    step_size: float | str | Step = "auto"
    state_type: ClassVar[type] = DescentState
    # Constant step of "auto" on the way from a start near zero.
    small_step: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        as_step(self.step_size)

    @property
    def rule(self) -> Step:
        """The step rule."""
        if isinstance(self.step_size, str) and self.step_size == "auto":
            return Automatic(self.small_step)
        return as_step(self.step_size)

    def unit(self, problem: Problem) -> float:
        """Natural length of a step."""
        return 1.0 / problem.operator.isometry

    def initial_damping(self, problem: Problem, start: Factors) -> float:
        """Damping known before the first iteration."""
        return 0.0

    def damping_at(self, problem: Problem, state: DescentState) -> float:
        """Damping of the coming step."""
        return state.damping

    def metric(self, X: Factors, damping: float) -> tuple[Array, Array] | None:
        """Metrics of the left and the right factor, each (r, r); None for the identity."""
        return None

    def init(self, problem: Problem, start: Factors) -> DescentState:
        """Objective and gradient at the start, and the natural length of a step."""
        at = problem.evaluate(start, residual=keeps_residual(self.rule, problem))
        return DescentState.begin(
            start,
            at,
            residual=at.residual,
            unit=self.unit(problem),
            damping=self.initial_damping(problem, start),
        )

    def advance(self, problem: Problem, state: DescentState, k: int) -> None:
        """Take k steps."""
        rule = self.rule
        keep = keeps_residual(rule, problem)
        for _ in range(k):
            self._step(problem, state, rule, keep)

    def _step(self, problem: Problem, state: DescentState, rule: Step, keep: bool) -> None:
        X, at = state.X, state.at
        damping = self.damping_at(problem, state)
        direction = self._direction(X, at, damping)
        line = Line(problem, X, at, direction, state.iteration)
        step = rule.length(line, state.unit, state.step)
        state.go(line.point(step), line.evaluate(step, residual=keep), step, damping)

    def _direction(self, X: Factors, at: Evaluation, damping: float) -> Factors:
        metric = self.metric(X, damping)
        gradients = (at.left,) if X.symmetric else (at.left, at.right)
        if metric is None:
            parts = [-g for g in gradients]
        else:
            parts = [-divide(g, m) for g, m in zip(gradients, metric, strict=False)]
        return Factors(parts[0], parts[-1])

    def factors(self, state: DescentState) -> Factors:
        """The present factors."""
        return state.X

    def resume(self, state: DescentState, previous: DescentState) -> None:
        """Carry over the last step; iterations count on if the problem is that of before."""
        if state.value == previous.value:
            state.iteration, state.step = previous.iteration, previous.step
            state.damping = self.resumed_damping(state, previous)

    def resumed_damping(self, state: DescentState, previous: DescentState) -> float:
        """Damping to go on with: that of the options, unless it follows the iteration."""
        return state.damping

    def evaluation(self, problem: Problem, state: DescentState) -> Evaluation:
        """Objective and gradient at the present factors."""
        return state.at

    def local_rate(self, problem: Problem, solution: Factors) -> float | None:
        """Spectral radius of the step, linearised at a solution; for constant steps."""
        rule = self.rule
        if not isinstance(rule, Constant):
            return None
        X = solution.balanced()
        damping = self.initial_damping(problem, X)
        identity = np.eye(X.rank)
        metric = self.metric(X, damping) or (identity, identity)
        return contraction(problem, X, metric, rule.value * self.unit(problem))


def keeps_residual(rule: Step, problem: Problem) -> bool:
    """Whether the rule wants the residual of each iterate, and the operator has no better."""
    if isinstance(rule, Automatic):
        return problem.exact_steps and not problem.sums_along_lines
    if isinstance(rule, ExactLineSearch):
        return not problem.sums_along_lines
    return rule.needs_residual


def gradient_unit(problem: Problem, sigma_max: float | None) -> float:
    """``1 / (isometry * sigma_max + nuclear)``: the natural step of plain gradient descent."""
    top = sigma_max or float(spectral_values(problem, 1)[0])
    if top <= 0:
        # No positive eigenvalue in the back-projection of a symmetric problem.
        top = 1.0
    return 1.0 / (problem.operator.isometry * top + problem.nuclear)


def gram_metric(X: Factors, damping: float) -> tuple[Array, Array]:
    """``(R^H R + damping I, L^H L + damping I)``, the metric of the scaled methods."""
    left = X.left.conj().T @ X.left
    right = left if X.symmetric else X.right.conj().T @ X.right
    shift = np.diag(np.full(X.rank, damping, left.real.dtype))
    return right + shift, left + shift


def inner(a: Array, b: Array) -> float:
    """Real part of the inner product, in a summation order that BLAS threads do not change."""
    if a.dtype.kind == "c":
        return float(np.einsum("ij,ij->", a.conj(), b).real)
    return float(np.einsum("ij,ij->", a, b))


def divide(gradient: Array, metric: Array) -> Array:
    """``gradient @ inv(metric)`` by Cholesky.

    Raises
    ------
    SolverBreakdownError
        If the metric is not positive definite.
    """
    try:
        lower = np.linalg.cholesky(metric)
        if not np.isfinite(lower).all():
            raise np.linalg.LinAlgError
    except np.linalg.LinAlgError as error:
        raise SolverBreakdownError(
            f"the {metric.shape[0]} x {metric.shape[0]} metric of a factor is singular: the "
            f"iterate has a lower rank than its factors, or is not finite. Lower the rank, use "
            f"a damped method (scaledgd_lambda, precgd), or a smaller step"
        ) from error
    # M = C C^H: two products with the small C^{-1} beat LAPACK's solve with n right-hand sides
    # by an order of magnitude. SciPy's solvers bring a second BLAS, whose threads fight NumPy's.
    inverse = np.linalg.inv(lower)
    return (gradient @ inverse.conj().T) @ inverse
