"""What a run looks like from outside: views of single iterates, and the trace of all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ._lazy import require
from ._typing import Array
from .errors import InvalidInputError, InvalidTypeError, unknown_name
from .factors import Factors
from .problem import Evaluation, Problem, Truth, relative_gradient
from .solvers._protocol import Solver

__all__ = ["OBSERVERS", "Trace", "View"]


@dataclass(frozen=True, eq=False)
class View:
    """One iterate, read-only; costly quantities are computed when asked for.

    Attributes
    ----------
    iteration : int
    seconds : float
        Time spent in the solver since iteration 0.
    X : Factors
        The iterate.
    problem : Problem
    truth : Truth or None
        Given to observers only.
    idle : int
        Looks in a row at which the factors had not moved beyond rounding.
    solver : Solver
    state : object
        The solver's state; not to be written to.
    """

    iteration: int
    seconds: float
    X: Factors
    problem: Problem
    truth: Truth | None
    idle: int
    solver: Solver
    state: Any

    def __repr__(self) -> str:
        return f"<View of iteration {self.iteration}, {self.seconds:.3g} s: {self.X}>"

    @cached_property
    def _evaluation(self) -> Evaluation | None:
        return self.solver.evaluation(self.problem, self.state)

    @cached_property
    def objective(self) -> float:
        """The problem's objective at the iterate."""
        # The gradient comes with the objective; where nobody asked for it, less work will do.
        known = self.gradient if "gradient" in self.__dict__ else self._evaluation
        return self.problem.objective(self.X) if known is None else known.value

    @cached_property
    def gradient(self) -> Evaluation:
        """Objective and gradient at the iterate."""
        return self._evaluation or self.problem.evaluate(self.X)

    @cached_property
    def stationarity(self) -> float:
        """Relative gradient, free of the gauge: see `lowrank_la.stopping.Stationary`."""
        known = self.solver.stationarity(self.problem, self.state)
        if known is not None:
            return known
        shrinks = self.problem.nuclear > 0 or getattr(self.solver, "ridge", 0.0) > 0
        return relative_gradient(self.problem, self.X, self.gradient, shrinks=shrinks)

    @cached_property
    def rel_error(self) -> float:
        """``|X - X*|_F / |X*|_F``; needs an Instance."""
        if self.truth is None:
            raise InvalidInputError(
                "rel_error needs the truth: solve an Instance, not a bare Problem"
            )
        return self.truth.relative_error(self.X)

    @property
    def finite(self) -> bool:
        """Whether factors and objective are finite."""
        return self.X.isfinite() and bool(np.isfinite(self.objective))

    def observe(self, name: str) -> float:
        """The named quantity."""
        if name not in OBSERVERS:
            raise unknown_name("observer", name, OBSERVERS)
        return OBSERVERS[name](self)


def _imbalance(view: View) -> float:
    left, right = view.X.left, view.X.right
    difference = left.conj().T @ left - right.conj().T @ right
    return float(np.linalg.norm(difference))


def _excess(view: View) -> float:
    """The singular value after the true rank, relative to the largest of the truth."""
    if view.truth is None:
        raise InvalidInputError("excess_singular_value needs the truth: solve an Instance")
    rank = view.truth.factors.rank
    values = view.X.singular_values()
    return float(values[rank] / view.truth.singular_values[0]) if values.size > rank else 0.0


OBSERVERS: dict[str, Callable[[View], float]] = {
    "objective": lambda view: view.objective,
    "rel_error": lambda view: view.rel_error,
    "stationarity": lambda view: view.stationarity,
    "step": lambda view: float(getattr(view.state, "step", np.nan)),
    "imbalance": _imbalance,
    "excess_singular_value": _excess,
}


def observers_from(observe: Any, has_truth: bool) -> dict[str, Callable[[View], float]]:
    """What is recorded: the default, names, functions of a view, or a mapping of both.

    Raises
    ------
    UnknownNameError, InvalidTypeError
        For a name that does not exist, or something that cannot be called.
    """
    chosen = {"objective": OBSERVERS["objective"]}
    if has_truth:
        chosen["rel_error"] = OBSERVERS["rel_error"]
    if observe is None:
        return chosen
    if isinstance(observe, str) or callable(observe):
        observe = [observe]
    if isinstance(observe, Mapping):
        items = list(observe.items())
    elif isinstance(observe, Iterable):
        items = [(o if isinstance(o, str) else getattr(o, "__name__", "?"), o) for o in observe]
    else:
        raise InvalidTypeError(
            f"observe must be names or functions, or a mapping from labels to them, got {observe!r}"
        )
    labels = [label for label, _ in items]
    for label in labels:
        if label in ("iteration", "seconds") or labels.count(label) > 1:
            raise InvalidInputError(
                f"two columns of the trace would be called {label!r}; give labels of your own: "
                f"observe={{label: function}}"
            )
    for label, what in items:
        if isinstance(what, str):
            if what not in OBSERVERS:
                raise unknown_name("observer", what, OBSERVERS)
            what = OBSERVERS[what]
        if not callable(what):
            raise InvalidTypeError(f"an observer must be a name or a function, got {what!r}")
        if what is OBSERVERS["rel_error"] and not has_truth:
            raise InvalidInputError(
                "rel_error needs the truth: solve an Instance, not a bare Problem"
            )
        chosen[label] = what
    return chosen


@dataclass(eq=False)
class Trace(Mapping[str, Array]):
    """Columns of numbers, one row per look at the run.

    Always there: "iteration", "seconds" (spent in the solver since iteration 0) and
    "objective"; "rel_error" given an Instance; and what was observed.

    Attributes
    ----------
    columns : dict of list
        What `append` filled; read through the mapping instead, which gives arrays.
    init_seconds : float
        Time of the solver's set-up and first gradient, compilation included; not in the
        "seconds" column.
    """

    columns: dict[str, list[float]] = field(default_factory=dict)
    init_seconds: float = 0.0

    def append(self, row: Mapping[str, float]) -> None:
        """Add one row; the first fixes the columns."""
        if not self.columns:
            self.columns = {name: [] for name in row}
        for name, column in self.columns.items():
            column.append(row[name])

    def __getitem__(self, name: str) -> Array:
        if name not in self.columns:
            raise unknown_name("trace column", name, self.columns)
        return np.asarray(self.columns[name], dtype=int if name == "iteration" else float)

    def __repr__(self) -> str:
        return f"<Trace of {self.n_rows} looks: {', '.join(self)}>"

    def __contains__(self, name: object) -> bool:
        # The mixin's own waits for a KeyError.
        return name in self.columns

    def get(self, name: str, default: Any = None) -> Any:
        """The column, or `default` where there is none."""
        return self[name] if name in self else default  # noqa: SIM401 - that is this method

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def n_rows(self) -> int:
        """Number of looks."""
        return len(next(iter(self.columns.values()), ()))

    def first(self, name: str, threshold: float) -> int | None:
        """The first recorded iteration at which a column is at most `threshold`; None if none."""
        hits = np.flatnonzero(self[name] <= threshold)
        return int(self["iteration"][hits[0]]) if hits.size else None

    def to_pandas(self) -> Any:
        """The columns as a DataFrame."""
        pandas = require("pandas", extra="tables", purpose="Trace.to_pandas")
        return pandas.DataFrame({name: self[name] for name in self})

    @classmethod
    def from_columns(cls, columns: Mapping[str, Any], init_seconds: float) -> Trace:
        """A trace from arrays."""
        return cls(
            {name: list(np.asarray(v).tolist()) for name, v in columns.items()}, init_seconds
        )
