"""From the arguments of `solve` to a loop that can be run."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .. import _check
from ..errors import InvalidTypeError, UnderdeterminedWarning
from ..factors import Factors
from ..initial import start_from
from ..problem import Instance, Problem, Truth
from ..result import Result
from ..solvers._protocol import Solver
from ..solvers._registry import make_solver, refuse_if_unfit
from ..stopping import MaxIter, MaxTime, Stationary, Stop, Unchanged
from ..storage import check_folder
from ..trace import View, observers_from
from ._loop import Loop

# The same ratio as `UNSEEN` of the loop, up to which a start is a small one.
SMALL = 0.1


def prepare(
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
) -> Loop:
    truth: Truth | None = None
    if isinstance(problem, Instance):
        truth, problem = problem.truth, problem.problem
    if not isinstance(problem, Problem):
        raise InvalidTypeError(
            f"problem must be a Problem or an Instance, got {type(problem).__name__}; "
            f"lowrank_la.observed makes one from triples"
        )
    wanted = start
    solver = make_solver(solver, options)
    if wanted is not None and hasattr(solver, "keep_start"):
        solver = make_solver(solver, {"keep_start": True})
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
        solver.start_name(problem) if start is None else start,
        rank,
        init_scale=init_scale,
        rng=0 if rng is None else rng,
    )
    named = wanted if wanted is None or isinstance(wanted, str) else begin
    few = underdetermined(problem, begin.rank, solver, named, init_scale=init_scale)
    if few is not None:
        warnings.warn(few, UnderdeterminedWarning, stacklevel=3)
    if callback is not None and not callable(callback):
        raise InvalidTypeError(f"callback must be a function of a view, got {callback!r}")
    if checkpoint is not None:
        # Now, and not after an hour.
        check_folder(checkpoint)
    return Loop(
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
        oracle=tuple(oracle),
        spare=_spare_columns(problem, solver, named, init_scale),
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
            threshold = 0.0 if stop is not None else problem.default_tol
        stops.append(Stationary(_check.number(threshold, "tol", low=0.0)))
        if tol != 0.0:
            stops.append(Unchanged())
    stops.append(MaxIter(solver.info.max_iter if max_iter is None else max_iter))
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

    Searches with more columns than the matrix has rank are exempt: solvers meant for them, and
    runs from a start that was asked to be small, by its name, by an `init_scale`, or by its size.
    """
    if solver.info.one_shot:
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
    if seen >= unknowns or _spare_columns(problem, solver, start, init_scale):
        return None
    return (
        f"{seen} measurements for the {unknowns} degrees of freedom of a "
        f"{problem.shape[0]} x {problem.shape[1]} matrix of rank {rank}: many matrices fit; "
        f"lower the rank, add data, or set a nuclear-norm weight"
    )


def _spare_columns(
    problem: Problem, solver: Solver, start: str | Factors | None, init_scale: float | None
) -> bool:
    """Whether a run is meant to have more columns than the matrix has rank."""
    if solver.info.fewer_measurements or init_scale is not None:
        return True
    if isinstance(start, Factors):
        return start.norm() <= SMALL * problem.norm_estimate
    # Solvers that always begin there do so for another reason.
    return start == "small_random" != solver.info.start
