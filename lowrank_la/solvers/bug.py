"""Basis-update and Galerkin integrator of the gradient flow on matrices of low rank."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError, UnderdeterminedWarning
from ..factors import Factors
from ..problem import Evaluation, Problem
from ._galerkin import balanced, hermitian, leading_pair, spectrum, squared_norm
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["BUG"]

# The default tolerance, and the shares of the relative residual that new columns and those of the
# start must exceed.
TOLERANCE, ANNEALED = 0.01, (1.0, 2.0)
# Leading singular value over that of a residual of white noise which tells a missing column, and
# the relative residual that no noise is blamed for.
ABOVE_NOISE, UNEXPLAINED = 1.2, 0.5


@dataclass
class BUGState:
    """The matrix ``U diag(s) V^H``, and the objective and gradient there.

    Attributes
    ----------
    left, right : array, shape (n1, k), (n2, k)
        Orthonormal bases U and V; `right` is None for symmetric problems.
    core : array, shape (k,)
        The s, descending and not negative.
    iteration : int
        Iterations done.
    value : float
        The objective.
    left_slope, right_slope : array, shape (n1, k), (n2, k)
        ``G V`` and ``G^H U`` with G the gradient in the matrix; the latter is None for
        symmetric problems.
    surplus : float or None
        Adaptive: largest singular value of the part of G outside of both bases, over isometry
        and norm of the matrix, where the gradient in the factors vanished; None where it does
        not, or has not been looked at.
    wanted : bool
        Whether that calls for a further column.
    """

    left: Array
    right: Array | None
    core: Array
    iteration: int
    value: float
    left_slope: Array
    right_slope: Array | None
    surplus: float | None = None
    wanted: bool = False

    @property
    def bases(self) -> tuple[Array, Array]:
        """U and V."""
        return self.left, self.left if self.right is None else self.right


def _nuclear(problem: Problem) -> str | None:
    return "takes no nuclear-norm weight: scaledgd does" if problem.nuclear else None


@register(
    SolverInfo(
        name="bug",
        summary="basis-update and Galerkin integrator: free of the condition number, finds ranks",
        gauge_invariant=True,
        refuses=_nuclear,
        references=(
            "Ceruti, Lubich (2022), An unconventional robust integrator for dynamical low-rank "
            "approximation, BIT Numerical Mathematics 62, 23-44",
            "Ceruti, Kusch, Lubich (2022), A rank-adaptive robust integrator for dynamical "
            "low-rank approximation, BIT Numerical Mathematics 62, 1149-1174",
            "Schotthoefer, Zangrando, Kusch, Ceruti, Tudisco (2022), Low-rank lottery tickets: "
            "finding efficient low-rank neural networks via matrix differential equations, NeurIPS",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class BUG(Solver):
    """Basis-update and Galerkin (BUG) steps of fixed or adaptive rank.

    Parameters
    ----------
    step_size : float
        Dimensionless eta, in units of ``1 / isometry``; stable below 1 where the restricted
        isometry holds.
    adaptive : bool
        Let the rank follow the data. The number of columns of the start is then only where it
        begins; 1 will do.
    tolerance : float, optional
        Adaptive: the smallest rank is kept whose left-out singular values have a norm below
        this share of the norm of all. Below the noise the rank runs to `max_rank`; above the
        smallest relative singular value true components are dropped. Default: 0.01, but
        columns are taken in only above the relative residual, those of the start above twice
        it, so that early errors get none, or one by one where the others have converged.
    max_rank : int, optional
        Adaptive: largest rank. Default: the one at which there are still twice as many
        measurements as degrees of freedom. A run that ends there does not count as converged:
        that many columns fit most data, whatever the matrix. Below it wrong columns are less
        likely, not impossible.

    Model
    -----
    The gradient flow ``X' = -A*(s)`` of ``f(A(X) - y)`` on matrices of rank k; for symmetric
    problems on positive semidefinite ones.

    Update
    ------
    With ``X = U S V^H`` and ``G = A*(s)``: ``K = U S - eta G V``, ``L = V S^H - eta G^H U``;
    new bases U', V' from the QR decompositions of K and L, or of ``[K, U]`` and ``[L, V]`` if
    adaptive; ``S' = M - eta U'^H G' V'`` with ``M = U'^H X V'`` and G' at ``U' M V'^H``. Adaptive:
    the singular value decomposition of S' is cut at `tolerance`; and where G V and G^H U vanish,
    as they do at the best matrix of too low a rank, the leading singular pair of G is added if
    its singular value calls for it. Nothing is divided by a
    singular value, however small. Symmetric problems have one basis, and negative eigenvalues
    of S' become zero.

    Assumptions
    -----------
    Smooth loss; restricted isometry at twice the rank. The rank need not be known: k above it
    wants five times as many measurements as degrees of freedom, or `adaptive`.

    Guarantee
    ---------
    The error of the integrator does not depend on small singular values (Ceruti, Lubich 2022,
    theorem 4); measured, the number of iterations does not depend on the condition number.

    Cost
    ----
    Two residuals and three adjoints per iteration, where a gradient is one and two, plus
    O((n1 + n2) k^2); adaptive with 2 k columns for the second, and once per rank a residual and
    some twenty adjoints with four columns to look for a further one.

    References
    ----------
    Ceruti, Lubich (2022), BIT 62. Ceruti, Kusch, Lubich (2022), BIT 62. Schotthoefer and
    others (2022), NeurIPS.
    """

    step_size: float = 0.5
    adaptive: bool = False
    tolerance: float | None = None
    max_rank: int | None = None
    state_type: ClassVar[type] = BUGState

    def __post_init__(self) -> None:
        _check.number(self.step_size, "step_size", low=0.0, high=np.finfo(float).max)
        if not isinstance(self.adaptive, bool):
            raise InvalidTypeError(f"adaptive must be True or False, got {self.adaptive!r}")
        if self.tolerance is not None:
            _check.number(self.tolerance, "tolerance", low=0.0, high=1.0)
        if self.max_rank is not None:
            _check.count(self.max_rank, "max_rank", low=1)
            if not self.adaptive:
                raise InvalidInputError(
                    "max_rank belongs to adaptive=True; a fixed rank is that of the start (rank=)"
                )

    def init(self, problem: Problem, start: Factors) -> BUGState:
        """Bases of the start, and the gradient there.

        Raises
        ------
        InvalidInputError
            If `adaptive` and the start has more columns than `max_rank`.

        Warns
        -----
        UnderdeterminedWarning
            If `max_rank` is larger than its default.
        """
        if self.adaptive:
            self._check_cap(problem, start.rank)
        left, core, right = (p.astype(problem.dtype, copy=False) for p in start.svd())
        if start.symmetric:
            right = left
        return self._at(problem, start, left, core.real, right, 0)

    def _check_cap(self, problem: Problem, rank: int) -> None:
        safe, cap = safe_rank(problem), self._cap(problem)
        if rank > cap:
            raise InvalidInputError(
                f"the start has {rank} columns and max_rank is {cap}; begin with fewer (1 will "
                f"do), or raise max_rank"
            )
        if cap > safe:
            warnings.warn(
                f"max_rank={cap} has more than half as many degrees of freedom as there are "
                f"measurements: if the rank runs there, many matrices fit; the default is {safe}",
                UnderdeterminedWarning,
                stacklevel=2,
            )

    def _cap(self, problem: Problem) -> int:
        cap = safe_rank(problem) if self.max_rank is None else self.max_rank
        return min(cap, problem.max_rank)

    def _at(
        self,
        problem: Problem,
        X: Factors,
        left: Array,
        core: Array,
        right: Array,
        iteration: int,
    ) -> BUGState:
        """The state at X = left diag(core) right^H.

        The objective comes from X as `factors` gives it, whatever the bases: so `resume` sees
        by its bits whether problem and iterate are those of before.
        """
        value, slope = _slope(problem, X)
        adjoint = problem.operator.adjoint_left(slope, left)
        forth = problem.operator.adjoint_right(slope, right)
        back: Array | None = adjoint
        if problem.symmetric:
            forth, back = 0.5 * (forth + adjoint), None
        return BUGState(
            left, None if problem.symmetric else right, core, iteration, value, forth, back
        )

    def advance(self, problem: Problem, state: BUGState, k: int) -> None:
        """Take k steps."""
        for _ in range(k):
            new = None
            if self.adaptive and state.surplus is None and self._quiet(problem, state):
                new = self._grown(problem, state)
            vars(state).update(vars(new or self._step(problem, state)))

    def _relative_gradient(self, problem: Problem, state: BUGState) -> float:
        """That of the factors, whatever their gauge."""
        back = state.left_slope if state.right_slope is None else state.right_slope
        square = squared_norm(state.left_slope) + squared_norm(back)
        size = problem.operator.isometry * float(np.sqrt(squared_norm(state.core)))
        return float(np.sqrt(square)) / size if size > 0 else float("inf")

    def _quiet(self, problem: Problem, state: BUGState) -> bool:
        bound = max(0.01 * self._share, float(np.sqrt(np.finfo(state.left.dtype).eps)))
        return self._relative_gradient(problem, state) <= bound

    @property
    def _share(self) -> float:
        return TOLERANCE if self.tolerance is None else self.tolerance

    def _grown(self, problem: Problem, state: BUGState) -> BUGState | None:
        """The next state, with one column more if G calls for it; else None, and it is noted."""
        u, v = state.bases
        _, slope = _slope(problem, self.factors(state))
        p, value, q = leading_pair(problem, slope, u, v)
        isometry, size = problem.operator.isometry, float(np.sqrt(squared_norm(state.core)))
        surplus = value / (isometry * size)
        # With less the column would be cut again after the step.
        needed = self._share / max(self.step_size, 1e-12)
        if self.tolerance is None:
            residual = float(np.linalg.norm(slope))
            n1, n2 = problem.shape
            edge = (np.sqrt(n1) + np.sqrt(n2)) / np.sqrt(isometry * problem.data.size)
            if residual < UNEXPLAINED * float(np.linalg.norm(problem.data)):
                needed = max(needed, ABOVE_NOISE * float(edge) * residual / size)
        wanted = surplus > needed
        if not wanted or state.core.size >= self._cap(problem):
            state.surplus, state.wanted = surplus, wanted
            return None
        new = state.core.dtype.type(self.step_size * value / isometry)
        s = np.append(state.core, new)
        order = np.argsort(-s, kind="stable")
        left, s = np.hstack([u, p])[:, order], s[order]
        right = left if problem.symmetric else np.hstack([v, q])[:, order]
        X = balanced(left, s, right)
        return self._at(problem, X, left, s, right, state.iteration + 1)

    def _step(self, problem: Problem, state: BUGState) -> BUGState:
        step = float(self.step_size / problem.operator.isometry)
        u, v = state.bases
        left = self._basis(u * state.core - step * state.left_slope, u)
        right = left
        if state.right_slope is not None:
            right = self._basis(v * state.core - step * state.right_slope, v)
        core = (left.conj().T @ (u * state.core)) @ (v.conj().T @ right)
        _, slope = _slope(problem, Factors(left @ core, right))
        galerkin = left.conj().T @ problem.operator.adjoint_right(slope, right)
        if problem.symmetric:
            core, galerkin = hermitian(core), hermitian(galerkin)
        p, s, q = spectrum(core - step * galerkin, problem.symmetric)
        kept = self._rank(problem, s, state, slope)
        left, s = left @ p[:, :kept], s[:kept]
        right = left if problem.symmetric else right @ q[:, :kept]
        X = balanced(left, s, right)
        new = self._at(problem, X, left, s, right, state.iteration + 1)
        if kept == state.core.size:
            new.surplus, new.wanted = state.surplus, state.wanted
        return new

    def _basis(self, moved: Array, old: Array) -> Array:
        if not self.adaptive:
            return np.linalg.qr(moved)[0]
        # Not more columns than rows.
        return np.linalg.qr(np.hstack([moved, old]))[0]

    def _rank(self, problem: Problem, s: Array, state: BUGState, slope: Array) -> int:
        """The smallest rank whose tail is below the tolerance, at least 1."""
        if not self.adaptive:
            return s.size
        squares = np.cumsum(s[::-1].astype(float) ** 2)[::-1]

        def above(share: float) -> int:
            return int(np.count_nonzero(squares > share**2 * squares[0]))

        large = above(self._share)
        # What the residual of the moment makes of new columns, those of the start among them, is
        # mostly its own error.
        old = 0 if state.iteration == 0 else state.core.size
        if self.tolerance is None and large > old:
            residual = float(np.linalg.norm(slope)) / float(np.linalg.norm(problem.data))
            share = ANNEALED[0 if old else 1] * residual
            large = max(old, above(max(self._share, share)))
        return max(1, min(large, self._cap(problem)))

    def factors(self, state: BUGState) -> Factors:
        """Balanced factors of the present matrix."""
        return balanced(state.left, state.core, state.bases[1])

    def resume(self, state: BUGState, previous: BUGState) -> None:
        """The bases of before, which the factors fix only up to rounding."""
        if state.value == previous.value:
            vars(state).update(vars(previous))

    def evaluation(self, problem: Problem, state: BUGState) -> Evaluation:
        """Objective and gradient in the balanced factors, from what the step needs anyway."""
        root = np.sqrt(state.core)
        left = state.left_slope * root
        right = left if state.right_slope is None else state.right_slope * root
        return Evaluation(state.value, left, right)

    def stationarity(self, problem: Problem, state: BUGState) -> float | None:
        """Adaptive: the relative gradient, or the surplus if that calls for a further column.

        Infinite as long as the latter is not known, and at the default `max_rank`.
        """
        if not self.adaptive:
            return None
        if state.surplus is None or self._at_the_end(problem, state):
            return float("inf")
        gradient = self._relative_gradient(problem, state)
        return max(gradient, state.surplus) if state.wanted else gradient

    def _at_the_end(self, problem: Problem, state: BUGState) -> bool:
        cap = self._cap(problem)
        return self.max_rank is None and state.core.size >= cap < problem.max_rank

    def standstill(self, state: BUGState) -> str | None:
        """The largest rank allowed, if the gradient calls for more."""
        if not state.wanted:
            return None
        return (
            f"the largest rank allowed, {state.core.size}, while the gradient calls for more: "
            f"raise max_rank or tolerance"
        )

    def parts(self, state: BUGState) -> Mapping[str, Any]:
        """The rank at the end."""
        return {"rank": int(state.core.size)}


def safe_rank(problem: Problem) -> int:
    """Largest rank with at most half as many degrees of freedom as measurements; at least 1."""
    seen = problem.data.size * (2 if problem.data.dtype.kind == "c" else 1)
    rank = 1
    while rank < problem.max_rank and 2 * problem.degrees_of_freedom(rank + 1) <= seen:
        rank += 1
    return rank


def _slope(problem: Problem, X: Factors) -> tuple[float, Array]:
    """The objective at X and the slope of the loss in the measurements."""
    residual = problem.residual(X)
    value = problem.loss.value(residual) * (0.5 if problem.symmetric else 1.0)
    return value, problem.loss.slope(residual)
