"""Thresholded scaled gradient descent: robust PCA and robust completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._grid import Grid, grid_of, median_modulus, modulus_quantile
from .._typing import Array
from ..errors import IncompatibleError
from ..factors import Factors
from ..losses import Absolute
from ..problem import Evaluation, Problem
from ._descent import divide, gram_metric
from ._outliers import refuses
from ._protocol import Solver, SolverInfo
from ._registry import register
from ._threshold import NOISE

__all__ = ["ThresholdedScaledGD"]

# Residuals are worked through in pieces that stay in cache.
CHUNK = 1 << 16
# Share of outliers that is allowed for when nobody gives one.
SHARE = 0.15
# Share of the good measurements whose residuals count as typical.
GOOD = 0.93
# Median modulus of a standard Gaussian; and root mean square over standard deviation, as the
# median tells it, from which on a distribution is no longer taken for noise.
MEDIAN = 0.6745
TAIL = 1.4


@dataclass
class ThresholdedState:
    """Factors, the sparse part at them, and objective and gradient.

    Attributes
    ----------
    left, right : array
        The factors.
    iteration : int
        Iterations done.
    value, left_gradient, right_gradient
        The method's own objective and its gradient at the factors.
    support, sparse : array
        Which measurements the sparse part holds, and its values there.
    typical : float
        Modulus that most residuals of good measurements do not exceed.
    threshold : float
        Modulus below which nothing is set aside.
    corruption : float
        The share alpha in use.
    step : float
        Length of a step.
    doubtful : bool
        Whether what is kept, or how much is set aside, says that outliers are left or good
        measurements lost.
    """

    left: Array
    right: Array
    iteration: int
    value: float
    left_gradient: Array
    right_gradient: Array
    support: Array
    sparse: Array
    typical: float
    threshold: float
    corruption: float
    step: float
    doubtful: bool = False


@register(
    SolverInfo(
        name="thresholded_scaledgd",
        summary="robust PCA: scaled gradient descent, large entries of the residual set aside",
        losses=(Absolute,),
        oracle=("corruption",),
        symmetric=False,
        gauge_invariant=True,
        start="thresholded",
        references=(
            "Tong, Ma, Chi (2021), Accelerating ill-conditioned low-rank matrix estimation via "
            "scaled gradient descent, JMLR 22(150), arXiv:2005.08898",
        ),
        refuses=refuses,
    )
)
@dataclass(frozen=True, kw_only=True)
class ThresholdedScaledGD(Solver):
    """Scaled gradient descent with thresholding of the residual (robust PCA).

    Parameters
    ----------
    step_size : float
        The dimensionless eta of the paper, in units of ``1 / isometry``.
    corruption : float, optional
        Largest share alpha of outliers in a row or a column; at most twice as many entries of
        each are set aside. None is 0.15. Too small a value stops the method from converging;
        too large a one loses good entries where there are few.
    visible : float
        Only residuals above so many times a large residual of a good measurement (the quantile
        ``0.93 (1 - alpha)`` of all, 1.8 standard deviations of Gaussian noise) are set aside.
        What is set aside of good entries while the factors are off is lost to them: a tenth of
        outliers takes a third of the iterations that the share alone takes, and a share that is
        too large does less harm. 0 is the paper's method.
    decay : float
        That threshold falls by at most this factor in an iteration. Without a limit good
        entries whose residuals lag behind can be shut out for good.

    Model
    -----
    ``min 1/2 |A(L R^H) + s - y|^2`` over the factors and a sparse s, where every row and
    column has at most a share ``2 alpha`` of its measurements in s; all entries or some of
    them are observed. The trace records this objective, not the absolute loss of the problem,
    for which it stands in.

    Update
    ------
    ``s = T(y - A(L R^H))`` keeps what is among the largest moduli of its row, among those of
    its column, and above the threshold; with ``G = A*(A(L R^H) + s - y)``
    ``L <- L - eta G R (R^H R)^{-1}``, ``R <- R - eta G^H L (L^H L)^{-1}``, both with the old
    factors (equation 12 of the paper, which observes all entries and has no threshold).

    Assumptions
    -----------
    Incoherence; outliers spread over rows and columns, at most a share of about
    ``1 / (mu r^{3/2} cond)``, in practice 0.1 to 0.3 at low ranks; the rank is that of the
    matrix; the start "thresholded".

    Guarantee
    ---------
    Linear with a rate free of the condition number: error at most ``(1 - 0.6 eta)^t`` for eta
    from 0.1 to 2/3, for the paper's method (Theorem 11).

    Cost
    ----
    O(m r) and two selections of the largest moduli, O(m), per iteration; memory for two to
    three vectors of length m besides the data. With all entries observed m = n1 n2.
    The selection needs all residuals at once; `soft_scaledgd` works with a single pass.

    References
    ----------
    Tong, Ma, Chi (2021), arXiv:2005.08898.
    """

    step_size: float = 0.5
    corruption: float | None = None
    visible: float = 4.0
    decay: float = 0.8
    state_type: ClassVar[type] = ThresholdedState

    def __post_init__(self) -> None:
        _check.number(self.step_size, "step_size", low=0.0, high=np.finfo(float).max)
        if self.corruption is not None:
            _check.number(self.corruption, "corruption", low=0.0, high=0.5)
        _check.number(self.visible, "visible", low=0.0)
        _check.number(self.decay, "decay", low=0.0, high=1.0)

    def init(self, problem: Problem, start: Factors) -> ThresholdedState:
        """The sparse part and the gradient at the start."""
        state = ThresholdedState(
            left=start.left,
            right=start.right,
            iteration=0,
            value=0.0,
            left_gradient=start.left,
            right_gradient=start.right,
            support=np.zeros(0, np.int64),
            sparse=np.zeros(0, problem.data.dtype),
            typical=0.0,
            threshold=0.0,
            corruption=SHARE if self.corruption is None else float(self.corruption),
            step=self.step_size / problem.operator.isometry,
        )
        self._place(problem, state, start, _grid(problem))
        return state

    def advance(self, problem: Problem, state: ThresholdedState, k: int) -> None:
        """Take k steps."""
        grid = _grid(problem)
        for _ in range(k):
            X = self.factors(state)
            for_left, for_right = gram_metric(X, 0.0)
            t = X.left.real.dtype.type(state.step)
            new = Factors(
                X.left - t * divide(state.left_gradient, for_left),
                X.right - t * divide(state.right_gradient, for_right),
            )
            self._place(problem, state, new, grid)
            state.iteration += 1

    def _place(self, problem: Problem, state: ThresholdedState, X: Factors, grid: Grid) -> None:
        """Bind the next iterate and all that belongs to it."""
        operator = problem.operator
        misfit = operator.forward(X)
        # In place, since with all entries observed this is as large as the matrix.
        misfit = np.subtract(problem.data, misfit, out=misfit if misfit.dtype == X.dtype else None)
        typical = modulus_quantile(misfit, GOOD * (1.0 - state.corruption))
        threshold = max(self.visible * typical, self.decay * state.threshold)
        large = grid.outstanding(misfit, 2 * state.corruption, threshold)
        support = np.flatnonzero(large)
        sparse = misfit[support]
        misfit[support] = 0
        value = 0.0
        for start in range(0, misfit.size, CHUNK):
            value += 0.5 * float(np.sum(np.abs(misfit[start : start + CHUNK]) ** 2, dtype=float))
        left = -operator.adjoint_right(misfit, X.right)
        right = -operator.adjoint_left(misfit, X.left)
        state.left, state.right = X.left, X.right
        state.value, state.left_gradient, state.right_gradient = value, left, right
        state.support, state.sparse = support, sparse
        state.typical, state.threshold = typical, threshold
        state.doubtful = self._doubtful(problem, state, misfit, grid)

    def _doubtful(self, problem: Problem, state: ThresholdedState, kept: Array, grid: Grid) -> bool:
        """Whether a vanishing gradient would say nothing of the matrix."""
        count = kept.size - state.support.size
        if count < max(0.5 * kept.size, problem.degrees_of_freedom(state.left.shape[1])):
            return True
        # The paper's method fills every row and column by construction.
        if self.visible and grid.at_limit(state.support, 2 * state.corruption):
            return True
        rms = np.sqrt(2.0 * state.value / count)
        # The singular vectors of the data themselves leave outliers as a residual without tails.
        n1, n2 = problem.shape
        if rms > NOISE * Factors(state.left, state.right).norm() / np.sqrt(n1 * n2):
            return True
        resolution = np.sqrt(np.finfo(kept.dtype).eps) * median_modulus(problem.data)
        # Outliers among what is kept give its distribution tails that noise does not have.
        return bool(rms > resolution and rms > TAIL * median_modulus(kept) / MEDIAN)

    def stationarity(self, problem: Problem, state: ThresholdedState) -> float | None:
        """Infinite where outliers may be left or good measurements lost.

        That is where a row or column has as much set aside as it may have, where less is kept
        than is needed, and where what is kept has heavier tails than noise: a vanishing
        gradient then does not mean that the matrix is found.
        """
        return float("inf") if state.doubtful else None

    def standstill(self, state: ThresholdedState) -> str | None:
        """A point that `stationarity` does not trust."""
        if not state.doubtful:
            return None
        return (
            "a point where outliers may be left or good measurements lost; try another "
            "`corruption`, or fewer columns"
        )

    def factors(self, state: ThresholdedState) -> Factors:
        """The present factors."""
        return Factors(state.left, state.right)

    def resume(self, state: ThresholdedState, previous: ThresholdedState) -> None:
        """Go on where it was left, if data and share are those of before.

        The threshold follows the iteration, and the sparse part and the gradient follow it.
        """
        same = (state.typical, state.corruption) == (previous.typical, previous.corruption)
        if same and state.step == previous.step:
            vars(state).update(vars(previous))
        else:
            state.iteration = previous.iteration

    def evaluation(self, problem: Problem, state: ThresholdedState) -> Evaluation:
        """``1/2 |A(L R^H) + s - y|^2`` and its gradient."""
        return Evaluation(state.value, state.left_gradient, state.right_gradient)

    def parts(self, state: ThresholdedState) -> Mapping[str, Any]:
        """The sparse part.

        "sparse_measurements" are positions in the data (with all entries observed, k stands
        for row k // n2 and column k % n2) and "sparse_values" what is set aside there; small
        values are entries that are large among the residuals of their row and column only.
        "doubtful" says that outliers may be left or good measurements lost: raise
        `corruption`, or lower it.
        """
        return {
            "sparse_measurements": state.support,
            "sparse_values": state.sparse,
            "doubtful": state.doubtful,
        }


def _grid(problem: Problem) -> Grid:
    grid = grid_of(problem.operator)
    if grid is None:
        raise IncompatibleError(refuses(problem))
    return grid
