"""Base of methods that keep a singular value decomposition and set large residuals aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from .._grid import median_modulus
from .._typing import Array
from ..errors import SolverBreakdownError
from ..factors import Factors
from ..operators.full import FullObservation
from ..problem import Evaluation, Problem
from ._determined import determined, spanned
from ._outliers import Cut, cut, median_residual, set_aside
from ._protocol import Solver
from ._threshold import (
    CALM,
    FIRST,
    MOST,
    NEAR,
    ROUNDING,
    SCARCE,
    Schedule,
    doubt,
    relative_gradient,
)

# Iterations from one close look to the next.
EVERY = 8
# Measurements in a row or column that are many.
MANY = 100
# A slower fall of the threshold has gained if the mean modulus is lower by this share than after
# all faster ones. So many in a row that have not are the last, and the point before them is the
# answer: where the matrix is hardly of this rank, they go on to fit what does not belong to it.
GAIN, VAIN = 2e-3, 3
# Growth of the matrix beyond the data that counts as divergence.
BLOW_UP = 1e6
# A gradient is little beside noise from this share on.
LITTLE = 1e-2

SVD = tuple[Array, Array, Array]


@dataclass
class SetAsideState:
    """Singular value decomposition of the iterate, and what is set aside there.

    Attributes
    ----------
    left, values, right : array
        Singular vectors and values.
    iteration : int
        Iterations done.
    rows, columns : array
        ``A*(k) V`` and ``A*(k)^H U`` with k the residual of what is kept.
    squares, share, lag, least, lowest, typical, median, mean, border, beyond, misfit : float
        Of the residual and of what is set aside: see `_outliers.Cut`.
    threshold, first, decay, calm, lagged
        See `_threshold.Schedule`.
    before : float
        `lowest` of the iteration before.
    size : float
        Norm of the data.
    close, alone : bool
        Whether it was looked at that no row or column hangs on a single entry, and one does.
    doubt : str
        Why the data might not tell that the matrix is right; empty if they do.
    schedule : str
        Options that the threshold depends on.
    least_mean : float
        The smallest `mean` at the end of a fall of the threshold.
    vain : int
        Slower falls in a row that gained nothing.
    at_rest : bool
        Whether it stays here: they are too many, or the gradient is all but gone and the doubt
        is not.
    best_left, best_values, best_right, best_threshold
        Iterate and threshold before those.
    clipped : bool
        Whether residuals are clipped because they were found to have no gap.
    support, sparse : array, optional
        Which measurements are above the threshold, and by how much they are off; worked out at
        the end of a run only.
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
    mean: float
    border: float
    beyond: float
    misfit: float
    threshold: float
    first: float
    decay: float
    calm: int
    lagged: float
    before: float
    size: float
    close: bool
    alone: bool
    doubt: str
    schedule: str
    least_mean: float
    best_left: Array
    best_values: Array
    best_right: Array
    best_threshold: float
    vain: int = 0
    at_rest: bool = False
    clipped: bool = False
    support: Array | None = None
    sparse: Array | None = None

    @property
    def svd(self) -> SVD:
        """Singular vectors and values."""
        return self.left, self.values, self.right

    @property
    def cut(self) -> Cut:
        """The last pass."""
        return Cut(**{field.name: getattr(self, field.name) for field in fields(Cut)})

    @property
    def plan(self) -> Schedule:
        """The threshold, to be moved on."""
        return Schedule(**{field.name: getattr(self, field.name) for field in fields(Schedule)})


