"""Measurements that are entries: which row and column each belongs to, and what stands out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ._typing import Array, Shape
from .factors import Factors
from .kernels import _chunks, selection
from .operators.combine import Stacked, Subset, Weighted
from .operators.full import FullObservation

# Columns that are copied side by side for selection.
BLOCK = 64
# Values that a median is taken over.
SAMPLE = 1 << 14


@dataclass(frozen=True, eq=False)
class Grid:
    """Rows and columns of the measurements; both None if every entry is seen, rows first."""

    shape: Shape
    rows: Array | None = None
    columns: Array | None = None

    @cached_property
    def _by_row(self) -> tuple[Array, Array]:
        return _sorted(self.rows, self.shape[0])

    @cached_property
    def _by_column(self) -> tuple[Array, Array]:
        return _sorted(self.columns, self.shape[1])

    def outstanding(self, values: Array, share: float, threshold: float = 0.0) -> Array:
        """The sparsification T_share: which values are large in their row and in their column.

        Parameters
        ----------
        values : array, shape (m,)
            One value per measurement, real or complex.
        share : float
            A value counts if its modulus is among the ``floor(share k)`` largest of the k
            measurements of its row and among those of its column (Tong, Ma, Chi 2021,
            equation 11).
        threshold : float
            Moduli up to this do not count; zeros never do.

        Returns
        -------
        array of bool, shape (m,)
        """
        if np.iscomplexobj(values):
            # Once, since the last bit of a modulus depends on the layout of the array.
            values = np.abs(values)
        # A bound of the type of the values, so that comparisons stay in it.
        floor = values.real.dtype.type(threshold)
        floor = np.nextafter(floor, values.real.dtype.type(np.inf))
        if threshold > 0:
            large = (values >= floor) | (values <= -floor)
            if self._fit(large, share):
                # Among the largest of their rows and columns already.
                return large
        return (self._some if self.rows is not None else self._all)(values, share, floor)

    def at_limit(self, support: Array, share: float) -> bool:
        """Whether some row or column has as many measurements in `support` as it may have.

        Parameters
        ----------
        support : array of int
            Positions of measurements.
        share : float
            As in `outstanding`.

        Returns
        -------
        bool
        """
        n1, n2 = self.shape
        if self.rows is None:
            places, lengths = divmod(support, n2), ([n2] * n1, [n1] * n2)
        else:
            assert self.columns is not None
            places = self.rows[support], self.columns[support]
            lengths = np.diff(self._by_row[1]), np.diff(self._by_column[1])  # type: ignore[assignment]
        for place, length, n in zip(places, lengths, self.shape, strict=True):
            limit = np.floor(share * np.asarray(length) + 1e-9)
            if np.any((np.bincount(place, minlength=n) >= limit) & (limit > 0)):
                return True
        return False

    def _fit(self, large: Array, share: float) -> bool:
        """Whether no row and no column has more than its share."""
        n1, n2 = self.shape
        if self.rows is None:
            matrix = large.reshape(n1, n2)
            counts = [np.count_nonzero(matrix, axis=axis) for axis in (1, 0)]
            return bool(
                counts[0].max() <= allowed(n2, share) and counts[1].max() <= allowed(n1, share)
            )
        assert self.columns is not None
        where = np.flatnonzero(large)
        sides = ((self.rows, self._by_row[1], n1), (self.columns, self._by_column[1], n2))
        return all(
            bool(np.all(np.bincount(group[where], minlength=n) <= _kept(indptr, share)))
            for group, indptr, n in sides
        )

    def _all(self, values: Array, share: float, floor: Any) -> Array:
        n1, n2 = self.shape
        matrix = values.reshape(n1, n2)
        real = values.real.dtype

        def limits(source: Array, lo: int, hi: int, out: Array) -> None:
            # The copy puts the columns of a strided source one after another.
            block = np.abs(np.ascontiguousarray(source[lo:hi]))
            count, length = block.shape
            indptr = np.arange(count + 1, dtype=np.int64) * length
            kept = np.full(count, allowed(length, share))
            selection.kept_thresholds(0, count, block.ravel(), indptr, kept, out[lo:hi])

        found = []
        for source in (matrix, matrix.T):
            out = np.empty(source.shape[0], real)
            cuts = np.append(np.arange(0, source.shape[0], BLOCK), source.shape[0])
            _chunks.run(
                lambda lo, hi, source=source, out=out: limits(source, lo, hi, out),
                cuts,
                8.0 * values.size,
            )
            found.append(out)
        by_row, by_column = found
        large = np.empty((n1, n2), bool)
        for lo in range(0, n1, BLOCK):
            rows = slice(lo, min(lo + BLOCK, n1))
            limit = np.maximum(by_column, np.maximum(by_row[rows, None], floor))
            np.greater_equal(np.abs(matrix[rows]), limit, out=large[rows])
        return large.ravel()

    def _some(self, values: Array, share: float, floor: Any) -> Array:
        size = np.abs(values)
        large = size >= floor
        for group, (order, indptr) in ((self.rows, self._by_row), (self.columns, self._by_column)):
            limit = np.empty(indptr.size - 1, size.dtype)
            kept = _kept(indptr, share)
            cuts = _chunks.borders(indptr)
            work = 8.0 * size.size
            _chunks.run(selection.kept_thresholds, cuts, work, size[order], indptr, kept, limit)
            large &= size >= limit[group]
        return large


def allowed(length: int, share: float) -> int:
    """``floor(share length)``, where a product such as 0.29 * 100 does not fall short."""
    return int(np.floor(share * length + 1e-9))


def _kept(indptr: Array, share: float) -> Array:
    return np.floor(share * np.diff(indptr) + 1e-9).astype(np.int64)


def sample_of(size: int, count: int) -> Array:
    """Places of `count` of `size` values, always the same ones; all if these are few.

    Drawn, since any stride meets some row length, and then sees few columns.
    """
    if size < 2 * count:
        return np.arange(size)
    return np.random.default_rng(0).integers(size, size=count)


def modulus_quantile(values: Array, level: float) -> float:
    """A quantile of the moduli, of long vectors that of a sample at fixed places."""
    return float(np.quantile(np.abs(values[sample_of(values.size, SAMPLE)]), level))


def median_modulus(values: Array) -> float:
    """The median of the moduli that are not zero, as `modulus_quantile`; 0 if all are."""
    size = np.abs(values[sample_of(values.size, SAMPLE)])
    size = size[size > 0]
    return float(np.median(size)) if size.size else 0.0


def _sorted(group: Array | None, n: int) -> tuple[Array, Array]:
    assert group is not None
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group, minlength=n)
    return order, np.concatenate(([0], np.cumsum(counts))).astype(np.int64)


# Found once per operator; it goes when the operator goes.
_GRIDS: WeakKeyDictionary[Any, Grid | None] = WeakKeyDictionary()


def sees_single_entries(problem: Any) -> bool:
    """Whether the measurements, or most of them, hang on single entries or are zero by design.

    Weighted and picked entries count; so do Hankel data, most of which are structural zeros.
    """
    operator = problem.operator
    if np.count_nonzero(problem.data) < 0.5 * problem.data.size:
        return True
    while isinstance(operator, (Weighted, Subset)):
        operator = operator.base
    if isinstance(operator, Stacked):
        return any(grid_of(part) is not None for part in operator.parts)
    return grid_of(operator) is not None


def grid_of(operator: Any) -> Grid | None:
    """The grid of an operator that observes entries, each as it is; None for all others.

    Operators of other classes, combinations and transposes among them, are asked where their
    measurements lie by what they measure.
    """
    if isinstance(operator, FullObservation):
        return Grid(operator.shape)
    try:
        if operator not in _GRIDS:
            _GRIDS[operator] = _probe(operator)
        return _GRIDS[operator]
    except TypeError:
        # Not hashable, or without weak references.
        return _probe(operator)


def _probe(operator: Any) -> Grid | None:
    n1, n2 = operator.shape
    ones = np.ones((n1, 1)), np.ones((n2, 1))
    if not np.array_equal(operator.forward(Factors(*ones)), np.ones(operator.size)):
        return None
    places = []
    for side, n in enumerate(operator.shape):
        numbered = list(ones)
        numbered[side] = np.arange(float(n))[:, None]
        found = operator.forward(Factors(*numbered))
        if np.iscomplexobj(found) or not np.array_equal(found, np.rint(found)):
            return None
        places.append(found.astype(np.int32))
    # Numbers that no mean of several entries would meet.
    u, v = np.sqrt(np.arange(2.0, n1 + 2)), np.cbrt(np.arange(3.0, n2 + 3))
    measured = operator.forward(Factors(u[:, None], v[:, None]))
    if not np.allclose(measured, u[places[0]] * v[places[1]], rtol=1e-12):
        return None
    return Grid((n1, n2), *places)
