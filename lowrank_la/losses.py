"""Losses on the residual vector; for complex residuals they act on the modulus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from . import _check
from ._typing import Array

__all__ = ["Absolute", "Huber", "Loss", "Squared"]


@runtime_checkable
class Loss(Protocol):
    """What a problem needs of a loss."""

    smooth: ClassVar[bool]

    def value(self, residual: Array) -> float:
        """The loss, summed over the residual, in float64."""
        ...

    def slope(self, residual: Array) -> Array:
        """Derivative, or one subgradient, entry by entry; same dtype as the residual."""
        ...


@dataclass(frozen=True)
class Squared:
    """Half the sum of squares, ``1/2 |e|^2``."""

    smooth: ClassVar[bool] = True
    # Code and parameter by which kernels know this loss.
    code: ClassVar[int] = 0
    parameter: ClassVar[float] = 0.0

    def value(self, residual: Array) -> float:
        """Half the sum of squared moduli."""
        return 0.5 * float(np.sum(np.abs(residual) ** 2, dtype=float))

    def slope(self, residual: Array) -> Array:
        """The residual itself."""
        return residual


@dataclass(frozen=True)
class Absolute:
    """Sum of absolute values, ``|e|``; not smooth."""

    smooth: ClassVar[bool] = False
    code: ClassVar[int] = 1
    parameter: ClassVar[float] = 0.0

    def value(self, residual: Array) -> float:
        """Sum of moduli."""
        return float(np.sum(np.abs(residual), dtype=float))

    def slope(self, residual: Array) -> Array:
        """Sign of the residual, ``e / |e|``, and zero at zero."""
        return np.sign(residual)


@dataclass(frozen=True)
class Huber:
    """Quadratic up to `delta`, linear beyond: ``delta (|e| - delta / 2)``.

    Parameters
    ----------
    delta : float
        Residual at which the loss turns linear, in the units of the data; positive.
    """

    delta: float = 1.0
    smooth: ClassVar[bool] = True
    code: ClassVar[int] = 2

    def __post_init__(self) -> None:
        _check.number(self.delta, "delta", low=np.finfo(float).tiny)

    @property
    def parameter(self) -> float:
        """The parameter that kernels take."""
        return float(self.delta)

    def value(self, residual: Array) -> float:
        """Sum of Huber losses of the moduli."""
        size = np.abs(residual)
        inside = np.minimum(size, self.delta)
        return float(np.sum(inside * (size - 0.5 * inside), dtype=float))

    def slope(self, residual: Array) -> Array:
        """Residual, shrunk to modulus `delta` where larger."""
        size = np.abs(residual)
        scale = self.delta / np.maximum(size, self.delta)
        return residual * scale.astype(size.dtype)
