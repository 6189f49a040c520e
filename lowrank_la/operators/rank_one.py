"""Rank-one measurement matrices: quadratic and bilinear sensing, phase retrieval."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError, TooLargeError
from ..factors import Factors
from ..kernels import _chunks, quadratic
from ..losses import Loss, Squared
from ._forms import LANES, Forms, total
from ._protocol import positive
from ._rows import as_finite, squared_norms

__all__ = ["RankOneSensing"]

# Vectors of one block stay in cache between residual and adjoint.
BLOCK = 256
# Most numbers that `as_matrix` stores.
MATRIX_LIMIT = 10**8


class RankOneSensing:
    """Rank-one measurements ``A(X)_i = a_i^H X b_i``; no ``a_i b_i^H`` is ever formed.

    Without right vectors the measurements are quadratic, ``a_i^H X a_i``: the operator is
    symmetric, sees the Hermitian part of X only and has real values. With X of rank one that
    is phase retrieval from intensities.

    Parameters
    ----------
    left_vectors : array, shape (m, n1)
        The vectors ``a_i`` as rows, not conjugated; real or complex. float32 vectors with
        float64 data compute in float64.
    right_vectors : array, shape (m, n2), optional
        The vectors ``b_i`` as rows. Default: the left ones, quadratic measurements.
    isometry : float, optional
        The c with ``E[A* A] = c I``. Default: from the norms of the vectors, exact on average
        for directions that are uniformly distributed. For quadratic measurements this leaves
        out the multiple of the trace that ``E[A* A]`` has besides (see `identity_share`).

    Raises
    ------
    InvalidInputError
        If an array is not a matrix, is not finite, or the two differ in length.
    InvalidTypeError
        If an array does not hold numbers.

    Notes
    -----
    Contiguous arrays are kept as they are, shared with the caller and not copied: writing to
    them afterwards changes the operator. Of large double-precision vectors of quadratic
    measurements the start `weighted_spectral` and the solver `quadratic_cg` keep a copy in
    single precision.

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la import Factors, operators
    >>> operator = operators.RankOneSensing([[1.0, 0.0], [1.0, 1.0]])
    >>> x = np.array([[2.0], [-3.0]])
    >>> operator.forward(Factors(x, x))
    array([4., 1.])
    """

    def __init__(
        self, left_vectors: Any, right_vectors: Any = None, *, isometry: float | None = None
    ) -> None:
        self._left = _vectors(left_vectors, "left_vectors")
        self.symmetric = right_vectors is None
        self._right = self._left if self.symmetric else _vectors(right_vectors, "right_vectors")
        if len(self._left) != len(self._right):
            raise InvalidInputError(
                f"{len(self._left)} left_vectors but {len(self._right)} right_vectors; each "
                f"measurement takes one of both"
            )
        self.size = len(self._left)
        self.shape = _check.shape_of((self._left.shape[1], self._right.shape[1]))
        # Products with the left vectors, a pass over them each.
        self.forms = Forms(self._left)
        self._squares = (self.forms.squares, *map(squared_norms, self._distinct[1:]))
        for name, array, squares in zip(
            ("left_vectors", "right_vectors"), self._distinct, self._squares, strict=False
        ):
            as_finite(array, name, squares)
        is_complex = np.iscomplexobj(self._left) or np.iscomplexobj(self._right)
        self.dtype = np.dtype(complex if is_complex else float)
        if isometry is None:
            isometry = self._mean_isometry() if self.size else 1.0
        self.isometry = positive(isometry, "isometry")

    def _mean_isometry(self) -> float:
        n1, n2 = self.shape
        total = float(np.sum(self._squares[0] * self._squares[-1]))
        if not self.symmetric:
            return total / (n1 * n2)
        # For a of fixed length in a uniformly random direction
        # E (a^H X a)^2 = |a|^4 (2 |X|^2 + (tr X)^2) / (n (n + 2)), complex: n (n + 1) and no 2.
        return total / (n1 * (n1 + 1)) if self.dtype.kind == "c" else 2 * total / (n1 * (n1 + 2))

    @property
    def _distinct(self) -> tuple[Array, ...]:
        return (self._left,) if self.symmetric else (self._left, self._right)

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
    ) -> RankOneSensing:
        """Gaussian vectors, scaled so that `isometry` is one.

        Parameters
        ----------
        size : int
            Number m of measurements.
        shape : tuple of int
            Shape (n1, n2).
        symmetric : bool
            Quadratic measurements.
        dtype : data type
            float64, float32, complex128 or complex64: the type of the vectors.
        rng : int, Generator or None
            Source of randomness.
        limit_bytes : float
            Largest amount of memory taken for the vectors.

        Returns
        -------
        RankOneSensing

        Raises
        ------
        InvalidInputError
            If the shape is not square though symmetric.
        TooLargeError
            If the vectors would take more than `limit_bytes`.
        """
        kind = _check.float_type(dtype, "dtype")
        n1, n2 = _check.shape_of(shape)
        m = _check.count(size, "measurements", low=1)
        if symmetric and n1 != n2:
            raise InvalidInputError(f"symmetric=True needs a square shape, got {n1} x {n2}")
        needed = float(m) * (n1 if symmetric else n1 + n2) * kind.itemsize
        if needed > limit_bytes:
            raise TooLargeError(
                f"{m} vectors of each side take {needed / 1e9:.1f} GB, more than the limit of "
                f"{limit_bytes / 1e9:.1f} GB; take fewer measurements or dtype='float32'"
            )
        seed = seed_of(rng)
        # The second moment of a real quadratic form is twice that of a bilinear one.
        second = 2.0 if symmetric and kind.kind == "f" else 1.0
        scale = (second * m) ** -0.25

        def vectors(name: str, n: int) -> Array:
            generator = stream(seed, name)
            out = np.empty((m, n), kind)
            out[...] = generator.standard_normal((m, n))
            if kind.kind == "c":
                out += 1j * generator.standard_normal((m, n))
            out *= scale / np.sqrt(2.0 if kind.kind == "c" else 1.0)
            return out

        left = vectors("left vectors", n1)
        return cls(left, None if symmetric else vectors("right vectors", n2), isometry=1.0)

    def identity_share(self, data: Array) -> float:
        """The multiple of the identity in the mean of ``A*(data) / isometry``, besides X.

        For quadratic measurements with Gaussian vectors ``E[A* A](X)`` is
        ``c (X + tr(X) I / 2)``, without the 1/2 for complex ones, and the mean of the data
        tells the trace. Spectral starts subtract it; bilinear measurements have none.

        Parameters
        ----------
        data : array, shape (m,)
            The measurements.
        """
        if not self.symmetric or not self.size:
            return 0.0
        lengths = np.sum(self._squares[0])
        trace = self.shape[0] * float(np.sum(data.real, dtype=float) / lengths)
        return trace if self.dtype.kind == "c" else 0.5 * trace

    def projections(self, L: Array) -> Array:
        """``a_i^H L``, shape (m, r): what quadratic measurements are made of."""
        if L.dtype.kind == self._left.dtype.kind:
            return self.forms.products(L)
        return _products(self._left, L)

    def _lanes(self, task: Any, width: int) -> list[Any]:
        work = float(self.size) * sum(self.shape) * width
        return _chunks.run(task, _chunks.even_borders(self.size, LANES), work)

    def _products(self, rows: slice, X: Factors) -> tuple[Array, Array]:
        """``a_i^H L`` and ``b_i^H R`` for a block of measurements."""
        left = _products(self._left[rows], X.left)
        if self.symmetric and X.symmetric:
            return left, left
        return left, _products(self._right[rows], X.right)

    def _measured(self, left: Array, right: Array) -> Array:
        y = np.einsum("ij,ij->i", left, right.conj())
        return y.real if self.symmetric else y

    def _measured_type(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Precision of the matrix, complex if the measurements are."""
        precision = np.zeros(0, dtype).real.dtype
        is_complex = self.dtype.kind == "c" or dtype.kind == "c"
        if self.symmetric or not is_complex:
            return precision
        return np.result_type(precision, np.complex64)

    def forward(self, X: Factors) -> Array:
        """Measurements of X, shape (m,)."""
        if self._is_form(X):
            u = self.forms.row_products(self.forms.rows(X.left))
            return np.sum(u * u, axis=1)
        out = np.empty(self.size, self._measured_type(X.dtype))

        def lane(lo: int, hi: int) -> None:
            for rows in _blocks(lo, hi):
                out[rows] = self._measured(*self._products(rows, X))

        self._lanes(lane, X.rank)
        return out

    def _is_form(self, *points: Factors) -> bool:
        """Whether kernels for quadratic forms will do: one factor, complex only if vectors are."""
        return self.symmetric and all(
            X.symmetric and (X.dtype.kind == self._left.dtype.kind) for X in points
        )

    def _form_sums(
        self, x: Array, d: Array, data: Array, code: int, parameter: float
    ) -> tuple[float, Array]:
        """Sum of the losses, and gradient in the factor that `x` came from."""
        forms = self.forms

        def lane(lo: int, hi: int) -> tuple[float, Array]:
            out = np.zeros_like(x)
            found = quadratic.form_sums(lo, hi, forms.real, x, d, data, code, parameter, out)
            return float(found), out

        parts = _chunks.run(lane, forms.cuts, float(2 * forms.real.size * len(x)))
        gradient = forms.from_rows(total([part[1] for part in parts]))
        return float(sum(part[0] for part in parts)), gradient

    def _adjoint(self, z: Array, factor: Array, outer: Array, inner: Array) -> Array:
        """``sum_i z_i outer_i (inner_i^H factor)``."""
        weights = z.real if self.symmetric else z
        precision = np.result_type(weights, factor).type(0).real.dtype
        kind = np.result_type(weights, factor, outer, inner).kind
        dtype = np.result_type(precision, np.complex64) if kind == "c" else precision

        if self.symmetric and self.size and factor.dtype.kind == self._left.dtype.kind:
            return self.forms.normal_product(weights, factor)

        def lane(lo: int, hi: int) -> Array:
            out = np.zeros((outer.shape[1], factor.shape[1]), dtype)
            for rows in _blocks(lo, hi):
                products = _products(inner[rows], factor)
                out += outer[rows].T @ (weights[rows, None] * products)
            return out

        if not self.size:
            return np.zeros((outer.shape[1], factor.shape[1]), dtype)
        return total(self._lanes(lane, 2 * factor.shape[1]))

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(z) @ R``, shape (n1, r)."""
        return self._adjoint(z, R, self._left, self._right)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(z)^H @ L``, shape (n2, r)."""
        return self._adjoint(np.conj(z), L, self._right, self._left)

    def prepare(self, data: Array) -> Array:
        """The data as they are."""
        return data

    def loss_gradient(
        self, X: Factors, prepared: Array, loss: Loss
    ) -> tuple[float, Array, Array | None]:
        """Loss and both slopes; each block of vectors is read once."""
        data = prepared.real if self.symmetric else prepared
        single = self.symmetric and X.symmetric
        code = getattr(loss, "code", None)
        if code is not None and self.size and self._is_form(X):
            x = self.forms.rows(X.left)
            parameter = float(loss.parameter)  # type: ignore[attr-defined]
            value, gradient = self._form_sums(
                x, x[:0], data.astype(x.dtype, copy=False), code, parameter
            )
            return value, gradient, None
        precision = np.zeros(0, np.result_type(X.dtype, data.dtype)).real.dtype
        is_complex = "c" in (self.dtype.kind, X.dtype.kind, data.dtype.kind)
        dtype = np.result_type(precision, np.complex64) if is_complex else precision
        measured = self._measured_type(X.dtype)

        def lane(lo: int, hi: int) -> tuple[float, Array, Array]:
            value = 0.0
            left = np.zeros(X.left.shape, dtype)
            right = np.zeros((0 if single else X.right.shape[0], X.rank), dtype)
            for rows in _blocks(lo, hi):
                u, v = self._products(rows, X)
                residual = self._measured(u, v).astype(measured, copy=False) - data[rows]
                value += loss.value(residual)
                slope = loss.slope(residual)[:, None]
                left += self._left[rows].T @ (slope * v)
                if not single:
                    right += self._right[rows].T @ (slope.conj() * u)
            return value, left, right

        values, lefts, rights = zip(*self._lanes(lane, 4 * X.rank), strict=True)
        return float(sum(values)), total(lefts), None if single else total(rights)

    def normal_product(self, X: Factors, D: Factors) -> tuple[Array, Array]:
        """``A*(t) R`` and ``A*(t)^H L`` with ``t = A(dL R^H + L dR^H)``, in one pass."""
        if self.size and self._is_form(X, D):
            x, d = (self.forms.rows(Y.left) for Y in (X, D))
            zero = np.zeros(self.size, x.dtype)
            _, image = self._form_sums(x, d, zero, Squared.code, 0.0)
            return image, image
        single = self.symmetric and X.symmetric and D.symmetric
        dtype = np.result_type(X.dtype, D.dtype, self._measured_type(X.dtype))
        dtype = np.result_type(dtype, np.complex64) if self.dtype.kind == "c" else dtype
        rank = X.rank

        def lane(lo: int, hi: int) -> tuple[Array, Array]:
            left = np.zeros(X.left.shape, dtype)
            right = np.zeros((0 if single else X.right.shape[0], rank), dtype)
            for rows in _blocks(lo, hi):
                (u, du), (v, dv) = self._pairs(rows, X, D)
                image = self._measured(du, v) + self._measured(u, dv)
                left += self._left[rows].T @ (image[:, None] * v)
                if not single:
                    right += self._right[rows].T @ (image.conj()[:, None] * u)
            return left, right

        lefts, rights = zip(*self._lanes(lane, 6 * rank), strict=True)
        left = total(lefts)
        return left, left if single else total(rights)

    def _pairs(
        self, rows: slice, X: Factors, D: Factors
    ) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """``a_i^H (L, dL)`` and ``b_i^H (R, dR)`` for a block of measurements."""
        rank = X.rank
        both = Factors(
            np.hstack([X.left, D.left]),
            np.hstack([X.right, D.right]),
        )
        if self.symmetric and X.symmetric and D.symmetric:
            both = Factors(both.left, both.left)
        left, right = self._products(rows, both)
        return (left[:, :rank], left[:, rank:]), (right[:, :rank], right[:, rank:])

    def line_sums(self, X: Factors, D: Factors, prepared: Array) -> Array:
        """Inner products of e, a1 and a2 in one pass: the squared loss along ``X + t D``."""
        if self._is_form(X, D):
            x, d = (self.forms.rows(Y.left) for Y in (X, D))
            u = self.forms.row_products(np.vstack([x, d]))
            u, du = u[:, : len(x)], u[:, len(x) :]
            measured = np.sum(u * u, axis=1) - prepared.real
            return _products_of(measured, 2 * np.sum(u * du, axis=1), np.sum(du * du, axis=1))

        def lane(lo: int, hi: int) -> Array:
            out = np.zeros(6)
            for rows in _blocks(lo, hi):
                (u, du), (v, dv) = self._pairs(rows, X, D)
                parts = (
                    self._measured(u, v) - (prepared.real if self.symmetric else prepared)[rows],
                    self._measured(du, v) + self._measured(u, dv),
                    self._measured(du, dv),
                )
                pairs = [(a, b) for a in range(3) for b in range(a, 3)]
                out += [np.sum((parts[a].conj() * parts[b]).real, dtype=float) for a, b in pairs]
            return out

        return total(self._lanes(lane, 4 * X.rank))

    @property
    def tangent_limit(self) -> int:
        """An inner iteration is cheap: with more unknowns solving costs more."""
        return 300

    def tangent_rows(self, L: Array, R: Array, start: int, stop: int) -> tuple[Array, Array]:
        """Transposes of ``A_i R`` and ``A_i^H L`` for i in [start, stop)."""
        rows = slice(start, stop)
        u = _products(self._left[rows], L)
        P = _products(self._right[rows], R)[:, :, None] * self._left[rows][:, None, :]
        if self.symmetric and R is L:
            return P, P
        return P, u[:, :, None] * self._right[rows][:, None, :]

    def as_matrix(self) -> Array:
        """Dense m x (n1 n2) matrix that takes vec(X), rows first, to the measurements.

        Raises
        ------
        TooLargeError
            If it would have more than 1e8 numbers.
        """
        n1, n2 = self.shape
        if self.size * n1 * n2 > MATRIX_LIMIT:
            raise TooLargeError(
                f"the matrix of this operator would hold {self.size} x {n1 * n2} numbers, more "
                f"than the limit of {MATRIX_LIMIT:.3g}"
            )
        return np.einsum("ki,kj->kij", self._left.conj(), self._right).reshape(self.size, -1)

    def __repr__(self) -> str:
        n1, n2 = self.shape
        kind = "quadratic " if self.symmetric else ""
        return f"<{kind}RankOneSensing {n1} x {n2}, {self.size} measurements {self._left.dtype}>"


def _vectors(value: Any, name: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "fciu":
        raise InvalidTypeError(f"{name} must be numbers, got dtype {array.dtype}")
    if array.ndim != 2:
        raise InvalidInputError(
            f"{name} must be a matrix with one vector per row, got shape {array.shape}"
        )
    if array.dtype.kind in "iu" or array.dtype == np.float16:
        array = array.astype(float)
    return np.ascontiguousarray(array)


def _products_of(*parts: Array) -> Array:
    """Real inner products of each pair, the sums that `line_sums` gives."""
    pairs = [(a, b) for a in range(len(parts)) for b in range(a, len(parts))]
    # Not vdot: its summation order changes with the number of BLAS threads.
    return np.array([np.sum((parts[a].conj() * parts[b]).real, dtype=float) for a, b in pairs])


def _products(vectors: Array, factor: Array) -> Array:
    """``a_i^H F``; the factor is conjugated, since it is the smaller one."""
    return (vectors @ factor.conj()).conj()


def _blocks(lo: int, hi: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, hi)) for start in range(lo, hi, BLOCK)]
