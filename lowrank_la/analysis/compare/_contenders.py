"""Who races: instances and solvers by their labels, and instances drawn again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..._random import Seed, seed_of, stream
from ...errors import InvalidInputError, InvalidTypeError
from ...problem import Instance, Problem
from ...problems import build
from ...solvers import Solver, make_solver


def labelled_instances(instances: Any) -> dict[str, Instance | Problem]:
    """Instances by label; those of one name are numbered."""
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


def labelled_solvers(solvers: Any) -> dict[str, Solver]:
    """Configured solvers by label; those of one name are numbered."""
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


def _distinct(names: Iterable[str]) -> list[str]:
    names = list(names)
    counts: dict[str, int] = {}
    out = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        out.append(f"{name} {counts[name]}" if names.count(name) > 1 else name)
    return out


def repeat_seed(seed: Seed, repeat: int) -> Seed:
    """The seed of a repeat: for the first that of the race."""
    return seed if repeat == 0 else seed_of(stream(seed, f"repeat {repeat}"))


def redraw(instance: Instance | Problem, seed: Seed, repeat: int) -> Instance | Problem:
    """The instance of a repeat: the first as given, others by the recipe, if there is one."""
    if repeat == 0 or not isinstance(instance, Instance) or instance.recipe is None:
        return instance
    return build(replace(instance.recipe, seed=repeat_seed(seed, repeat)))
