"""Pieces of work named by their content: one solver on one instance, or one function."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from functools import lru_cache, partial
from pathlib import Path
from types import CodeType
from typing import Any, Protocol

import numpy as np

from .._typing import Array
from ..driver import solve
from ..errors import FileFormatError, InvalidTypeError, LowRankWarning
from ..initial import STARTS
from ..problem import Instance, Recipe
from ..problems import build
from ..result import Status, pack_options
from ..solvers import Solver
from ..stopping import Stop
from ..storage import read, save

__all__ = ["Call", "Cell", "Outcome", "Solve"]

# Part of every key: raise it when stored cells of an older engine must not be used.
REVISION = 2


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a cell gave.

    Attributes
    ----------
    columns : mapping from str to array
        The trace, or what the function returned.
    info : mapping
        JSON-able facts: status, number of iterations.
    seconds : float
        Wall time of the cell.
    """

    columns: Mapping[str, Array]
    info: Mapping[str, Any]
    seconds: float = 0.0

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def last(self, name: str) -> float:
        """The last value of a column."""
        return float(self.columns[name][-1])

    def first(self, name: str, threshold: float) -> float:
        """The first iteration at which a column is at most `threshold`; infinite if none."""
        hits = np.flatnonzero(self.columns[name] <= threshold)
        return float(self.columns["iteration"][hits[0]]) if hits.size else float("inf")


