"""Alternating minimisation with exact row solves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors
from ..losses import Squared
from ..problem import Evaluation, Problem
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["AltMin"]


@dataclass
class AltMinState:
    """The factors and the number of sweeps done."""

    left: Array
    right: Array
    iteration: int


@register(
    SolverInfo(
        name="altmin",
        summary="alternating minimisation: exact (ridge) least squares for each row",
        losses=(Squared,),
        needs=("row_solve",),
        symmetric=False,
        monotone=True,
        gauge_invariant=True,
        references=(
            "Gu, Song, Yin, Zhang (2024), Low rank matrix completion via robust alternating "
            "minimization in nearly linear time, ICLR, arXiv:2302.11068",
            "Zhou, Wilkinson, Schreiber, Pan (2008), Large-scale parallel collaborative "
            "filtering for the Netflix prize, AAIM (ridge by counts)",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class AltMin(Solver):
    """Alternating minimisation (alternating least squares).

    Parameters
    ----------
    ridge : float
        Weight of the squared norm of each row of a factor, on top of the problem's `nuclear`.
    ridge_by_count : bool
        Multiply `ridge` by the number of entries observed in the row, so that it does not
        weigh less where there are more data.

    Model
    -----
    ``min 1/2 |P_Omega(L R^H - M)|^2 + (nuclear + ridge)/2 (|L|^2 + |R|^2)`` over L and R; the
    trace records this objective.

    Update
    ------
    One iteration solves for R with L fixed and then for L with R fixed, each row a least
    squares problem of its own. Without a ridge the fixed factor is made orthonormal first,
    which changes no iterate ``L R^H``.

    Assumptions
    -----------
    Squared loss, an operator that observes entries; incoherence and enough samples; a spectral
    start.

    Guarantee
    ---------
    The objective never rises. Above the sampling threshold the error falls linearly, in a
    number of sweeps nearly free of the condition number.

    Cost
    ----
    O(m r^2 + (n1 + n2) r^3) per iteration.

    References
    ----------
    Gu, Song, Yin, Zhang (2024), arXiv:2302.11068.
    """

    ridge: float = 0.0
    ridge_by_count: bool = False
    state_type: ClassVar[type] = AltMinState

    def __post_init__(self) -> None:
        _check.number(self.ridge, "ridge", low=0.0)
        if not np.isfinite(self.ridge):
            raise InvalidInputError(f"ridge must be finite, got {self.ridge}")

    def init(self, problem: Problem, start: Factors) -> AltMinState:
        """The start as it is."""
        return AltMinState(start.left, start.right, 0)

    def advance(self, problem: Problem, state: AltMinState, k: int) -> None:
        """Do k sweeps."""
        for _ in range(k):
            right = self._solve(problem, state.left, "right")
            left = self._solve(problem, right, "left")
            if self._unregularised(problem):
                # The half step used an orthonormal basis of `right`; the pair must fit.
                right = _orthonormal(right)
            state.left, state.right = left, right
            state.iteration += 1

    def _unregularised(self, problem: Problem) -> bool:
        return self.ridge == 0.0 and problem.nuclear == 0.0

    def _solve(self, problem: Problem, fixed: Array, side: str) -> Array:
        operator = problem.operator
        ridge = problem.nuclear + self._weights(problem, side)
        if self._unregularised(problem):
            fixed = _orthonormal(fixed)
        return operator.row_solve(problem.prepared, fixed, ridge, side=side)  # type: ignore[attr-defined, no-any-return]

    def factors(self, state: AltMinState) -> Factors:
        """The present factors."""
        return Factors(state.left, state.right)

    def evaluation(self, problem: Problem, state: AltMinState) -> Evaluation | None:
        """With a ridge, the objective that has it; without, that of the problem."""
        if self.ridge == 0.0:
            return None
        at = problem.evaluate(self.factors(state))
        value, gradients = at.value, []
        for factor, gradient, side in (
            (state.left, at.left, "left"),
            (state.right, at.right, "right"),
        ):
            weights = np.broadcast_to(self._weights(problem, side), len(factor))
            rows = np.sum(np.abs(factor) ** 2, axis=1, dtype=float)
            value += 0.5 * float(np.sum(weights * rows))
            gradients.append(gradient + weights[:, None].astype(factor.real.dtype) * factor)
        return Evaluation(value, gradients[0], gradients[1], at.residual)

    def _weights(self, problem: Problem, side: str) -> float | Array:
        """The ridge of each row of one factor, without the problem's `nuclear`."""
        if not self.ridge_by_count:
            return self.ridge
        operator: Any = problem.operator
        return self.ridge * (operator.row_counts if side == "left" else operator.column_counts)

    def local_rate(self, problem: Problem, solution: Factors) -> float | None:
        """Spectral radius of one sweep, linearised at a solution.

        With J and A as in Gauss-Newton, ``dL = argmin |A(dL R^H + L dR^H)|`` and then
        ``dR' = argmin |A(dL R^H + L dR'^H)|``; directions ``dR = R S`` change the gauge only.
        """
        if not self._unregularised(problem) or problem.dtype.kind == "c":
            return None
        from scipy.sparse.linalg import ArpackError, LinearOperator, eigs

        operator, X = problem.operator, solution.balanced()
        basis = _orthonormal(X.right)
        shape = X.right.shape

        def respond(side: str, moved: Factors, fixed: Array) -> Array:
            data = operator.prepare(-operator.forward(moved))  # type: ignore[attr-defined]
            return operator.row_solve(data, fixed, 0.0, side=side)  # type: ignore[attr-defined, no-any-return]

        def sweep(x: Array) -> Array:
            d_right = x.reshape(shape)
            d_right = d_right - basis @ (basis.T @ d_right)
            d_left = respond("left", Factors(X.left, d_right), X.right)
            d_right = respond("right", Factors(d_left, X.right), X.left)
            return (d_right - basis @ (basis.T @ d_right)).ravel()

        size = shape[0] * shape[1]
        linear = LinearOperator((size, size), matvec=sweep, dtype=float)
        start = np.random.default_rng(0).standard_normal(size)
        try:
            values = eigs(linear, 1, v0=start, tol=1e-3, return_eigenvectors=False)
        except ArpackError:
            return None
        return float(np.abs(values[0]))


def _orthonormal(factor: Array) -> Array:
    return np.ascontiguousarray(np.linalg.qr(factor)[0])
