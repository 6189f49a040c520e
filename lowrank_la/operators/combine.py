"""New operators from old ones, without new kernels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from .._check import vector
from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError
from ..factors import Factors
from ._protocol import ABILITIES, MeasurementOperator, matrix_of

__all__ = ["Counted", "Stacked", "Subset", "Weighted"]

# What a wrapper passes on without counting.
PLAIN = (
    *("prepare", "row_counts", "column_counts", "identity_share", "tangent_limit"),
    *("projections", "forms"),
)


def _operator(value: Any) -> MeasurementOperator:
    if not isinstance(value, MeasurementOperator):
        raise InvalidTypeError(f"expected a measurement operator, got {type(value).__name__}")
    return value


class Subset:
    """Some of the measurements of another operator: mini-batches, sample splitting.

    Parameters
    ----------
    base : MeasurementOperator
        The operator to choose from.
    index : array of int or bool
        The measurements to keep, in this order.

    Raises
    ------
    InvalidInputError
        If an index lies outside the measurements, or is listed twice.
    """

    def __init__(self, base: MeasurementOperator, index: Any) -> None:
        positions = np.arange(_operator(base).size)
        chosen = np.asarray(index)
        try:
            self.index = positions[chosen if chosen.size else chosen.astype(int)]
        except IndexError as error:
            raise InvalidInputError(f"index does not fit {base.size} measurements") from error
        if self.index.ndim != 1 or np.unique(self.index).size != self.index.size:
            raise InvalidInputError("index must be a vector without repeated positions")
        self.base = base
        self.shape, self.dtype, self.size = base.shape, base.dtype, int(self.index.size)
        self.isometry = base.isometry * (self.size / base.size if self.size else 1.0)

    def _spread(self, z: Array) -> Array:
        full = np.zeros(self.base.size, z.dtype)
        full[self.index] = z
        return full

    def forward(self, X: Factors) -> Array:
        """The chosen measurements of X."""
        return self.base.forward(X)[self.index]

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(z) @ R``."""
        return self.base.adjoint_right(self._spread(z), R)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(z)^H @ L``."""
        return self.base.adjoint_left(self._spread(z), L)

    def as_matrix(self) -> Any:
        """The chosen rows of the matrix on vec(X)."""
        return matrix_of(self.base)[self.index]


class Weighted:
    """Measurements times weights: ``w * A(X)``; data must be weighted alike.

    Parameters
    ----------
    base : MeasurementOperator
        The operator whose measurements are weighted.
    weights : array, shape (m,)
        One real weight per measurement, for example one over its standard deviation.

    Raises
    ------
    InvalidInputError
        If the length is not m, a weight is not finite, or all are zero.
    """

    def __init__(self, base: MeasurementOperator, weights: Any) -> None:
        self.base = _operator(base)
        self.weights = vector(weights, "weights", size=base.size)
        if self.weights.dtype.kind == "c" or not self.weights.any():
            raise InvalidInputError("weights must be real and not all zero")
        self.shape, self.dtype, self.size = base.shape, base.dtype, base.size
        self.isometry = base.isometry * float(np.mean(self.weights.astype(float) ** 2))

    def _times(self, z: Array) -> Array:
        return z * self.weights.astype(z.real.dtype)

    def forward(self, X: Factors) -> Array:
        """Weighted measurements of X."""
        return self._times(self.base.forward(X))

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(w z) @ R``."""
        return self.base.adjoint_right(self._times(z), R)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(w z)^H @ L``."""
        return self.base.adjoint_left(self._times(z), L)

    def as_matrix(self) -> Any:
        """Weighted rows of the matrix on vec(X)."""
        from scipy import sparse

        return sparse.diags_array(self.weights) @ matrix_of(self.base)


class Stacked:
    """Measurements of several operators on the same matrix, one after another.

    Parameters
    ----------
    parts : sequence of MeasurementOperator
        Operators with one shape.

    Raises
    ------
    InvalidInputError
        If there is no part, or the shapes differ.
    """

    def __init__(self, parts: Sequence[MeasurementOperator]) -> None:
        if not isinstance(parts, Sequence):
            raise InvalidTypeError(f"parts must be a sequence of operators, got {parts!r}")
        self.parts = tuple(_operator(part) for part in parts)
        shapes = {part.shape for part in self.parts}
        if len(shapes) != 1:
            raise InvalidInputError(f"parts must have one shape, got {sorted(shapes)}")
        self.shape = self.parts[0].shape
        self.size = sum(part.size for part in self.parts)
        types = [part.dtype for part in self.parts if part.dtype is not None]
        self.dtype = np.result_type(*types) if types else None
        self.isometry = sum(part.isometry for part in self.parts)
        self._cuts = np.cumsum([part.size for part in self.parts])[:-1]

    def forward(self, X: Factors) -> Array:
        """All measurements of X."""
        return np.concatenate([part.forward(X) for part in self.parts])

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``sum_k A_k*(z_k) @ R``."""
        pieces = zip(self.parts, np.split(z, self._cuts), strict=True)
        return np.sum([part.adjoint_right(piece, R) for part, piece in pieces], axis=0)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``sum_k A_k*(z_k)^H @ L``."""
        pieces = zip(self.parts, np.split(z, self._cuts), strict=True)
        return np.sum([part.adjoint_left(piece, L) for part, piece in pieces], axis=0)

    def as_matrix(self) -> Any:
        """The matrices on vec(X), one above another."""
        from scipy import sparse

        blocks = [matrix_of(part) for part in self.parts]
        if any(sparse.issparse(block) for block in blocks):
            return sparse.vstack([sparse.csr_array(block) for block in blocks])
        return np.vstack(blocks)


class Counted:
    """The same operator, with its calls counted in `calls`.

    Parameters
    ----------
    base : MeasurementOperator
        The operator to watch.

    Attributes
    ----------
    calls : collections.Counter
        Number of calls by method name, abilities included.
    """

    def __init__(self, base: MeasurementOperator) -> None:
        self.base = _operator(base)
        self.calls: Counter[str] = Counter()
        self.shape, self.dtype, self.size = base.shape, base.dtype, base.size
        self.isometry = base.isometry
        # Set on the instance, where protocols look for them.
        for name in ABILITIES:
            if hasattr(base, name):
                setattr(self, name, partial(self._call, name))
        for name in PLAIN:
            if hasattr(base, name):
                setattr(self, name, getattr(base, name))

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        self.calls[name] += 1
        return getattr(self.base, name)(*args, **kwargs)

    def forward(self, X: Factors) -> Array:
        """As the base."""
        return self._call("forward", X)

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """As the base."""
        return self._call("adjoint_right", z, R)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """As the base."""
        return self._call("adjoint_left", z, L)
