"""Sampling of single entries: matrix completion."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors, check_positions
from ..kernels import entries, wide
from ..losses import Loss
from ._entry_rows import EntryRows
from ._entry_tangent import EntryTangents
from ._layout import Layout, fitting, layouts, same_dtype, sorted_sums

__all__ = ["EntrySampling"]

# So many empty rows are a mistake that is best found before memory is taken for them.
MANY = 1_000_000


class EntrySampling(EntryRows, EntryTangents):
    """The observed entries of a matrix: ``A(X)_k = X[i[k], j[k]]``.

    Stored in row-sorted and in column-sorted order, so that both adjoints are loops over
    rows without races. Measurements keep the order in which the positions were given.

    Parameters
    ----------
    i, j : array of int, shape (m,)
        Row and column of each observed entry, starting at 0.
    shape : tuple of int
        Shape (n1, n2) of the matrix.
    empty : {"raise", "allow"}
        What to do about rows or columns without any entry. Without a ridge or a nuclear-norm
        weight nothing determines them.

    Attributes
    ----------
    isometry : float
        Share of entries that are observed, m / (n1 n2).
    row_counts, column_counts : array of int
        Number of observed entries in each row and column.

    Raises
    ------
    InvalidInputError
        For an index outside the shape, a position listed twice, or an empty row or column.
    """

    dtype = None

    def __init__(self, i: Any, j: Any, shape: Any, *, empty: str = "raise") -> None:
        self.shape = _check.shape_of(shape)
        rows_, cols_ = check_positions(i, j, self.shape)
        if rows_.size == 0:
            raise InvalidInputError("no entry is observed; give at least one")
        if max(self.shape) > np.iinfo(np.int32).max:
            raise InvalidInputError(f"shape {self.shape} is larger than 32-bit indices allow")
        self.size = int(rows_.size)
        if empty == "raise" and max(self.shape) > self.size + MANY:
            raise InvalidInputError(
                f"{self.size} entries cannot reach all rows and columns of a {self.shape[0]} x "
                f"{self.shape[1]} matrix; are the indices labels that should be numbered first?"
            )
        self._by_row, self._by_column = layouts(
            np.ascontiguousarray(rows_), np.ascontiguousarray(cols_), self.shape
        )
        self._refuse_duplicates(rows_, cols_)
        if empty not in ("raise", "allow"):
            raise InvalidInputError(f"empty must be 'raise' or 'allow', got {empty!r}")
        if empty == "raise":
            self._refuse_empty()
        self.isometry = self.size / (self.shape[0] * self.shape[1])

    @property
    def row_counts(self) -> Array:
        """Number of observed entries in each row."""
        return np.diff(self._by_row.indptr)

    @property
    def column_counts(self) -> Array:
        """Number of observed entries in each column."""
        return np.diff(self._by_column.indptr)

    @property
    def positions(self) -> tuple[Array, Array]:
        """Rows and columns of the entries, in the order in which they were given."""
        rows_ = np.repeat(np.arange(self.shape[0]), self.row_counts)
        cols_ = self._by_row.indices.astype(np.int64)
        if self._by_row.order is None:
            return rows_, cols_
        out = np.empty_like(rows_), np.empty_like(cols_)
        out[0][self._by_row.order], out[1][self._by_row.order] = rows_, cols_
        return out

    def _refuse_duplicates(self, i: Array, j: Array) -> None:
        layout = self._by_row
        first = np.zeros(self.size, dtype=bool)
        first[layout.indptr[:-1][self.row_counts > 0]] = True
        same = np.flatnonzero(~first[1:] & (layout.indices[1:] == layout.indices[:-1])) + 1
        if same.size:
            where = same if layout.order is None else layout.order[same]
            k = int(where.min())
            raise InvalidInputError(
                f"{same.size} position{'s' if same.size > 1 else ''} listed more than once, "
                f"for example ({i[k]}, {j[k]}); to average the values use "
                f"lowrank_la.observed(i, j, values, shape, duplicates='mean')"
            )

    def _refuse_empty(self) -> None:
        for counts, name in ((self.row_counts, "row"), (self.column_counts, "column")):
            bare = np.flatnonzero(counts == 0)
            if bare.size:
                some = ", ".join(str(v) for v in bare[:5]) + (", ..." if bare.size > 5 else "")
                raise InvalidInputError(
                    f"{bare.size} {name}{'s' if bare.size > 1 else ''} without any observed "
                    f"entry ({some}): nothing determines them. Drop them, sample more, or pass "
                    f"empty='allow' and use a ridge or nuclear-norm weight"
                )

    def forward(self, X: Factors) -> Array:
        """Entries of X at the observed positions, shape (m,)."""
        layout = self._by_row
        out = np.empty(self.size, X.dtype)
        left, right = same_dtype(X.left, X.right)
        kernel, lanes, (left, right) = fitting(
            entries.products, wide.wide_products, (left,), (right,)
        )
        layout.run(kernel, X.rank, *lanes, left, right, layout.indptr, layout.indices, out)
        if layout.order is None:
            return out
        result = np.empty_like(out)
        result[layout.order] = out
        return result

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(z) @ R``, shape (n1, r), where A*(z) holds z at the observed positions."""
        return self._sums(self._by_row, z, R)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(z)^H @ L``, shape (n2, r)."""
        return self._sums(self._by_column, np.conj(z), L)

    @staticmethod
    def _sums(layout: Layout, z: Array, factor: Array) -> Array:
        dtype = np.result_type(z, factor)
        return sorted_sums(layout, layout.take(z.astype(dtype, copy=False)), factor)

    def prepared_product(self, prepared: tuple[Array, Array], factor: Array, *, side: str) -> Array:
        """``A*(data) @ R`` for side "left", ``A*(data)^H @ L`` for side "right".

        Parameters
        ----------
        prepared : tuple of array
            What `prepare` returned for the data, which spares sorting them anew.
        factor : array, shape (n2, r) for side "left", (n1, r) for side "right"
        side : {"left", "right"}
            The factor whose shape the result has.

        Returns
        -------
        array, shape (n1, r) or (n2, r)
        """
        if side == "left":
            return sorted_sums(self._by_row, prepared[0], factor)
        return sorted_sums(self._by_column, prepared[1], factor)

    def prepare(self, data: Array) -> tuple[Array, Array]:
        """The data in row-sorted order, and their conjugates in column-sorted order."""
        return self._by_row.take(data), self._by_column.take(np.conj(data))

    def loss_gradient(
        self, X: Factors, prepared: tuple[Array, Array], loss: Loss
    ) -> tuple[float, Array, Array | None]:
        """Loss and both slopes; the residual is recomputed in each layout and never stored."""
        if not hasattr(loss, "code"):
            return self._generic_loss_gradient(X, prepared, loss)
        left, right = same_dtype(X.left, X.right)
        code, parameter = loss.code, float(loss.parameter)  # type: ignore[attr-defined]
        kernel, lanes, (left, right) = fitting(
            entries.loss_sums, wide.wide_loss_sums, (left,), (right,)
        )
        passes = (
            (self._by_row, prepared[0], left, right),
            (self._by_column, prepared[1], right, left),
        )
        losses, slopes = [], []
        for layout, data, mine, others in passes:
            out = np.empty((mine.shape[0], X.rank), mine.dtype)
            data = data.astype(mine.dtype, copy=False)
            args = (mine, others, layout.indptr, layout.indices, data, code, parameter, out)
            losses.append(sum(layout.run(kernel, 2 * X.rank, *lanes, *args)))
            slopes.append(out)
        return losses[0], slopes[0], slopes[1]

    def _generic_loss_gradient(
        self, X: Factors, prepared: tuple[Array, Array], loss: Loss
    ) -> tuple[float, Array, Array | None]:
        layout = self._by_row
        data = prepared[0]
        if layout.order is not None:
            data = np.empty_like(data)
            data[layout.order] = prepared[0]
        residual = self.forward(X) - data
        slope = loss.slope(residual)
        return (
            loss.value(residual),
            self.adjoint_right(slope, X.right),
            self.adjoint_left(slope, X.left),
        )

    def as_matrix(self) -> Any:
        """Sparse m x (n1 n2) selection matrix on vec(X), rows first."""
        from scipy import sparse

        i, j = self.positions
        n1, n2 = self.shape
        ones = np.ones(self.size)
        return sparse.csr_array(
            (ones, (np.arange(self.size), i * n2 + j)), shape=(self.size, n1 * n2)
        )

    def __repr__(self) -> str:
        n1, n2 = self.shape
        return f"<EntrySampling {n1} x {n2}, {self.size} entries ({self.isometry:.3g})>"
