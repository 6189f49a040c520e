"""Tubal tensors: third-order tensors whose tubes multiply by circular convolution.

Tensors are arrays (n1, n2, k) with the tubes along the last axis. The Fourier transform along
the tubes turns the t-product into k products of matrices. Of a real tensor only the half that
`rfft` gives is kept, which is what keeps decompositions real.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _check
from ._typing import Array
from .errors import InvalidInputError, InvalidTypeError

__all__ = [
    "block_circulant",
    "fold",
    "leading_subspace",
    "orthonormal_part",
    "spectral_norm",
    "subspace_distance",
    "t_identity",
    "t_product",
    "t_svd",
    "t_transpose",
    "unfold",
]


def _tensor(value: Any, name: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fciu":
        raise InvalidTypeError(f"{name} must hold numbers, got dtype {array.dtype}")
    if array.ndim != 3 or 0 in array.shape:
        raise InvalidInputError(
            f"{name} must be a tensor (n1, n2, k) without empty axis, got shape {array.shape}"
        )
    return array.astype(float) if array.dtype.kind in "iu" else array


def _finite(value: Any, name: str) -> Array:
    """A tensor with singular values."""
    array = _tensor(value, name)
    if not np.isfinite(array).all():
        raise InvalidInputError(f"{name} holds NaN or infinite values")
    return array


def _fourier(A: Array) -> Array:
    """Slices of the transform, in front: (k, n1, n2), of a real tensor (k // 2 + 1, n1, n2)."""
    transform: Any = np.fft.fft if A.dtype.kind == "c" else np.fft.rfft
    slices: Array = transform(np.moveaxis(A, 2, 0), axis=0)
    return slices.astype(np.result_type(A.dtype, np.complex64), copy=False)


def _tubes(slices: Array, k: int, dtype: np.dtype[Any]) -> Array:
    """The tensor of Fourier slices that `_fourier` made of one with this type."""
    transform: Any = np.fft.ifft if dtype.kind == "c" else np.fft.irfft
    return np.moveaxis(transform(slices, n=k, axis=0), 0, 2).astype(dtype, copy=False)


def _own_conjugate(k: int) -> list[int]:
    """Fourier slices that a real tensor has real: those without a conjugate partner."""
    return [0, k // 2] if k % 2 == 0 else [0]


def _svd(A: Array) -> tuple[Array, Array, Array]:
    """SVD of every Fourier slice, such that real tensors have real factors."""
    slices = _fourier(A)
    u, s, vh = np.linalg.svd(slices, full_matrices=False)
    if A.dtype.kind != "c":
        # LAPACK is free to turn the singular vectors of these by a phase.
        for j in _own_conjugate(A.shape[2]):
            u[j], s[j], vh[j] = np.linalg.svd(slices[j].real, full_matrices=False)
    return u, s, vh


def t_product(A: Any, B: Any) -> Array:
    """The t-product of two tensors: matrix product with tubes convolved in place of numbers.

    Parameters
    ----------
    A : array, shape (n1, q, k)
    B : array, shape (q, n2, k)

    Returns
    -------
    array, shape (n1, n2, k)

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If these are no tensors of numbers, or their shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la import tubal
    >>> tubal.t_product(np.array([[[1, 2, 0, 0]]]), np.array([[[0, 1, 0, 0]]])).round(12)
    array([[[0., 1., 2., 0.]]])
    """
    A, B = _tensor(A, "A"), _tensor(B, "B")
    if A.shape[1] != B.shape[0] or A.shape[2] != B.shape[2]:
        raise InvalidInputError(
            f"shapes {A.shape} and {B.shape} do not fit: the second axis of A must be the first "
            f"of B, and the tubes must have one length"
        )
    dtype = np.result_type(A, B)
    A, B = A.astype(dtype, copy=False), B.astype(dtype, copy=False)
    return _tubes(_fourier(A) @ _fourier(B), A.shape[2], dtype)


def t_transpose(A: Any) -> Array:
    """The conjugate t-transpose: slices transposed, and all but the first in reverse order.

    Parameters
    ----------
    A : array, shape (n1, n2, k)

    Returns
    -------
    array, shape (n2, n1, k)

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If this is no tensor of numbers.
    """
    A = _tensor(A, "A")
    return A[:, :, -np.arange(A.shape[2])].conj().transpose(1, 0, 2)


def t_identity(n: int, k: int) -> Array:
    """The identity of the t-product: the first slice is the identity, the others are zero.

    Parameters
    ----------
    n : int
        Number of rows and columns.
    k : int
        Length of the tubes.

    Returns
    -------
    array, shape (n, n, k)
    """
    n, k = _check.count(n, "n", low=1), _check.count(k, "k", low=1)
    identity = np.zeros((n, n, k))
    identity[:, :, 0] = np.eye(n)
    return identity


def unfold(A: Any) -> Array:
    """The slices of a tensor, one below another.

    Parameters
    ----------
    A : array, shape (n1, n2, k)

    Returns
    -------
    array, shape (n1 k, n2)
        Row ``m n1 + a`` holds ``A[a, :, m]``.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If this is no tensor of numbers.
    """
    A = _tensor(A, "A")
    return np.ascontiguousarray(A.transpose(2, 0, 1)).reshape(-1, A.shape[1])


def fold(F: Any, k: int) -> Array:
    """The tensor whose slices `unfold` puts one below another.

    Parameters
    ----------
    F : array, shape (n1 k, n2)
    k : int
        Length of the tubes.

    Returns
    -------
    array, shape (n1, n2, k)

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If this is no matrix of numbers, or k does not divide its number of rows.
    """
    F, k = np.asarray(F), _check.count(k, "k", low=1)
    if F.dtype.kind not in "fciu":
        raise InvalidTypeError(f"F must hold numbers, got dtype {F.dtype}")
    if F.ndim != 2 or len(F) % k:
        raise InvalidInputError(
            f"F must be a matrix whose number of rows is a multiple of k = {k}, got shape {F.shape}"
        )
    return F.reshape(k, len(F) // k, F.shape[1]).transpose(1, 2, 0)


def block_circulant(A: Any) -> Array:
    """The matrix that acts on unfolded tensors as A does in the t-product.

    Block (i, j) is slice ``(i - j) mod k``: ``unfold(A * B) = block_circulant(A) @ unfold(B)``.

    Parameters
    ----------
    A : array, shape (n1, n2, k)

    Returns
    -------
    array, shape (n1 k, n2 k)

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If this is no tensor of numbers.
    """
    A = _tensor(A, "A")
    n1, n2, k = A.shape
    place = (np.arange(k)[:, None] - np.arange(k)) % k
    return A[:, :, place].transpose(2, 0, 3, 1).reshape(n1 * k, n2 * k)


def t_svd(A: Any) -> tuple[Array, Array, Array]:
    """Thin singular value decomposition of the t-product, real for a real tensor.

    Parameters
    ----------
    A : array, shape (n1, n2, k)

    Returns
    -------
    U : array, shape (n1, q, k), S : array, shape (q, q, k), V : array, shape (n2, q, k)
        With ``A = U * S * V^H``, q = min(n1, n2), orthonormal U and V, and S zero off the
        diagonal tubes.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If this is no tensor of finite numbers.
    """
    A = _finite(A, "A")
    u, s, vh = _svd(A)
    k = A.shape[2]
    middle = np.eye(s.shape[1]) * s[:, None, :].astype(u.dtype)
    return (
        _tubes(u, k, A.dtype),
        _tubes(middle, k, A.dtype),
        _tubes(vh.conj().transpose(0, 2, 1), k, A.dtype),
    )


def orthonormal_part(A: Any) -> Array:
    """The nearest tensor Q with ``Q^H * Q = I``: the polar factor of every Fourier slice.

    Unlike singular vectors it does not depend on signs that LAPACK chose.

    Parameters
    ----------
    A : array, shape (n1, n2, k)
        Of full tubal rank, n1 >= n2.

    Returns
    -------
    array, shape (n1, n2, k)

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If this is no tensor of finite numbers, n1 < n2, or a Fourier slice is singular.
    """
    A = _finite(A, "A")
    if A.shape[0] < A.shape[1]:
        raise InvalidInputError(f"{A.shape[1]} columns in {A.shape[0]} rows are not independent")
    u, s, vh = _svd(A)
    if not np.all(s[:, -1] > A.shape[0] * np.finfo(s.dtype).eps * s.max()):
        raise InvalidInputError("the tensor does not have full tubal rank: no nearest isometry")
    return _tubes(u @ vh, A.shape[2], A.dtype)


def spectral_norm(A: Any) -> float:
    """The tubal spectral norm: the largest singular value among all Fourier slices.

    Parameters
    ----------
    A : array, shape (n1, n2, k)

    Returns
    -------
    float

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If this is no tensor of finite numbers.
    """
    slices = _fourier(_finite(A, "A"))
    return float(np.linalg.svd(slices, compute_uv=False).max())


def leading_subspace(A: Any, rank: int) -> Array:
    """Orthonormal left singular tensors of the `rank` largest singular values of each slice.

    Parameters
    ----------
    A : array, shape (n1, n2, k)
    rank : int
        Tubal rank, at most min(n1, n2).

    Returns
    -------
    array, shape (n1, rank, k)

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If this is no tensor of finite numbers, or has fewer rows or columns.
    """
    A = _tensor(A, "A")
    rank = _check.rank_of(rank, A.shape[:2])
    return t_svd(A)[0][:, :rank]


def subspace_distance(A: Any, B: Any) -> float:
    """Sine of the largest angle between the column spaces of two orthonormal tensors.

    Parameters
    ----------
    A, B : array, shape (n, r, k)
        With ``A^H * A = I``, as from `leading_subspace` or `orthonormal_part`.

    Returns
    -------
    float
        ``|(I - A * A^H) * B|`` in the tubal spectral norm, between 0 and 1.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        If these are no finite tensors of one shape, or A is not orthonormal.
    """
    A, B = _finite(A, "A"), _finite(B, "B")
    if A.shape != B.shape:
        raise InvalidInputError(f"A and B must have one shape, got {A.shape} and {B.shape}")
    adjoint = t_transpose(A)
    gap = spectral_norm(t_product(adjoint, A) - t_identity(A.shape[1], A.shape[2]))
    if gap > np.sqrt(np.finfo(A.dtype).eps):
        raise InvalidInputError(
            "A is not orthonormal; take leading_subspace or orthonormal_part of it first"
        )
    return spectral_norm(B - t_product(A, t_product(adjoint, B)))
