"""Vectors ``a_i`` that quadratic forms ``a_i^H X a_i`` are made of, and products with them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .._typing import Array
from ..kernels import _chunks, quadratic
from ._rows import squared_norms

# Vectors of one block stay in cache between products and combination.
BLOCK_BYTES = 1 << 19
# Fixed, so that partial sums do not depend on the number of threads.
LANES = 8
# Bytes of vectors that no cache holds: rounded to single precision they are read in half the time.
LARGE = 1 << 23
# Root mean squares that single precision takes as they are.
USUAL = 1e-6, 1e6


class Forms:
    """Products with vectors and their adjoint, by kernels on real numbers.

    Parameters
    ----------
    vectors : array, shape (m, n)
        The vectors as rows, not conjugated; C order.
    scale : float
        Those meant are these times `scale`.
    narrow : bool
        Bring what is multiplied to the precision of the vectors, and the results back to its
        own. Otherwise results have the precision of what is multiplied.
    """

    def __init__(self, vectors: Array, *, scale: float = 1.0, narrow: bool = False) -> None:
        self.vectors, self.scale, self.narrow = vectors, scale, narrow
        # Real and imaginary parts in turn.
        self.real = vectors.view(vectors.real.dtype)
        self.cuts = _chunks.even_borders(len(vectors), LANES)

    def __reduce__(self) -> tuple[Any, ...]:
        return _made, (self.vectors, self.scale, self.narrow)

    @cached_property
    def squares(self) -> Array:
        """Squared norm of each vector, shape (m,)."""
        return squared_norms(self.vectors)

    @cached_property
    def mean_square(self) -> float:
        """Mean square of an entry."""
        return float(np.sum(self.squares)) / max(1, self.vectors.size) * self.scale**2

    @cached_property
    def rounded(self) -> Forms:
        """The same in single precision; itself where that would save nothing.

        It is kept, half as large as the vectors.
        """
        level = float(np.sqrt(self.mean_square))
        small = self.vectors.nbytes < LARGE or self.real.dtype != np.float64
        if small or not 0.0 < level < np.inf:
            return self
        kind = np.complex64 if self._is_complex else np.float32
        if USUAL[0] < level < USUAL[1]:
            return Forms(self.vectors.astype(kind), narrow=True)
        out = np.empty(self.vectors.shape, kind)
        np.divide(self.vectors, level, out=out, casting="same_kind")
        return Forms(out, scale=level, narrow=True)

    @property
    def _is_complex(self) -> bool:
        return bool(self.vectors.dtype.kind == "c")

    def rows(self, factor: Array) -> Array:
        """Rows x with ``a^H F`` made of the real products of a with them; see `kernels.quadratic`.

        Parameters
        ----------
        factor : array, shape (n, r)

        Returns
        -------
        array, shape (r, n), or (2 r, 2 n) for complex vectors
        """
        columns = np.ascontiguousarray(factor.T)
        if not self._is_complex:
            return columns
        # conj(a) f has the real part <a, f> and the imaginary part <a, -i f> of real vectors.
        both = np.stack([columns, -1j * columns], axis=1).astype(columns.dtype, copy=False)
        return both.reshape(2 * len(columns), -1).view(columns.real.dtype)

    def from_rows(self, rows: Array) -> Array:
        """The combination of vectors whose rows these are, shape (n, r)."""
        if not self._is_complex:
            return np.ascontiguousarray(rows.T)
        pairs = rows.view(np.result_type(rows.dtype, np.complex64))
        return np.ascontiguousarray((pairs[0::2] + 1j * pairs[1::2]).T)

    def row_products(self, x: Array) -> Array:
        """Real products of all vectors with rows, shape (m, len(x)); `scale` left out."""
        out = np.empty((len(self.real), len(x)), x.dtype)
        work = float(self.real.size * len(x))
        _chunks.run(quadratic.form_products, self.cuts, work, self.real, x, out)
        return out

    def products(self, L: Array) -> Array:
        """``a_i^H L``, shape (m, r), in the precision of L."""
        rounded, peak = self._in_range(L)
        out = self.row_products(self.rows(rounded))
        if self._is_complex:
            out = out.view(np.result_type(out.dtype, np.complex64))
        return self._back(out, L.dtype, peak)

    def combination(self, weights: Array) -> Array:
        """``sum_i a_i w_i^T``, the adjoint of `products`: (n, r) from weights (m, r)."""
        rounded, peak = self._in_range(weights)
        w = np.ascontiguousarray(rounded).view(rounded.real.dtype)

        def lane(lo: int, hi: int) -> Array:
            out = np.zeros((w.shape[1], self.real.shape[1]), w.dtype)
            quadratic.form_combination(lo, hi, self.real, w, out)
            return out

        parts = _chunks.run(lane, self.cuts, float(self.real.size * w.shape[1]))
        return self._back(self.from_rows(total(parts)), weights.dtype, peak)

    def normal_product(self, weights: Array, factor: Array) -> Array:
        """``sum_i w_i a_i (a_i^H F)``, shape (n, r); each block of vectors is read once."""
        rounded, peak = self._in_range(factor)
        x = self.rows(rounded)
        scale = weights[:, None].astype(x.dtype, copy=False)
        count = max(4, BLOCK_BYTES // max(1, self.real[:1].nbytes) // 4 * 4)

        def lane(lo: int, hi: int) -> Array:
            out = np.zeros_like(x)
            u = np.empty((min(count, hi - lo), len(x)), x.dtype)
            for start in range(lo, hi, count):
                block = self.real[start : min(start + count, hi)]
                k = len(block)
                quadratic.form_products(0, k, block, x, u)
                u[:k] *= scale[start : start + k]
                quadratic.form_combination(0, k, block, u, out)
            return out

        parts = _chunks.run(lane, self.cuts, float(self.real.size * len(x)))
        return self._back(self.from_rows(total(parts)), factor.dtype, peak * self.scale)

    def _in_range(self, array: Array) -> tuple[Array, float]:
        """In the precision to work in; then with largest entry one, and what it was."""
        if not self.narrow:
            return array, 1.0
        peak = float(np.max(np.abs(array), initial=0.0))
        if not 0.0 < peak < np.inf:
            peak = 1.0
        return (array / peak).astype(self.vectors.dtype), peak

    def _back(self, array: Array, kind: np.dtype[Any], peak: float) -> Array:
        factor = peak * self.scale
        array = array.astype(kind, copy=False)
        return array if factor == 1.0 else array * array.real.dtype.type(factor)


def _made(vectors: Array, scale: float, narrow: bool) -> Forms:
    return Forms(vectors, scale=scale, narrow=narrow)


def total(parts: Sequence[Array]) -> Array:
    """The sum of the lanes, in their order."""
    out = parts[0]
    for part in parts[1:]:
        out += part
    return out
