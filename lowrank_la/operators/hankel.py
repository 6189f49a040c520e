"""Hankel matrices from some of their anti-diagonals: spectral compressed sensing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError, TooLargeError
from ..factors import Factors
from ..losses import Loss, Squared
from ._protocol import positive

__all__ = ["HankelSampling"]

# Largest n1 n2 for which the measurements are held; they are as many as entries.
LIMIT = 10**8


class HankelSampling:
    """Samples ``x_t`` of a signal whose Hankel matrix ``X_ij = x_{i+j}`` has a low rank.

    With ``H_t`` the unit-norm matrix that is constant on anti-diagonal t and zero elsewhere,
    G the map from coefficients to Hankel matrices, and w_t the length of an anti-diagonal, the
    measurements are ``<H_t, X> / sqrt(p)`` for the observed t, which is
    ``sqrt(w_t / p) x_t`` for a Hankel matrix, and then all entries of what is not Hankel,
    ``X - G G* X``. With `lift` for the data the squared loss is

    ``1/(2p) |P(G* X - z)|^2 + 1/2 |X - G G* X|^2``

    (Cai, Wang, Wei 2019; Tong, Ma, Chi 2021). There are n1 n2 measurements of the second
    kind, so that the data take the memory of the matrix once; objective and gradient of that
    loss take FFTs of the factors and no array of that size. The objective is then a
    difference, exact to rounding relative to ``|X|^2``: judge late iterations by
    their stationarity, and step by a constant or the exact line search.

    Parameters
    ----------
    positions : array of int, shape (k,)
        Times t of the observed samples, from 0 to n1 + n2 - 2.
    shape : tuple of int
        Shape (n1, n2) of the Hankel matrix.
    share : float, optional
        The p of the formula. Default: k over the length of the signal.

    Attributes
    ----------
    length : int
        Length n1 + n2 - 1 of the signal.
    positions : array of int
        The times of the observed samples.
    isometry : float
        1, since observed and other anti-diagonals have the weight 1 on average.

    Raises
    ------
    InvalidInputError
        If a position lies outside the signal or is listed twice, or there is none.
    InvalidTypeError
        If positions are not integers.
    TooLargeError
        For more than 1e8 entries.

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la import operators
    >>> operator = operators.HankelSampling([0, 1, 2, 4], (3, 3))
    >>> operator.lift(np.array([1.0, 2.0, 4.0, 16.0])).size
    13
    """

    dtype = None
    isometry = 1.0

    def __init__(self, positions: Any, shape: Any, *, share: float | None = None) -> None:
        n1, n2 = self.shape = _check.shape_of(shape)
        self.length = n1 + n2 - 1
        times = np.asarray(positions)
        if times.ndim != 1 or times.size == 0:
            raise InvalidInputError(
                f"positions must be a vector with at least one time, got shape {times.shape}"
            )
        if times.dtype.kind not in "iu":
            raise InvalidTypeError(f"positions must be integers, got dtype {times.dtype}")
        if times.min() < 0 or times.max() >= self.length:
            raise InvalidInputError(
                f"positions must lie from 0 to {self.length - 1}, the length of a signal with a "
                f"{n1} x {n2} Hankel matrix less one, got {times.min()} to {times.max()}"
            )
        if np.unique(times).size != times.size:
            raise InvalidInputError("a position is listed twice; average its samples first")
        if n1 * n2 > LIMIT:
            raise TooLargeError(
                f"a {n1} x {n2} Hankel matrix has {n1 * n2:.3g} entries, as many as there are "
                f"measurements, more than the limit of {LIMIT:.3g}; thin out or cut the signal"
            )
        self.positions = times.astype(np.int64)
        share = times.size / self.length if share is None else positive(share, "share")
        if share > 1:
            raise InvalidInputError(f"share must be at most 1, got {share}")
        self.share = float(share)
        self.size = times.size + n1 * n2
        steps = np.arange(1.0, self.length + 1)
        self._weights = np.minimum(np.minimum(steps, steps[::-1]), float(min(n1, n2)))
        self._fft_length = _smooth(self.length)

    @property
    def informative(self) -> int:
        """Number of measurements that are no structural zeros: the samples."""
        return int(self.positions.size)

    def degrees_of_freedom(self, rank: int) -> int:
        """Real parameters of a sum of complex sinusoids: amplitude and pole of each."""
        return 4 * rank

    def lift(self, samples: Any) -> Array:
        """The data of a problem from the observed samples.

        Parameters
        ----------
        samples : array, shape (k,)
            The samples at `positions`, real or complex.

        Returns
        -------
        array, shape (k + n1 n2,)
        """
        x = _check.vector(samples, "samples", size=self.positions.size)
        scale = np.sqrt(self._weights[self.positions] / self.share).astype(x.real.dtype)
        return np.concatenate([scale * x, np.zeros(self.size - x.size, x.dtype)])

    def signal(self, X: Factors) -> Array:
        """The whole signal, as averages of X over anti-diagonals, shape (n1 + n2 - 1,).

        Parameters
        ----------
        X : Factors
            A matrix, Hankel up to its error.
        """
        return self._coefficients(X) / self._roots(X.dtype)

    def _roots(self, dtype: Any) -> Array:
        return np.sqrt(self._weights).astype(np.zeros(0, dtype).real.dtype)

    def _transform(self, a: Array) -> Array:
        return np.fft.fft(a, self._fft_length, axis=0)

    def _coefficients(self, X: Factors) -> Array:
        """``G* X``: sums over anti-diagonals are convolutions of the columns."""
        product = self._transform(X.left) * self._transform(X.right.conj())
        sums = np.fft.ifft(product.sum(axis=1))[: self.length]
        return _as(sums, X.dtype) / self._roots(X.dtype)

    def _hankel_right(self, z: Array, R: Array) -> Array:
        """``(G z) @ R`` by correlation."""
        x = self._transform(z / self._roots(z.dtype))[:, None]
        out = np.fft.ifft(x * self._transform(R.conj()).conj(), axis=0)[: self.shape[0]]
        return _as(out, np.result_type(z, R))

    def _hankel_left(self, z: Array, L: Array) -> Array:
        """``(G z)^H @ L``; a Hankel matrix is its own transpose."""
        x = self._transform(z / self._roots(z.dtype))[:, None]
        out = np.fft.ifft(x * self._transform(L).conj(), axis=0)[: self.shape[1]]
        return _as(out.conj(), np.result_type(z, L))

    def _matrix(self, z: Array) -> Array:
        """``G z`` as a read-only view."""
        return np.lib.stride_tricks.sliding_window_view(z / self._roots(z.dtype), self.shape[1])

    def forward(self, X: Factors) -> Array:
        """Observed anti-diagonals, and what is not Hankel; forms the matrix."""
        z = self._coefficients(X)
        out = np.empty(self.size, X.dtype)
        k = self.positions.size
        out[:k] = z[self.positions] * X.left.real.dtype.type(self.share**-0.5)
        rest = out[k:].reshape(self.shape)
        np.subtract(X.to_dense(limit=LIMIT), self._matrix(z), out=rest)
        return out

    def _split(self, z: Array) -> tuple[Array, Array | None]:
        """The adjoint as ``G c + Z``: c and Z, None for zero."""
        k = self.positions.size
        coefficients = np.zeros(self.length, z.dtype)
        coefficients[self.positions] = z[:k] * z.real.dtype.type(self.share**-0.5)
        rest = z[k:].reshape(self.shape)
        if not rest.any():
            return coefficients, None
        sums = np.zeros(self.length, z.dtype)
        for i, row in enumerate(rest):
            sums[i : i + row.size] += row
        return coefficients - sums / self._roots(z.dtype), rest

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(z) @ R``, shape (n1, r)."""
        coefficients, rest = self._split(z)
        out = self._hankel_right(coefficients, R)
        return out if rest is None else out + rest @ R

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(z)^H @ L``, shape (n2, r)."""
        coefficients, rest = self._split(z)
        out = self._hankel_left(coefficients, L)
        return out if rest is None else out + (L.conj().T @ rest).conj().T

    def prepare(self, data: Array) -> tuple[Array, bool]:
        """The data, and whether they ask for a Hankel matrix, as `lift` does."""
        return data, not data[self.positions.size :].any()

    def loss_gradient(
        self, X: Factors, prepared: tuple[Array, bool], loss: Loss
    ) -> tuple[float, Array, Array | None]:
        """Loss and both slopes; for the squared loss of lifted data by FFTs alone.

        With ``g = G* X`` and e the misfit of the observed ones, ``A*(A(X) - y)`` is
        ``X + G(P* e - g)``, and ``|X - G g|^2 = |X|^2 - |g|^2``.
        """
        data, lifted = prepared
        if not (lifted and isinstance(loss, Squared)):
            residual = self.forward(X) - data
            slope = loss.slope(residual)
            return (
                loss.value(residual),
                self.adjoint_right(slope, X.right),
                self.adjoint_left(slope, X.left),
            )
        g = self._coefficients(X)
        root = g.real.dtype.type(self.share**-0.5)
        misfit = root * g[self.positions] - data[: self.positions.size]
        outside = X.norm() ** 2 - float(np.sum(np.abs(g) ** 2, dtype=float))
        slope = -g
        slope[self.positions] += root * misfit
        left = X.left @ (X.right.conj().T @ X.right) + self._hankel_right(slope, X.right)
        right = X.right @ (X.left.conj().T @ X.left) + self._hankel_left(slope, X.left)
        return loss.value(misfit) + 0.5 * max(outside, 0.0), left, right

    def __repr__(self) -> str:
        n1, n2 = self.shape
        return (
            f"<HankelSampling {n1} x {n2}, {self.positions.size} of {self.length} samples "
            f"({self.share:.3g})>"
        )


def _smooth(n: int) -> int:
    """The smallest length from n on without a prime factor above 5."""
    while True:
        rest = n
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return n
        n += 1


def _as(values: Array, dtype: Any) -> Array:
    """Values of a transform in this type; real ones drop the rounding in the imaginary part."""
    real = np.dtype(dtype).kind != "c"
    return np.ascontiguousarray(values.real if real else values, dtype)
