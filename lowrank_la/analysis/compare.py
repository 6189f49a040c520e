"""Races: solvers on instances, under the same conditions."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import _check
from .._interrupts import interrupts
from .._lazy import require
from .._random import Seed, seed_of, stream
from ..driver import solve, underdetermined
from ..errors import (
    FileFormatError,
    InvalidInputError,
    InvalidTypeError,
    UnderdeterminedWarning,
    unknown_name,
)
from ..initial import STARTS, start_from
from ..problem import Instance, Problem
from ..problems import build
from ..result import Result, Status, pack_result, unpack_result
from ..solvers import Solver, make_solver
from ..storage import read, save, unpacking, write_table
from ..trace import observers_from
from .rates import RateFit, fit_rate

__all__ = ["Budget", "Comparison", "Run", "compare"]


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
class Run:
    """One solver on one instance.

    Attributes
    ----------
    instance, solver : str
        Labels.
    repeat : int
    result : Result or None
        None if the pair failed.
    error : str
        Why it failed.
    predicted_rate : float or None
        Contraction per iteration, from the iteration linearised at the truth.
    """

    instance: str
    solver: str
    repeat: int
    result: Result | None
    error: str = ""
    predicted_rate: float | None = None

    def __repr__(self) -> str:
        status = "failed" if self.result is None else self.result.status.value
        return f"<Run of {self.solver} on {self.instance} #{self.repeat}: {status}>"

    @property
    def seconds(self) -> float:
        """Time in the solver, its set-up included."""
        if self.result is None:
            return float("nan")
        return float(self.result.trace.init_seconds + self.result.trace["seconds"][-1])

    @property
    def measure(self) -> str:
        """The column that tells success: "rel_error" if the truth is known."""
        known = self.result is not None and "rel_error" in self.result.trace
        return "rel_error" if known else "objective"

    @property
    def fit(self) -> RateFit | None:
        """Rate of the relative error per iteration; None for a run that diverged."""
        if self.result is None or "rel_error" not in self.result.trace:
            return None
        if self.result.status is Status.DIVERGED:
            return None
        return fit_rate(self.result.trace["iteration"], self.result.trace["rel_error"])

    def row(self) -> dict[str, Any]:
        """The run as one row of a table."""
        fit, result = self.fit, self.result
        low, high = fit.interval if fit else (None, None)
        last = {} if result is None else {k: float(c[-1]) for k, c in result.trace.items()}
        return {
            "instance": self.instance,
            "solver": self.solver,
            "repeat": self.repeat,
            "status": "failed" if result is None else result.status.value,
            "reason": self.error if result is None else result.reason,
            "n_iter": None if result is None else result.n_iter,
            "seconds": None if result is None else self.seconds,
            "objective": last.get("objective"),
            "rel_error": last.get("rel_error"),
            "rate": fit.rate if fit else None,
            "rate_low": low,
            "rate_high": high,
            "predicted_rate": self.predicted_rate,
            "oracle": ", ".join(result.oracle_used) if result else "",
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """The runs of a race.

    Attributes
    ----------
    runs : tuple of Run
        In the order instance, repeat, solver.
    recipes : dict of str
        Recipe of each instance, as text, where there is one.
    """

    runs: tuple[Run, ...]
    recipes: dict[str, str] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row per run; a failed pair is a row with its reason."""
        return [run.row() for run in self.runs]

    def to_pandas(self) -> Any:
        """The rows as a DataFrame: one per run."""
        pandas = require("pandas", extra="tables", purpose="Comparison.to_pandas")
        return pandas.DataFrame(self.rows())

    def traces(self) -> Any:
        """All traces as one tidy DataFrame: one row per run and look."""
        pandas = require("pandas", extra="tables", purpose="Comparison.traces")
        frames = []
        for run in self.runs:
            if run.result is not None:
                frame = run.result.trace.to_pandas()
                for place, name in enumerate(("instance", "solver", "repeat")):
                    frame.insert(place, name, getattr(run, name))
                frames.append(frame)
        return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()

    def save(self, path: Any) -> Path:
        """Write the race: ``.npz`` (all of it), or the table as ``.csv``, ``.json``, ``.parquet``.

        Parameters
        ----------
        path : str or path
            Where to; the suffix decides, none means ``.npz``.

        Returns
        -------
        Path

        Raises
        ------
        InvalidInputError
            For another suffix.
        OutputError
            If it cannot be written; no half-written file is left.
        """
        target = Path(path)
        if target.suffix in ("", ".npz"):
            return self._save_all(target)
        rows = self.rows()
        return write_table(target, {name: [row[name] for row in rows] for name in rows[0]})

    def _save_all(self, target: Path) -> Path:
        headers, arrays = [], {}
        for index, run in enumerate(self.runs):
            header = {
                "instance": run.instance,
                "solver": run.solver,
                "repeat": run.repeat,
                "error": run.error,
                "predicted_rate": run.predicted_rate,
                "result": None,
            }
            if run.result is not None:
                header["result"], found = pack_result(run.result, f"{index}.")
                arrays.update(found)
            headers.append(header)
        return save(
            target, {"kind": "comparison", "runs": headers, "recipes": self.recipes}, arrays
        )

    @classmethod
    def load(cls, path: Any) -> Comparison:
        """Read what `save` wrote to an ``.npz`` file.

        Raises
        ------
        FileFormatError
            If the file holds no comparison.
        """
        header, arrays = read(path)
        if header.get("kind") != "comparison":
            raise FileFormatError(f"{path} holds a {header.get('kind')}, not a comparison")
        runs = []
        with unpacking(path):
            for index, entry in enumerate(header["runs"]):
                packed = entry.pop("result")
                result = None if packed is None else unpack_result(packed, arrays, f"{index}.")
                runs.append(Run(result=result, **entry))
            return cls(tuple(runs), header["recipes"])

    def __repr__(self) -> str:
        done = sum(run.result is not None for run in self.runs)
        return f"<Comparison of {len(self.runs)} runs, {len(self.runs) - done} failed>"


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

    All solvers begin an instance at the same start; one iteration is run and discarded first,
    so that compilation is not timed; only time in the solver counts. A pair that fails is a
    row with its reason.

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
        Called in this process as ``progress(instance, solver, view)`` at every look, and with
        the finished `Run` in place of the view at its end.

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
    labelled, contenders = _labelled_instances(instances), _labelled_solvers(solvers)
    _refuse_misspelt(start, observe)
    tasks = [
        _Task(
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
            seed=_repeat_seed(seed, repeat),
        )
        for label, instance in labelled.items()
        for repeat in range(_check.count(repeats, "repeats", low=1))
        for redrawn in [_redraw(instance, seed, repeat)]
        for name, solver in contenders.items()
    ]
    with interrupts() as interrupted:
        for instance in labelled.values():
            _warn_if_underdetermined(instance, contenders, rank, start, init_scale)
        if executor is None:
            # After Ctrl-C the pairs that are left do not run; the race keeps what there is.
            runs = [_run(task, progress) for task in tasks if not interrupted()]
        else:
            runs = _run_on(executor, tasks, progress, interrupted)
    recipes = {
        label: str(instance.recipe)
        for label, instance in labelled.items()
        if isinstance(instance, Instance) and instance.recipe is not None
    }
    return Comparison(tuple(runs), recipes)


