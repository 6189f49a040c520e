"""One run, from the first look to the result."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._typing import Array
from ..errors import (
    ConvergenceWarning,
    InvalidTypeError,
    SolverBreakdownError,
    UnderdeterminedWarning,
)
from ..factors import Factors
from ..problem import Problem, Truth
from ..result import UNDETERMINED, Result, Status
from ..solvers._protocol import Solver
from ..stopping import MaxIter, Stationary, Stop, Verdict
from ..trace import Trace, View
from ._undetermined import in_words, open_lines

# Growth of the objective over its largest natural value that counts as divergence.
BLOW_UP = 1e6
# |X| over |y| / sqrt(isometry), which is about 1 for a matrix that the data determine.
UNSEEN = 10.0


@dataclass
class Loop:
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
    oracle: tuple[str, ...]
    spare: bool
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
            if self.previous is None:
                self.state = self.solver.init(self.problem, self.begin)
            else:
                self.state = self.solver.resumed(self.problem, self.begin, self.previous)
            self._natural = self.problem.loss.value(self.problem.data)
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
        # Who asked by a callback to stop here wants the iterate that it saw.
        if not status.converged and status is not Status.CALLBACK:
            best = self.solver.fallback(self.state)
            if best is None and status in (Status.DIVERGED, Status.INTERRUPTED):
                best = self._best[1]
            factors = factors if best is None else best
        with np.errstate(all="ignore"):
            self.solver.conclude(self.problem, self.state)
            parts = self.solver.parts(self.state)
        reason = self.verdict.reason
        lines = self._open_lines(factors)
        if lines is not None:
            parts = {**parts, **lines}
            if words := in_words(lines):
                reason += f"; but the data leave {words} open"
        return Result(
            factors=factors,
            status=status,
            reason=reason,
            n_iter=int(self.state.iteration),
            trace=self.trace,
            solver=self.solver,
            why=self.solver.why(self.state),
            oracle_used=self.oracle,
            parts=parts,
            state=self.state,
        )

    @property
    def _regular(self) -> bool:
        """Whether a weight makes the answer one, whatever the data."""
        return self.problem.nuclear > 0 or getattr(self.solver, "ridge", 0.0) > 0

    def _open_lines(self, X: Factors) -> dict[str, Array] | None:
        """Rows and columns that a run with success has found but the data do not determine."""
        if not self.verdict.status.converged or self._regular or self.solver.info.one_shot:
            return None
        return open_lines(self.problem, X, tol=self.tol, spare=self.spare)

    def _warn_if_undetermined(self, result: Result) -> None:
        """Rows and columns left open, or a matrix far larger than its measurements say."""
        if not result.converged or self.problem.nuclear > 0:
            return
        lines = {name: result.parts[name] for name in UNDETERMINED if name in result.parts}
        if lines and (words := in_words(lines)):
            warnings.warn(
                f"the data leave {words} of the matrix open: at rank {result.factors.rank} other "
                f"values fit as well. Observe more there, lower the rank, set a nuclear-norm "
                f"weight, or leave those out (result.parts has all)",
                UnderdeterminedWarning,
                stacklevel=4,
            )
            return
        with np.errstate(all="ignore"):
            ratio = result.factors.norm() / self.problem.norm_estimate
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
