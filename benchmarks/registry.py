"""Which peers and floors belong to which workload.

A peer or a floor is a function of the workload that prepares what may be prepared once and
returns what is timed. It returns None where it has nothing to offer for the size at hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["ours", "floor", "peer"]


@dataclass(frozen=True)
class Work:
    """What is timed, and the factor from its seconds to the seconds that count."""

    call: Callable[[], Any]
    scale: float = 1.0


@dataclass(frozen=True)
class Adapter:
    """A peer or a floor: its name in tables, and a sentence about it."""

    kind: Kind
    name: str
    about: str
    make: Callable[[Any], Work | Callable[[], Any] | None]


ADAPTERS: dict[type, list[Adapter]] = {}


def _register(kind: Kind, name: str, workloads: tuple[type, ...]) -> Callable[..., Any]:
    def add(make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        about = " ".join((make.__doc__ or "").split())
        for workload in workloads:
            ADAPTERS.setdefault(workload, []).append(Adapter(kind, name, about, make))
        return make

    return add


def peer(name: str, *workloads: type) -> Callable[..., Any]:
    """Register another way to compute the same numbers; its docstring goes into the report."""
    return _register("peer", name, workloads)


def floor(name: str, *workloads: type) -> Callable[..., Any]:
    """Register work that no formulation can avoid; its docstring goes into the report."""
    return _register("floor", name, workloads)