def _run_on(
    executor: Any,
    tasks: list[_Task],
    progress: Callable[[str, str, Any], None] | None,
    interrupted: Callable[[], bool],
) -> list[Run]:
    futures = {executor.submit(_run, task): task for task in tasks}
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


@dataclass(frozen=True, eq=False)
class _Task:
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


def _run(task: _Task, progress: Callable[[str, str, Any], None] | None = None) -> Run:
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


def _solve(task: _Task, blank: Run, callback: Callable[[Any], None] | None) -> Run:
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
    result = solve(
        instance,
        solver,
        start=start,
        observe=task.observe,
        callback=callback,
        max_iter=task.budget.max_iter,
        max_time=task.budget.max_time,
        tol=task.budget.tol,
    )
    if truth is not None and task.rank is None and not solver.info.one_shot:
        result = replace(result, oracle_used=("rank", *result.oracle_used))
    predicted = None
    interrupted = result.status is Status.INTERRUPTED
    if truth is not None and start.rank == truth.factors.rank and not interrupted:
        predicted = solver.local_rate(problem, truth.factors)
    return replace(blank, result=result, predicted_rate=predicted)


def _common_start(start: Any) -> Any:
    return start.factors if isinstance(start, Result) else start


def _labelled_instances(instances: Any) -> dict[str, Instance | Problem]:
    if isinstance(instances, (Instance, Problem)):
        instances = [instances]
    if isinstance(instances, Mapping):
        found = {str(label): instance for label, instance in instances.items()}
    else:
        items = _listed(instances, "instances")
        names = [
            i.recipe.name if isinstance(i, Instance) and i.recipe else "problem" for i in items
        ]
        found = dict(zip(_distinct(names), items, strict=True))
    for instance in found.values():
        if not isinstance(instance, (Instance, Problem)):
            raise InvalidTypeError(f"expected an Instance or a Problem, got {instance!r}")
    if not found:
        raise InvalidInputError("no instance to solve")
    return found


def _labelled_solvers(solvers: Any) -> dict[str, Solver]:
    if isinstance(solvers, str) or hasattr(solvers, "advance"):
        solvers = [solvers]
    if isinstance(solvers, Mapping):
        found = {str(label): make_solver(solver) for label, solver in solvers.items()}
    else:
        made = [make_solver(solver) for solver in _listed(solvers, "solvers")]
        found = dict(zip(_distinct(solver.info.name for solver in made), made, strict=True))
    if not found:
        raise InvalidInputError("no solver to race")
    return found


def _listed(values: Any, name: str) -> list[Any]:
    if not isinstance(values, Iterable):
        raise InvalidTypeError(f"{name} must be one, a sequence or a mapping, got {values!r}")
    return list(values)


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


def _distinct(names: Iterable[str]) -> list[str]:
    names = list(names)
    counts: dict[str, int] = {}
    out = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        out.append(f"{name} {counts[name]}" if names.count(name) > 1 else name)
    return out


def _repeat_seed(seed: Seed, repeat: int) -> Seed:
    return seed if repeat == 0 else seed_of(stream(seed, f"repeat {repeat}"))


def _redraw(instance: Instance | Problem, seed: Seed, repeat: int) -> Instance | Problem:
    if repeat == 0 or not isinstance(instance, Instance) or instance.recipe is None:
        return instance
    return build(replace(instance.recipe, seed=_repeat_seed(seed, repeat)))
