"""Dense measurement matrices, above all Gaussian ones: matrix sensing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._typing import Array, Shape
from ..errors import InvalidInputError, InvalidTypeError, TooLargeError
from ..factors import Factors
from ..kernels import _chunks, dense
from ..losses import Loss, Squared
from ._protocol import positive
from ._rows import as_finite, squared_norms

__all__ = ["GaussianSensing"]

# Rows of the matrix that stay in cache between residual and adjoint.
BLOCK_BYTES = 1 << 18
# Numbers drawn at a time; another value would change which matrices a seed makes.
DRAW_NUMBERS = 1 << 17
# Fixed, so that partial sums do not depend on the number of threads.
LANES = 8


class GaussianSensing:
    """Dense linear measurements ``A(X)_i = <A_i, X>`` of a matrix.

    Use `draw` for Gaussian measurement matrices, or pass your own. Symmetric operators keep
    the scaled half-vectorisation of each ``A_i`` (off-diagonals times sqrt(2)), which halves
    memory and time.

    Parameters
    ----------
    matrices : array, shape (m, n1, n2)
        The measurement matrices. float32 storage with float64 data computes in float64.
    symmetric : bool
        Keep only the symmetric (Hermitian) part of each matrix; nothing else acts on a
        symmetric X. Complex symmetric operators are Hermitian, with real measurements.
    isometry : float, optional
        The c with ``E[A* A] = c I``. Default: ``sum |A_i|_F^2`` divided by the dimension,
        which is exact on average over all directions.

    Raises
    ------
    InvalidInputError
        If the array is not (m, n1, n2), is not finite, or not square though symmetric.

    Notes
    -----
    A contiguous array is kept as it is, shared with the caller and not copied, unless the
    operator is symmetric: writing to it afterwards changes the operator.
    """

    def __init__(
        self, matrices: Any, *, symmetric: bool = False, isometry: float | None = None
    ) -> None:
        array = np.asarray(matrices)
        if array.ndim != 3:
            raise InvalidInputError(f"matrices must be (m, n1, n2), got shape {array.shape}")
        if array.dtype.kind not in "fciu":
            raise InvalidTypeError(f"matrices must be numbers, got dtype {array.dtype}")
        if array.dtype.kind in "iu" or array.dtype == np.float16:
            array = array.astype(float)
        shape = _check.shape_of(array.shape[1:])
        self._set_up(shape, symmetric, np.iscomplexobj(array))
        self.size = len(array)
        self._matrix = self._packed(array)
        squares = squared_norms(self._matrix)
        as_finite(array, "matrices", squares)
        if isometry is None:
            isometry = float(np.sum(squares)) / self._dimension
        self.isometry = positive(isometry, "isometry") if self.size else 1.0

    @classmethod
    def draw(
        cls,
        size: int,
        shape: Any,
        *,
        symmetric: bool = False,
        dtype: Any = float,
        storage: Any = None,
        rng: Any = None,
        limit_bytes: float = 16e9,
    ) -> GaussianSensing:
        """Gaussian measurement matrices with ``E[A* A] = I``.

        Rectangular: independent entries N(0, 1/m). Symmetric: diagonal N(0, 1/m),
        off-diagonal N(0, 1/(2m)), the Gaussian orthogonal (complex: unitary) ensemble.

        Parameters
        ----------
        size : int
            Number m of measurements.
        shape : tuple of int
            Shape (n1, n2).
        symmetric : bool
            Symmetric (complex: Hermitian) matrices.
        dtype : data type
            float64, float32, complex128 or complex64: the type of the matrix measured.
        storage : data type, optional
            Type in which the numbers are kept; float32 halves memory traffic, and rounding
            the matrices only changes which operator is measured. Default: as `dtype`.
        rng : int, Generator or None
            Source of randomness.
        limit_bytes : float
            Largest amount of memory taken for the matrices.

        Raises
        ------
        TooLargeError
            If the matrices would take more than `limit_bytes`.
        """
        self = cls.__new__(cls)
        kind = _check.float_type(dtype, "dtype")
        self._set_up(_check.shape_of(shape), symmetric, kind.kind == "c")
        self.size = _check.count(size, "measurements", low=1)
        self.isometry = 1.0
        numbers = kind if (kind.kind == "c" and not symmetric) else _real_of(kind)
        kept = numbers if storage is None else _check.float_type(storage, "storage")
        if kept.kind != numbers.kind:
            raise InvalidTypeError(f"storage {kept} does not fit {numbers} measurement matrices")
        needed = self.size * self._dimension * kept.itemsize
        if needed > limit_bytes:
            raise TooLargeError(
                f"{self.size} measurement matrices of {self._dimension} numbers take "
                f"{needed / 1e9:.1f} GB, more than the limit of {limit_bytes / 1e9:.1f} GB; use "
                f"storage='float32', fewer measurements, or a structured operator"
            )
        generator = stream(seed_of(rng), "matrices")
        self._matrix = np.empty((self.size, self._dimension), kept)
        rows = max(1, DRAW_NUMBERS // self._dimension)
        for start in range(0, self.size, rows):
            block = self._matrix[start : start + rows]
            block[...] = generator.standard_normal(block.shape)
            if kept.kind == "c":
                block += 1j * generator.standard_normal(block.shape)
        self._matrix *= 1 / np.sqrt(self.size * (2 if kept.kind == "c" else 1))
        return self

    def _set_up(self, shape: Shape, symmetric: bool, is_complex: bool) -> None:
        n1, n2 = self.shape = shape
        self.symmetric = bool(symmetric)
        self.dtype = np.dtype(complex if is_complex else float)
        if symmetric and n1 != n2:
            raise InvalidInputError(f"symmetric=True needs a square shape, got {n1} x {n2}")
        # In these coordinates the inner product of matrices is that of vectors.
        if not symmetric:
            self._dimension = n1 * n2
        else:
            self._dimension = n1 * n1 if is_complex else n1 * (n1 + 1) // 2
            self._upper = np.triu_indices(n1, 1)

    def _pack(self, matrix: Array) -> Array:
        if not self.symmetric:
            return matrix.ravel()
        part = 0.5 * (matrix + matrix.conj().T)
        upper = np.sqrt(2).astype(part.real.dtype) * part[self._upper]
        pieces = [part.diagonal().real, upper.real]
        if self.dtype.kind == "c":
            pieces.append(upper.imag)
        return np.concatenate(pieces)

    def _packed(self, array: Array) -> Array:
        """All matrices, one a row; without a copy where nothing has to be packed."""
        rows = array.reshape(self.size, self.shape[0] * self.shape[1])
        if not self.symmetric:
            return np.ascontiguousarray(rows)
        n, real = self.shape[0], array.real.dtype
        out = np.empty((self.size, self._dimension), real)
        upper = np.ravel_multi_index(self._upper, self.shape)
        lower = np.ravel_multi_index(self._upper[::-1], self.shape)
        scale = real.type(np.sqrt(0.5))
        count = max(1, BLOCK_BYTES // (n * n * array.itemsize))
        for start in range(0, self.size, count):
            block, kept = rows[start : start + count], out[start : start + count]
            # Packing leaves imaginary parts of the diagonal out.
            if not np.isfinite(block).all():
                raise InvalidInputError("matrices hold NaN or infinite values")
            kept[:, :n] = block[:, :: n + 1].real
            a, b = np.take(block, upper, axis=1), np.take(block, lower, axis=1)
            kept[:, n : n + upper.size] = scale * (a.real + b.real)
            if self.dtype.kind == "c":
                kept[:, n + upper.size :] = scale * (a.imag - b.imag)
        return out

    def _unpack(self, packed: Array) -> Array:
        n1, n2 = self.shape
        if not self.symmetric:
            return packed.reshape(n1, n2)
        count = self._upper[0].size
        upper = packed[n1 : n1 + count]
        if self.dtype.kind == "c":
            upper = upper + 1j * packed[n1 + count :]
        upper = upper * np.sqrt(0.5).astype(packed.real.dtype)
        full = np.zeros((n1, n2), upper.dtype)
        full[self._upper] = upper
        full += full.conj().T
        full[np.diag_indices(n1)] = packed[:n1]
        return full

    def _cuts(self) -> Array:
        return _chunks.even_borders(self.size, LANES)

    def _coordinates(self, X: Factors) -> Array:
        # The matrices are as large as X is dense, so forming X costs next to nothing.
        return self._pack(X.to_dense(limit=self.shape[0] * self.shape[1]))

    def _work(self) -> float:
        return float(self._matrix.size)

    def forward(self, X: Factors) -> Array:
        """Measurements of X, shape (m,)."""
        x = self._coordinates(X)
        out = np.empty(self.size, np.result_type(x, self._measured_type(x)))
        _chunks.run(dense.row_products, self._cuts(), self._work(), self._matrix, x, out)
        return out

    def _measured_type(self, x: Array) -> np.dtype[Any]:
        precision = x.real.dtype
        return (
            np.result_type(precision, np.complex64) if self._matrix.dtype.kind == "c" else x.dtype
        )

    def adjoint(self, z: Array) -> Array:
        """``A*(z)``, shape (n1, n2): as large as one measurement matrix, in one pass."""
        # Symmetric operators have real measurement functionals.
        weights = z.real if self.symmetric else z
        dtype = np.result_type(weights, self._measured_type(weights))

        def lane(lo: int, hi: int) -> Array:
            out = np.zeros(self._dimension, dtype)
            dense.row_combination(lo, hi, self._matrix, weights.astype(dtype, copy=False), out)
            return out

        return self._unpack(_sum_lanes(_chunks.run(lane, self._cuts(), self._work())))

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(z) @ R``, shape (n1, r)."""
        return self.adjoint(z) @ R

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(z)^H @ L``, shape (n2, r)."""
        return self.adjoint(z).conj().T @ L

    def prepare(self, data: Array) -> Array:
        """The data as they are."""
        return data

    def loss_gradient(
        self, X: Factors, prepared: Array, loss: Loss
    ) -> tuple[float, Array, Array | None]:
        """Loss and both slopes; each block of measurement matrices is read once."""
        value, left, right, _ = self._one_pass(X, prepared, loss)
        return value, left, right

    def residual_gradient(
        self, X: Factors, prepared: Array, loss: Loss
    ) -> tuple[float, Array, Array | None, Array]:
        """The same, and the residual."""
        return self._one_pass(X, prepared, loss)

    def _one_pass(
        self, X: Factors, prepared: Array, loss: Loss
    ) -> tuple[float, Array, Array | None, Array]:
        value, gradient, residual = self._fused(self._coordinates(X), prepared, loss)
        right = gradient @ X.right
        if X.symmetric and self.symmetric:
            return value, right, None, residual
        return value, right, gradient.conj().T @ X.left, residual

    def _fused(self, x: Array, data: Array, loss: Loss) -> tuple[float, Array, Array]:
        """Loss, ``A*(slope)`` as a matrix, and the residual; the matrices are read once."""
        dtype = np.result_type(x, self._measured_type(x))
        # Symmetric operators have real measurement functionals.
        data = (data.real if self.symmetric else data).astype(dtype, copy=False)
        x = x.astype(dtype, copy=False)
        residual = np.empty(self.size, dtype)
        code = getattr(loss, "code", None)

        def lane(lo: int, hi: int) -> tuple[float, Array]:
            out = np.zeros(self._dimension, dtype)
            if code is not None:
                parameter = float(loss.parameter)  # type: ignore[attr-defined]
                total = dense.residual_sums(
                    lo, hi, self._matrix, x, data, code, parameter, residual, out
                )
                return float(total), out
            total = 0.0
            for start, stop in self._blocks(lo, hi):
                dense.row_products(start, stop, self._matrix, x, residual)
                residual[start:stop] -= data[start:stop]
                total += loss.value(residual[start:stop])
                slope = loss.slope(residual[start:stop])
                dense.row_combination(0, stop - start, self._matrix[start:stop], slope, out)
            return total, out

        parts = _chunks.run(lane, self._cuts(), 2 * self._work())
        gradient = self._unpack(_sum_lanes([part[1] for part in parts]))
        return float(sum(part[0] for part in parts)), gradient, residual

    def _blocks(self, lo: int, hi: int) -> list[tuple[int, int]]:
        """Rows lo..hi-1 in blocks that stay in cache."""
        rows = max(4, BLOCK_BYTES // (self._dimension * self._matrix.itemsize) // 4 * 4)
        return [(start, min(start + rows, hi)) for start in range(lo, hi, rows)]

    def normal_product(self, X: Factors, D: Factors) -> tuple[Array, Array]:
        """``A*(t) R`` and ``A*(t)^H L`` with ``t = A(dL R^H + L dR^H)``, in one pass."""
        x = self._coordinates(_tangent(X, D))
        zero = np.zeros(self.size, x.dtype)
        _, image, _ = self._fused(x, zero, Squared())
        return image @ X.right, image.conj().T @ X.left

    def line_sums(self, X: Factors, D: Factors, prepared: Array) -> Array:
        """Inner products of e, a1 and a2 in one pass: the squared loss along ``X + t D``."""
        points = [self._coordinates(Y) for Y in (X, _tangent(X, D), D)]
        dtype = np.result_type(points[0], self._measured_type(points[0]))
        out = np.empty((3, self.size), dtype)

        def lane(lo: int, hi: int) -> None:
            for start, stop in self._blocks(lo, hi):
                for x, measured in zip(points, out, strict=True):
                    dense.row_products(start, stop, self._matrix, x, measured)

        _chunks.run(lane, self._cuts(), 3 * self._work())
        out[0] -= prepared.real if self.symmetric else prepared
        sums = [
            np.sum((out[a].conj() * out[b]).real, dtype=float)
            for a in range(3)
            for b in range(a, 3)
        ]
        return np.array(sums)

    @property
    def tangent_limit(self) -> int:
        """Twenty times the side of the matrix: an inner iteration reads all measurements."""
        n1, n2 = self.shape
        return int(20 * np.sqrt(n1 * n2))

    def tangent_rows(self, L: Array, R: Array, start: int, stop: int) -> tuple[Array, Array]:
        """Transposes of ``A_i R`` and ``A_i^H L`` for i in [start, stop)."""
        left = np.ascontiguousarray(L.T)
        dtype = np.result_type(left, self._measured_type(left))
        left = left.astype(dtype, copy=False)
        right = left if R is L else np.ascontiguousarray(R.T, dtype)
        block = self._matrix[start:stop]
        P, Q = (np.empty((stop - start, L.shape[1], n), dtype) for n in self.shape)
        if not self.symmetric:
            self._rows(dense.tangent_products, block, left, right, P, Q)
            return P, Q
        if dtype.kind != "c":
            self._rows(dense.packed_products, block, right, P)
            if R is not L:
                self._rows(dense.packed_products, block, left, Q)
        else:
            full = np.stack([self._unpack(row) for row in block])
            # Hermitian, so that the transpose is the conjugate.
            P, Q = right @ full.conj(), left @ full.conj()
        return P, P if R is L else Q

    def _rows(self, task: Any, block: Array, *args: Array) -> None:
        cuts = _chunks.even_borders(len(block), LANES)
        _chunks.run(task, cuts, float(block.size * len(args[0])), block, *args)

    def as_matrix(self) -> Array:
        """Dense m x (n1 n2) matrix that takes vec(X), rows first, to the measurements."""
        if not self.symmetric:
            return self._matrix.conj()
        return np.stack([self._unpack(row).conj().ravel() for row in self._matrix])

    def __repr__(self) -> str:
        n1, n2 = self.shape
        kind = "symmetric " if self.symmetric else ""
        return (
            f"<{kind}GaussianSensing {n1} x {n2}, {self.size} measurements, "
            f"{self._matrix.nbytes / 1e6:.3g} MB {self._matrix.dtype}>"
        )


def _tangent(X: Factors, D: Factors) -> Factors:
    """``dL R^H + L dR^H``."""
    return Factors(np.hstack([D.left, X.left]), np.hstack([X.right, D.right]))


def _real_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.zeros(0, dtype).real.dtype


def _sum_lanes(lanes: list[Array]) -> Array:
    total = lanes[0]
    for lane in lanes[1:]:
        total += lane
    return total