@dataclass(frozen=True, kw_only=True)
class SetAside(Solver):
    """Base: the loop around a method's own step, the stop, and the parts."""

    state_type: ClassVar[type] = SetAsideState

    def clips(self, state: SetAsideState | None) -> bool:
        """Whether residuals are clipped to the threshold, and not set aside above it."""
        raise NotImplementedError

    def turns(self, problem: Problem, found: Cut, plan: Schedule) -> bool:
        """Whether residuals are clipped from now on."""
        return False

    def first_decay(self, problem: Problem) -> float:
        """Factor by which the threshold falls at most in the first iterations."""
        raise NotImplementedError

    def fixed_threshold(
        self, problem: Problem, state: SetAsideState | None, found: Mapping[str, float]
    ) -> float | None:
        """The threshold after a step that found this, of the start if without a state.

        None if it is automatic.
        """
        return None

    def step(self, problem: Problem, state: SetAsideState) -> tuple[SVD, dict[str, float]]:
        """The next iterate, and what `fixed_threshold` is to know of the step."""
        raise NotImplementedError

    def init(self, problem: Problem, start: Factors) -> SetAsideState:
        """The singular value decomposition of the start, and what stands out from it."""
        U, s, V = start.svd()
        left, right = np.ascontiguousarray(U, problem.dtype), np.ascontiguousarray(V, problem.dtype)
        values = positive(s.astype(problem.data.real.dtype))
        soft = self.clips(None)
        fixed = self.fixed_threshold(problem, None, {"top": float(s[0])})
        if fixed is None:
            most = MOST * median_modulus(problem.data)
            first = FIRST * median_residual(problem, left, values, right)
            threshold = max(min(first, most), rounding(problem, values))
        else:
            threshold = fixed
        found = cut(problem, left, values, right, threshold, soft)
        state: SetAsideState = self.state_type(
            left=left,
            values=values,
            right=right,
            iteration=0,
            **vars(found),
            threshold=threshold,
            first=threshold,
            decay=self.first_decay(problem),
            calm=0,
            lagged=np.inf,
            before=np.inf,
            size=float(np.linalg.norm(problem.data)),
            close=False,
            alone=False,
            doubt=doubt(problem, values, found, 0),
            schedule=repr(self),
            least_mean=np.inf,
            best_left=left,
            best_values=values,
            best_right=right,
            best_threshold=threshold,
        )
        self._look_closely(problem, state)
        return state

    def advance(self, problem: Problem, state: SetAsideState, k: int) -> None:
        """Take k steps."""
        for _ in range(k):
            if state.at_rest:
                state.support = state.sparse = None
                state.iteration += 1
                continue
            (U, s, V), more = self.step(problem, state)
            _bounded(problem, s)
            soft = self.clips(state)
            plan = state.plan
            fixed = self.fixed_threshold(problem, state, more)
            if fixed is None:
                plan.follow(state.cut, state.before, rounding(problem, s), soft=soft)
            else:
                plan.threshold = fixed
            if plan.decay > state.decay:
                _compare(state)
                state.at_rest = state.vain >= VAIN
                if state.at_rest:
                    U, s, V = state.best_left, state.best_values, state.best_right
                    plan = replace(state.plan, threshold=state.best_threshold)
            before = state.lowest
            found = cut(problem, U, s, V, plan.threshold, soft)
            state.left, state.values, state.right = U, s, V
            vars(state).update(vars(found) | vars(plan))
            state.before = before
            if self.turns(problem, found, plan):
                state.clipped = True
            state.support = state.sparse = None
            state.doubt = doubt(problem, s, found, plan.calm)
            state.iteration += 1
            self._look_closely(problem, state)
            still = fixed is None and bool(state.doubt) and state.calm >= CALM + EVERY
            state.at_rest = state.at_rest or (still and _settled(problem, s, found))

    def _look_closely(self, problem: Problem, state: SetAsideState) -> None:
        """Whether what is kept determines every row and column, once the gradient is small."""
        close = not state.doubt and relative_gradient(problem, state.values, state.cut) < NEAR
        scarce = state.least < SCARCE
        # Once where many measurements are kept; where few are, or what was found is bad, again.
        due = not state.close or (state.iteration % EVERY == 0 and (scarce or state.alone))
        if close and due:
            state.alone = not self._determined(problem, state, scarce)
        state.close = close
        if close and state.alone:
            state.doubt = "a row or a column hangs on a single entry, or on none"

    def _determined(self, problem: Problem, state: SetAsideState, scarce: bool) -> bool:
        if isinstance(problem.operator, FullObservation) and not scarce:
            return state.share == 0.0 or spanned(problem, *state.svd, state.threshold)
        residual = problem.data - problem.operator.forward(self.factors(state))
        kept = np.abs(residual) <= state.threshold
        return determined(problem, state.left, state.right, kept)

    def stationarity(self, problem: Problem, state: SetAsideState) -> float | None:
        """The relative gradient; infinite where the data do not confirm the matrix, see `parts`."""
        if state.doubt or state.at_rest:
            return float("inf")
        return relative_gradient(problem, state.values, state.cut)

    def standstill(self, state: SetAsideState) -> str | None:
        """A point that `stationarity` does not trust."""
        if state.vain >= VAIN:
            more = f"; {state.doubt}" if state.doubt else ""
            return (
                f"a matrix whose absolute residuals slower falls of the threshold hardly lower: "
                f"the data may be only nearly of rank {state.values.size}, or outliers too "
                f"many{more}"
            )
        return f"a point that the data do not confirm: {state.doubt}" if state.doubt else None

    def factors(self, state: SetAsideState) -> Factors:
        """The present factors, balanced."""
        root = np.sqrt(state.values)
        return Factors(state.left * root, state.right * root)

    def resume(self, state: SetAsideState, previous: SetAsideState) -> None:
        """Go on where it was left, if data and options are those of before."""
        same = (state.size, state.schedule) == (previous.size, previous.schedule)
        if same and state.left.shape == previous.left.shape:
            vars(state).update(vars(previous))
        else:
            state.iteration = previous.iteration

    def evaluation(self, problem: Problem, state: SetAsideState) -> Evaluation:
        """Half the squared residual of what is kept, and its gradient."""
        root = np.sqrt(state.values)
        return Evaluation(0.5 * state.squares, -state.rows * root, -state.columns * root)

    def conclude(self, problem: Problem, state: SetAsideState) -> None:
        """The sparse part, in one more pass over the data."""
        state.support, state.sparse = set_aside(problem, *state.svd, state.threshold)

    def parts(self, state: SetAsideState) -> Mapping[str, Any]:
        """What is set aside.

        "outlier_share" of the measurements is above "threshold". At the end of a run
        "sparse_measurements" are their positions in the data (with all entries observed, k
        stands for row k // n2 and column k % n2) and "sparse_values" the residual there.
        "doubt" says why the matrix may be wrong although the gradient vanishes; it is empty if
        enough measurements are kept, in each row and column too, and fit like noise.
        """
        found = {
            "outlier_share": state.share,
            "threshold": state.threshold,
            "doubt": state.doubt,
        }
        if state.support is None:
            return found
        return found | {"sparse_measurements": state.support, "sparse_values": state.sparse}


