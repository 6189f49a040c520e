"""The one loop: it owns the clock, stopping, tracing, interrupts and checkpoints."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _check
from ._interrupts import interrupts
from ._progress import progress_line
from .errors import (
    ConvergenceWarning,
    InvalidTypeError,
    SolverBreakdownError,
    UnderdeterminedWarning,
)
from .factors import Factors
from .initial import start_from
from .problem import Instance, Problem, Truth
from .result import Result, Status
from .solvers._protocol import Solver
from .solvers._registry import choose_solver, make_solver, refuse_if_unfit
from .stopping import MaxIter, MaxTime, Stationary, Stop, Unchanged, Verdict
from .storage import check_folder
from .trace import Trace, View, observers_from

__all__ = ["iterate", "solve"]

DEFAULT_MAX_ITER = 1000
# Growth of the objective over its largest natural value that counts as divergence.
BLOW_UP = 1e6
# |X| over |y| / sqrt(isometry), which is about 1 for a matrix that the data determine.
UNSEEN = 10.0
# The same ratio up to which a start is a small one.
SMALL = 0.1


def default_tol(dtype: np.dtype[Any]) -> float:
    """The tolerance used when none is given: 256 rounding units."""
    return 256.0 * float(np.finfo(dtype).eps)


def solve(
    problem: Problem | Instance,
    solver: str | Solver = "auto",
    *,
    rank: int | None = None,
    start: Any = None,
    init_scale: float | None = None,
    stop: Stop | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    max_time: float | None = None,
    observe: Any = None,
    callback: Callable[[View], Any] | None = None,
    every: int = 1,
    rng: Any = None,
    progress: bool = False,
    checkpoint: Any = None,
    checkpoint_every: float = 60.0,
    **options: Any,
) -> Result:
    """Solve a problem.

    Parameters
    ----------
    problem : Problem or Instance
        What to solve. Given an Instance, the solver sees its problem only; observers see the
        truth too, and the true rank is the default rank.
    solver : str or Solver
        A name (`available_solvers`), a configured solver, or "auto".
    rank : int, optional
        Rank searched for. Needed unless the start or an Instance has it.
    start : str, Factors, callable, Result or state, optional
        A name ("spectral", "small_random", "truncated" and others of `lowrank_la.initial`),
        factors, a function ``(problem, rank, *, rng)``, or a result (or its state). With the
        same solver, options and problem a result is continued bit for bit; otherwise the run
        begins at its factors. Default: what the solver is meant for.
    init_scale : float, optional
        Scale of the starts "small_random" and "sign_spectral".
    stop : Stop, optional
        Criteria of your own from `lowrank_la.stopping`, joined by ``|`` and ``&``; they replace
        the default tolerance.
    tol : float, optional
        Relative gradient at which to stop as CONVERGED (`stopping.Stationary`). Default: 256
        rounding units of the data's precision. 0 turns off stopping before the budget.
    max_iter : int, optional
        Budget of iterations, counted from iteration 0; 1000 by default.
    max_time : float, optional
        Budget of seconds in the solver.
    observe : str, callable, sequence or mapping, optional
        What to record besides "objective" (and "rel_error" given an Instance).
    callback : callable, optional
        Called with a `View` at every look; a true return value or StopIteration stops.
    every : int
        Iterations between looks.
    rng : int, Generator or None
        Source of randomness of the start; None means 0, so that runs repeat.
    progress : bool
        Show one line on stderr.
    checkpoint : path, optional
        File to which the run is saved every `checkpoint_every` seconds and at its end.
    checkpoint_every : float
        Seconds between checkpoints.
    **options
        Options of the solver, for example ``step_size=0.5``.

    Returns
    -------
    Result
        Ctrl-C ends the run with status INTERRUPTED and the best iterate so far.

    Raises
    ------
    UnknownNameError
        For a solver, start, observer or option that does not exist.
    IncompatibleError
        If the solver cannot take the problem; the message says who can.
    InvalidInputError, InvalidTypeError
        For arguments that make no sense.

    Warns
    -----
    UnderdeterminedWarning
        If there are fewer measurements than degrees of freedom.
    ConvergenceWarning
        If the run diverged, or a `tol` that was asked for was not met.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.completion((60, 50), 2, sampling=0.5, rng=0)
    >>> result = ll.solve(instance, "scaledgd", max_iter=200)
    >>> result.converged
    True
    """
    loop = _prepare(**locals())
    with interrupts() as interrupted, progress_line(progress, loop.label) as show:
        loop.interrupted = interrupted
        for view in loop.views():
            show(view)
    result = loop.result()
    if checkpoint is not None:
        result.save(checkpoint)
    loop.warn(result)
    return result


def iterate(
    problem: Problem | Instance,
    solver: str | Solver = "auto",
    *,
    rank: int | None = None,
    start: Any = None,
    init_scale: float | None = None,
    stop: Stop | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    max_time: float | None = None,
    observe: Any = None,
    every: int = 1,
    rng: Any = None,
    **options: Any,
) -> Iterator[View]:
    """The loop of `solve`, for people who like ``for``: yields a `View` at every look.

    Parameters
    ----------
    problem, solver, rank, start, init_scale, stop, tol, max_iter, max_time, observe, every, rng
        As in `solve`.
    **options
        Options of the solver.

    Yields
    ------
    View
        The iterate, its number, time, objective, and more on request.
    """
    arguments = dict(locals(), callback=None, checkpoint=None, checkpoint_every=np.inf)
    yield from _prepare(**arguments).views()


def _prepare(
    problem: Problem | Instance,
    solver: str | Solver,
    *,
    rank: int | None,
    start: Any,
    init_scale: float | None,
    stop: Stop | None,
    tol: float | None,
    max_iter: int | None,
    max_time: float | None,
    observe: Any,
    callback: Callable[[View], Any] | None,
    every: int,
    rng: Any,
    checkpoint: Any,
    checkpoint_every: float,
    options: dict[str, Any],
    progress: bool = False,
) -> _Loop:
    truth: Truth | None = None
    if isinstance(problem, Instance):
        truth, problem = problem.truth, problem.problem
    if not isinstance(problem, Problem):
        raise InvalidTypeError(
            f"problem must be a Problem or an Instance, got {type(problem).__name__}; "
            f"lowrank_la.observed makes one from triples"
        )
    wanted, why = start, ""
    if isinstance(solver, str) and solver == "auto":
        chosen, why = choose_solver(problem)
        solver = make_solver(chosen, options)
    else:
        solver = make_solver(solver, options)
    refuse_if_unfit(solver, problem)
    oracle = [name for name in solver.info.oracle if getattr(solver, name) is not None]
    oracle += list(getattr(getattr(solver, "rule", None), "oracle", ()))
    previous = start.state if isinstance(start, Result) else start
    if isinstance(previous, solver.state_type) and _may_resume(solver, start):
        start = solver.factors(previous)
    else:
        # Another solver goes on from the factors.
        start, previous = start.factors if isinstance(start, Result) else start, None
    if rank is None and not isinstance(start, Factors):
        if solver.info.one_shot:
            # Its answer depends neither on a start nor on its rank.
            rank = 1
        elif truth is not None:
            rank = truth.factors.rank
            oracle.append("rank")
    begin = start_from(
        problem,
        solver.info.start if start is None else start,
        rank,
        init_scale=init_scale,
        rng=0 if rng is None else rng,
    )
    few = underdetermined(
        problem,
        begin.rank,
        solver,
        wanted if wanted is None or isinstance(wanted, str) else begin,
        init_scale=init_scale,
    )
    if few is not None:
        warnings.warn(few, UnderdeterminedWarning, stacklevel=3)
    if callback is not None and not callable(callback):
        raise InvalidTypeError(f"callback must be a function of a view, got {callback!r}")
    if checkpoint is not None:
        # Now, and not after an hour.
        check_folder(checkpoint)
    return _Loop(
        problem=problem,
        truth=truth,
        solver=solver,
        begin=begin,
        previous=previous,
        stops=_stops(problem, solver, stop, tol, max_iter, max_time),
        tol=tol,
        observers=observers_from(observe, truth is not None),
        callback=callback,
        every=_check.count(every, "every", low=1),
        why=why,
        oracle=tuple(oracle),
        checkpoint=checkpoint,
        checkpoint_every=_check.number(checkpoint_every, "checkpoint_every", low=0.0),
    )


def _may_resume(solver: Solver, start: Any) -> bool:
    """Whether a result is this solver's; a bare state is taken at its type's word."""
    return not isinstance(start, Result) or start.solver.info.name == solver.info.name


def _stops(
    problem: Problem,
    solver: Solver,
    stop: Stop | None,
    tol: float | None,
    max_iter: int | None,
    max_time: float | None,
) -> list[Stop]:
    stops: list[Stop] = []
    if stop is not None:
        if not isinstance(stop, Stop):
            raise InvalidTypeError(f"stop must come from lowrank_la.stopping, got {stop!r}")
        stops.append(stop)
    if not solver.info.one_shot:
        threshold = tol
        if tol is None:
            threshold = 0.0 if stop is not None else default_tol(problem.dtype)
        stops.append(Stationary(_check.number(threshold, "tol", low=0.0)))
        if tol != 0.0:
            stops.append(Unchanged())
    stops.append(MaxIter(DEFAULT_MAX_ITER if max_iter is None else max_iter))
    if max_time is not None:
        stops.append(MaxTime(max_time))
    return stops


def underdetermined(
    problem: Problem,
    rank: int,
    solver: Solver,
    start: str | Factors | None = None,
    *,
    init_scale: float | None = None,
) -> str | None:
    """What to warn of if the measurements are too few, or blind to a part of the matrix.

    Small starts are exempt: by their name, by an `init_scale`, or by their size.
    """
    if solver.info.one_shot or solver.info.fewer_measurements:
        return None
    if problem.nuclear > 0 or getattr(solver, "ridge", 0.0) > 0:
        return None
    if not problem.symmetric and getattr(problem.operator, "symmetric", False):
        return (
            f"this {type(problem.operator).__name__} sees only the symmetric part of a matrix and "
            f"the problem is rectangular: any antisymmetric part fits. Use symmetric=True in the "
            f"problem, or measurements of the whole matrix"
        )
    unknowns = problem.degrees_of_freedom(rank)
    seen = problem.informative
    if seen >= unknowns or solver.info.start == "small_random":
        return None
    # From near zero, more columns than the true rank are meant to have more unknowns than data.
    if init_scale is not None or (isinstance(start, str) and start == "small_random"):
        return None
    if isinstance(start, Factors) and start.norm() <= SMALL * _seen_norm(problem):
        return None
    return (
        f"{seen} measurements for the {unknowns} degrees of freedom of a "
        f"{problem.shape[0]} x {problem.shape[1]} matrix of rank {rank}: many matrices fit; "
        f"lower the rank, add data, or set a nuclear-norm weight"
    )


def _seen_norm(problem: Problem) -> float:
    """``|X|_F`` as the data suggest it."""
    return float(np.linalg.norm(problem.data)) / float(np.sqrt(problem.operator.isometry))


@dataclass
class _Loop:
    problem: Problem
    truth: Truth | None
    solver: Solver
    begin: Factors
    previous: Any
    stops: list[Stop]
    tol: float | None
    observers: dict[str, Callable[[View], float]]
    callback: Callable[[View], Any] | None
    every: int
    why: str
    oracle: tuple[str, ...]
    checkpoint: Any
    checkpoint_every: float
    interrupted: Callable[[], bool] = field(default=lambda: False)
    trace: Trace = field(default_factory=Trace)
    state: Any = None
    verdict: Verdict = field(default=Verdict(Status.INTERRUPTED, "the loop was left"))
    _best: tuple[float, Factors | None] = (np.inf, None)
    _last: Factors | None = None
    _idle: int = 0
    _seconds: float = 0.0

    @property
    def label(self) -> str:
        return self.solver.info.name

    def views(self) -> Iterator[View]:
        begun = time.perf_counter()
        # A non-finite number is looked at right after; NumPy's warnings add nothing.
        with np.errstate(all="ignore"):
            self.state = self.solver.init(self.problem, self.begin)
            self._natural = self.problem.loss.value(self.problem.data)
        if self.previous is not None:
            self.solver.resume(self.state, self.previous)
        self.trace.init_seconds = time.perf_counter() - begun
        saved = time.monotonic()
        while True:
            view = self._look()
            verdict = self._judge(view)
            if verdict is not None:
                self.verdict = verdict
                yield view
                return
            yield view
            if self.checkpoint is not None and time.monotonic() - saved >= self.checkpoint_every:
                self.verdict = Verdict(Status.INTERRUPTED, "checkpoint of a run under way")
                self.result().save(self.checkpoint)
                saved = time.monotonic()
            if (verdict := self._advance(view)) is not None:
                self.verdict = verdict
                return

    def _advance(self, view: View) -> Verdict | None:
        begun = time.perf_counter()
        try:
            with np.errstate(all="ignore"):
                self.solver.advance(self.problem, self.state, self._lap(view.iteration))
        except (SolverBreakdownError, np.linalg.LinAlgError) as error:
            # LAPACK raises on what is not finite, or so badly scaled that it does not converge.
            if self.solver.info.one_shot:
                # There is no iterate to give back.
                raise
            if view.stationarity <= np.sqrt(np.finfo(view.X.dtype).eps):
                return Verdict(Status.STALLED, f"at a stationary point: {error}")
            what = "" if isinstance(error, SolverBreakdownError) else "no decomposition: "
            return Verdict(Status.DIVERGED, f"{what}{error}")
        except KeyboardInterrupt:
            return Verdict(Status.INTERRUPTED, f"interrupted in iteration {view.iteration + 1}")
        finally:
            self._seconds += time.perf_counter() - begun
        return None

    def _lap(self, iteration: int) -> int:
        budgets = [s.iterations for s in self.stops if isinstance(s, MaxIter)]
        return min(self.every, max(1, min(budgets) - iteration))

    def _look(self) -> View:
        with np.errstate(all="ignore"):
            return self._view()

    def _view(self) -> View:
        X = self.solver.factors(self.state)
        if self._last is not None:
            self._idle = self._idle + 1 if _same(X, self._last) else 0
        self._last = X
        view = View(
            iteration=self.state.iteration,
            seconds=self._seconds,
            X=X,
            problem=self.problem,
            truth=self.truth,
            idle=self._idle,
            solver=self.solver,
            state=self.state,
        )
        row = {"iteration": view.iteration, "seconds": view.seconds}
        if any(isinstance(stop, Stationary) and stop.tol > 0 for stop in self.stops):
            # Needed right after; one pass gives it together with the objective.
            _ = view.gradient
        row |= {name: self._observed(name, f, view) for name, f in self.observers.items()}
        if view.objective < self._best[0]:
            self._best = (view.objective, X)
        self.trace.append(row)
        return view

    def _observed(self, name: str, observer: Callable[[View], float], view: View) -> float:
        try:
            return _number(name, observer(view))
        except np.linalg.LinAlgError:
            if view.finite:
                raise
            # Of an iterate that is not finite there is no spectrum to observe.
            return float("nan")

    def _judge(self, view: View) -> Verdict | None:
        # Finite first, so that NaN can never pass for convergence.
        if not view.finite:
            return Verdict(Status.DIVERGED, "factors or objective are not finite")
        # What a solver minimises may have another unit than the loss; then that of the start.
        if view.objective > BLOW_UP * max(self._natural, self.trace["objective"][0]):
            return Verdict(
                Status.DIVERGED, f"the objective grew to {view.objective:.1e}: step too long"
            )
        done = self.solver.finished(self.state)
        if done is not None:
            return Verdict(Status.CONVERGED, done)
        # Before the stops: a budget that ends at the same look must not swallow it.
        if self.interrupted():
            return Verdict(Status.INTERRUPTED, f"interrupted after {view.iteration} iterations")
        for stop in self.stops:
            with np.errstate(all="ignore"):
                verdict = stop(view)
            if verdict is not None:
                return verdict
        if self.callback is not None:
            try:
                if self.callback(view):
                    return Verdict(Status.CALLBACK, "the callback asked to stop")
            except StopIteration:
                return Verdict(Status.CALLBACK, "the callback raised StopIteration")
        return None

    def result(self) -> Result:
        status = self.verdict.status
        factors = self.solver.factors(self.state)
        if status in (Status.DIVERGED, Status.INTERRUPTED) and self._best[1] is not None:
            factors = self._best[1]
        with np.errstate(all="ignore"):
            parts = self.solver.parts(self.state)
        return Result(
            factors=factors,
            status=status,
            reason=self.verdict.reason,
            n_iter=int(self.state.iteration),
            trace=self.trace,
            solver=self.solver,
            why=self.why,
            oracle_used=self.oracle,
            parts=parts,
            state=self.state,
        )

    def _warn_if_undetermined(self, result: Result) -> None:
        """A matrix far larger than its measurements say: the data do not determine it."""
        if not result.converged or self.problem.nuclear > 0:
            return
        with np.errstate(all="ignore"):
            ratio = result.factors.norm() / _seen_norm(self.problem)
        if ratio > UNSEEN:
            warnings.warn(
                f"the matrix found is {ratio:.0e} times as large as its measurements suggest: it "
                f"fits them, but they do not determine it. Lower the rank, or set a nuclear-norm "
                f"weight (altmin: a ridge)",
                UnderdeterminedWarning,
                stacklevel=4,
            )

    def warn(self, result: Result) -> None:
        self._warn_if_undetermined(result)
        if result.status is Status.DIVERGED:
            advice = "; the factors returned are the best seen. Try a smaller step"
            if self.problem.loss.smooth:
                advice += ', step_size="exact"'
            advice += ", or another start"
            message = f"{self.label} diverged: {result.reason}{advice}"
        elif self.tol and not result.converged and result.status in (Status.BUDGET, Status.STALLED):
            message = (
                f"{self.label} did not reach tol={self.tol:g}: {result.reason}; raise max_iter, "
                f"or try another solver"
            )
        else:
            return
        warnings.warn(message, ConvergenceWarning, stacklevel=3)


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(
            f"the observer {name!r} must return a number, got {value!r}"
        ) from error


def _same(X: Factors, Y: Factors) -> bool:
    eps = 8 * np.finfo(X.dtype).eps
    pairs = [(X.left, Y.left)] if X.symmetric else [(X.left, Y.left), (X.right, Y.right)]
    return all(
        a.shape == b.shape and bool(np.linalg.norm(a - b) <= eps * np.linalg.norm(a))
        for a, b in pairs
    )
