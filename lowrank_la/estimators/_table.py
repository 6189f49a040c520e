"""Tables with holes, in the containers that people keep them in, as triples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _check
from .._typing import Array, Shape
from ..errors import InvalidInputError, InvalidTypeError
from ..factors import check_positions, enclosing_shape


@dataclass(frozen=True, eq=False)
class Triples:
    """Observed cells of a table.

    Attributes
    ----------
    i, j : array of int, shape (m,)
    values : array of float, shape (m,)
    shape : tuple of int
    row_labels, column_labels : array or None
        What the user calls rows and columns, where the container says so.
    """

    i: Array
    j: Array
    values: Array
    shape: Shape
    row_labels: Array | None = None
    column_labels: Array | None = None

    def take(self, keep: Array) -> Triples:
        """Some of the cells."""
        return Triples(
            self.i[keep],
            self.j[keep],
            self.values[keep],
            self.shape,
            self.row_labels,
            self.column_labels,
        )


def triples_from(table: Any, shape: Any = None, *, missing: float = np.nan) -> Triples:
    """Triples from an array, masked array, sparse matrix, DataFrame, or triples.

    Parameters
    ----------
    table : array, masked array, scipy.sparse array, DataFrame or tuple (i, j, values)
        In dense tables NaN (or `missing`) marks a hole; in sparse ones stored entries are
        observed, stored zeros included, and the rest is missing.
    shape : tuple of int, optional
        For triples; default: just large enough.
    missing : float
        The value that marks a hole in dense tables.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        For data that are not numbers, infinite values, mismatched lengths, an index outside
        the shape, or no observed cell.
    """
    if isinstance(table, Triples):
        return table
    if isinstance(table, tuple):
        return _from_tuple(table, shape)
    if shape is not None:
        raise InvalidInputError("shape belongs to triples (i, j, values); this table has its own")
    if hasattr(table, "tocoo"):
        # Not summed where listed twice, as scipy would: that is for the caller to decide.
        coo = table.tocoo()
        return _checked(coo.row, coo.col, coo.data, coo.shape)
    labels: tuple[Array | None, Array | None] = (None, None)
    if hasattr(table, "columns") and hasattr(table, "index"):
        labels = (np.asarray(table.index), np.asarray(table.columns))
        kinds = zip(table.columns, table.dtypes, strict=True)
        wrong = [name for name, dtype in kinds if dtype.kind not in "fiub"]
        if wrong:
            raise InvalidTypeError(
                f"column {wrong[0]!r} holds {table[wrong[0]].dtype}, not numbers"
            )
        table = table.to_numpy(dtype=float, na_value=np.nan)
    if isinstance(table, (str, bytes)) or hasattr(table, "__fspath__"):
        raise InvalidTypeError(
            f"a table is data, got the path {table!r}; read it with pandas, or with "
            f"lowrank_la.estimators.files.read_triples"
        )
    mask = np.ma.getmaskarray(table) if np.ma.isMaskedArray(table) else None
    dense = np.asarray(table)
    if dense.ndim != 2:
        raise InvalidInputError(f"a table has two dimensions, got shape {dense.shape}")
    if dense.dtype.kind not in "fiub":
        raise InvalidTypeError(f"a table holds real numbers, got dtype {dense.dtype}")
    if isinstance(missing, bool) or not isinstance(missing, (int, float, np.number)):
        raise InvalidTypeError(f"missing must be the number that marks a hole, got {missing!r}")
    hole = np.isnan(dense) if np.isnan(missing) else (dense == missing) | np.isnan(dense)
    if mask is not None:
        hole |= mask
    i, j = np.nonzero(~hole)
    return _checked(i, j, dense[i, j], dense.shape, *labels)


def _from_tuple(table: tuple[Any, ...], shape: Any) -> Triples:
    if len(table) != 3:
        raise InvalidInputError(f"triples are (i, j, values), got {len(table)} items")
    i, j, values = (np.asarray(part) for part in table)
    if not i.size == j.size == values.size:
        raise InvalidInputError(
            f"i, j and values have lengths {i.size}, {j.size} and {values.size}; they must agree"
        )
    if shape is None:
        shape = enclosing_shape(i, j)
    return _checked(i, j, values, shape)


def _checked(
    i: Any,
    j: Any,
    values: Any,
    shape: Any,
    row_labels: Array | None = None,
    column_labels: Array | None = None,
) -> Triples:
    shape = _check.shape_of(shape)
    numbers = _check.vector(values, "the table's values")
    if numbers.dtype.kind == "c":
        raise InvalidTypeError("a table holds real numbers, got complex ones")
    rows, cols = check_positions(i, j, shape)
    if numbers.size == 0:
        raise InvalidInputError("no cell of the table is observed")
    return Triples(rows, cols, numbers.astype(float), shape, row_labels, column_labels)
