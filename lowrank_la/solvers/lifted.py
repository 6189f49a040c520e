"""Gradient descent on a problem lifted to tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._typing import Array
from ..errors import InvalidInputError, unknown_name
from ..factors import Factors
from ..lifting import LIMIT, Lifting, why_not
from ..losses import Squared
from ..problem import Evaluation, Problem
from ._lifted_state import LiftedState, escaped
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["Lifted"]

# Default step sizes by method.
STEPS = {"gd": 0.3, "adam": 0.05}
LIFTS = ("rank_one", "random")
BETA = (0.9, 0.999)
# The saddle escape: relative gradient that counts as quiet, and quiet iterations in a row (fewer
# than the looks after which the driver calls it a day).
QUIET, PATIENCE = 1e-5, 3


def _refuses(problem: Problem) -> str | None:
    reason = why_not(problem)
    n = problem.shape[0]
    rows = min(problem.data.size, n * (n + 1) // 2)
    if reason is None and rows * n**4 > LIMIT:
        reason = (
            f"is for tiny problems: tensors of n^6 = {float(n) ** 6:.1e} numbers at order 3 do not "
            f"fit; use an unlifted solver from a small start"
        )
    return reason


@register(
    SolverInfo(
        name="lifted",
        summary="gradient descent on the problem lifted to tensors; for tiny problems",
        losses=(Squared,),
        asymmetric=False,
        complex=False,
        gauge_invariant=True,
        refuses=_refuses,
        references=(
            "Ma, Molybog, Lavaei, Sojoudi (2023), Over-parametrization via lifting for low-rank "
            "matrix sensing: conversion of spurious solutions to strict saddle points, "
            "arXiv:2302.07828",
            "Ma, Lavaei, Sojoudi (2023), Algorithmic regularization in tensor optimization: "
            "towards a lifted approach in matrix sensing, NeurIPS, arXiv:2310.15549",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class Lifted(Solver):
    """Gradient descent or Adam on tensors, the lifted Burer-Monteiro factorisation.

    Parameters
    ----------
    order : int
        Number l of indices of the tensor; 1 is the unlifted problem. The papers' theorems are on
        odd orders. Even ones are allowed: the sign of x, which they lose, does not show in
        ``x x^T``, but they do not see the sign of the data either.
    method : {"gd", "adam"}
        Gradient descent, or Adam with its usual decay rates 0.9 and 0.999.
    step_size : float, optional
        "gd" (default 0.3): in units of ``1 / lambda_max(A*(b))^l``, which for order 1 are those of
        the solver gd. "adam" (default 0.05): in units of the root mean square of the entries of a
        lifted solution, as the spectrum of the data suggests it.
    lift : {"rank_one", "random"}
        The first tensor: the power ``x^(xl)`` of the vectorised start x, or a Gaussian tensor of
        the same norm, which is neither symmetric nor of rank one.
    lift_scale : float
        Factor on the first tensor (not on the start, as `init_scale` of `solve`).
    seed : int
        Seed of the Gaussian tensor.
    escape : bool
        Leave stationary points that are no solutions: once per quiet spell the tensor is replaced
        by its best rank-one fit ``x^(xl)`` and, if the curvature along ``u^(xl)`` is negative, u
        being the lowest eigenvector of ``A*(A(x x^T) - b)``, moved that way as far as backtracking
        finds descent. Convergence is declared only after a spell in which there was nothing to do.

    Model
    -----
    ``min 1/4 |<A^(xl), w w^T> - b^(xl)|^2`` over tensors w of l indices of size n r (the papers
    have 1/2 and 1/4). The trace records this loss. The matrix returned is ``F F^T`` with vec(F)
    from the best rank-one fit of w, which is found at the end of each call of `advance`; how far
    w is from it stands in the parts of the result, as `rank_one_residual`.

    Update
    ------
    ``w <- w - eta G`` with ``G = (A^(xl))*(<A^(xl), w w^T> - b^(xl)) w``, one index pair after
    another. Data whose powers would leave the range of the floating-point type are divided by a
    power of two first; the loss is then that of these. Adam divides the moments of G; with a
    constant step it does not settle to rounding.

    Assumptions
    -----------
    A symmetric real problem with squared loss, tiny. To find how large an order must be for a
    spurious solution to become a strict saddle use `lowrank_la.lifting.strict_saddle_order`: it
    grows quickly with the difficulty of the problem, and at smaller orders lifting does harm.

    Guarantee
    ---------
    From a small start near rank one the iterates stay near rank one, and spurious solutions far
    from the truth are strict saddles for odd orders that are large enough. Runs may end at tensors
    that are stationary but not of rank one, as `rank_one_residual` shows; `escape` leaves those
    too. A baseline to compare with is plain gradient descent from a small start, which on the
    papers' examples does as well as lifting. (In the code released with the papers one baseline
    never reads its variable, so that it cannot succeed, and one script does not run.)

    Cost
    ----
    O(p d^(2 l - 1)) per iteration with d = n r and p <= d (d + 1) / 2 rows, memory p d^(2 l - 2).

    References
    ----------
    Ma, Molybog, Lavaei, Sojoudi (2023), arXiv:2302.07828; Ma, Lavaei, Sojoudi (2023),
    arXiv:2310.15549.
    """

    order: int = 3
    method: str = "gd"
    step_size: float | None = None
    lift: str = "rank_one"
    lift_scale: float = 1.0
    seed: int = 0
    escape: bool = False
    state_type: ClassVar[type] = LiftedState

    def __post_init__(self) -> None:
        _check.count(self.order, "order", low=1)
        if self.method not in STEPS:
            raise unknown_name("method of lifted", self.method, STEPS)
        if self.lift not in LIFTS:
            raise unknown_name("lift", self.lift, LIFTS)
        if self.step_size is not None:
            _check.number(self.step_size, "step_size", low=0.0, high=np.finfo(float).max)
        _check.number(self.lift_scale, "lift_scale", low=0.0, high=np.finfo(float).max)
        _check.count(self.seed, "seed")
        if not isinstance(self.escape, bool):
            raise InvalidInputError(f"escape must be True or False, got {self.escape!r}")

    def init(self, problem: Problem, start: Factors) -> LiftedState:
        """The first tensor, and the lifted problem.

        Raises
        ------
        TooLargeError
            If the tensors do not fit into memory.
        """
        on_rows, on_data = self._exponents(problem)
        # x^T (2^-a A) x = 2^-b b at the x of the problem over 2^((b - a) / 2).
        root = 2.0 ** ((on_data - on_rows) // 2)
        if on_data:
            problem = problem.replace(data=np.ldexp(problem.data, -on_data))
        lifting = Lifting.of(problem, order=self.order, rank=start.rank)
        if on_rows:
            lifting = replace(lifting, rows=np.ldexp(lifting.rows, -on_rows))
        lifting.refuse_if_too_large()
        isometry = float(np.ldexp(float(problem.operator.isometry), -2 * on_rows))
        factor = start.left * start.left.dtype.type(1.0 / root)
        start = Factors(factor, factor)
        w = lifting.lift(start)
        if self.lift == "random":
            draw = stream(seed_of(self.seed), "lifted start").standard_normal(w.shape)
            w = (draw * (np.linalg.norm(w) / np.linalg.norm(draw))).astype(w.dtype)
        w = w * w.dtype.type(self.lift_scale)
        value, gradient = lifting.evaluate(w)
        top = float(np.abs(np.linalg.eigvalsh(lifting.matrices(start)[2])).max())
        state = LiftedState(
            tensor=w,
            value=value,
            gradient=gradient,
            rows=lifting.rows,
            target=lifting.target,
            excess=lifting.excess,
            order=self.order,
            rank=start.rank,
            unit=top**-self.order if top > 0 else 0.0,
            adam_unit=np.sqrt((top / isometry / lifting.size) ** self.order),
            root=root,
        )
        self._drop(state)
        return state

    def _exponents(self, problem: Problem) -> tuple[int, int]:
        """Powers of two to be taken off the measurements and the data, zero where none need be.

        Squared norms of the gradient hold 2 l factors each of data, measurements and x.
        """
        largest = float(np.max(np.abs(problem.data)))
        data = np.log2(largest) + np.log2(np.linalg.norm(problem.data / largest))
        rows = 0.5 * np.log2(float(problem.operator.isometry))
        powers = self.order * np.array([2 * data, 3 * data - rows, data + rows])
        if np.abs(powers).max() < 0.8 * np.finfo(problem.dtype).maxexp:
            return 0, 0
        a, b = round(float(rows)), round(float(data))
        return a, b + (b - a) % 2

    def advance(self, problem: Problem, state: LiftedState, k: int) -> None:
        """Take k steps; the rank-one fit is found after the last."""
        lifting = state.lifting
        for _ in range(k):
            due = self.escape and state.quiet == PATIENCE
            if due and (left := escaped(state)) is not None:
                w, (first, second, moments) = left, (None, None, 0)
                escapes, quiet = state.escapes + 1, 0
            else:
                w, first, second, moments = self._step(state)
                escapes = state.escapes
                quiet = state.quiet + 1 if state.relative_gradient < QUIET else 0
            value, gradient = lifting.evaluate(w)
            state.tensor, state.value, state.gradient = w, value, gradient
            state.first, state.second, state.moments = first, second, moments
            state.escapes, state.quiet = escapes, quiet
            state.dropped = None
            state.iteration += 1
        if state.dropped is None:
            self._drop(state)

    def _step(self, state: LiftedState) -> tuple[Array, Array | None, Array | None, int]:
        size = STEPS[self.method] if self.step_size is None else self.step_size
        w, g = state.tensor, state.gradient
        kind = w.dtype.type
        if self.method == "gd":
            return w - kind(size * state.unit) * g, None, None, 0
        a, b = BETA
        first, second, count = state.first, state.second, state.moments + 1
        if first is None or second is None:
            first, second = np.zeros_like(w), np.zeros_like(w)
        first = kind(a) * first + kind(1 - a) * g
        second = kind(b) * second + kind(1 - b) * g * g
        mean, spread = first / kind(1 - a**count), second / kind(1 - b**count)
        # Against 0/0 only, in the unit of the gradient.
        floor = kind(1e-8 * state.adam_unit / state.unit if state.unit else 1.0)
        move = mean / (np.sqrt(spread) + floor)
        return w - kind(size * state.adam_unit) * move, first, second, count

    def _drop(self, state: LiftedState) -> None:
        X, leftover = state.lifting.drop(state.tensor)
        state.dropped, state.leftover = X.left, leftover

    def factors(self, state: LiftedState) -> Factors:
        """``F F^T`` from the best rank-one fit of the tensor."""
        # Not known only after an interrupt.
        left = state.lifting.drop(state.tensor)[0].left if state.dropped is None else state.dropped
        left = left * left.dtype.type(state.root)
        return Factors(left, left)

    def resume(self, state: LiftedState, previous: LiftedState) -> None:
        """Carry over the tensor, which its rank-one fit does not determine."""
        if state.tensor.shape != previous.tensor.shape or state.rank != previous.rank:
            return
        ratio = (previous.root / state.root) ** self.order
        state.tensor = previous.tensor * previous.tensor.dtype.type(ratio)
        state.value, state.gradient = state.lifting.evaluate(state.tensor)
        self._drop(state)
        if state.value == previous.value:
            state.iteration, state.escapes = previous.iteration, previous.escapes
            state.quiet = previous.quiet
            if self.method == "adam":
                state.first, state.second = previous.first, previous.second
                state.moments = previous.moments

    def evaluation(self, problem: Problem, state: LiftedState) -> Evaluation:
        """The lifted loss, and its gradient along the liftings of other factors."""
        left = self.factors(state).left / state.tensor.dtype.type(state.root)
        gradient = state.gradient
        slope: Array = np.zeros(left.size, left.dtype)
        for axis in range(state.order):
            part = np.moveaxis(gradient, axis, -1)
            for _ in range(state.order - 1):
                part = np.tensordot(left.ravel(), part, 1)
            slope += part
        slope = slope.reshape(left.shape) / left.dtype.type(state.root)
        return Evaluation(state.value, slope, slope)

    def stationarity(self, problem: Problem, state: LiftedState) -> float:
        """The gradient in the tensor, relative to it and in units of the method."""
        untried = self.escape and state.quiet <= PATIENCE
        return max(state.relative_gradient, QUIET) if untried else state.relative_gradient

    def parts(self, state: LiftedState) -> Mapping[str, Any]:
        """How far the tensor is from rank one, and how many saddles were left."""
        return {"rank_one_residual": state.leftover, "escapes": state.escapes}
