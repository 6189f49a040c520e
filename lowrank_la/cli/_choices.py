"""Problems and solvers from what was typed on the command line."""

from __future__ import annotations

import contextlib
import inspect
import json
import re
from collections.abc import Iterable
from typing import Any

from ..errors import InvalidInputError, unknown_name
from ..problem import Instance
from ..problems import problem_info
from ..solvers import Solver, available_solvers, make_solver, solver_info

# Larger than the examples of the registry, and what the README shows.
DEFAULTS: dict[str, dict[str, Any]] = {
    "completion": {"shape": (60, 50), "rank": 3, "cond": 10.0, "sampling": 0.5},
    "sensing": {"shape": (60, 50), "rank": 3, "cond": 10.0},
}
UNITS = {"s": 1, "m": 60, "h": 3600}
# The methods as their papers print them, with constant steps, which have a predicted rate.
DEFAULT_SOLVERS: dict[str, dict[str, dict[str, Any]]] = {
    "completion": {
        "gd": {"step_size": 0.5},
        "scaledgd": {"step_size": 0.5},
        "scaledgd_lambda": {"step_size": 0.3},
        "altmin": {},
        "convex": {},
    }
}


def make_instance(
    name: str, rows: int | None, columns: int | None, given: dict[str, Any], settings: Iterable[str]
) -> Instance:
    """An instance of the generator `name`.

    Parameters
    ----------
    name : str
        Registry name; what is not given comes from `DEFAULTS` or the generator's example.
    rows, columns : int or None
        Shape, for generators that have one.
    given : dict
        Parameters with options of their own; None for those that were not typed.
    settings : iterable of str
        Further parameters as ``NAME=VALUE``.

    Raises
    ------
    InvalidInputError
        For a parameter that this generator does not have.
    """
    card = problem_info(name)
    known = list(inspect.signature(card.make).parameters)
    parameters = dict(DEFAULTS.get(name, card.example))
    for key, value in given.items():
        if value is not None and value is not False:
            _refuse_unless_known(name, f"--{key.replace('_', '-')}", key, known)
            parameters[key] = value
    if rows is not None or columns is not None:
        _refuse_unless_known(name, "--rows or --columns", "shape", known)
        old = parameters["shape"]
        parameters["shape"] = (rows or old[0], columns or old[1])
    for key, value in map(assignment, settings):
        _refuse_unless_known(name, f"--set {key}", key, known)
        parameters[key] = value
    if name == "sensing" and "measurements" not in parameters:
        shape = parameters["shape"]
        n1, n2 = shape if isinstance(shape, (list, tuple)) else (shape, shape)
        parameters["measurements"] = 5 * (n1 + n2) * parameters["rank"]
    return card.make(**parameters)


def _refuse_unless_known(name: str, option: str, key: str, known: list[str]) -> None:
    if key not in known:
        raise InvalidInputError(
            f"{option}: {name} has no parameter {key!r}; it has {', '.join(known)}"
        )


def make_solvers(names: str | None, options: Iterable[str], instance: Instance) -> dict[str, Any]:
    """Labels and configured solvers from ``a,b`` and ``a.option=value``.

    Raises
    ------
    InvalidInputError
        If no solver is named, or an option is that of another solver.
    UnknownNameError
        For a solver or an option that does not exist.
    """
    defaults: dict[str, dict[str, Any]] = {}
    if names is None:
        defaults = DEFAULT_SOLVERS.get(instance.recipe.name if instance.recipe else "", {})
        chosen = list(defaults) or available_solvers(instance)
    else:
        chosen = list(dict.fromkeys(n.strip() for n in names.split(",") if n.strip()))
    if not chosen:
        raise InvalidInputError("--solvers names no solver")
    for name in chosen:
        solver_info(name)
    configured = {name: dict(defaults.get(name, {})) for name in chosen}
    for key, value in map(assignment, options):
        solver, dot, option = key.partition(".")
        if not dot:
            raise InvalidInputError(f"--option wants SOLVER.NAME=VALUE, got {key!r}")
        if solver not in configured:
            raise unknown_name("solver in this race", solver, configured)
        configured[solver][option] = value
    solvers: dict[str, str | Solver] = {}
    for name, changes in configured.items():
        solvers[name] = make_solver(name, changes)
    return solvers


def assignment(text: str) -> tuple[str, Any]:
    """``NAME=VALUE`` with a value in JSON; what is no JSON is text.

    Raises
    ------
    InvalidInputError
        If there is no equals sign.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInputError(f"expected NAME=VALUE, got {text!r}")
    for candidate in (value, f"[{value}]"):
        # A list of numbers may be written without its brackets.
        with contextlib.suppress(json.JSONDecodeError):
            return name, json.loads(candidate)
    return name, value


def duration(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``20m`` or ``1h``.

    Raises
    ------
    InvalidInputError
        For anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if match is None:
        raise InvalidInputError(f"expected a time such as 90s, 20m or 1h, got {text!r}")
    return float(match[1]) * UNITS[match[2] or "s"]
