"""Solvers by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from .._registry import Registry
from ..errors import IncompatibleError, InvalidTypeError, unknown_name
from ..problem import Instance, Problem
from ._protocol import Solver, SolverInfo

C = TypeVar("C", bound=type)

registry: Registry[type[Solver]] = Registry("solver", "lowrank_la.solvers")


def register(info: SolverInfo) -> Callable[[C], C]:
    """Class decorator: put a solver into the registry under ``info.name``."""

    def add(cls: C) -> C:
        cls.info = info  # type: ignore[attr-defined]
        registry.add(info.name, cls)
        return cls

    return add


def available_solvers(problem: Problem | Instance | None = None) -> list[str]:
    """Names of all solvers, or of those that can take a problem.

    Parameters
    ----------
    problem : Problem or Instance, optional
        If given, only solvers that do not refuse it.

    Returns
    -------
    list of str
    """
    if isinstance(problem, Instance):
        problem = problem.problem
    return [
        name for name in registry if problem is None or registry[name].info.why_not(problem) is None
    ]


def solver_info(name: str) -> SolverInfo:
    """The card of the solver of this name.

    Parameters
    ----------
    name : str
        Registry name.

    Returns
    -------
    SolverInfo

    Raises
    ------
    UnknownNameError
        If there is no such solver; the message holds the nearest name.
    """
    return registry[name].info


def make_solver(solver: str | Solver, options: dict[str, Any] | None = None) -> Solver:
    """A configured solver from a name and options, or from a solver and changes to it.

    Raises
    ------
    UnknownNameError
        For a name or an option that does not exist.
    """
    from dataclasses import replace

    options = options or {}
    if isinstance(solver, type) and hasattr(solver, "info"):
        solver = solver.info.name
    if not isinstance(solver, str):
        if not hasattr(solver, "info") or not hasattr(solver, "advance"):
            raise InvalidTypeError(f"solver must be a name or a solver, got {solver!r}")
        _check_options(type(solver), options)
        return replace(solver, **options)  # type: ignore[type-var]
    cls = registry[solver]
    _check_options(cls, options)
    return cls(**options)


def _check_options(cls: type[Solver], options: dict[str, Any]) -> None:
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            raise unknown_name(f"option of {cls.info.name}", name, known)


def refuse_if_unfit(solver: Solver, problem: Problem) -> None:
    """Raise if the solver cannot take the problem, and say who can.

    Raises
    ------
    IncompatibleError
    """
    reason = solver.info.why_not(problem)
    if reason is not None:
        able = available_solvers(problem)
        who = f"these can: {', '.join(able)}" if able else "no registered solver can"
        raise IncompatibleError(f"{reason}; {who}")
