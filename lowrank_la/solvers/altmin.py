"""Alternating minimisation with exact row solves and over-relaxation."""

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

ADAPTIVE = "adaptive"
# Sweeps without over-relaxation, whose ratios of moves are those of the start.
PLAIN_SWEEPS = 2
# Largest adaptive relaxation; and how it falls where the moves shrink no faster than it allows.
LARGEST, FALL, MARGIN = 1.9, 0.8, 1.1
# Moves of so many rounding units of the matrix are not looked at.
ROUNDING = 1e3
# Largest ratio of diagonal entries of a Cholesky factor whose inverse is used.
SPREAD = 1e4


@dataclass
class AltMinState:
    """The factors, the number of sweeps done, the present relaxation, and the last move."""

    left: Array
    right: Array
    iteration: int
    relaxation: float = 1.0
    move: float = 0.0


@register(
    SolverInfo(
        name="altmin",
        summary="alternating minimisation: exact (ridge) least squares for each row, over-relaxed",
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
            "Young (1971), Iterative solution of large linear systems (over-relaxation)",
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
    relaxation : float or "adaptive"
        How far to go towards each least-squares solution, in (0, 2): 1 is the plain method,
        larger numbers go beyond. "adaptive" follows the ratio of successive moves, and takes
        about the square root of the number of sweeps of the plain method where that is slow.

    Model
    -----
    ``min 1/2 |P_Omega(L R^H - M)|^2 + (nuclear + ridge)/2 (|L|^2 + |R|^2)`` over L and R; the
    trace records this objective.

    Update
    ------
    One iteration solves for R with L fixed, moves R to ``R + relaxation (solution - R)``, and
    does the same for L with R fixed; each row is a least squares problem of its own. Without a
    ridge the fixed factor is made orthonormal first, which changes no iterate ``L R^H``. Plain
    sweeps are those of block Gauss-Seidel near a solution; with their rate rho, the adaptive
    relaxation aims at ``2 / (1 + sqrt(1 - rho))`` by Young's relation between rho and the ratio
    of the moves.

    Assumptions
    -----------
    Squared loss, an operator that observes entries; incoherence and enough samples; a spectral
    start.

    Guarantee
    ---------
    The objective never rises: over-relaxed by w, a step keeps ``(1 - w)^2`` of what the exact
    one would gain. Above the sampling threshold the error of plain sweeps falls linearly, in a
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
    relaxation: float | str = ADAPTIVE
    state_type: ClassVar[type] = AltMinState

    def __post_init__(self) -> None:
        _check.number(self.ridge, "ridge", low=0.0)
        if not np.isfinite(self.ridge):
            raise InvalidInputError(f"ridge must be finite, got {self.ridge}")
        if isinstance(self.relaxation, str):
            if self.relaxation != ADAPTIVE:
                raise InvalidInputError(
                    f"relaxation must be a number in (0, 2) or 'adaptive', got {self.relaxation!r}"
                )
        elif not 0 < _check.number(self.relaxation, "relaxation") < 2:
            raise InvalidInputError(
                f"relaxation must lie in (0, 2), where sweeps lower the objective, got "
                f"{self.relaxation}; 1 is the plain method"
            )

    def init(self, problem: Problem, start: Factors) -> AltMinState:
        """The start as it is."""
        return AltMinState(start.left, start.right, 0)

    def advance(self, problem: Problem, state: AltMinState, k: int) -> None:
        """Do k sweeps."""
        for _ in range(k):
            self._sweep(problem, state)

    def _sweep(self, problem: Problem, state: AltMinState) -> None:
        plain = self._unregularised(problem)
        left, right = state.left, state.right
        if plain:
            # In another basis of the columns of `left` the pair is still the same matrix.
            left, core = _orthonormal(left)
            right = right @ core.conj().T
        target = self._solve(problem, left, "right")
        move = _size(target - right, None if plain else left)
        size = _size(target, None if plain else left)
        relaxation = self._next_relaxation(state, move, size)
        right = _towards(target, right, relaxation)
        if plain:
            right, core = _orthonormal(right)
            left = left @ core.conj().T
        left = _towards(self._solve(problem, right, "left"), left, relaxation)
        state.left, state.right = left, right
        state.relaxation, state.move = relaxation, move
        state.iteration += 1

    def _next_relaxation(self, state: AltMinState, move: float, size: float) -> float:
        """The relaxation for which Young's relation promises the fastest fall of the moves."""
        if not isinstance(self.relaxation, str):
            return float(self.relaxation)
        w = state.relaxation
        if state.iteration < PLAIN_SWEEPS or not state.move > 0.0:
            return w
        ratio = move / state.move
        # Beyond the best relaxation w - 1 is the ratio, whatever the rate of plain sweeps; and
        # moves of the size of rounding errors, which relaxation amplifies, tell nothing.
        rounding = ROUNDING * float(np.finfo(state.left.dtype).eps) * size
        if ratio < MARGIN * (w - 1.0) or move <= rounding:
            return 1.0 + FALL * (w - 1.0)
        if not ratio < 1.0:
            return w
        rate = min((ratio + w - 1.0) ** 2 / (ratio * w * w), 1.0)
        return float(min(2.0 / (1.0 + np.sqrt(1.0 - rate)), LARGEST))

    def _unregularised(self, problem: Problem) -> bool:
        return self.ridge == 0.0 and problem.nuclear == 0.0

    def _solve(self, problem: Problem, fixed: Array, side: str) -> Array:
        operator = problem.operator
        ridge = problem.nuclear + self._weights(problem, side)
        return operator.row_solve(problem.prepared, fixed, ridge, side=side)  # type: ignore[attr-defined, no-any-return]

    def factors(self, state: AltMinState) -> Factors:
        """The present factors."""
        return Factors(state.left, state.right)

    def resume(self, state: AltMinState, previous: AltMinState) -> None:
        """Carry over the relaxation and the last move."""
        state.iteration = previous.iteration
        state.relaxation, state.move = previous.relaxation, previous.move

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
        """Spectral radius of one sweep, linearised at a solution; not for adaptive relaxation.

        With J and A as in Gauss-Newton, ``dL = argmin |A(dL R^H + L dR^H)|`` and then
        ``dR' = argmin |A(dL R^H + L dR'^H)|``; directions ``dR = R S`` change the gauge only. Of
        the rate of plain sweeps, that of over-relaxed ones follows by Young's relation.
        """
        if not self._unregularised(problem) or problem.dtype.kind == "c":
            return None
        if isinstance(self.relaxation, str):
            # It follows the moves and has no one rate.
            return None
        from scipy.sparse.linalg import ArpackError, LinearOperator, eigs

        operator, X = problem.operator, solution.balanced()
        basis = _orthonormal(X.right)[0]
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
        return _relaxed_rate(float(np.abs(values[0])), float(self.relaxation))


def _relaxed_rate(rate: float, w: float) -> float:
    """The larger solution z of ``(z + w - 1)^2 = z w^2 rate``, in modulus."""
    b = w * np.sqrt(rate)
    inside = b * b / 4 - (w - 1.0)
    if inside < 0.0:
        return w - 1.0
    return float((b / 2 + np.sqrt(inside)) ** 2)


def _towards(target: Array, point: Array, relaxation: float) -> Array:
    if relaxation == 1.0:
        return target
    factor = point.real.dtype.type(relaxation)
    return point + factor * (target - point)


def _size(change: Array, other: Array | None) -> float:
    """``|other change^H|_F``; None for an orthonormal factor."""
    if other is None:
        return float(np.sqrt(np.sum(np.abs(change) ** 2, dtype=float)))
    gram = (change.conj().T @ change) * (other.conj().T @ other).conj()
    return float(np.sqrt(max(float(gram.sum().real), 0.0)))


def _orthonormal(factor: Array) -> tuple[Array, Array]:
    """Q and T with ``factor = Q T`` and Q nearly orthonormal: by Cholesky where that will do.

    Householder's QR of a tall matrix costs several times as much, and a well-conditioned basis
    is all that is needed.
    """
    try:
        lower = np.linalg.cholesky(factor.conj().T @ factor)
        diagonal = np.diag(lower).real
        if diagonal.max() <= SPREAD * diagonal.min():
            core = lower.conj().T
            return factor @ np.linalg.inv(core), core
    except np.linalg.LinAlgError:
        pass
    basis, core = np.linalg.qr(factor)
    return np.ascontiguousarray(basis), core
