"""Races: solvers on instances, under the same conditions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from ... import _check
from ..._interrupts import interrupts
from ..._random import seed_of
from ...driver import underdetermined
from ...errors import InvalidTypeError, UnderdeterminedWarning, unknown_name
from ...initial import STARTS, start_from
from ...problem import Instance, Problem
from ...result import Result
from ...solvers import Solver
from ...trace import observers_from
from ._comparison import Comparison, Run
from ._contenders import labelled_instances, labelled_solvers, redraw, repeat_seed
from ._pairs import Budget, Task, run_on, run_pair

__all__ = ["Budget", "Comparison", "Run", "compare"]


def compare(
    instances: Any,
    solvers: Any,
    *,
    rank: int | None = None,
    start: Any = None,
    init_scale: float | None = None,
    observe: Any = None,
    budget: Budget | int | None = None,
    repeats: int = 1,
    executor: Any = None,
    rng: Any = 0,
    progress: Callable[[str, str, Any], None] | None = None,
) -> Comparison:
    """Race solvers on instances.

    All solvers begin an instance at the same start. One iteration is run and discarded first,
    and so is a whole run in which something was compiled; only time in the solver counts. A
    pair that fails is a row with its reason.

    Parameters
    ----------
    instances : Instance, Problem, sequence or mapping
        What to solve; a mapping gives labels.
    solvers : str, Solver, sequence or mapping
        Names, configured solvers, or a mapping from labels to either.
    rank : int, optional
        Rank searched for; default: the true one of an Instance.
    start, init_scale
        As in `solve`; by default "spectral" for smooth losses, and for others, where that start
        breaks down, the one that each solver is meant for.
    observe : optional
        As in `solve`.
    budget : Budget or int, optional
        Limits of each run; a number means iterations.
    repeats : int
        Repeats with fresh randomness: repeat 0 is the instance as given, further ones redraw
        it by its recipe with a new seed, and the start too.
    executor : optional
        Anything with ``submit``, such as a process pool; runs then share the machine, which
        their times will show.
    rng : int, Generator or None
        Source of the randomness of starts and repeats.
    progress : callable, optional
        Called in this process as ``progress(instance, solver, view)`` at every look, of
        discarded runs too, and with the finished `Run` in place of the view at its end.

    Returns
    -------
    Comparison
        After Ctrl-C the runs that were begun; the one under way has status INTERRUPTED.

    Raises
    ------
    UnknownNameError
        For a solver, start or observer that does not exist.
    InvalidInputError, InvalidTypeError
        For arguments that make no sense.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.completion((60, 50), 2, cond=5, sampling=0.5, rng=0)
    >>> race = ll.compare(instance, ["gd", "scaledgd"], budget=300)
    >>> [row["solver"] for row in race.rows()]
    ['gd', 'scaledgd']
    """
    if budget is None:
        budget = Budget()
    elif not isinstance(budget, Budget):
        budget = Budget(max_iter=_check.count(budget, "budget"))
    if executor is not None and not hasattr(executor, "submit"):
        raise InvalidTypeError(f"an executor has the method submit, got {executor!r}")
    seed = seed_of(rng)
    labelled, contenders = labelled_instances(instances), labelled_solvers(solvers)
    _refuse_misspelt(start, observe)
    tasks = [
        Task(
            instance=redrawn,
            label=label,
            name=name,
            solver=solver,
            repeat=repeat,
            rank=rank,
            start=_common_start(start),
            init_scale=init_scale,
            observe=observe,
            budget=budget,
            seed=repeat_seed(seed, repeat),
        )
        for label, instance in labelled.items()
        for repeat in range(_check.count(repeats, "repeats", low=1))
        for redrawn in [redraw(instance, seed, repeat)]
        for name, solver in contenders.items()
    ]
    with interrupts() as interrupted:
        for instance in labelled.values():
            _warn_if_underdetermined(instance, contenders, rank, start, init_scale)
        if executor is None:
            # After Ctrl-C the pairs that are left do not run; the race keeps what there is.
            runs = [run_pair(task, progress) for task in tasks if not interrupted()]
        else:
            runs = run_on(executor, tasks, progress, interrupted)
    recipes = {
        label: str(instance.recipe)
        for label, instance in labelled.items()
        if isinstance(instance, Instance) and instance.recipe is not None
    }
    return Comparison(tuple(runs), recipes)


def _common_start(start: Any) -> Any:
    return start.factors if isinstance(start, Result) else start


def _refuse_misspelt(start: Any, observe: Any) -> None:
    """Raise for names that exist nowhere, instead of one failed row per pair."""
    if isinstance(start, str) and start not in STARTS:
        raise unknown_name("start", start, STARTS)
    # What needs the truth is refused pair by pair: other instances may have it.
    observers_from(observe, has_truth=True)


def _warn_if_underdetermined(
    instance: Instance | Problem,
    solvers: Mapping[str, Solver],
    rank: int | None,
    start: Any,
    init_scale: float | None,
) -> None:
    problem = instance.problem if isinstance(instance, Instance) else instance
    if rank is None and isinstance(instance, Instance):
        rank = instance.truth.factors.rank
    if rank is not None:

        def warnings_with(begin: Any) -> set[str]:
            found = {
                underdetermined(problem, rank, solver, begin, init_scale=init_scale)
                for solver in solvers.values()
            }
            return {one for one in found if one is not None}

        found = warnings_with(None if callable(start) else start)
        if found and callable(start):
            # A function may cost as much as a solve, and only its size matters here.
            found = warnings_with(start_from(problem, start, rank, init_scale=None, rng=0))
        for few in found:
            warnings.warn(str(few), UnderdeterminedWarning, stacklevel=3)
