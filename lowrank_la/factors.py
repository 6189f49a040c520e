"""A low-rank matrix kept as two factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ._typing import Array, Shape
from .errors import InvalidInputError, InvalidTypeError, TooLargeError

_CHUNK = 1 << 16


def _factor(value: Any, name: str) -> Array:
    array = np.asarray(value)
    if array.ndim != 2:
        raise InvalidInputError(f"{name} must be a matrix, got shape {array.shape}")
    if array.dtype.kind not in "fciub":
        raise InvalidTypeError(f"{name} must hold numbers, got dtype {array.dtype}")
    if array.dtype.kind in "iub":
        array = array.astype(float)
    return np.ascontiguousarray(array)


@dataclass(frozen=True, eq=False)
class Factors:
    """The matrix ``X = left @ right.conj().T``; nothing of size n1 x n2 is formed.

    Parameters
    ----------
    left : array, shape (n1, r)
        Left factor, real or complex.
    right : array, shape (n2, r)
        Right factor. For a symmetric (Hermitian) positive semidefinite matrix pass the
        same array twice.

    Raises
    ------
    InvalidInputError
        If the factors are not matrices with the same number of columns.
    """

    left: Array
    right: Array

    def __post_init__(self) -> None:
        same = self.right is self.left
        object.__setattr__(self, "left", _factor(self.left, "left"))
        object.__setattr__(self, "right", self.left if same else _factor(self.right, "right"))
        if self.left.shape[1] != self.right.shape[1]:
            raise InvalidInputError(
                f"left has {self.left.shape[1]} columns and right has {self.right.shape[1]}; "
                f"both must have as many as the rank"
            )

    @property
    def shape(self) -> Shape:
        """Shape (n1, n2) of the matrix."""
        return self.left.shape[0], self.right.shape[0]

    @property
    def rank(self) -> int:
        """Number of columns of the factors; the matrix may have a lower rank."""
        return int(self.left.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the entries."""
        return np.result_type(self.left, self.right)

    @property
    def symmetric(self) -> bool:
        """Whether both factors are one array, so that X is symmetric PSD by construction."""
        return self.right is self.left

    @property
    def H(self) -> Factors:
        """The conjugate transpose."""
        return self if self.symmetric else Factors(self.right, self.left)

    def astype(self, dtype: Any) -> Factors:
        """The same matrix with factors of another data type."""
        left = self.left.astype(dtype, copy=False)
        return Factors(left, left if self.symmetric else self.right.astype(dtype, copy=False))

    def isfinite(self) -> bool:
        """Whether all numbers in the factors are finite."""
        return bool(
            np.isfinite(self.left).all() and (self.symmetric or np.isfinite(self.right).all())
        )

    @cached_property
    def _cores(self) -> tuple[Array, Array]:
        core = _core(self.left)
        return core, core if self.symmetric else _core(self.right)

    def norm(self) -> float:
        """Frobenius norm of the matrix."""
        a, b = self._cores
        return float(np.linalg.norm(a @ b.conj().T))

    def inner(self, other: Factors) -> complex | float:
        """Inner product ``trace(X^H Y)`` with another matrix of the same shape."""
        self._same_shape(other)
        gram = (self.left.conj().T @ other.left) * (self.right.T @ other.right.conj())
        total = gram.sum()
        return complex(total) if np.iscomplexobj(total) else float(total)

    def distance(self, other: Factors) -> float:
        """Frobenius norm of the difference of two matrices.

        Computed from the QR factors of the stacked factors: through inner products half
        of the digits would be lost.
        """
        self._same_shape(other)
        left = _core(np.hstack([self.left, -other.left]))
        right = _core(np.hstack([self.right, other.right]))
        return float(np.linalg.norm(left @ right.conj().T))

    def _same_shape(self, other: Factors) -> None:
        if self.shape != other.shape:
            raise InvalidInputError(f"shapes differ: {self.shape} and {other.shape}")

    def svd(self) -> tuple[Array, Array, Array]:
        """Thin singular value decomposition.

        Returns
        -------
        U : array, shape (n1, k), s : array, shape (k,), V : array, shape (n2, k)
            With ``X = U @ diag(s) @ V.conj().T`` and k = min(n1, n2, r).
        """
        q1, a = np.linalg.qr(self.left)
        q2, b = (q1, a) if self.symmetric else np.linalg.qr(self.right)
        u, s, vh = np.linalg.svd(a @ b.conj().T, full_matrices=False)
        return q1 @ u, s, q2 @ vh.conj().T

    def singular_values(self) -> Array:
        """Singular values of the matrix, in descending order."""
        a, b = self._cores
        return np.linalg.svd(a @ b.conj().T, compute_uv=False)

    def balanced(self) -> Factors:
        """The same matrix with ``left^H left = right^H right``, diagonal and descending."""
        if self.symmetric:
            u, s, _ = np.linalg.svd(self.left, full_matrices=False)
            left = u * s
            return Factors(left, left)
        u, s, v = self.svd()
        root = np.sqrt(s)
        return Factors(u * root, v * root)

    def entries(self, i: Any, j: Any) -> Array:
        """Entries ``X[i, j]`` at the given positions, in chunks.

        Parameters
        ----------
        i, j : array of int, shape (k,)
            Row and column indices.

        Raises
        ------
        InvalidInputError
            If an index lies outside the shape, or the lengths differ.
        """
        rows, cols = check_positions(i, j, self.shape)
        out = np.empty(rows.size, self.dtype)
        for start in range(0, rows.size, _CHUNK):
            s = slice(start, start + _CHUNK)
            out[s] = np.einsum("kq,kq->k", self.left[rows[s]], self.right[cols[s]].conj())
        return out

    def to_dense(self, *, limit: int = 10**8) -> Array:
        """The full matrix, shape (n1, n2).

        Parameters
        ----------
        limit : int
            Largest number of entries that is formed.

        Raises
        ------
        TooLargeError
            If the matrix has more entries than `limit`.
        """
        n1, n2 = self.shape
        if n1 * n2 > limit:
            raise TooLargeError(
                f"a dense {n1} x {n2} matrix has {n1 * n2:.3g} entries, more than the limit of "
                f"{limit:.3g}; use entries(i, j) for the ones you need, or raise limit="
            )
        return self.left @ self.right.conj().T

    def __repr__(self) -> str:
        n1, n2 = self.shape
        kind = "symmetric " if self.symmetric else ""
        return f"<{kind}Factors {n1} x {n2}, rank {self.rank}, {self.dtype}>"


