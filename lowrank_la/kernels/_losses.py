"""The losses that kernels know, by integer codes."""

from __future__ import annotations

from typing import Any

from ._jit import inline

SQUARED, ABSOLUTE, HUBER = 0, 1, 2


@inline
def value(code: int, parameter: float, residual: Any) -> float:
    """The loss of one residual."""
    size = abs(residual)
    if code == SQUARED or (code == HUBER and size <= parameter):
        return 0.5 * size * size
    if code == ABSOLUTE:
        return size
    return parameter * (size - 0.5 * parameter)


@inline
def slope(code: int, parameter: float, residual: Any) -> Any:
    """Its derivative, a subgradient at zero."""
    if code == SQUARED:
        return residual
    size = abs(residual)
    if code == HUBER and size <= parameter:
        return residual
    if size == 0.0:
        return residual
    if code == ABSOLUTE:
        return residual * type(residual)(1.0 / size)
    return residual * type(residual)(parameter / size)
