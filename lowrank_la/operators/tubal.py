"""Measurements of tubal tensors, in the form of structured measurements of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError, TooLargeError
from ..factors import Factors
from ..kernels import _chunks, dense
from ..losses import Loss
from ._protocol import positive

__all__ = ["TubalSensing"]

# Fixed, so that partial sums do not depend on the number of threads.
LANES = 8
# Factors of a tensor may have more columns than the unfolded matrix has rows.
MAX_RANK = 1 << 20


class TubalSensing:
    """Linear measurements of a tubal tensor ``T = U * V^H``, seen through unfolded factors.

    With ``L = unfold(U)`` and ``R = unfold(V)`` slice m of T is the sum of the blocks
    (m + j, j) of ``X = L R^H``, so that ``<A_i, T> = <block_circulant(A_i), X>``, and a
    gradient step in L is one in U with the t-product. Any solver for matrices thus works on
    tensors; of X itself only these sums are determined. The products go through the Fourier
    transform, and no block-circulant matrix is formed.

    `isometry` is the mean over all directions, as for every operator. Along block-circulant
    matrices, which errors near a solution may well be, it is up to k times as large: divide
    constant steps by k, or take ``step_size="exact"``.

    Parameters
    ----------
    tensors : array, shape (m, n1, n2, k)
        The measurement tensors.
    symmetric : bool
        Keep only the symmetric part ``(A_i + A_i^H) / 2`` of each tensor, with the conjugate
        t-transpose; nothing else acts on ``U * U^H``. Complex ones have real measurements.
    isometry : float, optional
        The c with ``E[A* A] = c I``. Default: ``sum |A_i|_F^2`` divided by the dimension.

    Attributes
    ----------
    shape : tuple of int
        Shape (n1 k, n2 k) of X.
    tensor_shape : tuple of int
        Shape (n1, n2, k) of T.
    max_rank : int
        Largest number of columns of the factors: more than X has rows is allowed.

    Raises
    ------
    InvalidInputError
        If the array is not (m, n1, n2, k), is not finite, or n1 and n2 differ though symmetric.
    InvalidTypeError
        If it does not hold numbers.
    """

    max_rank = MAX_RANK

    def __init__(
        self, tensors: Any, *, symmetric: bool = False, isometry: float | None = None
    ) -> None:
        array = np.asarray(tensors)
        if array.ndim != 4 or 0 in array.shape:
            raise InvalidInputError(
                f"tensors must be (m, n1, n2, k) and not empty, got shape {array.shape}"
            )
        if array.dtype.kind not in "fciu":
            raise InvalidTypeError(f"tensors must be numbers, got dtype {array.dtype}")
        if array.dtype.kind in "iu":
            array = array.astype(float)
        if not np.isfinite(array).all():
            raise InvalidInputError("tensors hold NaN or infinite values")
        self.size = len(array)
        self._set_up(array.shape[1:], symmetric, array.dtype.kind == "c")
        self._matrix = np.stack([self._pack(np.moveaxis(a, 2, 0)) for a in array])
        if isometry is None:
            isometry = float(np.sum(np.abs(self._matrix) ** 2, dtype=float)) / self._dimension
        self.isometry = positive(isometry, "isometry")

    @classmethod
    def draw(
        cls,
        size: int,
        shape: Any,
        *,
        symmetric: bool = False,
        dtype: Any = float,
        rng: Any = None,
        limit_bytes: float = 16e9,
    ) -> TubalSensing:
        """Gaussian measurement tensors: independent entries N(0, 1/m), or their symmetric part.

        Parameters
        ----------
        size : int
            Number m of measurements.
        shape : tuple of int
            Shape (n1, n2, k) of the tensors.
        symmetric : bool
            The symmetric part of such tensors.
        dtype : data type
            float64, float32, complex128 or complex64: the type of the tensor measured.
        rng : int, Generator or None
            Source of randomness.
        limit_bytes : float
            Largest amount of memory taken for the tensors.

        Raises
        ------
        TooLargeError
            If the tensors would take more than `limit_bytes`.
        """
        self = cls.__new__(cls)
        kind = _check.float_type(dtype, "dtype")
        self.size = _check.count(size, "measurements", low=1)
        self._set_up(shape, symmetric, kind.kind == "c")
        self.isometry = 1.0
        real = np.zeros(0, kind).real.dtype
        numbers = real if symmetric else kind
        needed = self.size * self._dimension * numbers.itemsize
        if needed > limit_bytes:
            raise TooLargeError(
                f"{self.size} measurement tensors of {self._dimension} numbers take "
                f"{needed / 1e9:.1f} GB, more than the limit of {limit_bytes / 1e9:.1f} GB; use "
                f"fewer measurements, or dtype='float32'"
            )
        generator = stream(seed_of(rng), "tensors")
        self._matrix = np.empty((self.size, self._dimension), numbers)
        for row in self._matrix:
            row[...] = generator.standard_normal(row.size)
            if numbers.kind == "c":
                row += 1j * generator.standard_normal(row.size)
        self._matrix *= 1 / np.sqrt(self.size * (2 if numbers.kind == "c" else 1))
        return self

    def _set_up(self, shape: Any, symmetric: bool, is_complex: bool) -> None:
        try:
            sizes = [_check.count(n, "n1, n2 and k", low=1) for n in shape]
            n1, n2, k = sizes
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"shape must be (n1, n2, k), got {shape!r}") from error
        if symmetric and n1 != n2:
            raise InvalidInputError(f"symmetric=True needs n1 = n2, got {n1} and {n2}")
        self.tensor_shape = n1, n2, k
        self.shape = n1 * k, n2 * k
        self.symmetric = bool(symmetric)
        self.dtype = np.dtype(complex if is_complex else float)
        self._dimension = n1 * n2 * k
        if symmetric:
            # Entry (m, a, b) and entry (-m, b, a) are conjugate.
            here = np.arange(self._dimension)
            partner = here.reshape(k, n1, n1)[-np.arange(k)].transpose(0, 2, 1).ravel()
            self._single = here[here == partner]
            self._first = here[here < partner]
            self._second = partner[here < partner]
            if not is_complex:
                self._dimension = self._single.size + self._first.size

    def _pack(self, tensor: Array) -> Array:
        """Coordinates, in which the inner product is that of vectors, of slices (k, n1, n2)."""
        flat = tensor.ravel()
        if not self.symmetric:
            return flat
        half = np.sqrt(0.5).astype(flat.real.dtype)
        pairs = half * (flat[self._first] + flat[self._second].conj())
        pieces = [flat[self._single].real, pairs.real]
        if self.dtype.kind == "c":
            pieces.append(pairs.imag)
        return np.concatenate(pieces)

    def _unpack(self, packed: Array) -> Array:
        n1, n2, k = self.tensor_shape
        if not self.symmetric:
            return packed.reshape(k, n1, n2)
        cut = self._single.size + self._first.size
        pairs = packed[self._single.size : cut]
        if self.dtype.kind == "c":
            pairs = pairs + 1j * packed[cut:]
        pairs = pairs * np.sqrt(0.5).astype(packed.real.dtype)
        flat = np.empty(k * n1 * n2, pairs.dtype)
        flat[self._single] = packed[: self._single.size]
        flat[self._first], flat[self._second] = pairs, pairs.conj()
        return flat.reshape(k, n1, n2)

    def _slices(self, X: Factors) -> Array:
        """The tensor of X, slices in front: (k, n1, n2)."""
        k = self.tensor_shape[2]
        left, right = (factor.astype(X.dtype, copy=False) for factor in (X.left, X.right))
        one = _fourier(left, k)
        other = one if X.symmetric else _fourier(right, k)
        return _back(one @ other.conj().transpose(0, 2, 1), k, X.dtype)

    def tensor(self, X: Factors) -> Array:
        """The tensor ``U * V^H`` of unfolded factors, shape (n1, n2, k).

        Parameters
        ----------
        X : Factors
            With factors (n1 k, r) and (n2 k, r).
        """
        return np.moveaxis(self._slices(X), 0, 2)

    def _cuts(self) -> Array:
        return _chunks.even_borders(self.size, LANES)

    def _measured_type(self, x: Array) -> np.dtype[Any]:
        kind = np.complex64 if self._matrix.dtype.kind == "c" else np.float32
        return np.result_type(x.dtype, kind)

    def forward(self, X: Factors) -> Array:
        """Measurements of the tensor of X, shape (m,)."""
        x = self._pack(self._slices(X))
        out = np.empty(self.size, self._measured_type(x))
        work = float(self._matrix.size)
        _chunks.run(dense.row_products, self._cuts(), work, self._matrix, x, out)
        return out

    def _adjoint(self, z: Array) -> Array:
        """``sum_i z_i A_i``, slices in front: (k, n1, n2)."""
        # Symmetric operators have real measurement functionals.
        weights = z.real if self.symmetric else z
        dtype = self._measured_type(weights)

        def lane(lo: int, hi: int) -> Array:
            out = np.zeros(self._dimension, dtype)
            dense.row_combination(lo, hi, self._matrix, weights.astype(dtype, copy=False), out)
            return out

        lanes = _chunks.run(lane, self._cuts(), float(self._matrix.size))
        return self._unpack(sum(lanes[1:], lanes[0]))

    def _apply(self, tensor: Array, factor: Array, *, adjoint: bool) -> Array:
        """``unfold(A * B)``, or ``unfold(A^H * B)``, for slices of A and unfolded B."""
        k = self.tensor_shape[2]
        dtype = np.result_type(tensor, factor)
        slices = _fourier(tensor.astype(dtype, copy=False).reshape(-1, tensor.shape[2]), k)
        if adjoint:
            slices = slices.conj().transpose(0, 2, 1)
        product = slices @ _fourier(factor.astype(dtype, copy=False), k)
        return _back(product, k, dtype).reshape(-1, factor.shape[1])

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(z) @ R``, the unfolding of ``sum_i z_i A_i * V``, shape (n1 k, r)."""
        return self._apply(self._adjoint(z), R, adjoint=False)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(z)^H @ L``, shape (n2 k, r)."""
        return self._apply(self._adjoint(z), L, adjoint=True)

    def prepare(self, data: Array) -> Array:
        """The data as they are."""
        return data

    def loss_gradient(
        self, X: Factors, prepared: Array, loss: Loss
    ) -> tuple[float, Array, Array | None]:
        """Loss and slopes, with one adjoint for both and one slope where they are the same."""
        residual = self.forward(X) - prepared
        tensor = self._adjoint(loss.slope(residual))
        right = self._apply(tensor, X.right, adjoint=False)
        if X.symmetric and self.symmetric:
            return loss.value(residual), right, None
        return loss.value(residual), right, self._apply(tensor, X.left, adjoint=True)

    def as_matrix(self) -> Array:
        """Dense m x (n1 k n2 k) matrix that takes vec(X), rows first, to the measurements."""
        k = self.tensor_shape[2]
        place = (np.arange(k)[:, None] - np.arange(k)) % k
        return np.stack(
            [self._unpack(row)[place].conj().transpose(0, 2, 1, 3).ravel() for row in self._matrix]
        )

    def __repr__(self) -> str:
        n1, n2, k = self.tensor_shape
        kind = "symmetric " if self.symmetric else ""
        return f"<{kind}TubalSensing {n1} x {n2} x {k}, {self.size} measurements>"


def _fourier(unfolded: Array, k: int) -> Array:
    """Fourier slices (k, n, r), of real factors (k // 2 + 1, n, r), of an unfolded tensor."""
    stacked = unfolded.reshape(k, -1, unfolded.shape[1])
    transform: Any = np.fft.fft if stacked.dtype.kind == "c" else np.fft.rfft
    slices: Array = transform(stacked, axis=0)
    return slices.astype(np.result_type(stacked.dtype, np.complex64), copy=False)


def _back(slices: Array, k: int, dtype: np.dtype[Any]) -> Array:
    transform: Any = np.fft.ifft if dtype.kind == "c" else np.fft.irfft
    stacked: Array = transform(slices, n=k, axis=0)
    return stacked.astype(dtype, copy=False)
