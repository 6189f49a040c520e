"""Observed entries sorted by row and by column, and how kernels are run on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..kernels import _chunks, entries, sorting, wide


@dataclass(frozen=True)
class Layout:
    """Observed entries sorted by row (or by column), and where each came from.

    Attributes
    ----------
    indptr, indices : array
        Compressed rows.
    order : array or None
        Position in the user's order of each stored entry; None if the same.
    cuts : array
        Borders of the pieces that threads share.
    """

    indptr: Array
    indices: Array
    order: Array | None
    cuts: Array

    def take(self, values: Array) -> Array:
        """`values`, given in the user's order, in the order of this layout."""
        return np.ascontiguousarray(values if self.order is None else values[self.order])

    def run(self, kernel: Any, flops: int, *args: Any) -> list[Any]:
        """A kernel on all rows, in pieces; `flops` are multiply-adds for each entry."""
        return _chunks.run(kernel, self.cuts, float(flops) * self.indices.size, *args)


def layouts(rows_: Array, cols_: Array, shape: Any) -> tuple[Layout, Layout]:
    """Both layouts: each is a stable sort of what is in the order of the other index."""
    row_ends, column_ends = (np.empty(n + 1, np.int64) for n in shape)
    by_rows = sorting.counted(rows_, cols_, row_ends)
    by_columns = sorting.counted(cols_, rows_, column_ends)
    before = None
    if by_rows < 2 and by_columns < 1:
        before = _placed(cols_, rows_, column_ends, None)[0]
    if by_rows == 2:
        row_order, row_minors = None, cols_.astype(np.uint32)
    else:
        row_order, row_minors = _placed(rows_, cols_, row_ends, before)
    if by_columns == 2:
        column_order, column_minors = None, rows_.astype(np.uint32)
    else:
        column_order, column_minors = _placed(cols_, rows_, column_ends, row_order)
    return (
        Layout(row_ends, row_minors, row_order, _chunks.borders(row_ends)),
        Layout(column_ends, column_minors, column_order, _chunks.borders(column_ends)),
    )


def _placed(
    keys: Array, others: Array, ends: Array, before: Array | None
) -> tuple[Array | None, Array]:
    order, minors = np.empty(keys.size, np.int64), np.empty(keys.size, np.uint32)
    given = np.empty(0, np.int64) if before is None else before
    sorting.placed(keys, others, given, ends[:-1].copy(), order, minors)
    return order, minors


def same_dtype(left: Array, right: Array) -> tuple[Array, Array]:
    """Both in their common type, which keeps the number of compiled kernels down."""
    dtype = np.result_type(left, right)
    return left.astype(dtype, copy=False), right.astype(dtype, copy=False)


def one_dtype(X: Factors, D: Factors) -> tuple[Factors, Factors]:
    """A point and a direction in their common type."""
    dtype = np.result_type(X.dtype, D.dtype)
    return X.astype(dtype), D.astype(dtype)


def fitting(
    plain: Any, with_vectors: Any, *groups: tuple[Array, ...]
) -> tuple[Any, tuple[Any, ...], list[Array]]:
    """The kernel that fits rank and data type, its leading arguments, and the matrices for it.

    Matrices of a group lie side by side; for explicit vectors each is padded.
    """
    first = groups[0][0]
    lanes = wide.lanes_of(first.shape[1], first.dtype)
    if lanes is not None:
        return with_vectors, (lanes,), [wide.padded(*group) for group in groups]
    return plain, (), [group[0] if len(group) == 1 else np.hstack(group) for group in groups]


def sorted_sums(layout: Layout, z: Array, factor: Array) -> Array:
    """out[i] = sum of z over the entries of row i times rows of the factor; z is sorted."""
    dtype = np.result_type(z, factor)
    out = np.empty((layout.indptr.size - 1, factor.shape[1]), dtype)
    kernel, lanes, (other,) = fitting(
        entries.weighted_sums, wide.wide_weighted_sums, (np.ascontiguousarray(factor, dtype),)
    )
    args = (z.astype(dtype, copy=False), other, layout.indptr, layout.indices, out)
    layout.run(kernel, factor.shape[1], *lanes, *args)
    return out
