"""Any scipy LinearOperator on vec(X) as a measurement operator."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError
from ..factors import Factors
from ._protocol import positive

__all__ = ["FromLinearOperator"]


class FromLinearOperator:
    """Measurements by a scipy ``LinearOperator`` (or matrix) on vec(X), rows first.

    Such an operator asks for vec(X), so X is formed at every call; write the three methods
    on factors yourself where that is too much.

    Parameters
    ----------
    linear : scipy.sparse.linalg.LinearOperator, array or sparse array, shape (m, n1 n2)
        With `matvec` and `rmatvec`.
    shape : tuple of int
        Shape (n1, n2) of the matrix.
    isometry : float, optional
        The c with ``E[A* A] = c I``. Default: ``|A(X)|^2 / |X|^2`` averaged over `samples`
        Gaussian X drawn with `rng`.
    samples : int
        Number of draws for the estimate.
    rng : int, Generator or None
        Source of randomness for the estimate.

    Raises
    ------
    InvalidInputError
        If the number of columns is not n1 n2.
    """

    def __init__(
        self,
        linear: Any,
        shape: Any,
        *,
        isometry: float | None = None,
        samples: int = 8,
        rng: Any = 0,
    ) -> None:
        from scipy.sparse.linalg import aslinearoperator

        self.shape = _check.shape_of(shape)
        try:
            self.linear = aslinearoperator(linear)
        except TypeError as error:
            raise InvalidTypeError(
                f"expected a LinearOperator or a matrix, got {type(linear).__name__}"
            ) from error
        columns = self.shape[0] * self.shape[1]
        if self.linear.shape[1] != columns:
            raise InvalidInputError(
                f"the operator takes vectors of length {self.linear.shape[1]}, but a "
                f"{self.shape[0]} x {self.shape[1]} matrix has {columns} entries"
            )
        self.size = int(self.linear.shape[0])
        try:
            self.linear.rmatvec(np.zeros(self.size, self.linear.dtype))
        except NotImplementedError as error:
            raise InvalidTypeError(
                "the operator has no rmatvec, which the adjoint needs; give it one"
            ) from error
        samples = _check.count(samples, "samples", low=1)
        self.dtype = np.dtype(complex) if self.linear.dtype.kind == "c" else None
        if isometry is None:
            draws = stream(seed_of(rng), "isometry").standard_normal((samples, columns))
            isometry = sum(
                float(np.linalg.norm(self.linear.matvec(x)) ** 2 / np.linalg.norm(x) ** 2)
                for x in draws
            ) / len(draws)
        self.isometry = positive(isometry, "isometry")

    def forward(self, X: Factors) -> Array:
        """Measurements of X, shape (m,)."""
        return _in_precision_of(X.left, self.linear.matvec(X.to_dense().ravel()))

    def _adjoint(self, z: Array) -> Array:
        return _in_precision_of(z, self.linear.rmatvec(z)).reshape(self.shape)

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(z) @ R``, shape (n1, r)."""
        return self._adjoint(z) @ R

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(z)^H @ L``, shape (n2, r)."""
        return self._adjoint(z).conj().T @ L

    def __repr__(self) -> str:
        n1, n2 = self.shape
        return f"<FromLinearOperator {n1} x {n2}, {self.size} measurements>"


def _in_precision_of(given: Array, values: Array) -> Array:
    # A float64 operator must not turn a float32 problem into a float64 one.
    kind = np.complex64 if values.dtype.kind == "c" else np.float32
    return values.astype(np.result_type(given.real.dtype, kind), copy=False)
