"""Reweighted Gauss-Newton for robust losses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import _check
from .._grid import grid_of
from .._point import PointState
from .._typing import Array
from ..errors import InvalidInputError, SolverBreakdownError
from ..factors import Factors
from ..gauss_newton import _direct, direction
from ..losses import Absolute, Huber, Squared
from ..operators import Weighted
from ..problem import Evaluation, Problem, relative_gradient
from ._determined import determined
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["Reweighted"]

INNER = ("auto", "direct", "iterative")
# Measurements, in degrees of freedom, that must be fitted before the fit counts as evidence: a
# matrix of the rank searched for can always be made to fit as many as it has parameters.
EVIDENCE = 1.25
# Median over lower quarter of the moduli of real Gaussian numbers, and a margin.
FROM_QUARTER = 6.0
# From this relative gradient and move on the fit is judged. A majority that is off by this share
# is not taken for noise, and what is so many times its residual is not fitted.
NEAR, NOISE, FITTED = 1e-4, 0.25, 10.0
# Times that a step may be halved, and the rise of the loss, in rounding units, that is none.
HALVINGS, ROUNDING = 12, 16.0


@dataclass
class ReweightedState(PointState):
    """The factors, and the smoothed loss at them.

    Attributes
    ----------
    value : float
        The problem's objective at the factors.
    threshold : float
        Residual up to which the smoothed loss is quadratic.
    residual : array, shape (m,)
        ``A(X) - data``.
    left_gradient, right_gradient : array
        Gradient of the Huber loss with the threshold of the last step.
    step : float
        Share of the last Gauss-Newton direction that was taken.
    move : float
        Size of that direction, relative to the matrix.
    doubt : str
        Why a vanishing gradient would not tell that the matrix is right; empty if it does.
    """

    threshold: float
    residual: Array
    step: float = 0.0
    move: float = 0.0
    doubt: str = ""


def _nuclear(problem: Problem) -> str | None:
    return "takes no nuclear-norm weight" if problem.nuclear else None


@register(
    SolverInfo(
        name="reweighted",
        summary="reweighted Gauss-Newton: outliers, with nothing known of them, in few iterations",
        losses=(Absolute, Huber),
        gauge_invariant=True,
        start="truncated",
        refuses=_nuclear,
        references=(
            "Holland, Welsch (1977), Robust regression using iteratively reweighted "
            "least-squares, Communications in Statistics 6(9)",
            "Daubechies, DeVore, Fornasier, Gunturk (2010), Iteratively reweighted least squares "
            "minimization for sparse recovery, Communications on Pure and Applied Mathematics "
            "63(1), arXiv:0807.0575 (the decreasing threshold)",
            "Zilber, Nadler (2022), GNMR: a provable one-line algorithm for low rank matrix "
            "recovery, SIAM Journal on Mathematics of Data Science 4(2), arXiv:2106.12933",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class Reweighted(Solver):
    """Iteratively reweighted Gauss-Newton for the absolute loss and for that of Huber.

    Parameters
    ----------
    smoothing : float
        The threshold of the smoothed absolute loss, as a share of the median modulus of the
        residual. Smaller values make fewer iterations near the solution and more far from it.
        Without effect on the Huber loss, which has a threshold of its own.
    reweightings : int
        How often each step weighs the measurements, by the residual that the linearised problem
        predicts, before the problem is linearised anew; with `inner` "iterative" once.
    inner : {"auto", "direct", "iterative"}
        How the weighted linear problem is solved, by conjugate gradients: "direct" with its
        matrix written down, for operators that offer `tangent_rows`; "iterative" with the
        operator. "auto" takes the first where it is the cheaper one.
    inner_tol : float
        Share of the residual at which conjugate gradients end.
    inner_limit : int
        Largest number of their iterations with the operator.

    Model
    -----
    ``min |A(L R^H) - y|_1`` over L (n1 x r) and R (n2 x r), or the Huber loss; half of it over
    one factor, ``F F^H``, for symmetric problems.

    Update
    ------
    With e the residual, ``h <- min(h, smoothing min(median|e|, 6 q|e|))`` with q the lower quarter,
    or the moduli that 1.25 times as many as the degrees of freedom do not exceed, and weights
    ``w_i = min(1, h / |e_i|)``, D minimises ``sum_i w_i |e + A(dL R^H + L dR^H)|_i^2``, the
    solution of least norm in orthonormal coordinates of the factors; h, w and D again, with
    ``e + A(dL R^H + L dR^H)`` in the place of e for h and w, `reweightings` times in all; then
    ``(L, R) <- (L, R) + t D`` with t the first of 1, 1/2, 1/4, ... at which the Huber loss with
    threshold h does not rise.

    Assumptions
    -----------
    The rank is that of the matrix. Less than half of the measurements are outliers, and the
    others are more than the degrees of freedom. A start that outliers do not spoil. Nothing
    need be known of the outliers: neither their share, nor the loss at the solution, nor a
    schedule of steps.

    Guarantee
    ---------
    None for the factored problem. Each step is one of majorisation and minimisation for the
    Huber loss with the present threshold, which never rises within a step. Without noise the
    threshold shrinks with the residual and the error falls by a factor of 10 to 1000 per
    iteration once outliers and others are told apart; with noise the threshold settles at a
    share of the noise and the limit is an estimate of least absolute deviations. As converged
    counts a small gradient of the Huber loss: its threshold can shrink only if the majority
    of the residuals do, and more of them than the factors could fit anyway.

    Cost
    ----
    Two to three passes over the data per iteration and, with n the number of unknowns, O(m n)
    per inner iteration for the direct solution; or three to four passes per inner iteration. Of
    these there are 5 to 50, shared by the reweightings, each of which begins where the one
    before ended.

    References
    ----------
    Holland, Welsch (1977); Daubechies, DeVore, Fornasier, Gunturk (2010), arXiv:0807.0575;
    Zilber, Nadler (2022), arXiv:2106.12933.
    """

    smoothing: float = 0.2
    reweightings: int = 3
    inner: str = "auto"
    inner_tol: float = 0.03
    inner_limit: int = 100
    state_type: ClassVar[type] = ReweightedState

    def __post_init__(self) -> None:
        _check.number(self.smoothing, "smoothing", low=1e-6, high=1e3)
        _check.count(self.reweightings, "reweightings", low=1)
        _check.number(self.inner_tol, "inner_tol", low=0.0, high=1.0)
        _check.count(self.inner_limit, "inner_limit", low=1)
        if self.inner not in INNER:
            raise InvalidInputError(
                f"inner must be one of {', '.join(map(repr, INNER))}, got {self.inner!r}"
            )

    def init(self, problem: Problem, start: Factors) -> ReweightedState:
        """Residual, threshold and gradient at the start."""
        threshold = self._threshold(problem, start.rank, problem.residual(start), np.inf)
        at = _smoothed(problem, threshold).evaluate(start, residual=True)
        single = start.symmetric
        assert at.residual is not None
        return ReweightedState(
            left=start.left,
            right=None if single else start.right,
            iteration=0,
            value=_objective(problem, at.residual),
            threshold=threshold,
            residual=at.residual,
            left_gradient=at.left,
            right_gradient=None if single else at.right,
        )

    def advance(self, problem: Problem, state: ReweightedState, k: int) -> None:
        """Do k iterations."""
        for _ in range(k):
            self._step(problem, state)

    def _step(self, problem: Problem, state: ReweightedState) -> None:
        X, residual = state.X, state.residual
        still = state.doubt and state.move <= _half_of_digits(problem)
        if still and relative_gradient(problem, X, state.at) <= problem.default_tol:
            # At rest, where going on would change nothing.
            state.iteration += 1
            return
        threshold = state.threshold
        D, last = self._direction(problem, X, residual, threshold)
        smooth = _smoothed(problem, last)
        # Near a minimum steps lower the loss by less than its rounding error.
        rounding = ROUNDING * float(np.finfo(residual.dtype).eps)
        least = smooth.loss.value(residual) * (1 + rounding)
        t, trial, at = 1.0, X, state.at
        for _ in range(HALVINGS):
            point = _along(X, D, t)
            there = smooth.evaluate(point, residual=True)
            # Summed in the same order as the one it is compared with.
            if smooth.loss.value(there.residual) <= least:  # type: ignore[arg-type]
                trial, at = point, there
                break
            t *= 0.5
        else:
            t = 0.0
            at = smooth.evaluate(X, residual=True)
        assert at.residual is not None
        new = self._threshold(problem, X.rank, at.residual, threshold)
        state.place(trial, at)
        state.residual, state.threshold, state.step = at.residual, new, t
        state.value = _objective(problem, at.residual)
        state.move = _size(X, D)
        near = relative_gradient(problem, trial, state.at) <= NEAR
        near = near and state.move <= NEAR
        state.doubt = self._doubt(problem, state) if near else ""
        state.iteration += 1

    def _doubt(self, problem: Problem, state: ReweightedState) -> str:
        """Why the measurements that are fitted may not determine the matrix."""
        if isinstance(problem.loss, Huber):
            return ""
        size = np.abs(state.residual)
        level = state.threshold / self.smoothing
        typical = float(np.median(np.abs(state.residual + problem.data)))
        if level > NOISE * typical:
            return "most measurements are off by much of their size"
        level = max(FITTED * level, max(state.move, _half_of_digits(problem)) * typical)
        grid = grid_of(problem.operator)
        if grid is None:
            return ""
        X = state.X
        U, V = (np.linalg.qr(factor)[0] for factor in (X.left, X.right))
        if not determined(problem, U, V, size <= level):
            return "a row or a column hangs on a single entry"
        return ""

    def _direction(
        self, problem: Problem, X: Factors, residual: Array, threshold: float
    ) -> tuple[tuple[Array, ...], float]:
        """The weighted Gauss-Newton direction, and the last threshold that it was weighted with."""
        squared = problem.replace(loss=Squared())
        if self._direct(problem, X):
            levels: list[float] = []

            def weigh(predicted: Array) -> Array:
                # The first one was chosen when the residual was measured.
                level = threshold
                if levels:
                    level = self._threshold(problem, X.rank, predicted, levels[-1])
                levels.append(level)
                return _weights(predicted, level)

            rounds = self.reweightings
            try:
                D = _direct.reweighted(
                    squared, X, residual, weigh, rounds=rounds, tol=self.inner_tol
                )
                return D, levels[-1]
            except SolverBreakdownError:
                # Dependent columns, which iterations from zero do not mind.
                pass
        weights = _weights(residual, threshold)
        slope = (weights * residual).astype(residual.dtype, copy=False)
        at = _gradient(problem, X, slope)
        roots = np.sqrt(weights)
        # The data do not enter: the gradient is given.
        weighted = squared.replace(operator=Weighted(problem.operator, roots))
        found, _, _ = direction(weighted, X, at, tol=self.inner_tol, limit=self.inner_limit)
        if not found.isfinite():
            raise SolverBreakdownError("the inner iteration is not finite")
        return ((found.left,) if problem.symmetric else (found.left, found.right)), threshold

    def _direct(self, problem: Problem, X: Factors) -> bool:
        if self.inner == "auto":
            return _direct.pays(problem, X.rank)
        if self.inner == "direct" and not _direct.possible(problem):
            raise InvalidInputError(
                f"inner='direct' needs operator.tangent_rows, which "
                f"{type(problem.operator).__name__} does not offer; use inner='iterative'"
            )
        return self.inner == "direct"

    def _threshold(self, problem: Problem, rank: int, residual: Array, previous: float) -> float:
        """Share of the residual that a majority, and enough of them, do not exceed."""
        if isinstance(problem.loss, Huber):
            return float(problem.loss.delta)
        size = np.abs(residual)
        if not np.isfinite(size).all():
            return previous
        units = 2 if residual.dtype.kind == "c" else 1
        enough = EVIDENCE * problem.degrees_of_freedom(rank) / units
        # Where outliers are nearly half, the median is one of them; of Gaussian noise the lower
        # quarter tells the median too.
        k, low = (
            int(min(max(np.ceil(share * size.size), np.ceil(enough)), size.size)) - 1
            for share in (0.5, 0.25)
        )
        size = np.partition(size, (low, k))
        level = min(float(size[k]), FROM_QUARTER * float(size[low]))
        floor = float(np.finfo(size.dtype).eps) * float(np.mean(np.abs(problem.data)))
        return max(min(previous, self.smoothing * level), floor)

    def factors(self, state: ReweightedState) -> Factors:
        """The present factors."""
        return state.X

    def resume(self, state: ReweightedState, previous: ReweightedState) -> None:
        """Carry over the threshold and what it was measured with."""
        state.iteration = previous.iteration
        if state.value == previous.value:
            state.step = previous.step
            state.threshold, state.doubt = previous.threshold, previous.doubt
            state.move = previous.move
            state.left_gradient = previous.left_gradient
            state.right_gradient = previous.right_gradient

    def evaluation(self, problem: Problem, state: ReweightedState) -> Evaluation:
        """The objective, and the gradient of the smoothed loss."""
        return state.at

    def stationarity(self, problem: Problem, state: ReweightedState) -> float:
        """Relative gradient of the Huber loss with the threshold of the last step.

        It shrinks with the threshold, so that the last direction counts too as long as it moves
        the matrix by more than half of the digits. Infinite where the data do not confirm the
        matrix, see `parts`.
        """
        if state.doubt:
            return float("inf")
        gradient = relative_gradient(problem, state.X, state.at)
        return gradient if state.move <= _half_of_digits(problem) else max(gradient, state.move)

    def standstill(self, state: ReweightedState) -> str | None:
        """A point that `stationarity` does not trust, or from which no step goes down."""
        if state.doubt:
            return f"a point that the data do not confirm: {state.doubt}"
        return None if state.step else "a point from which no step lowers the smoothed loss"

    def parts(self, state: ReweightedState) -> dict[str, str]:
        """Why the matrix may be wrong although the gradient vanishes, as "doubt"; else empty."""
        return {"doubt": state.doubt}


def _weights(residual: Array, threshold: float) -> Array:
    size = np.abs(residual)
    return threshold / np.maximum(size, size.dtype.type(threshold))


def _half_of_digits(problem: Problem) -> float:
    return float(np.sqrt(np.finfo(problem.dtype).eps))


def _size(X: Factors, D: tuple[Array, ...]) -> float:
    """``|dL R^H + L dR^H|_F / |X|_F``."""
    if not all(np.isfinite(part).all() for part in D):
        return float("inf")
    left, right = np.hstack([D[0], X.left]), np.hstack([X.right, D[-1]])
    size = X.norm()
    return Factors(left, right).norm() / size if size > 0 else float("inf")


def _smoothed(problem: Problem, threshold: float) -> Problem:
    """The same data with the Huber loss, whose slope is that of the squared one up to there."""
    new = problem.replace(loss=Huber(max(threshold, float(np.finfo(float).tiny))))
    if "prepared" in problem.__dict__:
        new.__dict__["prepared"] = problem.prepared
    return new


def _objective(problem: Problem, residual: Array) -> float:
    return problem.loss.value(residual) * (0.5 if problem.symmetric else 1.0)


def _gradient(problem: Problem, X: Factors, slope: Array) -> Evaluation:
    """``A*(slope) R`` and ``A*(slope)^H L``."""
    left = problem.operator.adjoint_right(slope, X.right)
    if problem.symmetric and getattr(problem.operator, "symmetric", False):
        return Evaluation(0.0, left, left)
    right = problem.operator.adjoint_left(slope, X.left)
    if problem.symmetric:
        left = right = 0.5 * (left + right)
    return Evaluation(0.0, left, right)


def _along(X: Factors, D: tuple[Array, ...], t: float) -> Factors:
    t = X.left.real.dtype.type(t)
    left = X.left + t * D[0]
    return Factors(left, left) if X.symmetric else Factors(left, X.right + t * D[1])
