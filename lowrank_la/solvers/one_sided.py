"""One-sided completion: the right singular subspace from rows with very few entries."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import getattr_static
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import numpy as np

from .. import _check
from .._gram import mean_products
from .._typing import Array
from ..errors import InvalidInputError, UnderdeterminedWarning
from ..factors import Factors
from ..losses import Squared
from ..operators.combine import Weighted
from ..operators.entries import EntrySampling
from ..problem import Evaluation, Problem
from ..steps import Step, as_step
from ._descent import Descent, DescentState, gram_metric
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["OneSided"]

WEIGHTS = ("count", "uniform")


@dataclass(kw_only=True)
class OneSidedState(DescentState):
    """Descent on the Gram matrix, whose factor is `left`, and what it is fitted to.

    Attributes
    ----------
    rows : array, shape (n1, r)
        Coefficients of the rows of the matrix in the columns of `left`.
    pairs : array of int, shape (2, p)
        Positions (j, k), j <= k, of the Gram matrix that some row observes.
    gram, counts : array, shape (p,)
        Mean product over the rows that observe both entries, and their number.
    fitted : str
        The options that determine the fit.
    """

    rows: Array
    pairs: Array
    gram: Array
    counts: Array
    fitted: str


class _GramDescent(Descent):
    """Scaled gradient descent on the symmetric inner problem; not registered."""

    info: ClassVar[SolverInfo] = SolverInfo(name="one_sided", summary="its inner descent")

    def metric(self, X: Factors, damping: float) -> tuple[Array, Array]:
        return gram_metric(X, 0.0)


def _refuses(problem: Problem) -> str | None:
    # Not isinstance: it would make the arrays, of the length of the data.
    if getattr_static(problem.operator, "positions", None) is None:
        operator = type(problem.operator).__name__
        return f"needs operator.positions, which {operator} does not offer"
    if problem.nuclear > 0:
        return "has no nuclear-norm weight; its ridge regularises the rows"
    if np.max(problem.operator.row_counts) < 2:  # type: ignore[attr-defined]
        return "needs rows with at least two observed entries; here every row has one"
    return None


@register(
    SolverInfo(
        name="one_sided",
        summary="one-sided completion: the right subspace from two entries per row",
        losses=(Squared,),
        needs=("row_solve",),
        symmetric=False,
        gauge_invariant=True,
        fewer_measurements=True,
        start="gram",
        references=(
            "Cao, Liang, Valiant (2023), One-sided matrix completion from two observations per "
            "row, ICML, arXiv:2306.04049",
        ),
        refuses=_refuses,
    )
)
@dataclass(frozen=True, kw_only=True)
class OneSided(Solver):
    """One-sided completion through the Gram matrix of the columns.

    Rows with fewer entries than the rank cannot be completed, but there may be enough of them
    to find the subspace that they come from. Only what concerns the right side is then
    meaningful: ``parts["gram"]``, an estimate of ``X^H X / n1`` as factors, and
    ``parts["subspace"]``, orthonormal, leading directions first; `lowrank_la.gram_error` and
    `lowrank_la.subspace_error` watch them. The factors, ridge estimates of the rows in that
    subspace, approach X only where rows have at least as many entries as the rank.

    Parameters
    ----------
    weights : {"count", "uniform"}
        Weight of each entry of the Gram matrix: the number of rows that its mean comes from
        (inverse to its variance), or the same for all that are observed.
    diagonal : float
        Factor on the weights of the diagonal; 0 leaves it out. The default keeps it with its
        counts: every observed entry contributes to it, and it is by far the best known part.
    ridge : float
        Weight of the squared norm of the coefficients of each row, in units of the mean squared
        observed entry.
    step_size : float, str or Step
        Step of the scaled gradient descent on the Gram matrix.

    Model
    -----
    ``min_U sum_jk w_jk |U U^H - S|_jk^2`` over U (n2 x r), with ``S_jk`` the mean of
    ``conj(X_ij) X_ik`` over the rows i that observe both; positions that no row observes are
    left out. Then ``min |P_Omega(L U^H - M)|^2 + ridge |L|^2`` for the rows. The trace's
    objective is that of the first.

    Update
    ------
    ``U <- U - eta A*(A(U U^H) - S) U (U^H U)^{-1}`` with A the weighted entries. It starts at
    the U with ``U U^H = X^H X / n1`` of the start.

    Assumptions
    -----------
    At least as many pairs of columns observed as a Gram matrix of rank r has degrees of freedom,
    ``n2 r - r (r - 1) / 2`` if real; fewer are a warning. Rows independent of which entries of
    them are observed; two or more entries in a row; an incoherent subspace.

    Guarantee
    ---------
    Cao, Liang and Valiant prove that order ``r^2 n2 log n2`` rows with two entries each are
    enough. Measured: a relative error of the Gram matrix of 1.0 to 1.3 ``r sqrt(n2 / n1)``.

    Cost
    ----
    ``sum_i m_i^2`` once, for m_i entries in row i; then O(p r) per iteration for p pairs, at
    most ``n2^2 / 2``, and O(m r^2 + n1 r^3) per look for the rows.

    References
    ----------
    Cao, Liang, Valiant (2023), arXiv:2306.04049.
    """

    weights: str = "count"
    diagonal: float = 1.0
    ridge: float = 0.01
    step_size: float | str | Step = "exact"
    state_type: ClassVar[type] = OneSidedState

    def __post_init__(self) -> None:
        if self.weights not in WEIGHTS:
            raise InvalidInputError(f"weights must be 'count' or 'uniform', got {self.weights!r}")
        for name in ("diagonal", "ridge"):
            if not np.isfinite(_check.number(getattr(self, name), name, low=0.0)):
                raise InvalidInputError(f"{name} must be finite, got {getattr(self, name)}")
        as_step(self.step_size)

    @property
    def rule(self) -> Step:
        """The step rule."""
        return as_step(self.step_size)

    @property
    def _engine(self) -> _GramDescent:
        return _GramDescent(step_size=self.step_size)

    def _inner(self, problem: Problem) -> Problem:
        """The weighted completion problem of the Gram matrix."""
        known = _INNER.setdefault(problem, {})
        key = self.weights, self.diagonal
        if key not in known:
            (j, k), gram, counts = _estimate(problem)
            weights = counts if self.weights == "count" else np.ones(counts.size)
            # One position stands for two of the symmetric matrix.
            weights = np.where(j == k, self.diagonal, 2.0) * weights
            kept = weights > 0
            size = problem.shape[1]
            entries = EntrySampling(j[kept], k[kept], (size, size), empty="allow")
            roots = np.sqrt(weights[kept] / np.mean(weights[kept]))
            data = roots.astype(gram.real.dtype) * gram[kept]
            known[key] = Problem(Weighted(entries, roots), data, symmetric=True)
        return known[key]

    def init(self, problem: Problem, start: Factors) -> OneSidedState:
        """The Gram matrix of the start, and the estimate that it will be fitted to.

        Warns
        -----
        UnderdeterminedWarning
            If the rows observe fewer pairs of columns than a Gram matrix of this rank has degrees
            of freedom.
        """
        self._warn_if_few(problem, start.rank)
        values, vectors = np.linalg.eigh(start.left.conj().T @ start.left / start.shape[0])
        root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.conj().T
        factor = start.right @ root.astype(start.dtype)
        inner = self._engine.init(self._inner(problem), Factors(factor, factor))
        pairs, gram, counts = _estimate(problem)
        return OneSidedState(
            **vars(inner),
            rows=self._rows(problem, factor),
            pairs=pairs,
            gram=gram,
            counts=counts,
            fitted=repr((self.weights, self.diagonal, self.ridge)),
        )

    def _warn_if_few(self, problem: Problem, rank: int) -> None:
        inner = self._inner(problem)
        j, k = inner.operator.base.positions  # type: ignore[attr-defined]
        # Off the diagonal a complex entry is two numbers.
        seen = j.size + (int(np.count_nonzero(j != k)) if problem.dtype.kind == "c" else 0)
        unknowns = inner.degrees_of_freedom(rank)
        if seen < unknowns:
            diagonal = "" if self.diagonal else " off the diagonal"
            warnings.warn(
                f"the rows observe {seen} entries{diagonal} of the Gram matrix, which has "
                f"{unknowns} degrees of freedom at rank {rank}: many fit; lower the rank, or "
                f"give more rows",
                UnderdeterminedWarning,
                stacklevel=2,
            )

    def _rows(self, problem: Problem, factor: Array) -> Array:
        scale = float(np.mean(np.abs(problem.data) ** 2, dtype=float))
        operator: Any = problem.operator
        rows: Array = operator.row_solve(problem.prepared, factor, self.ridge * scale, side="left")
        return rows

    def advance(self, problem: Problem, state: OneSidedState, k: int) -> None:
        """Take k steps on the Gram matrix; the rows are found once, at the end."""
        try:
            self._engine.advance(self._inner(problem), state, k)
        finally:
            # After an interrupt too: rows and subspace belong together.
            state.rows = self._rows(problem, state.left)

    def factors(self, state: OneSidedState) -> Factors:
        """The rows in the subspace."""
        return Factors(state.rows, state.left)

    def resume(self, state: OneSidedState, previous: OneSidedState) -> None:
        """Go on from the same Gram matrix, which the rows alone do not determine."""
        same = state.fitted == previous.fitted and all(
            np.array_equal(getattr(state, name), getattr(previous, name))
            for name in ("pairs", "gram", "counts")
        )
        if same:
            vars(state).update(vars(previous))

    def evaluation(self, problem: Problem, state: OneSidedState) -> Evaluation:
        """The objective of the Gram matrix; the rows are always at their minimum."""
        return Evaluation(state.value, np.zeros_like(state.rows), state.left_gradient)

    def stationarity(self, problem: Problem, state: OneSidedState) -> float:
        """Relative gradient of the Gram matrix."""
        values, vectors = np.linalg.eigh(state.left.conj().T @ state.left)
        kept = values > np.finfo(values.dtype).eps * values.size * values[-1]
        turned = (state.left_gradient @ vectors[:, kept]) / np.sqrt(values[kept])
        size = self._inner(problem).operator.isometry * float(np.linalg.norm(values))
        return float(np.sqrt(2) * np.linalg.norm(turned)) / size if size > 0 else float("inf")

    def parts(self, state: OneSidedState) -> Mapping[str, Any]:
        """Gram matrix, subspace, and how many rows observe each pair of columns."""
        from scipy import sparse

        size = len(state.left)
        counts = sparse.csr_array((state.counts, tuple(state.pairs)), shape=(size, size))
        subspace = np.full_like(state.left, np.nan)
        if np.isfinite(state.left).all():
            subspace = np.linalg.svd(state.left, full_matrices=False)[0]
        return {
            "gram": state.X,
            "subspace": subspace,
            "counts": counts + sparse.triu(counts, 1).T,
        }


# Inner problems, by what determines them, of each problem that is still in use.
_INNER: WeakKeyDictionary[Problem, dict[Any, Any]] = WeakKeyDictionary()


def _estimate(problem: Problem) -> tuple[Array, Array, Array]:
    """Positions j <= k of the Gram matrix that rows observe, mean products, and counts."""
    known = _INNER.setdefault(problem, {})
    if "estimate" not in known:
        known["estimate"] = mean_products(problem)
    estimate: tuple[Array, Array, Array] = known["estimate"]
    return estimate
