"""What descent methods need of a step rule."""

from __future__ import annotations

from typing import ClassVar, Protocol, runtime_checkable

from ._line import Line


@runtime_checkable
class Step(Protocol):
    """What a descent method needs of a step rule."""

    needs_residual: ClassVar[bool]
    oracle: ClassVar[tuple[str, ...]]

    def length(self, line: Line, unit: float, previous: float) -> float:
        """Step length along the line; `previous` is the last one, 0 at first."""
        ...
