"""Accelerated alternating projections: robust PCA and robust completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._grid import median_modulus
from .._typing import Array
from ..errors import InvalidTypeError, SolverBreakdownError
from ..factors import Factors
from ..losses import Absolute
from ..problem import Evaluation, Problem
from ._outliers import (
    FIRST,
    MOST,
    NEAR,
    ROUNDING,
    SCARCE,
    Cut,
    Schedule,
    cut,
    determined,
    doubt,
    refuses,
    relative_gradient,
)
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["AltProj"]

# The threshold falls by this factor at first: the slower one where rows or columns have fewer
# measurements than MANY, or if residuals are clipped, which moves less.
FAST, SLOW, MANY = 0.3, 0.7, 100
# A step makes up for at most so large a share that is set aside.
LARGEST = 0.85
# Iterations from one close look to the next.
EVERY = 8
# Cholesky serves where the diagonal is as even as this.
EVEN = 0.03


@dataclass
class AltProjState:
    """Singular value decomposition of the iterate, and what is set aside there.

    Attributes
    ----------
    left, values, right : array
        Singular vectors and values.
    iteration : int
        Iterations done.
    rows, columns : array
        ``A*(k) V`` and ``A*(k)^H U`` with k the residual of what is kept.
    squares, share, lag, least, lowest, typical, median, border, misfit : float
        Of the residual and of what is set aside: see `_outliers.Cut`.
    threshold, first, decay, calm
        See `_outliers.Schedule`.
    before : float
        `lowest` of the iteration before.
    beyond, top : float
        Of the last step before its rank was cut: the first singular value that went, and the
        largest.
    size : float
        Norm of the data.
    close, alone : bool
        Whether it was looked at that no row or column hangs on a single entry, and one does.
    doubt : str
        Why the data might not tell that the matrix is right; empty if they do.
    schedule : str
        Options that the threshold depends on.
    """

    left: Array
    values: Array
    right: Array
    iteration: int
    rows: Array
    columns: Array
    squares: float
    share: float
    lag: float
    least: float
    lowest: float
    typical: float
    median: float
    border: float
    misfit: float
    threshold: float
    first: float
    decay: float
    calm: int
    before: float
    beyond: float
    top: float
    size: float
    close: bool
    alone: bool
    doubt: str
    schedule: str

    @property
    def cut(self) -> Cut:
        """The last pass."""
        return Cut(**{field.name: getattr(self, field.name) for field in fields(Cut)})


@register(
    SolverInfo(
        name="altproj",
        summary="robust PCA: projections onto tangent spaces, entries that stand out set aside",
        losses=(Absolute,),
        symmetric=False,
        gauge_invariant=True,
        start="medians",
        references=(
            "Cai, Cai, Wei (2019), Accelerated alternating projections for robust principal "
            "component analysis, JMLR 20(20), arXiv:1711.05519",
        ),
        refuses=refuses,
    )
)
@dataclass(frozen=True, kw_only=True)
class AltProj(Solver):
    """Accelerated alternating projections (AccAltProj) with an automatic threshold.

    Parameters
    ----------
    decay : float, optional
        The gamma of the paper, whose schedule of thresholds and unit steps are then used. None
        lets the threshold fall to 0.3 of its value at most in an iteration (0.7 of it for small
        matrices, or if clipped to it), and more slowly as soon as rows or columns are set aside
        nearly as a whole.
    scale : float, optional
        The beta of the paper, for its schedule only; None is ``1 / (2 (n1 n2)^{1/4})``.
    soft : bool
        Clip the residuals to the threshold instead of setting aside what exceeds it. Better
        where there is no gap between noise and outliers, as in video; slower where the matrix
        is exactly of low rank. The threshold then tends to zero, so that the share above it is
        not that of outliers, and a run on noisy data ends by `max_iter`.

    Model
    -----
    ``min 1/2 |A(L) + s - y|^2`` over L of rank r and a sparse s. The trace records this
    objective (`soft`: that of the clipped residuals), not the absolute loss of the problem, for
    which it stands in. The share of outliers need not be known.

    Update
    ------
    With T the tangent space at L: ``L <- H_r(P_T(L + t A*(y - s - A(L))))``, H_r the best
    approximation of rank r, found from a 2r x 2r matrix; then s is ``y - A(L)`` where its
    modulus is above the threshold z, and zero elsewhere. In the paper t = 1 and
    ``z = beta (sigma_{r+1} + gamma^k sigma_1)`` with the singular values before H_r (algorithm 1
    without trimming). With ``decay=None`` t makes up for what is set aside or not observed,
    and z is the larger of 4 lower quarters of all moduli and the last z times the decay; where
    it no longer falls, of 4.5 medians of what is kept too. If the share that is set aside of a
    row or column exceeds the typical one by half of what is typically kept, z goes up tenfold
    and the decay to its square root; and z goes back to its first value where much is set
    aside and the rest fits badly.

    Assumptions
    -----------
    Incoherence; outliers spread over rows and columns. With ``decay=None``, n = 200 and rank
    4, 10, 20 a share of 70 %, 60 %, 50 % is recovered where signs are random, and 50 %, 40 %,
    30 % where all outliers are positive (0.95: 60 %, 50 %, 40 % and 30 %, 30 %, 20 %).

    Guarantee
    ---------
    Linear with rate gamma for the paper's schedule, for shares up to about
    ``1 / (mu r^2 cond^2)`` (theorem 2); in practice for shares far above.

    Cost
    ----
    O(m r + (n1 + n2) r^2) per iteration in one pass over the data; nothing as large as the
    matrix is stored besides the data if all entries are observed. O(m r^2) more in iterations
    with a small gradient where a row or column keeps fewer than ten measurements for each
    unknown: then it is looked at whether each could be left out.

    References
    ----------
    Cai, Cai, Wei (2019), arXiv:1711.05519.
    """

    decay: float | None = None
    scale: float | None = None
    soft: bool = False
    state_type: ClassVar[type] = AltProjState

    def __post_init__(self) -> None:
        if self.decay is not None:
            _check.number(self.decay, "decay", low=0.0, high=1.0)
        if self.scale is not None:
            _check.number(self.scale, "scale", low=0.0, high=np.finfo(float).max)
        if not isinstance(self.soft, bool):
            raise InvalidTypeError(f"soft must be True or False, got {self.soft!r}")

    def init(self, problem: Problem, start: Factors) -> AltProjState:
        """The singular value decomposition of the start, and what stands out from it."""
        U, s, V = start.svd()
        left, right = np.ascontiguousarray(U, problem.dtype), np.ascontiguousarray(V, problem.dtype)
        values = _positive(s.astype(problem.data.real.dtype))
        decay = self._first_decay(problem)
        threshold = np.inf if self.decay is None else self._scheduled(problem, 0, 0.0, float(s[0]))
        found = cut(problem, left, values, right, threshold, self.soft)
        if self.decay is None:
            most = MOST * median_modulus(problem.data)
            threshold = max(min(FIRST * found.median, most), _floor(problem, values))
            found = cut(problem, left, values, right, threshold, self.soft)
        return AltProjState(
            left=left,
            values=values,
            right=right,
            iteration=0,
            **vars(found),
            threshold=threshold,
            first=threshold,
            decay=decay,
            calm=0,
            before=np.inf,
            beyond=0.0,
            top=float(s[0]),
            size=float(np.linalg.norm(problem.data)),
            close=False,
            alone=False,
            doubt=doubt(problem, values, found, 0),
            schedule=repr(self),
        )

    def _first_decay(self, problem: Problem) -> float:
        if self.decay is not None:
            return float(self.decay)
        few = problem.data.size < MANY * max(problem.shape)
        return SLOW if few or self.soft else FAST

    def advance(self, problem: Problem, state: AltProjState, k: int) -> None:
        """Take k steps."""
        for _ in range(k):
            (U, s, V), beyond, top = self._step(problem, state)
            plan = Schedule(state.threshold, state.first, state.decay, state.calm)
            if self.decay is None:
                plan.follow(state.cut, state.before, _floor(problem, s), soft=self.soft)
            else:
                plan.threshold = self._scheduled(problem, state.iteration + 1, beyond, top)
            before = state.lowest
            found = cut(problem, U, s, V, plan.threshold, self.soft)
            state.left, state.values, state.right = U, s, V
            vars(state).update(vars(found) | vars(plan))
            state.before, state.beyond, state.top = before, beyond, top
            state.doubt = doubt(problem, s, found, plan.calm)
            state.iteration += 1
            self._look_closely(problem, state)

    def _look_closely(self, problem: Problem, state: AltProjState) -> None:
        """Whether each measurement that is kept could be left out, where few are."""
        few = not state.doubt and state.least < SCARCE
        close = few and relative_gradient(problem, state.values, state.cut) < NEAR
        if close and (not state.close or state.iteration % EVERY == 0):
            residual = problem.data - problem.operator.forward(self.factors(state))
            kept = np.abs(residual) <= state.threshold
            state.alone = not determined(problem, state.left, state.right, kept)
        state.close = close
        if close and state.alone:
            state.doubt = "a row or a column hangs on a single entry"

    def _scheduled(self, problem: Problem, k: int, beyond: float, top: float) -> float:
        """The paper's threshold."""
        n1, n2 = problem.shape
        beta = 0.5 / (n1 * n2) ** 0.25 if self.scale is None else self.scale
        assert self.decay is not None
        return beta * (beyond + float(self.decay) ** k * top)

    def _step(
        self, problem: Problem, state: AltProjState
    ) -> tuple[tuple[Array, Array, Array], float, float]:
        """The best approximation of rank r of the projection onto the tangent space."""
        U, s, V = state.left, state.values, state.right
        t = 1.0 / problem.operator.isometry
        if self.decay is None:
            t /= 1.0 - min(state.share, LARGEST)
        length = s.dtype.type(t)
        rows, columns = length * state.rows, length * state.columns
        if not (np.isfinite(rows).all() and np.isfinite(columns).all()):
            raise SolverBreakdownError("the iterate is not finite")
        inside = U.conj().T @ rows
        Q1, R1 = _orthonormal(rows - U @ inside)
        Q2, R2 = _orthonormal(columns - V @ (V.conj().T @ columns))
        r = s.size
        core = np.zeros((r + len(R1), r + len(R2)), U.dtype)
        core[:r, :r] = np.diag(s) + inside
        core[r:, :r] = R1
        core[:r, r:] = R2.conj().T
        u, values, vh = np.linalg.svd(core)
        beyond = float(values[r]) if values.size > r else 0.0
        left = np.hstack([U, Q1]) @ u[:, :r]
        right = np.hstack([V, Q2]) @ vh[:r].conj().T
        return (left, _positive(values[:r]), np.ascontiguousarray(right)), beyond, float(values[0])

    def stationarity(self, problem: Problem, state: AltProjState) -> float | None:
        """The relative gradient; infinite where the data do not confirm the matrix, see `parts`."""
        if state.doubt:
            return float("inf")
        return relative_gradient(problem, state.values, state.cut)

    def standstill(self, state: AltProjState) -> str | None:
        """A point that `stationarity` does not trust."""
        return f"a point that the data do not confirm: {state.doubt}" if state.doubt else None

    def factors(self, state: AltProjState) -> Factors:
        """The present factors, balanced."""
        root = np.sqrt(state.values)
        return Factors(state.left * root, state.right * root)

    def resume(self, state: AltProjState, previous: AltProjState) -> None:
        """Go on where it was left, if data and options are those of before."""
        same = (state.size, state.schedule) == (previous.size, previous.schedule)
        if same and state.left.shape == previous.left.shape:
            vars(state).update(vars(previous))
        else:
            state.iteration = previous.iteration

    def evaluation(self, problem: Problem, state: AltProjState) -> Evaluation:
        """Half the squared residual of what is kept, and its gradient."""
        root = np.sqrt(state.values)
        return Evaluation(0.5 * state.squares, -state.rows * root, -state.columns * root)

    def parts(self, state: AltProjState) -> Mapping[str, Any]:
        """What is set aside.

        "outlier_share" of the measurements is above "threshold"; `sparse_part` tells which.
        "doubt" says why the matrix may be wrong although the gradient vanishes; it is empty if
        enough measurements are kept, in each row and column too, and fit like noise.
        """
        return {
            "outlier_share": state.share,
            "threshold": state.threshold,
            "doubt": state.doubt,
        }

    def sparse_part(self, problem: Problem, state: AltProjState) -> tuple[Array, Array]:
        """Which measurements are set aside, and by how much they are off.

        Parameters
        ----------
        problem : Problem
            The problem that was solved.
        state : AltProjState
            The state, for example ``result.state``.

        Returns
        -------
        measurements : array of int
            Positions in the data.
        values : array
            ``y - A(L)`` there.
        """
        residual = problem.data - problem.operator.forward(self.factors(state))
        where = np.flatnonzero(np.abs(residual) > state.threshold)
        return where, residual[where]


def _orthonormal(block: Array) -> tuple[Array, Array]:
    """QR decomposition, by Cholesky where that is as good: four times as fast."""
    try:
        R = np.linalg.cholesky(block.conj().T @ block).conj().T
    except np.linalg.LinAlgError:
        return np.linalg.qr(block)  # type: ignore[return-value]
    sizes = np.abs(np.diagonal(R))
    if not sizes.min() > EVEN * sizes.max():
        return np.linalg.qr(block)  # type: ignore[return-value]
    return block @ np.linalg.inv(R), R


def _positive(values: Array) -> Array:
    """Singular values without zeros, by which products are divided."""
    least = max(float(np.finfo(values.dtype).eps) * float(values[0]), np.finfo(values.dtype).tiny)
    return np.maximum(values, values.dtype.type(least))


def _floor(problem: Problem, values: Array) -> float:
    """What rounding errors of a typical entry do not exceed."""
    n1, n2 = problem.shape
    typical = float(np.linalg.norm(values)) / float(np.sqrt(n1 * n2))
    return ROUNDING * float(np.finfo(values.dtype).eps) * typical
