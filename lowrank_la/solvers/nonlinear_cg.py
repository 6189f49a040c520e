"""Scaled nonlinear conjugate gradients on the factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._point import PointState
from .._typing import Array
from ..errors import IncompatibleError, InvalidInputError
from ..factors import Factors
from ..kernels import tangent
from ..losses import Squared
from ..operators import HasGaussNewton
from ..problem import Evaluation, Problem
from ..steps import ExactLineSearch, Line
from ._conjugate import conjugate, total
from ._descent import divide, gram_metric
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["NonlinearCG"]

PRECONDITIONERS = ("auto", "blocks", "gram")
# Share of the mean block that is added to each, for rows with hardly more entries than columns.
FLOOR = 0.02
# Above this rank the blocks cost more than they save.
MAX_BLOCK_RANK = 64


@dataclass
class NonlinearCGState(PointState):
    """Factors, objective and gradient at them, and the direction of the coming step.

    Attributes
    ----------
    left_direction, right_direction : array
        Direction of the coming step.
    energy : float
        Inner product of the gradient with the preconditioned gradient.
    left_blocks, right_blocks : array or None
        Inverse blocks of the preconditioner, one per row, (n, r, r).
    step : float
        Length of the last step; 0 before the first.
    moved : float
        How far the iterate has moved since the blocks were formed, as a share of its norm.
    """

    left_direction: Array
    right_direction: Array | None
    energy: float
    left_blocks: Array | None
    right_blocks: Array | None
    step: float = 0.0
    moved: float = 0.0


@register(
    SolverInfo(
        name="nonlinear_cg",
        summary="scaled nonlinear conjugate gradients with the exact line search",
        losses=(Squared,),
        monotone=True,
        gauge_invariant=True,
        references=(
            "Nocedal, Wright (2006), Numerical optimization, 2nd edition, Springer, chapter 5 "
            "(PR+)",
            "Tong, Ma, Chi (2021), Accelerating ill-conditioned low-rank matrix estimation via "
            "scaled gradient descent, JMLR 22(150), arXiv:2005.08898 (the preconditioner gram)",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class NonlinearCG(Solver):
    """Scaled nonlinear conjugate gradients on both factors at once.

    Parameters
    ----------
    preconditioner : {"auto", "blocks", "gram"}
        "gram" is the metric of scaled gradient descent, ``c R^H R`` for all rows of L and
        ``c L^H L`` for those of R, c the isometry. "blocks" gives each row its own, the r x r
        matrix of its least squares problem: for operators that offer `normal_blocks`, as
        observed entries do. "auto" takes the blocks where there are any.
    refresh : float
        The blocks are formed anew once the iterate has moved by this share of its norm.

    Model
    -----
    ``min 1/2 |A(L R^H) - y|^2`` over L (n1 x r) and R (n2 x r); with one factor, ``F F^H``, for
    symmetric problems.

    Update
    ------
    With g the gradient and z = P^{-1} g the preconditioned one, ``d <- -z + beta d`` where
    ``beta = max(0, <g - g_old, z> / <g_old, z_old>)`` (Polak-Ribiere with restarts), and then
    ``(L, R) <- (L, R) + t d`` with t the minimiser along d, a root of a cubic. A d that hardly
    descends is replaced by -z.

    Assumptions
    -----------
    Squared loss; a start that is close (spectral); enough samples: about twice as many as
    degrees of freedom for a flat spectrum, more for an ill-conditioned matrix.

    Guarantee
    ---------
    The objective never rises. Near the solution as conjugate gradients on the Gauss-Newton
    system: the error falls like ``((sqrt(k) - 1) / (sqrt(k) + 1))^t`` with k the condition
    number of the preconditioned system, which that of the matrix does not enter.

    Cost
    ----
    One gradient and one line search per iteration, O(m r) for entries; with blocks O(m r^2)
    more at each refresh and O((n1 + n2) r^2) memory.

    References
    ----------
    Nocedal, Wright (2006), section 5.2. Tong, Ma, Chi (2021), arXiv:2005.08898.
    """

    preconditioner: str = "auto"
    refresh: float = 0.2
    state_type: ClassVar[type] = NonlinearCGState

    def __post_init__(self) -> None:
        if self.preconditioner not in PRECONDITIONERS:
            raise InvalidInputError(
                f"preconditioner must be one of {', '.join(map(repr, PRECONDITIONERS))}, got "
                f"{self.preconditioner!r}"
            )
        _check.number(self.refresh, "refresh", low=0.0)

    def init(self, problem: Problem, start: Factors) -> NonlinearCGState:
        """Gradient, preconditioner and first direction at the start."""
        at = problem.evaluate(start)
        single = start.symmetric
        blocks = self._blocks(problem, start) if self._wants_blocks(problem, start) else None
        z = self._preconditioned(problem, start, at, blocks)
        return NonlinearCGState.begin(
            start,
            at,
            left_direction=-z[0],
            right_direction=None if single else -z[1],
            energy=total(_parts(at, z), z),
            left_blocks=blocks and blocks[0],
            right_blocks=blocks and blocks[1],
        )

    def advance(self, problem: Problem, state: NonlinearCGState, k: int) -> None:
        """Take k steps."""
        search = ExactLineSearch()
        for _ in range(k):
            self._step(problem, state, search)

    def _step(self, problem: Problem, state: NonlinearCGState, search: ExactLineSearch) -> None:
        X, at = state.X, state.at
        left, right = state.left_direction, state.right_direction
        line = Line(problem, X, at, Factors(left, left if right is None else right))
        step = search.length(line, 1.0, state.step)
        new = line.point(step)
        there = problem.evaluate(new)
        blocks, moved = None, state.moved
        if state.left_blocks is not None and state.right_blocks is not None:
            blocks = state.left_blocks, state.right_blocks
            moved += step * _length(X, line.direction)
            if moved > self.refresh:
                blocks, moved = self._blocks(problem, new), 0.0
        z = self._preconditioned(problem, new, there, blocks)
        parts = [left] if right is None else [left, right]
        directions, energy = conjugate(_parts(there, z), z, _parts(at, z), parts, state.energy)
        state.place(new, there)
        state.energy, state.step = energy, step
        state.left_direction = directions[0]
        state.right_direction = None if right is None else directions[1]
        state.left_blocks, state.right_blocks = blocks or (None, None)
        state.moved = moved
        state.iteration += 1

    def _wants_blocks(self, problem: Problem, X: Factors) -> bool:
        able = isinstance(problem.operator, HasGaussNewton) and not problem.symmetric
        if self.preconditioner == "blocks" and not able:
            what = "a rectangular problem" if problem.symmetric else "operator.normal_blocks"
            raise IncompatibleError(
                f"preconditioner='blocks' needs {what}; preconditioner='gram' takes any"
            )
        if self.preconditioner == "auto":
            return able and X.rank <= MAX_BLOCK_RANK
        return self.preconditioner == "blocks"

    def _blocks(self, problem: Problem, X: Factors) -> tuple[Array, Array]:
        """The inverse of each row's normal matrix, with a share of the mean one added."""
        operator: Any = problem.operator
        return tuple(  # type: ignore[return-value]
            _inverses(
                operator.normal_blocks(other, side=side),
                FLOOR * operator.isometry * (other.T @ other.conj()),
                problem.nuclear,
            )
            for other, side in ((X.right, "left"), (X.left, "right"))
        )

    def _preconditioned(
        self, problem: Problem, X: Factors, at: Evaluation, blocks: tuple[Array, Array] | None
    ) -> list[Array]:
        gradients = [at.left] if X.symmetric else [at.left, at.right]
        if not all(np.isfinite(g).all() for g in gradients):
            return gradients
        if blocks is not None:
            return [_products(b, g) for b, g in zip(blocks, gradients, strict=True)]
        scale = X.left.real.dtype.type(problem.operator.isometry)
        metrics = gram_metric(X, problem.nuclear / problem.operator.isometry)
        return [divide(g, scale * m) for g, m in zip(gradients, metrics, strict=False)]

    def factors(self, state: NonlinearCGState) -> Factors:
        """The present factors."""
        return state.X

    def resume(self, state: NonlinearCGState, previous: NonlinearCGState) -> None:
        """Carry over the direction, and the blocks of the last refresh."""
        state.iteration = previous.iteration
        if state.value == previous.value:
            for name in ("energy", "step", "left_direction", "right_direction"):
                setattr(state, name, getattr(previous, name))
            state.moved = previous.moved
            if state.left_blocks is not None and previous.left_blocks is not None:
                state.left_blocks, state.right_blocks = previous.left_blocks, previous.right_blocks

    def evaluation(self, problem: Problem, state: NonlinearCGState) -> Evaluation:
        """Objective and gradient at the present factors."""
        return state.at


