"""Tangent vectors of the manifold of matrices of fixed rank."""

from __future__ import annotations

from typing import NamedTuple

from .._typing import Array
from ._descent import inner


class Tangent(NamedTuple):
    """``U core V^H + left V^H + U right^H`` with ``U^H left = 0`` and ``V^H right = 0``."""

    core: Array
    left: Array
    right: Array

    def plus(self, scale: float, other: Tangent) -> Tangent:
        """The tangent vector ``self + scale other`` at the same point."""
        factor = self.core.real.dtype.type(scale)
        return Tangent(*(a + factor * b for a, b in zip(self, other, strict=True)))

    def inner(self, other: Tangent) -> float:
        """Real part of the inner product of the two matrices."""
        return sum(inner(a, b) for a, b in zip(self, other, strict=True))