def _core(factor: Array) -> Array:
    """The triangular factor of a QR decomposition."""
    core: Any = np.linalg.qr(factor, mode="r")
    return core


def enclosing_shape(i: Array, j: Array) -> Shape:
    """The smallest shape that holds the positions (whether they are any is checked elsewhere)."""
    n1, n2 = (int(p.max(initial=0)) + 1 if p.dtype.kind in "iu" else 1 for p in (i, j))
    return n1, n2


def check_positions(i: Any, j: Any, shape: Shape) -> tuple[Array, Array]:
    """Row and column indices as int64 arrays inside `shape`."""
    out = []
    for values, name, n in ((i, "row", shape[0]), (j, "column", shape[1])):
        index = np.asarray(values)
        if index.ndim != 1:
            raise InvalidInputError(
                f"{name} indices must be one-dimensional, got shape {index.shape}"
            )
        if index.size and index.dtype.kind not in "iu":
            raise InvalidTypeError(f"{name} indices must be integers, got dtype {index.dtype}")
        index = index.astype(np.int64, copy=False)
        if index.size and (index.min() < 0 or index.max() >= n):
            outside = np.flatnonzero((index < 0) | (index >= n))
            raise InvalidInputError(
                f"{name} index {index[outside[0]]} at position {outside[0]} lies outside the "
                f"shape {shape[0]} x {shape[1]} (indices start at 0)"
            )
        out.append(index)
    if out[0].size != out[1].size:
        raise InvalidInputError(
            f"{out[0].size} row indices but {out[1].size} column indices; lengths must agree"
        )
    return out[0], out[1]
