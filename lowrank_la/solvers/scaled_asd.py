"""Alternating (scaled) steepest descent with exact steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._typing import Array
from ..errors import InvalidTypeError
from ..factors import Factors
from ..losses import Squared
from ..problem import Evaluation, Problem
from ._descent import divide, inner
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["ScaledASD"]


@dataclass
class ScaledASDState:
    """Factors, residual, and the gradient in the factor that moves next.

    Attributes
    ----------
    left, right : array
        The factors.
    residual : array, shape (m,)
        ``A(X) - y``, updated by each half and not computed anew.
    left_gradient : array
        Gradient of the objective in the left factor.
    iteration : int
        Iterations done.
    """

    left: Array
    right: Array
    residual: Array
    left_gradient: Array
    iteration: int = 0


@register(
    SolverInfo(
        name="scaled_asd",
        summary="alternating scaled steepest descent, each factor with its exact step",
        losses=(Squared,),
        symmetric=False,
        monotone=True,
        gauge_invariant=True,
        references=(
            "Tanner, Wei (2016), Low rank matrix completion by alternating steepest descent "
            "methods, Applied and Computational Harmonic Analysis 40(2)",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class ScaledASD(Solver):
    """Alternating scaled steepest descent (ScaledASD), which is alternating ScaledGD.

    Parameters
    ----------
    scaled : bool
        Scale the gradient of each factor by the Gram matrix of the other. False is the plain
        alternating steepest descent (ASD) of the paper.

    Model
    -----
    ``min 1/2 |A(L R^H) - y|^2`` over L (n1 x r) and R (n2 x r).

    Update
    ------
    ``L <- L - t D`` with ``D = A*(e) R (R^H R)^{-1}`` and ``t = <A*(e) R, D> / |A(D R^H)|^2``,
    the minimiser along D; then R likewise with the new L and residual e (Algorithm 2 of the
    paper, whose Algorithm 1 leaves out the scaling). `agn` with ``step_size="exact"`` takes the
    same iterates; here the residual is updated and not computed anew.

    Assumptions
    -----------
    Squared loss; a start that is close (spectral); enough samples, two to three times as many
    as degrees of freedom for a flat spectrum.

    Guarantee
    ---------
    The objective never rises, and limit points are stationary (Theorem 4.1 of the paper).

    Cost
    ----
    Two products with A and two with its adjoint per iteration, O(m r) for entries, plus
    O((n1 + n2) r^2).

    References
    ----------
    Tanner, Wei (2016), Appl. Comput. Harmon. Anal. 40(2).
    """

    scaled: bool = True
    state_type: ClassVar[type] = ScaledASDState

    def __post_init__(self) -> None:
        if not isinstance(self.scaled, (bool, np.bool_)):
            raise InvalidTypeError(f"scaled must be True or False, got {self.scaled!r}")

    def init(self, problem: Problem, start: Factors) -> ScaledASDState:
        """Residual and left gradient at the start."""
        residual = problem.residual(start)
        gradient = _gradient(problem, start.left, start.right, residual, "left")
        return ScaledASDState(start.left, start.right, residual, gradient)

    def advance(self, problem: Problem, state: ScaledASDState, k: int) -> None:
        """Take k iterations, of two halves each."""
        for _ in range(k):
            left, right, e, gradient = state.left, state.right, state.residual, state.left_gradient
            left, e = self._half(problem, left, right, e, gradient, "left")
            gradient = _gradient(problem, right, left, e, "right")
            right, e = self._half(problem, right, left, e, gradient, "right")
            state.left_gradient = _gradient(problem, left, right, e, "left")
            state.left, state.right, state.residual = left, right, e
            state.iteration += 1

    def _half(
        self, problem: Problem, factor: Array, other: Array, e: Array, gradient: Array, side: str
    ) -> tuple[Array, Array]:
        """The factor after its exact step, and the residual there."""
        direction = gradient
        if self.scaled:
            metric = other.conj().T @ other
            shift = problem.nuclear / problem.operator.isometry
            direction = divide(gradient, metric + np.eye(len(metric), dtype=metric.dtype) * shift)
        along = (direction, other) if side == "left" else (other, direction)
        image = problem.operator.forward(Factors(*along))
        curvature = inner(image[:, None], image[:, None])
        curvature += problem.nuclear * inner(direction, direction)
        step = factor.real.dtype.type(inner(gradient, direction) / curvature if curvature else 0.0)
        return factor - step * direction, e - step * image

    def factors(self, state: ScaledASDState) -> Factors:
        """The present factors."""
        return Factors(state.left, state.right)

    def evaluation(self, problem: Problem, state: ScaledASDState) -> Evaluation:
        """Objective and gradient; that of the left factor is there already."""
        X = self.factors(state)
        right = _gradient(problem, state.right, state.left, state.residual, "right")
        value = problem.loss.value(state.residual)
        if problem.nuclear:
            value += 0.5 * problem.nuclear * (inner(X.left, X.left) + inner(X.right, X.right))
        return Evaluation(value, state.left_gradient, right, state.residual)

    def resume(self, state: ScaledASDState, previous: ScaledASDState) -> None:
        """Carry over the residual with its rounding, if the problem is that of before."""
        gap = np.linalg.norm(state.residual - previous.residual)
        size = np.linalg.norm(state.residual) + np.linalg.norm(state.left) ** 2
        if gap <= 1e4 * np.finfo(state.left.dtype).eps * size:
            vars(state).update(vars(previous))


def _gradient(problem: Problem, factor: Array, other: Array, e: Array, side: str) -> Array:
    operator = problem.operator
    adjoint = operator.adjoint_right if side == "left" else operator.adjoint_left
    gradient = adjoint(e, other)
    return gradient + problem.nuclear * factor if problem.nuclear else gradient
