"""The solver that chooses a solver."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .._typing import Array
from ..errors import InvalidTypeError, SolverBreakdownError
from ..factors import Factors
from ..initial import start_from
from ..problem import Evaluation, Problem, relative_gradient
from ._plan import Attempt, first_start, plan, refusal
from ._protocol import Solver, SolverInfo
from ._registry import make_solver, register

__all__ = ["Auto"]

# Iterations between two looks at how fast a guarded attempt is.
WINDOW = 5
# Relative gradient below which the residual has taken its final size.
LEVEL = 1e-3
# A residual that large over the relative gradient will not follow it to zero.
AWAY = 5.0
# Multiples of the default tolerance that count as rounding.
ROUNDING = 1e3


@lru_cache(maxsize=64)
def _attempt(attempts: str, number: int) -> Attempt:
    return Attempt(**json.loads(attempts)[number])


@lru_cache(maxsize=64)
def _solver(attempts: str, number: int) -> Solver:
    attempt = _attempt(attempts, number)
    return make_solver(attempt.solver, attempt.options)


class Failure(NamedTuple):
    """Why a method is given up, and whether it has come to rest."""

    reason: str
    rests: bool = False


@dataclass
class AutoState:
    """The plan, and the attempt under way.

    Attributes
    ----------
    iteration : int
        Iterations done, of all attempts.
    attempts : str
        The plan, as JSON.
    current : int
        Number of the attempt under way.
    begun : int
        Iteration at which it began.
    inner : object
        State of its solver.
    why : str
        What was measured, chosen and given up so far.
    marks : array, shape (k,)
        Relative gradients of this attempt, at every few iterations.
    settled : bool
        Whether the attempt is left alone, for it fits the data or nothing else is left to try.
    value, left, right
        Objective and gradient at the present factors; None where the solver has its own.
    """

    iteration: int
    attempts: str
    current: int
    begun: int
    inner: Any
    why: str
    marks: Array
    settled: bool
    value: float = float("nan")
    left: Array | None = None
    right: Array | None = None

    def __post_init__(self) -> None:
        if isinstance(self.inner, Mapping):
            # As read from a file.
            self.inner = self.solver.state_type(**self.inner)

    @property
    def attempt(self) -> Attempt:
        """The attempt under way."""
        return _attempt(self.attempts, self.current)

    @property
    def solver(self) -> Solver:
        """Its solver."""
        return _solver(self.attempts, self.current)

    @property
    def last(self) -> bool:
        """Whether nothing else is left to try."""
        return self.current == len(json.loads(self.attempts)) - 1

    def at(self, problem: Problem) -> Evaluation:
        """Objective and gradient at the present factors."""
        known = self.solver.evaluation(problem, self.inner)
        if known is not None:
            return known
        if self.left is None:
            at = problem.evaluate(self.solver.factors(self.inner))
            self.value, self.left = at.value, at.left
            self.right = None if problem.symmetric else at.right
        right = self.left if self.right is None else self.right
        return Evaluation(self.value, self.left, right)


def _describe(attempts: list[Attempt]) -> str:
    return json.dumps([vars(attempt) for attempt in attempts], sort_keys=True)


@register(
    SolverInfo(
        name="auto",
        summary="measures the problem, chooses a method, and tries another where it fails",
        losses=(object,),
        refuses=refusal,
        max_iter=5000,
        references=("the table in the guide; each method names its own source",),
    )
)
@dataclass(frozen=True, kw_only=True)
class Auto(Solver):
    """Choose the method by facts measured on the problem, and the next one if it fails.

    Parameters
    ----------
    keep_start : bool
        Begin with a method that goes on from the start given, instead of one that ignores it.

    Model
    -----
    That of the problem.

    Update
    ------
    That of the method under way, which `result.why` names together with the facts that chose
    it; `result.parts` has its name too. A method tried where it is fast but not sure is given up
    when its relative gradient falls too slowly, or when the residual stays while the gradient
    vanishes; then the next one runs. If none fits the data, the factors with the least objective
    are returned.

    Assumptions
    -----------
    Those of some method of the plan.

    Guarantee
    ---------
    None beyond those of the methods.

    Cost
    ----
    A guarded attempt that fails adds about half of what the next one takes.

    References
    ----------
    The guide has the table of decisions.
    """

    keep_start: bool = False
    state_type: ClassVar[type] = AutoState

    def __post_init__(self) -> None:
        if not isinstance(self.keep_start, bool):
            raise InvalidTypeError(f"keep_start must be True or False, got {self.keep_start!r}")

    def start_name(self, problem: Problem) -> str:
        """That of the first method where it has one of its own; else the spectral one."""
        return first_start(problem)

    def init(self, problem: Problem, start: Factors) -> AutoState:
        """The facts, the plan, and its first method at the start."""
        attempts, facts = plan(problem, start, keep_start=self.keep_start)
        state = AutoState(
            iteration=0,
            attempts=_describe(attempts),
            current=0,
            begun=0,
            inner=None,
            why=facts,
            marks=np.empty(0),
            settled=False,
        )
        self._begin(problem, state, start)
        return state

    def _begin(self, problem: Problem, state: AutoState, start: Factors) -> None:
        attempt = state.attempt
        state.inner = state.solver.init(problem, start)
        state.begun, state.marks = state.iteration, np.empty(0)
        state.left = state.right = None
        state.settled = state.last or not attempt.guarded
        state.why = f"{state.why}; {attempt.why}" if state.why else attempt.why

    def advance(self, problem: Problem, state: AutoState, k: int) -> None:
        """Take k iterations of the method under way; change it where it fails."""
        for _ in range(k):
            failed = self._failure(problem, state)
            if failed is not None:
                self._next(problem, state, failed)
            try:
                state.solver.advance(problem, state.inner, 1)
            except (SolverBreakdownError, np.linalg.LinAlgError) as error:
                if state.settled:
                    raise
                self._next(problem, state, Failure(f"broke down: {error}"))
                state.solver.advance(problem, state.inner, 1)
            state.left = state.right = None
            state.iteration += 1
            if not state.settled and (state.iteration - state.begun) % WINDOW == 0:
                X = state.solver.factors(state.inner)
                mark = relative_gradient(problem, X, state.at(problem))
                state.marks = np.append(state.marks, mark)

    def _failure(self, problem: Problem, state: AutoState) -> Failure | None:
        """Why the method under way is to be given up; None while it is not."""
        if state.settled or state.marks.size == 0:
            return None
        now, done = float(state.marks[-1]), WINDOW * state.marks.size
        at = state.at(problem)
        if not (np.isfinite(now) and np.isfinite(at.value)):
            return Failure("diverged")
        attempt = state.attempt
        # Twice in a row, since the gradient need not fall steadily.
        needed = min(_further(problem, state.marks), _further(problem, state.marks[:-1]))
        if now <= LEVEL and done + needed <= attempt.limit:
            away = _relative_misfit(problem, state.solver.factors(state.inner), at)
            if min(away, now) <= ROUNDING * problem.default_tol:
                state.settled = True
            elif away > AWAY * now and not attempt.noisy:
                return Failure(f"came to rest at a relative residual of {away:.1e}", rests=True)
        elif done >= attempt.patience and state.marks.size >= 3 and done + needed > attempt.limit:
            how = f"{needed:.0f} further" if np.isfinite(needed) else "endless"
            return Failure(f"would take {how} iterations")
        return None

    def _next(self, problem: Problem, state: AutoState, failed: Failure) -> None:
        X, name = state.solver.factors(state.inner), state.attempt.solver
        done = state.iteration - state.begun
        state.why += f"; {name} {failed.reason} after {done} iterations"
        state.current += 1
        # A point of rest may be the answer, its residual noise.
        if not (failed.rests or (state.attempt.goes_on and X.isfinite())):
            X = start_from(problem, state.attempt.start, X.rank, init_scale=None, rng=0)
        self._begin(problem, state, X)

    def factors(self, state: AutoState) -> Factors:
        """Those of the method under way."""
        return state.solver.factors(state.inner)

    def resumed(self, problem: Problem, start: Factors, previous: AutoState) -> AutoState:
        """The plan as it stood, its method under way going on as it does by itself."""
        inner = previous.solver.resumed(problem, start, previous.inner)
        # Objective and gradient at the factors are those of this problem.
        return replace(previous, inner=inner, left=None, right=None)

    def evaluation(self, problem: Problem, state: AutoState) -> Evaluation | None:
        """That of the method under way."""
        return state.at(problem)

    def stationarity(self, problem: Problem, state: AutoState) -> float | None:
        """That of the method under way; infinite where it is at rest but may be given up."""
        if state.settled:
            return state.solver.stationarity(problem, state.inner)
        # A residual that does not fall with the gradient may be that of a wrong matrix.
        X, at = self.factors(state), state.at(problem)
        mark = relative_gradient(problem, X, at)
        fits = _relative_misfit(problem, X, at) <= max(AWAY * mark, ROUNDING * problem.default_tol)
        return mark if fits or state.attempt.noisy else float("inf")

    def fallback(self, state: AutoState) -> Factors | None:
        """That of the method under way."""
        return state.solver.fallback(state.inner)

    def finished(self, state: AutoState) -> str | None:
        """Why the method under way is done."""
        return state.solver.finished(state.inner)

    def standstill(self, state: AutoState) -> str | None:
        """What the method under way knows of the point."""
        return state.solver.standstill(state.inner)

    def conclude(self, problem: Problem, state: AutoState) -> None:
        """What the method under way works out at the end."""
        state.solver.conclude(problem, state.inner)

    def parts(self, state: AutoState) -> Mapping[str, Any]:
        """The name of the method under way, and what it found."""
        return {"solver": state.attempt.solver, **state.solver.parts(state.inner)}

    def why(self, state: AutoState) -> str:
        """What was measured, chosen and given up."""
        return state.why


def _further(problem: Problem, marks: Array) -> float:
    """Iterations that are left at the pace of the last two marks."""
    if marks.size < 2:
        return float("inf")
    before, now = marks[-2:]
    if not now < before:
        return float("inf")
    rate = (now / before) ** (1.0 / WINDOW)
    return float(max(0.0, np.log(problem.default_tol / now) / np.log(rate)))


def _relative_misfit(problem: Problem, X: Factors, at: Evaluation) -> float:
    """``sqrt(f(A(X) - y) / f(y))``, for the squared loss the relative residual."""
    return float(np.sqrt(max(problem.misfit(X, at), 0.0) / problem.natural))
