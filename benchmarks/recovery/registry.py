"""Contenders: functions of a task and a run that return factors or a dense matrix."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .tasks import Task

Solve = Callable[..., Any]


@dataclass(frozen=True)
class Contender:
    """A way to solve tasks of some kinds.

    `settings` are keywords for `solve`, the cheaper ones first; a function of the task may make
    them. `unfit` says why a task is not for this contender, or nothing.
    """

    name: str
    about: str
    kinds: tuple[str, ...]
    solve: Solve
    requires: tuple[str, ...] = ()
    settings: Callable[[Task], Sequence[dict[str, Any]]] = lambda task: ({},)
    unfit: Callable[[str, dict[str, Any]], str | None] = lambda kind, parameters: None

    def missing(self) -> str | None:
        """Why it cannot run here, or nothing."""
        absent = [name for name in self.requires if not _importable(name)]
        return f"not installed: {', '.join(absent)}" if absent else None


def _importable(name: str) -> bool:
    # Looked for, not loaded: the caller may be the process that only collects.
    return importlib.util.find_spec(name) is not None


CONTENDERS: dict[str, Contender] = {}


def contender(
    name: str,
    *kinds: str,
    requires: Sequence[str] = (),
    settings: Sequence[dict[str, Any]] | Callable[[Task], Sequence[dict[str, Any]]] = ({},),
    unfit: Callable[[str, dict[str, Any]], str | None] = lambda kind, parameters: None,
) -> Callable[[Solve], Solve]:
    """Register a package's way to solve; the function's docstring goes into the report."""

    def add(solve: Solve) -> Solve:
        if name in CONTENDERS:
            raise ValueError(f"two contenders are named {name!r}")
        about = " ".join((solve.__doc__ or "").split())
        make = settings if callable(settings) else lambda task: settings
        CONTENDERS[name] = Contender(name, about, kinds, solve, tuple(requires), make, unfit)
        return solve

    return add


def load_packages() -> None:
    """Import all files of `packages/`; they import what they wrap only when they run."""
    from . import packages

    for module in pkgutil.iter_modules(packages.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{packages.__name__}.{module.name}")


def versions() -> dict[str, str]:
    """Versions of the packages that are installed, by name of their distribution."""
    load_packages()
    found: dict[str, str] = {}
    distributions = importlib.metadata.packages_distributions()
    for entry in CONTENDERS.values():
        for module in entry.requires:
            for name in distributions.get(module, ())[:1]:
                found[name] = importlib.metadata.version(name)
    return found


def abouts() -> dict[str, str]:
    """What each package's contender does, by its name."""
    load_packages()
    return {name: entry.about for name, entry in CONTENDERS.items()}