def _parts(at: Evaluation, z: list[Array]) -> list[Array]:
    """The gradient in as many parts as z has: one for symmetric problems."""
    return [at.left, at.right][: len(z)]


def _length(X: Factors, d: Factors) -> float:
    """``sqrt(|dL R^H|^2 + |L dR^H|^2) / |X|``, all through Gram matrices."""
    left, right = (f.conj().T @ f for f in (X.left, X.right))
    moved_left, moved_right = (f.conj().T @ f for f in (d.left, d.right))
    square = np.sum((moved_left * right.T).real) + np.sum((left * moved_right.T).real)
    size = np.sum((left * right.T).real)
    return float(np.sqrt(square / size)) if size > 0 else 0.0


def _inverses(blocks: Array, mean: Array, ridge: float) -> Array:
    blocks += mean
    out = np.empty_like(blocks)
    shift = np.full(blocks.shape[1], ridge, blocks.real.dtype)
    floor = blocks.shape[1] * float(np.finfo(shift.dtype).eps)
    tangent.inverse_blocks(0, len(blocks), blocks, shift, floor, out)
    return out


def _products(blocks: Array, gradient: Array) -> Array:
    out = np.empty_like(gradient)
    tangent.block_products(0, len(blocks), blocks, np.ascontiguousarray(gradient), out)
    return out
