"""MatrixIRLS: reweighted least squares for the smoothed log-determinant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import getattr_static
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._point import PointState
from .._typing import Array
from ..factors import Factors
from ..losses import Squared
from ..problem import Evaluation, Problem
from ._log_det import Completed, Reweighted
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["MatrixIRLS"]

# Inner solves leave no more than this share, however large the smoothing.
LOOSEST = 0.1
# A step that is shorter than this, relative to the r-th singular value, and leaves more than the
# second of the smoothing is taken as the end. On the way to a solution steps of 2e-4 were seen.
STILL, FALLS = 1e-5, 0.5


@dataclass
class MatrixIRLSState(PointState):
    """Factors of the best approximation of rank r of the iterate, and the next weights.

    Attributes
    ----------
    left, right : array
        The factors.
    iteration : int
        Iterations done.
    value, left_gradient, right_gradient
        Objective and its gradient in the factors.
    u : array, shape (n1, k), s : array, shape (k,), v : array, shape (n2, k)
        Leading singular triplets of the iterate, k > r of them, in descending order.
    active : int
        How many of the singular values are above the smoothing.
    eps : float
        The smoothing.
    next_value : float
        The singular value after the r-th.
    still : bool
        Whether the iterates stand still with the smoothing above rounding.
    inner : int
        Inner iterations so far.
    """

    u: Array
    s: Array
    v: Array
    active: int
    eps: float
    next_value: float
    still: bool = False
    inner: int = 0


def _refuses(problem: Problem) -> str | None:
    # Not isinstance: it would make the arrays, of the length of the data.
    for name in ("positions", "row_counts"):
        if getattr_static(problem.operator, name, None) is None:
            operator = type(problem.operator).__name__
            return f"needs measurements that are single entries, got {operator}"
    if problem.nuclear > 0:
        return "has no nuclear-norm weight; it looks for a matrix that has the data"
    return None


@register(
    SolverInfo(
        name="matrix_irls",
        summary="completion by reweighted least squares for the smoothed log-determinant",
        losses=(Squared,),
        symmetric=False,
        gauge_invariant=True,
        start="small_random",
        max_iter=400,
        references=(
            "Kuemmerle, Mayrink Verdun (2021), A scalable second order method for "
            "ill-conditioned matrix completion from few samples, ICML, arXiv:2106.02119",
        ),
        refuses=_refuses,
    )
)
@dataclass(frozen=True, kw_only=True)
class MatrixIRLS(Solver):
    """Iteratively reweighted least squares for completion (MatrixIRLS).

    Parameters
    ----------
    inner_tol : float
        Share of the residual that inner solves may leave, in units of ``eps / sigma_1``, so that
        it shrinks with the smoothing; never more than a tenth.
    inner_limit : int
        Largest number of inner iterations.

    Model
    -----
    ``min sum_i f_eps(sigma_i(X))`` over all n1 x n2 matrices with ``A(X) = y``, where
    ``f_eps(s) = log max(s, eps) + (min(s, eps)^2 / eps^2 - 1) / 2``, for eps that goes to zero.
    Data with noise are interpolated like others: the iterates X_k come to rest where eps is the
    size of the noise. The factors are those of the best approximation of rank r of X_k, and the
    trace records their objective ``1/2 |A(L R^H) - y|^2``, which is not what is minimised and
    need not fall; without noise both agree in the end, and with noise a run ends as STALLED,
    near a least-squares solution that `gauss_newton` finds from there.

    Update
    ------
    ``X_k = argmin <X, W(X)>`` under ``A(X) = y``;
    ``eps <- min(eps, sigma_{r+1}(X_k))``; and
    ``W(Z) = (U diag(1/t) U^H) Z (V diag(1/t) V^H)`` with ``t_i = max(sigma_i, eps)`` from the
    singular value decomposition of X_k (Algorithm 1 of the paper). The minimiser is of low rank
    up to its entries at the measurements; its part in the tangent space of the singular vectors
    with sigma_i > eps is found by conjugate gradients, preconditioned by the r x r blocks of each
    row where the operator has them (the paper: by the diagonal in the mean). A start X_0 gives
    the first weights through ``X_0 + A*(y - A(X_0))``, which for the default of nearly zero is
    the paper's first iterate.

    Assumptions
    -----------
    Single entries, without noise, of a matrix of the rank asked for. Measured at 300 x 300, rank 5:
    with 1.5 times as many entries as degrees of freedom it recovers all, with 1.35 times half to
    all, with 1.2 times none to half, depending on the spectrum; `rank_path` recovered each of
    those matrices too, in about an eighth of the time.

    Guarantee
    ---------
    With a number of random entries of the order of ``(n1 + n2) r log(n1 + n2)`` of an incoherent
    matrix, convergence near it is quadratic, and the condition number of the linear systems there
    does not grow with that of the matrix (both in the paper); the smoothed log-determinant with
    the eps of the moment never rises. From afar nothing is known.

    Cost
    ----
    One product with ``P_T A* A P_T`` per inner iteration, O(m r + (n1 + n2) r^2), and a dozen
    products of block Krylov iterations for the singular vectors. About 25 iterations with twice
    as many entries as degrees of freedom, hundreds near the limit, of 10 to 50 inner ones each.

    References
    ----------
    Kuemmerle, Mayrink Verdun (2021), arXiv:2106.02119.
    """

    inner_tol: float = 0.01
    inner_limit: int = 500
    state_type: ClassVar[type] = MatrixIRLSState

    def __post_init__(self) -> None:
        _check.number(self.inner_tol, "inner_tol", low=1e-15, high=10.0)
        _check.count(self.inner_limit, "inner_limit", low=1)

    def init(self, problem: Problem, start: Factors) -> MatrixIRLSState:
        """The weights of the start."""
        at = problem.evaluate(start)
        nothing = np.zeros((problem.shape[1], 0), problem.dtype)
        whole = Completed.of(problem.operator, start, problem.data)
        u, s, v, eps, following = _smoothed(whole, start.rank, np.inf, start.rank + 1, nothing)
        return MatrixIRLSState(
            left=start.left,
            right=start.right,
            iteration=0,
            value=at.value,
            left_gradient=at.left,
            right_gradient=at.right,
            u=u,
            s=s,
            v=v,
            active=int(np.count_nonzero(s > eps)),
            eps=eps,
            next_value=following,
        )

    def advance(self, problem: Problem, state: MatrixIRLSState, k: int) -> None:
        """Take k reweighted least-squares steps."""
        for _ in range(k):
            if not state.still:
                self._step(problem, state)
            state.iteration += 1

    def _step(self, problem: Problem, state: MatrixIRLSState) -> None:
        rank, active, top = state.left.shape[1], state.active, float(state.s[0])
        u, s, v = state.u[:, :active], state.s[:active], state.v[:, :active]
        if active:
            weights = Reweighted(problem.operator, u, s, v, state.eps)
            tol = min(LOOSEST, self.inner_tol * state.eps / top)
            whole, inner = weights.solve(problem.data, tol, self.inner_limit)
        else:
            # All weights are equal.
            whole, inner = Completed.of(problem.operator, Factors(u, v), problem.data), 0
        u, s, v, eps, following = _smoothed(whole, rank, state.eps, active + 1, state.v)
        root = np.sqrt(s[:rank])
        X = Factors(u[:, :rank] * root, v[:, :rank] * root)
        moved = X.distance(state.X)
        state.place(X, problem.evaluate(X))
        state.still = eps > FALLS * state.eps and moved <= STILL * float(s[rank - 1])
        state.u, state.s, state.v, state.eps, state.next_value = u, s, v, eps, following
        state.active = int(np.count_nonzero(s > eps))
        state.inner += inner

    def factors(self, state: MatrixIRLSState) -> Factors:
        """The present factors."""
        return state.X

    def resume(self, state: MatrixIRLSState, previous: MatrixIRLSState) -> None:
        """Carry over weights and smoothing, if the problem is that of before."""
        if state.value == previous.value:
            vars(state).update(vars(previous))
        state.iteration = previous.iteration

    def evaluation(self, problem: Problem, state: MatrixIRLSState) -> Evaluation:
        """Objective and gradient at the present factors."""
        return state.at

    def standstill(self, state: MatrixIRLSState) -> str | None:
        """What the iterates stand still at."""
        if not state.still:
            return None
        rank, share = state.left.shape[1], state.next_value / float(state.s[0])
        return (
            f"a minimum of the smoothed log-determinant with singular value {rank + 1} at "
            f"{share:.1e} of the first: the data are not those of a matrix of rank {rank} "
            f"(noise; gauss_newton goes on from these factors), or too few"
        )

    def parts(self, state: MatrixIRLSState) -> Mapping[str, Any]:
        """Smoothing, singular values of the last iterate, and the inner iterations so far."""
        return {
            "smoothing": state.eps,
            "singular_values": state.s,
            "inner_iterations": state.inner,
        }


def _smoothed(
    whole: Completed, rank: int, eps: float, k: int, block: Array
) -> tuple[Array, Array, Array, float, float]:
    """Singular triplets, all above the new smoothing among them, that, and what follows rank r.

    The smoothing stays above the rounding of the largest singular value.
    """
    most = min(whole.operator.shape)
    k = max(rank + 1, k)
    while True:
        k = min(k, most)
        u, s, v = whole.leading(k, block)
        following = float(s[rank]) if rank < s.size else 0.0
        floor = float(np.finfo(s.dtype).eps * s[0])
        new = max(min(eps, following), floor)
        if k == most or not s[-1] > new:
            return u, s, v, new, following
        k, block = 2 * k, v
