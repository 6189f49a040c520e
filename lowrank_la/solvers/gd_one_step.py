"""Gradient descent with one step that undoes the harm of too many columns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from .. import _check
from ..errors import InvalidInputError, SolverBreakdownError
from ..factors import Factors
from ..losses import Squared
from ..problem import Problem
from ..steps import Constant, Step
from ._descent import Descent, DescentState, gradient_unit, keeps_residual
from ._protocol import SolverInfo
from ._registry import register

__all__ = ["GDOneStep"]

# Relative fall of the objective that counts as slow, such iterations in a row, and the relative
# residual below which they mean that the data are fitted about as well as they will be.
SLOW, PATIENCE, FITTED = 1e-3, 10, 0.9


@dataclass
class OneStepState(DescentState):
    """That of gradient descent, and when the one step was taken.

    Attributes
    ----------
    switched_at : int or None
        Iterations done before the one that began with the step; None as long as it has not
        been taken.
    beta : float
        Singular value given to the left factor; 0 before the step.
    slow : int
        Iterations in a row, up to now, that hardly lowered the objective.
    natural : float
        The objective at zero.
    """

    switched_at: int | None = None
    beta: float = 0.0
    slow: int = 0
    natural: float = 1.0


def _nuclear(problem: Problem) -> str | None:
    return "rescales a factor, to which a nuclear-norm weight objects" if problem.nuclear else None


@register(
    SolverInfo(
        name="gd_one_step",
        summary="gradient descent with one rescaling near the optimum, for too many columns",
        losses=(Squared,),
        oracle=("sigma_max",),
        symmetric=False,
        refuses=_nuclear,
        references=(
            "Xiong, Ding, Du (2024), How over-parameterization slows down gradient descent in "
            "matrix sensing: the curses of symmetry and initialization, ICLR, arXiv:2310.01769",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class GDOneStep(Descent):
    """Gradient descent on both factors, made fast by one step that keeps their product.

    Parameters
    ----------
    step_size : float, str or Step
        A number is a constant in units of ``1 / (isometry * sigma_max)``; or "exact",
        "backtracking", "polyak", or a rule from `lowrank_la.steps`.
    sigma_max : float, optional
        Largest singular value of the matrix, if known (an oracle quantity). Default: that of
        the back-projected data.
    switch_below : float
        Take the step once ``|A(X) - y| <= switch_below |y|``. Data with more noise than that
        are not fitted so well: the step is then never taken, which `parts` tells by "stagnant"
        and the relative "residual" reached. A larger value, or `switch_at`, takes it; measured,
        it does harm there, as the further columns have noise to fit and are not slow.
    switch_at : int, optional
        Take it after this many iterations instead, whatever the residual.
    beta : float, optional
        Singular value given to the left factor. Default: the square root of the largest
        singular value of the iterate, which leaves the curvature as it is.

    Model
    -----
    ``min 1/2 |A(L R^H) - y|^2`` over L (n1 x k) and R (n2 x k), k above the rank.

    Update
    ------
    ``L <- L - eta/sigma_1 G_L``, ``R <- R - eta/sigma_1 G_R`` at the old factors. Once, before
    such an update, with the thin SVD ``L = P S Q^H``: ``L <- beta P``, ``R <- R Q S / beta``
    (equation 5.1 of the paper, up to the choice of beta). The product stays; columns that the
    matrix does not need now differ in size between the factors by ``beta^2``.

    Assumptions
    -----------
    Squared loss, two factors, restricted isometry; an iterate near the optimum when the step
    is taken, and ``step isometry max(beta^2, sigma_1^2 / beta^2) < 1`` after it. With as many
    columns as the rank it brings nothing. A symmetric matrix is looked for with two factors,
    ``problem.replace(symmetric=False)``.

    Guarantee
    ---------
    Without the step the error falls like ``exp(-c alpha^2 t)`` from a start of scale alpha, or
    like 1/t from a balanced one; after it like ``exp(-c beta^2 t)``, whatever the start. As with
    plain gradient descent the rate degrades with the condition number.

    Cost
    ----
    As gradient descent; the one step adds an SVD of L and a gradient.

    References
    ----------
    Xiong, Ding, Du (2024), arXiv:2310.01769.
    """

    step_size: float | str | Step = 0.5
    sigma_max: float | None = None
    switch_below: float = 1e-2
    switch_at: int | None = None
    beta: float | None = None
    state_type: ClassVar[type] = OneStepState

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma_max is not None:
            _check.number(self.sigma_max, "sigma_max", low=1e-300)
        _check.number(self.switch_below, "switch_below", low=0.0)
        if self.switch_at is not None:
            _check.count(self.switch_at, "switch_at")
        if self.beta is not None:
            _check.number(self.beta, "beta", low=1e-150, high=1e150)

    def unit(self, problem: Problem) -> float:
        """``1 / (isometry * sigma_max)``."""
        return gradient_unit(problem, self.sigma_max)

    def init(self, problem: Problem, start: Factors) -> OneStepState:
        """As gradient descent.

        Raises
        ------
        InvalidInputError
            If `beta` and `step_size` would make the iteration unstable after the step.
        """
        natural = problem.loss.value(problem.data)
        state = OneStepState(**vars(super().init(problem, start)), natural=natural)
        if self.beta is not None:
            sigma = self.sigma_max or 1.0 / (state.unit * problem.operator.isometry)
            reason = self._unsafe(problem, state.unit, self.beta, sigma)
            if reason is not None:
                raise InvalidInputError(reason)
        return state

    def advance(self, problem: Problem, state: Any, k: int) -> None:
        """Take k steps; the one that is due begins with the rescaling."""
        for _ in range(k):
            if state.switched_at is None and self._due(problem, state):
                self._switch(problem, state)
            else:
                before = state.value
                super().advance(problem, state, 1)
                state.slow = state.slow + 1 if before - state.value < SLOW * before else 0

    def _due(self, problem: Problem, state: OneStepState) -> bool:
        if self.switch_at is not None:
            return state.iteration >= self.switch_at
        # Both are halves of squared norms.
        return state.value <= self.switch_below**2 * state.natural

    def _switch(self, problem: Problem, state: OneStepState) -> None:
        p, s, qh = np.linalg.svd(state.left, full_matrices=False)
        top = float(state.X.singular_values()[0])
        beta = self.beta or float(np.sqrt(top))
        if not beta > 0:
            raise SolverBreakdownError("the iterate is zero: it has no spectrum to go by")
        reason = self._unsafe(problem, state.unit, beta, top)
        if reason is not None:
            raise SolverBreakdownError(reason)
        X = Factors(beta * p, (state.right @ (qh.conj().T * s)) / beta)
        at = problem.evaluate(X, residual=keeps_residual(self.rule, problem))
        rescaled = replace(
            state,
            left=X.left,
            right=X.right,
            value=at.value,
            left_gradient=at.left,
            right_gradient=at.right,
            residual=at.residual,
            switched_at=state.iteration,
            beta=beta,
        )
        super().advance(problem, rescaled, 1)
        vars(state).update(vars(rescaled))

    def _unsafe(self, problem: Problem, unit: float, beta: float, sigma: float) -> str | None:
        """Why constant steps would be unstable after the rescaling; None if they are not."""
        if not isinstance(self.rule, Constant):
            return None
        step = self.rule.value * unit
        curvature = max(beta**2, (sigma / beta) ** 2)
        product = step * problem.operator.isometry * curvature
        if product < 1:
            return None
        return (
            f"with beta={beta:.3g} and sigma_1={sigma:.3g} the step of {step:.3g} is too long "
            f"after the rescaling: step * isometry * max(beta^2, sigma_1^2/beta^2) is "
            f"{product:.3g} and must be below 1. Lower step_size, or leave beta at its default, "
            f"sqrt(sigma_1)"
        )

    def resume(self, state: Any, previous: Any) -> None:
        """As gradient descent; the rescaling is not taken twice."""
        super().resume(state, previous)
        if state.value == previous.value:
            state.switched_at, state.beta = previous.switched_at, previous.beta
            state.slow = previous.slow

    def parts(self, state: OneStepState) -> dict[str, Any]:
        """When the step was taken, and with which beta; or that it is waited for in vain.

        "residual" is ``|A(X) - y| / |y|``. "stagnant": the step has not been taken, and the
        residual, though it is not that of the zero matrix any more, hardly falls.
        """
        residual = float(np.sqrt(state.value / state.natural))
        # From near zero the first iterations are slow too, with a residual as large as the data.
        stuck = state.switched_at is None and state.slow >= PATIENCE and residual <= FITTED
        return {
            "switched_at": state.switched_at,
            "beta": state.beta,
            "residual": residual,
            "stagnant": stuck,
        }

    def local_rate(self, problem: Problem, solution: Factors) -> float | None:
        """None: the gauge that the step leaves depends on beta and the path."""
        return None
