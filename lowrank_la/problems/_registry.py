"""Problem generators by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .._registry import Registry
from ..errors import unknown_name
from ..problem import Instance, Recipe

F = TypeVar("F", bound=Callable[..., Instance])


@dataclass(frozen=True)
class Generator:
    """A generator and what is said of it.

    Attributes
    ----------
    name : str
    summary : str
    make : callable
        The public function.
    example : dict
        Keyword arguments of a small instance, for tests and listings.
    """

    name: str
    summary: str
    make: Callable[..., Instance]
    example: dict[str, Any]


registry: Registry[Generator] = Registry("problem", "lowrank_la.problems")


def register(summary: str, **example: Any) -> Callable[[F], F]:
    """Decorator: put a generator into the registry under its own name."""

    def add(function: F) -> F:
        registry.add(function.__name__, Generator(function.__name__, summary, function, example))
        return function

    return add


def build(recipe: Recipe) -> Instance:
    """Make the instance of a recipe again, to the same bits.

    Parameters
    ----------
    recipe : Recipe
        From ``instance.recipe``, or ``Recipe.from_json``.

    Returns
    -------
    Instance
    """
    make = registry[recipe.name].make
    known = inspect.signature(make).parameters
    for name in recipe.parameters:
        if name not in known:
            raise unknown_name(f"parameter of {recipe.name}", name, known)
    return make(**recipe.parameters, rng=recipe.seed)


def available_problems() -> list[str]:
    """Names of all problem generators."""
    return list(registry)


def problem_info(name: str) -> Generator:
    """The card of the generator of this name.

    Parameters
    ----------
    name : str
        Registry name.

    Returns
    -------
    Generator

    Raises
    ------
    UnknownNameError
        If there is no such generator.
    """
    return registry[name]