class Cell(Protocol):
    """One piece of work, named by its content."""

    def describe(self) -> dict[str, Any]:
        """All that the outcome depends on, JSON-able."""
        ...

    def run(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Columns and facts."""
        ...


@dataclass(frozen=True, kw_only=True)
class Solve:
    """A solver on a generated instance.

    Attributes
    ----------
    recipe : Recipe
        The instance.
    solver : Solver
        The configured solver.
    rank : int or None
        Columns of the factors; None for the true rank.
    start : str or None
        Name of a start; None for the one that the solver is meant for.
    start_options : mapping
        Its keyword arguments, such as ``init_scale``.
    seed : int or list of int
        Randomness of the start.
    max_iter : int
    stop : Stop or None
        Without one the run takes all its iterations.
    every : int
        Iterations between looks.
    observe : tuple of str, or callable
        Names of observers, or a function of the instance that returns observers by label.
    transform : callable or None
        A change to the instance before it is solved; a function of a module, or a partial of
        one.
    tune : callable or None
        ``tune(solver, instance)``: the solver with options that the instance alone tells, such
        as oracle quantities; a function of a module, or a partial of one.
    predict : bool
        Compute the contraction of the iteration linearised at the truth too.
    """

    recipe: Recipe
    solver: Solver
    rank: int | None = None
    start: str | None = None
    start_options: Mapping[str, Any] = field(default_factory=dict)
    seed: Any = 0
    max_iter: int = 1000
    stop: Stop | None = None
    every: int = 1
    observe: tuple[str, ...] | Callable[[Instance], Mapping[str, Any]] = ()
    transform: Callable[[Instance], Instance] | None = None
    tune: Callable[[Solver, Instance], Solver] | None = None
    predict: bool = False

    def describe(self) -> dict[str, Any]:
        """Recipe, options and limits."""
        return {
            "recipe": json.loads(self.recipe.to_json()),
            "solver": self.solver.info.name,
            "options": pack_options(self.solver),
            "rank": self.rank,
            "start": self.start,
            "start_options": dict(self.start_options),
            "seed": self.seed,
            "max_iter": self.max_iter,
            "stop": repr(self.stop),
            "every": self.every,
            "observe": _name(self.observe) if callable(self.observe) else list(self.observe),
            "transform": None if self.transform is None else _name(self.transform),
            "tune": None if self.tune is None else _name(self.tune),
            "predict": self.predict,
        }

    def run(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Solve, and keep the trace without its seconds."""
        instance = _built(self.recipe.to_json())
        if self.transform is not None:
            instance = self.transform(instance)
        solver = self.solver if self.tune is None else self.tune(self.solver, instance)
        start: Any = self.start
        if self.start is not None and self.start_options:
            start = partial(STARTS[self.start], **self.start_options)
        with warnings.catch_warnings():
            # What a warning would say is in the status and in the numbers.
            warnings.simplefilter("ignore", LowRankWarning)
            result = solve(
                instance,
                solver,
                rank=self.rank,
                start=start,
                stop=self.stop,
                tol=0.0,
                max_iter=self.max_iter,
                every=self.every,
                observe=self.observe(instance) if callable(self.observe) else list(self.observe),
                rng=self.seed,
            )
        if result.status is Status.INTERRUPTED:
            # What there is of the run must not pass for all of it.
            raise KeyboardInterrupt
        columns = {name: result.trace[name] for name in result.trace if name != "seconds"}
        facts = {
            "status": result.status.name,
            "n_iter": result.n_iter,
            "oracle": list(result.oracle_used),
        }
        if self.predict:
            truth = instance.truth.factors
            facts["predicted_rate"] = solver.local_rate(instance.problem, truth)
        return columns, facts


@lru_cache(maxsize=2)
def _built(recipe: str) -> Instance:
    # Cells of one instance follow each other, and drawing it can cost more than solving it.
    return build(Recipe.from_json(recipe))


@dataclass(frozen=True)
class Call:
    """A function of parameters, for claims that are not about runs of a solver.

    Attributes
    ----------
    function : callable
        A function of a module, called with the parameters by name; it returns numbers or
        vectors by label.
    parameters : mapping
        JSON-able.
    """

    function: Callable[..., Mapping[str, Any]]
    parameters: Mapping[str, Any]

    def describe(self) -> dict[str, Any]:
        """The function's name and the parameters."""
        return {"function": _name(self.function), "parameters": dict(self.parameters)}

    def run(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """Call it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LowRankWarning)
            found = self.function(**self.parameters)
        return {name: np.atleast_1d(np.asarray(value)) for name, value in found.items()}, {}


def _name(function: Any) -> Any:
    """A function by its name and its code, so that an edited one is another.

    Functions that it calls are not looked at.

    Raises
    ------
    InvalidTypeError
        For anything but a function of a module, or a partial of one: others can neither be
        sent to a process nor told apart by a name.
    """
    if isinstance(function, partial):
        return [_name(function.func), list(function.args), dict(function.keywords)]
    code = getattr(function, "__code__", None)
    name = f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', '?')}"
    if code is None or "<" in name or hasattr(function, "__self__") or function.__closure__:
        raise InvalidTypeError(
            f"a cell takes functions of a module, or partials of them, got {function!r}; lambdas "
            f"and functions inside others have no name of their own"
        )
    return [name, _digest(code), repr(function.__defaults__), repr(function.__kwdefaults__)]


def _digest(code: CodeType) -> str:
    inner = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner.append(_digest(constant))
        else:
            # The order of a set changes from one process to the next.
            kind = isinstance(constant, frozenset)
            inner.append(repr(sorted(map(repr, constant)) if kind else constant))
    text = repr((code.co_code, inner, code.co_names, code.co_varnames))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def key_of(cell: Cell, version: str) -> str:
    """The name under which an outcome is stored: a hash of all that it depends on."""
    content = {"cell": cell.describe(), "version": version, "engine": REVISION}
    text = json.dumps(content, sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return list(value)
    if is_dataclass(value):
        return repr(value)
    raise TypeError(f"{value!r} cannot be part of a cell's name")


def store(path: Path, outcome: Outcome) -> None:
    """Write an outcome: an .npz of the columns with a JSON header, whole or not at all."""
    header = {"kind": "cell", "info": dict(outcome.info), "seconds": outcome.seconds}
    save(path, header, dict(outcome.columns))


def recall(path: Path) -> Outcome | None:
    """The outcome stored at a path; None if there is none that can be read."""
    try:
        header, arrays = read(path)
    except FileFormatError:
        return None
    if header.get("kind") != "cell" or not {"info", "seconds"} <= set(header):
        return None
    return Outcome(arrays, header["info"], header["seconds"])
