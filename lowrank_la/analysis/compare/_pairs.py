"""The runs of pairs of instance and solver, here or by an executor."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, as_completed
from dataclasses import dataclass, replace
from typing import Any

from ... import _check
from ..._random import Seed
from ...driver import solve
from ...initial import start_from
from ...kernels._jit import compilations
from ...problem import Instance, Problem
from ...result import Result, Status
from ...solvers import Solver
from ._comparison import Run


@dataclass(frozen=True)
class Budget:
    """How long each run may take.

    Parameters
    ----------
    max_iter : int
        Iterations.
    max_time : float, optional
        Seconds in the solver.
    tol : float, optional
        Relative gradient at which a run stops; default as in `solve`.
    """

    max_iter: int = 500
    max_time: float | None = None
    tol: float | None = None

    def __post_init__(self) -> None:
        _check.count(self.max_iter, "max_iter", low=0)
        for name in ("max_time", "tol"):
            if getattr(self, name) is not None:
                _check.number(getattr(self, name), name, low=0.0)


@dataclass(frozen=True, eq=False)
class Task:
    """A pair, and all that its run depends on."""

    instance: Instance | Problem
    label: str
    name: str
    solver: Solver
    repeat: int
    rank: int | None
    start: Any
    init_scale: float | None
    observe: Any
    budget: Budget
    seed: Seed


def run_on(
    executor: Any,
    tasks: list[Task],
    progress: Callable[[str, str, Any], None] | None,
    interrupted: Callable[[], bool],
) -> list[Run]:
    """Run pairs by an executor; the runs in the order of the tasks."""
    futures = {executor.submit(run_pair, task): task for task in tasks}
    runs = {}
    for future in as_completed(futures):
        if interrupted():
            for pending in futures:
                pending.cancel()
        try:
            run = runs[future] = future.result()
        except (CancelledError, BrokenExecutor):
            # Ctrl-C reaches the workers of a pool too; those that idle do not survive it.
            if not interrupted():
                raise
        else:
            if progress is not None:
                progress(run.instance, run.solver, run)
    return [runs[future] for future in futures if future in runs]


def run_pair(task: Task, progress: Callable[[str, str, Any], None] | None = None) -> Run:
    """Run one pair; if it fails, the run says why."""
    blank = Run(task.label, task.name, task.repeat, None)
    callback = None
    if progress is not None:

        def callback(view: Any) -> None:
            progress(task.label, task.name, view)

    try:
        with warnings.catch_warnings():
            # The status of the row says what a warning would.
            warnings.simplefilter("ignore")
            run = _solve(task, blank, callback)
    except Exception as error:
        # A solver of someone else's may fail in its own ways; the race goes on.
        run = replace(blank, error=f"{type(error).__name__}: {error}")
    if progress is not None:
        progress(task.label, task.name, run)
    return run


def _solve(task: Task, blank: Run, callback: Callable[[Any], None] | None) -> Run:
    instance = task.instance
    problem = instance.problem if isinstance(instance, Instance) else instance
    truth = instance.truth if isinstance(instance, Instance) else None
    solver = task.solver
    rank = task.rank
    if rank is None and truth is not None:
        rank = truth.factors.rank
    begin = task.start
    if begin is None:
        begin = "spectral" if problem.loss.smooth else solver.info.start
    start = start_from(problem, begin, rank, init_scale=task.init_scale, rng=task.seed)
    if not solver.info.one_shot:
        warm = solve(instance, solver, start=start, max_iter=1, tol=0.0)
        if warm.status is Status.INTERRUPTED:
            return replace(blank, result=warm)

    def run() -> Result:
        return solve(
            instance,
            solver,
            start=start,
            observe=task.observe,
            callback=callback,
            max_iter=task.budget.max_iter,
            max_time=task.budget.max_time,
            tol=task.budget.tol,
        )

    with compilations() as compiled:
        result = run()
    if compiled and not solver.info.one_shot and result.status is not Status.INTERRUPTED:
        # Kernels of later iterations: their compilation is nothing to time either.
        result = run()
    if truth is not None and task.rank is None and not solver.info.one_shot:
        result = replace(result, oracle_used=("rank", *result.oracle_used))
    predicted = None
    interrupted = result.status is Status.INTERRUPTED
    if truth is not None and start.rank == truth.factors.rank and not interrupted:
        predicted = solver.local_rate(problem, truth.factors)
    return replace(blank, result=result, predicted_rate=predicted)
