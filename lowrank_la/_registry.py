"""Registries that fill themselves: one new file in a package is one new name.

A registry walks the public modules of a package at first use, and then the entry-point
group of the same name, through which other distributions add theirs.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from importlib import metadata
from types import ModuleType
from typing import Any, Generic, TypeVar

from .errors import LowRankError, unknown_name

T = TypeVar("T")


def public_modules(package: str) -> Iterator[ModuleType]:
    """Import and yield the modules of a package whose names do not start with "_"."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not module.name.startswith("_"):
            yield importlib.import_module(f"{package}.{module.name}")


def attach(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Module-level `__getattr__` and `__dir__`: the names in `__all__` of the public modules."""

    def names() -> dict[str, ModuleType]:
        return {name: module for module in public_modules(package) for name in module.__all__}

    def getattr_(name: str) -> Any:
        # Dunder look-ups (by inspect, pickle, ...) must not import the whole package.
        module = None if name.startswith("__") else names().get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(module, name)
        # Found once: the next look-up does not come here.
        setattr(importlib.import_module(package), name, value)
        return value

    return getattr_, lambda: sorted(names())


class Registry(Generic[T]):
    """Names of one kind ("solver", "problem") and what they stand for.

    Parameters
    ----------
    kind : str
        Word used in messages.
    package : str
        Package whose public modules register themselves when imported; its dotted name
        is also the entry-point group.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._entries: dict[str, T] = {}
        self._filled = False

    def add(self, name: str, entry: T) -> None:
        """Register `entry`; a name can be taken once."""
        if name in self._entries:
            raise LowRankError(f"two {self.kind}s are named {name!r}")
        self._entries[name] = entry

    def _fill(self) -> None:
        if self._filled:
            return
        for _ in public_modules(self.package):
            pass
        for point in metadata.entry_points(group=self.package):
            point.load()
        # Set last: an import that fails must fail again, not leave half a registry.
        self._filled = True

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return iter(sorted(self._entries))

    def __getitem__(self, name: str) -> T:
        self._fill()
        if name not in self._entries:
            raise unknown_name(self.kind, name, self._entries)
        return self._entries[name]
