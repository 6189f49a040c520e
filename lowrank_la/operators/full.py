"""Observation of every entry."""

from __future__ import annotations

from typing import Any

from .. import _check
from .._typing import Array
from ..factors import Factors

__all__ = ["FullObservation"]


class FullObservation:
    """Every entry of the matrix, rows first: ``A(X) = vec(X)``, m = n1 n2.

    The measurements are as large as the matrix, so this operator forms it.

    Parameters
    ----------
    shape : tuple of int
        Shape (n1, n2) of the matrix.
    """

    dtype = None
    isometry = 1.0

    def __init__(self, shape: Any) -> None:
        self.shape = _check.shape_of(shape)
        self.size = self.shape[0] * self.shape[1]

    def forward(self, X: Factors) -> Array:
        """All entries of X, shape (n1 n2,)."""
        return X.to_dense(limit=self.size).ravel()

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``Z @ R`` with z as an n1 x n2 matrix."""
        return z.reshape(self.shape) @ R

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``Z^H @ L`` with z as an n1 x n2 matrix."""
        # conj(L^H Z)^T touches the large matrix once, in its own order.
        return (L.conj().T @ z.reshape(self.shape)).conj().T

    def as_matrix(self) -> Any:
        """The identity on vec(X)."""
        from scipy import sparse

        return sparse.eye_array(self.size, format="csr")

    def __repr__(self) -> str:
        return f"<FullObservation {self.shape[0]} x {self.shape[1]}>"