def _compare(state: SetAsideState) -> None:
    """What a fall of the threshold that is at its end has come to."""
    if state.mean < (1.0 - GAIN) * state.least_mean:
        state.best_left, state.best_values, state.best_right = state.svd
        state.best_threshold, state.vain = state.threshold, 0
    else:
        state.vain += 1
    state.least_mean = min(state.least_mean, state.mean)


def _settled(problem: Problem, s: Array, found: Cut) -> bool:
    """Whether what is left to gain is little beside what noise of this size moves."""
    share = problem.degrees_of_freedom(s.size) / problem.informative
    noise = found.misfit * np.sqrt(share)
    return relative_gradient(problem, s, found) <= max(LITTLE * noise, problem.default_tol)


def few(problem: Problem) -> bool:
    """Whether rows or columns have so few measurements that the threshold is to fall slowly."""
    return bool(problem.data.size < MANY * max(problem.shape))


def finite(*blocks: Array) -> None:
    """Refuse what is not.

    Raises
    ------
    SolverBreakdownError
        If any number is not finite.
    """
    if not all(np.isfinite(block).all() for block in blocks):
        raise SolverBreakdownError("the iterate is not finite")


def _bounded(problem: Problem, s: Array) -> None:
    """Refuse a matrix far beyond the data: all of it would be set aside, and none count.

    Raises
    ------
    SolverBreakdownError
        For a norm of more than `BLOW_UP` times that of the data.
    """
    size, expected = float(np.linalg.norm(s)), problem.norm_estimate
    if size > BLOW_UP * expected > 0.0:
        raise SolverBreakdownError(
            f"the matrix grew to a norm of {size:.1e} where the data suggest {expected:.1e}: the "
            f"start has singular values that are much too small, or the step is too long"
        )


def positive(values: Array) -> Array:
    """Singular values without zeros, by which products are divided."""
    least = max(float(np.finfo(values.dtype).eps) * float(values[0]), np.finfo(values.dtype).tiny)
    return np.maximum(values, values.dtype.type(least))


def rounding(problem: Problem, values: Array) -> float:
    """What rounding errors of a typical entry do not exceed."""
    n1, n2 = problem.shape
    typical = float(np.linalg.norm(values)) / float(np.sqrt(n1 * n2))
    return ROUNDING * float(np.finfo(values.dtype).eps) * typical
