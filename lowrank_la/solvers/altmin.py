"""Alternating minimisation: row solves, over-relaxed, with normal matrices that serve again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import _check
from .._orthonormal import orthonormal
from .._point import PointState
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors
from ..losses import Squared
from ..problem import Evaluation, Problem
from ._over_relaxation import next_relaxation, plain_rate, relaxed_rate
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["AltMin"]

ADAPTIVE = "adaptive"
# Drift of orthonormal factors up to which normal matrices serve again.
REUSE = 0.1
# Multiply-adds of half a sweep from which on it is worth kernels that do all in one pass and keep
# matrices: to compile these takes two seconds once.
WORTH = 1 << 17
SIDES = ("left", "right")


@dataclass
class AltMinState(PointState):
    """The factors, what is known at them, and what the next sweep begins with.

    After a sweep that used normal matrices again, `left_gradient` is right to a few per cent.

    Attributes
    ----------
    relaxation, move : float
        The present relaxation, and the last move.
    correction : array or None
        From `right` to the least squares solution; None before the first sweep.
    core : array or None
        The basis in which the left rows were solved for is ``right core^-H``, then orthonormal;
        None where both factors are taken as they are.
    kept_left, kept_right : array or None
        Factored normal matrices of the rows, where they can be used again.
    drift : float
        How far the factors have moved since these were formed.
    """

    relaxation: float = 1.0
    move: float = 0.0
    correction: Array | None = None
    core: Array | None = None
    kept_left: Array | None = None
    kept_right: Array | None = None
    drift: float = 0.0


class _Half(NamedTuple):
    """Half the squared residual, its slope in one factor, that factor's step, and its matrices."""

    loss: float
    slope: Array
    step: Array
    kept: Array | None


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
    reuse : float, optional
        The normal matrices of the rows serve again while the factors, in orthonormal bases,
        have moved by no more than this since they were formed; steps then come from residuals
        and are a little off the solutions. 0 solves exactly in each sweep. Default: 0.1 with
        adaptive relaxation, 0 with a given one and where a sweep takes no more than 0.1 ms.

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
    of the moves. A sweep with matrices of an earlier one that would raise the objective is done
    again with its own.

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
    O(m r^2 + (n1 + n2) r^3) per iteration, O(m r + (n1 + n2) r^2) with matrices of an earlier
    one.

    References
    ----------
    Gu, Song, Yin, Zhang (2024), arXiv:2302.11068.
    """

    ridge: float = 0.0
    ridge_by_count: bool = False
    relaxation: float | str = ADAPTIVE
    reuse: float | None = None
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

        if self.reuse is not None:
            _check.number(self.reuse, "reuse", low=0.0)

    def init(self, problem: Problem, start: Factors) -> AltMinState:
        """The start as it is."""
        at = problem.evaluate(start)
        value, slopes = at.value, list[Array]()
        for factor, slope, side in zip((start.left, start.right), at, SIDES, strict=True):
            weights = self._weights(problem, side)
            value += _penalty(weights, factor)
            slopes.append(_shrunk(slope, weights, factor))
        return AltMinState(start.left, start.right, 0, value, slopes[0], slopes[1])

    def advance(self, problem: Problem, state: AltMinState, k: int) -> None:
        """Do k sweeps."""
        for _ in range(k):
            self._sweep(problem, state)

    def _sweep(self, problem: Problem, state: AltMinState) -> None:
        X, correction = state.X, state.correction
        if correction is None:
            X, correction = self._begun(problem, X)
        basis = None if self._unregularised(problem) else X.left
        move, size = _size(correction, basis), _size(X.right + correction, basis)
        if isinstance(self.relaxation, str):
            rounding = float(np.finfo(state.left.dtype).eps) * size
            relaxation = next_relaxation(
                state.relaxation, state.iteration, state.move, move, rounding
            )
        else:
            relaxation = float(self.relaxation)
        right = _moved(X.right, correction, relaxation)
        new = self._reusing(problem, state, right, relaxation)
        if new is None:
            if state.drift > 0.0:
                # The correction has the matrices of before too.
                correction = self._half(problem, X, "right").step
                right = _moved(X.right, correction, relaxation)
            new = self._afresh(problem, Factors(X.left, right), relaxation)
        new.relaxation, new.move = relaxation, move
        new.iteration = state.iteration + 1
        vars(state).update(vars(new))

    def _begun(self, problem: Problem, start: Factors) -> tuple[Factors, Array]:
        """The start, and to solutions from zero: these leave out what is not determined."""
        operator: Any = problem.operator
        # Nothing is known of rows without entries, on the left as on the right.
        seen = operator.row_counts > 0
        left, right = start.left if seen.all() else start.left * seen[:, None], start.right
        if self._unregularised(problem):
            # In another basis of the columns of `left` the pair is still the same matrix.
            left, core = orthonormal(left)
            right = right @ core.conj().T
        solution = self._half(problem, Factors(left, np.zeros_like(right)), "right").step
        return Factors(left, right), solution - right

    def _afresh(self, problem: Problem, X: Factors, relaxation: float) -> AltMinState:
        """The second half of a sweep, and what the next one begins with."""
        left, right, core = X.left, X.right, None
        if self._unregularised(problem):
            right, core = orthonormal(right)
            left = left @ core.conj().T
        rows = self._half(problem, Factors(left, right), "left")
        left, slope = _moved(left, rows.step, relaxation), _scaled(rows.slope, 1.0 - relaxation)
        if core is not None:
            left, core = orthonormal(left)
            right, slope = right @ core.conj().T, slope @ core.conj().T
        columns = self._half(problem, Factors(left, right), "right")
        return self._state(problem, Factors(left, right), slope, columns, rows.kept, core, 0.0)

    def _reusing(
        self, problem: Problem, state: AltMinState, right: Array, relaxation: float
    ) -> AltMinState | None:
        """The same with the normal matrices of before, where that will do."""
        if self._most == 0.0 or state.kept_left is None or state.kept_right is None:
            return None
        before, core = state.X, state.core
        left, basis, inverse = before.left, right, np.empty(0)
        if core is None:
            drift = self._distance(problem, before.right, right)
        else:
            # In the bases in which matrices were formed both factors are nearly orthonormal.
            try:
                inverse = np.linalg.inv(core)
            except np.linalg.LinAlgError:
                return None
            left, basis = left @ core, right @ inverse.conj().T
            drift = _size(basis - before.right @ inverse.conj().T, None)
        # The left factor is going to move as far.
        if state.drift + 2 * drift > self._most:
            return None
        rows = self._half(problem, Factors(left, basis), "left", state.kept_left)
        # What the step leaves of the slope: matrices that are off by the drift leave that share.
        left_over = np.copysign(max(abs(1.0 - relaxation), state.drift + drift), 1.0 - relaxation)
        left, slope = _moved(left, rows.step, relaxation), _scaled(rows.slope, float(left_over))
        if core is None:
            drift += self._distance(problem, before.left, left)
        else:
            left, slope = left @ inverse, slope @ core.conj().T
            drift += _size(left - before.left, None)
        drift += state.drift
        X = Factors(left, right)
        columns = self._half(problem, X, "right", state.kept_right)
        new = self._state(problem, X, slope, columns, rows.kept, core, drift)
        return new if drift <= self._most and new.value <= state.value else None

    def _state(
        self,
        problem: Problem,
        X: Factors,
        left_gradient: Array,
        columns: _Half,
        kept_left: Array | None,
        core: Array | None,
        drift: float,
    ) -> AltMinState:
        keeps = self._most > 0.0
        return AltMinState(
            X.left,
            X.right,
            0,
            columns.loss + self._penalty(problem, X),
            left_gradient,
            columns.slope,
            correction=columns.step,
            core=core,
            kept_left=kept_left if keeps else None,
            kept_right=columns.kept if keeps else None,
            drift=drift,
        )

    def _penalty(self, problem: Problem, X: Factors) -> float:
        """Half the weighted squared norms of the rows."""
        sides = ((X.left, "left"), (X.right, "right"))
        return sum(_penalty(self._ridge(problem, side), factor) for factor, side in sides)

    @property
    def _most(self) -> float:
        """Drift up to which normal matrices serve again."""
        if self.reuse is None:
            return REUSE if isinstance(self.relaxation, str) else 0.0
        return self.reuse

    def _distance(self, problem: Problem, before: Array, after: Array) -> float:
        """How far a factor has moved, in a basis in which it is orthonormal.

        That is what the normal matrices feel; ridges stand in for what the factor lacks.
        """
        change = after - before
        gram = before.conj().T @ before
        ridge = np.min(self._ridge(problem, "left")) / problem.operator.isometry
        gram += ridge * np.eye(len(gram), dtype=gram.dtype)
        try:
            ratio = np.trace(np.linalg.solve(gram, change.conj().T @ change)).real
        except np.linalg.LinAlgError:
            return float("inf")
        return float(np.sqrt(ratio)) if ratio >= 0 else float("inf")

    def _half(self, problem: Problem, X: Factors, side: str, kept: Array | None = None) -> _Half:
        """Loss, slope and step of one factor, the other one fixed."""
        operator: Any = problem.operator
        ridge = self._ridge(problem, side)
        worth = self.reuse is not None or operator.size * X.rank**2 >= WORTH
        if worth and hasattr(operator, "row_steps"):
            return _Half(*operator.row_steps(X, problem.prepared, ridge, side=side, kept=kept))
        mine, fixed = (X.left, X.right) if side == "left" else (X.right, X.left)
        at = problem.evaluate(X)
        slope = at.left if side == "left" else at.right
        slope = _shrunk(slope, self._weights(problem, side), mine)
        solution = operator.row_solve(problem.prepared, fixed, ridge, side=side)
        return _Half(problem.misfit(X, at), slope, solution - mine, None)

    def _ridge(self, problem: Problem, side: str) -> float | Array:
        """Weight of the squared norm of each row of one factor."""
        return problem.nuclear + self._weights(problem, side)

    def _unregularised(self, problem: Problem) -> bool:
        return self.ridge == 0.0 and problem.nuclear == 0.0

    def factors(self, state: AltMinState) -> Factors:
        """The present factors."""
        return state.X

    def resumed(self, problem: Problem, start: Factors, previous: AltMinState) -> AltMinState:
        """The state of before, with the correction for this problem."""
        state = self.init(problem, start)
        self.resume(state, previous)
        if previous.correction is None:
            return state
        # Without drift the last sweep formed its matrices, and steps came from these.
        again = previous.kept_right if previous.drift > 0.0 else None
        if again is not None and again.dtype != problem.dtype:
            return state
        columns = self._half(problem, start, "right", again)
        slope = state.left_gradient
        kept, core, drift = previous.kept_left, previous.core, previous.drift
        new = self._state(problem, start, slope, columns, kept, core, drift)
        if new.value != previous.value:
            # Matrices of another problem, or of other weights.
            return state
        new.left_gradient = previous.left_gradient
        self.resume(new, previous)
        return new

    def resume(self, state: AltMinState, previous: AltMinState) -> None:
        """Carry over the relaxation and the last move."""
        state.iteration = previous.iteration
        state.relaxation, state.move = previous.relaxation, previous.move

    def evaluation(self, problem: Problem, state: AltMinState) -> Evaluation | None:
        """Objective and gradient, the ridge included, as the last sweep left them."""
        return state.at

    def _weights(self, problem: Problem, side: str) -> float | Array:
        """The ridge of each row of one factor, without the problem's `nuclear`."""
        if not self.ridge_by_count:
            return self.ridge
        operator: Any = problem.operator
        return self.ridge * (operator.row_counts if side == "left" else operator.column_counts)

    def local_rate(self, problem: Problem, solution: Factors) -> float | None:
        """Spectral radius of one sweep at a solution; not for adaptive relaxation."""
        if isinstance(self.relaxation, str):
            # It follows the moves and has no one rate.
            return None
        if not self._unregularised(problem) or problem.dtype.kind == "c":
            return None
        rate = plain_rate(problem, solution)
        return None if rate is None else relaxed_rate(rate, float(self.relaxation))


def _scaled(array: Array, number: float) -> Array:
    return array * array.real.dtype.type(number)


def _moved(point: Array, step: Array, relaxation: float) -> Array:
    return point + (step if relaxation == 1.0 else _scaled(step, relaxation))


def _penalty(weights: float | Array, factor: Array) -> float:
    """Half the weighted squared norms of the rows."""
    if not np.any(weights):
        return 0.0
    return 0.5 * float(np.sum(weights * np.sum(np.abs(factor) ** 2, axis=1, dtype=float)))


def _shrunk(gradient: Array, weight: float | Array, factor: Array) -> Array:
    """A gradient with that of the rows' weights."""
    if not np.any(weight):
        return gradient
    rows = np.broadcast_to(weight, len(factor))[:, None].astype(factor.real.dtype)
    return gradient + rows * factor


def _size(change: Array, other: Array | None) -> float:
    """``|other change^H|_F``; None for an orthonormal factor."""
    if other is None:
        return float(np.sqrt(np.sum(np.abs(change) ** 2, dtype=float)))
    gram = (change.conj().T @ change) * (other.conj().T @ other).conj()
    return float(np.sqrt(max(float(gram.sum().real), 0.0)))
