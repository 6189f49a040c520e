"""Directions of nonlinear conjugate gradients."""

from __future__ import annotations

from collections.abc import Sequence

from .._typing import Array
from ._descent import inner

# A direction whose slope is a smaller share of that of the preconditioned gradient is dropped.
MIN_SLOPE = 0.1


def conjugate(
    gradient: Sequence[Array],
    z: Sequence[Array],
    before: Sequence[Array],
    direction: Sequence[Array],
    energy: float,
) -> tuple[list[Array], float]:
    """The next direction by the rule PR+, and the inner product of `gradient` with z.

    ``d <- -z + beta d`` with ``beta = max(0, <g - g_old, z> / <g_old, z_old>)``; -z where that
    hardly descends.

    Parameters
    ----------
    gradient, z : sequence of array
        The gradient g, part by part, and the preconditioned one.
    before, direction : sequence of array
        The gradient before, and the direction that led here.
    energy : float
        Its inner product with the preconditioned gradient there.
    """
    now = total(gradient, z)
    beta = max(0.0, (now - total(before, z)) / energy) if energy > 0 else 0.0
    if beta > 0:
        factor = z[0].real.dtype.type(beta)
        turned = [factor * d - part for d, part in zip(direction, z, strict=True)]
        if total(gradient, turned) <= -MIN_SLOPE * now:
            return turned, now
    return [-part for part in z], now


def total(gradient: Sequence[Array], parts: Sequence[Array]) -> float:
    """Inner product of the gradient with a direction, part by part."""
    return sum(inner(g, part) for g, part in zip(gradient, parts, strict=True))
