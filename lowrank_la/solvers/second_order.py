"""Gauss-Newton on both factors at once, with an inexact inner solve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import _check
from .._point import PointState
from ..errors import InvalidInputError
from ..factors import Factors
from ..gauss_newton import curvature_scale, evaluate, next_forcing, step
from ..losses import Squared
from ..problem import Evaluation, Problem
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["GaussNewton"]


@dataclass
class GaussNewtonState(PointState):
    """Factors, objective and gradient at them, and how the last step went.

    Attributes
    ----------
    value, left_gradient, right_gradient
        Objective and gradient, the ridge included.
    forcing : float
        Share of the residual that the next inner solve may leave.
    length : float
        Share of its direction that the last step took.
    inner : int
        Inner iterations so far.
    """

    forcing: float
    length: float = 0.0
    inner: int = 0


@register(
    SolverInfo(
        name="gauss_newton",
        summary="Gauss-Newton on both factors: inexact conjugate gradients, exact line search",
        losses=(Squared,),
        monotone=True,
        references=(
            "Zilber, Nadler (2022), GNMR: a provable one-line algorithm for low rank matrix "
            "recovery, SIAM J. Math. Data Sci. 4(2), arXiv:2106.12933",
            "Bauch, Nadler, Zilber (2021), Rank 2r iterative least squares, SIAM J. Math. Data "
            "Sci. 3(1), arXiv:2002.01849",
            "Eisenstat, Walker (1996), Choosing the forcing terms in an inexact Newton method, "
            "SIAM J. Sci. Comput. 17(1)",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class GaussNewton(Solver):
    """Gauss-Newton method on the factors.

    Parameters
    ----------
    ridge : float
        Weight of the squared norm of the factors, on top of the problem's `nuclear`.
    damping : float
        Levenberg's damping, relative to the mean curvature: ``damping * isometry`` times the
        mean squared norm of a column. It shortens steps along directions that the data hardly
        determine, and leaves the objective as it is.
    inner_tol : float
        Share of the residual that the first inner solves may leave. As the objective falls
        faster, less is left, so that the iteration ends quadratically.
    inner_limit : int
        Largest number of inner iterations.

    Model
    -----
    ``min 1/2 |A(L R^H) - y|^2 + (nuclear + ridge)/2 (|L|^2 + |R|^2)``; half of it with L = R for
    symmetric problems. The trace records this objective.

    Update
    ------
    ``(L, R) <- (L, R) + t D`` where D solves the linearised problem
    ``(J* A* A J + ridge + damping) D = -gradient`` with ``J D = dL R^H + L dR^H``, and t is the
    global minimiser of the objective along D, a quartic. The linear problem is solved by
    conjugate gradients on both factors together, preconditioned by the r x r blocks of each row
    where the operator has them and by the Gram matrices otherwise. Of the directions that solve
    it and differ in the gauge, D is the smallest in the norm of the preconditioner.

    Assumptions
    -----------
    Squared loss, and a start from which the linearisation is of use: a spectral one with plenty
    of measurements. With few, `rank_path` finds one.

    Guarantee
    ---------
    The objective never rises. Where it can be zero, and the Jacobian at the solution is of full
    rank up to the gauge, the error ends in quadratic convergence, whatever the condition number.

    Cost
    ----
    Two gradients per step, and one product with ``J* A* A J`` per inner iteration, about as much
    as a gradient; O(m r^2 + (n1 + n2) r^3) for the blocks.

    References
    ----------
    Zilber, Nadler (2022), arXiv:2106.12933. Bauch, Nadler, Zilber (2021), arXiv:2002.01849.
    Eisenstat, Walker (1996).
    """

    ridge: float = 0.0
    damping: float = 0.0
    inner_tol: float = 0.1
    inner_limit: int = 200
    state_type: ClassVar[type] = GaussNewtonState

    def __post_init__(self) -> None:
        for name in ("ridge", "damping"):
            if not np.isfinite(_check.number(getattr(self, name), name, low=0.0)):
                raise InvalidInputError(f"{name} must be finite, got {getattr(self, name)}")
        _check.number(self.inner_tol, "inner_tol", low=1e-15, high=0.9)
        _check.count(self.inner_limit, "inner_limit", low=1)

    def init(self, problem: Problem, start: Factors) -> GaussNewtonState:
        """Objective and gradient at the start."""
        at = evaluate(problem, start, self.ridge)
        return GaussNewtonState.begin(start, at, forcing=self.inner_tol)

    def advance(self, problem: Problem, state: GaussNewtonState, k: int) -> None:
        """Take k steps."""
        for _ in range(k):
            X, before = state.X, state.value
            move = step(
                problem,
                X,
                state.at,
                ridge=self.ridge,
                damping=self.damping * curvature_scale(problem, X),
                tol=state.forcing,
                limit=self.inner_limit,
            )
            state.place(move.X, move.at)
            state.forcing = next_forcing(self.inner_tol, before, state.value)
            state.length, state.inner = move.length, state.inner + move.inner
            state.iteration += 1

    def factors(self, state: GaussNewtonState) -> Factors:
        """The present factors."""
        return state.X

    def resume(self, state: GaussNewtonState, previous: GaussNewtonState) -> None:
        """Carry over the tolerance of the next inner solve; count on for the same problem."""
        if state.value == previous.value:
            state.iteration, state.inner = previous.iteration, previous.inner
            state.forcing, state.length = previous.forcing, previous.length

    def evaluation(self, problem: Problem, state: GaussNewtonState) -> Evaluation:
        """Objective and gradient at the present factors, the ridge included."""
        return state.at

    def parts(self, state: GaussNewtonState) -> dict[str, int]:
        """The number of inner iterations."""
        return {"inner_iterations": state.inner}
