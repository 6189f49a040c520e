"""Completion problems from triples of row, column and value."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import enclosing_shape
from ..losses import Loss, Squared
from ..operators.entries import EntrySampling
from ._problem import Problem


def observed(
    i: Any,
    j: Any,
    values: Any,
    shape: Any = None,
    *,
    duplicates: str = "raise",
    empty: str = "raise",
    nuclear: float = 0.0,
    loss: Loss | None = None,
) -> Problem:
    """A completion problem from triples.

    Parameters
    ----------
    i, j : array of int, shape (m,)
        Row and column of each observed entry, starting at 0.
    values : array, shape (m,)
        The observed entries.
    shape : tuple of int, optional
        Shape of the matrix; default: just large enough for the indices.
    duplicates : {"raise", "mean"}
        What to do about a position that is listed more than once.
    empty : {"raise", "allow"}
        What to do about rows or columns without any entry.
    nuclear : float
        Weight of the nuclear norm.
    loss : Loss, optional
        Loss on the residual; squared by default.

    Returns
    -------
    Problem

    Raises
    ------
    InvalidInputError, InvalidTypeError
        For values that are not finite numbers, lengths that differ, an index outside the
        shape, duplicates, and empty rows or columns.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> problem = ll.observed([0, 0, 1], [0, 1, 1], [1.0, 2.0, 4.0], (2, 2))
    >>> problem.operator
    <EntrySampling 2 x 2, 3 entries (0.75)>
    """
    rows, cols = np.asarray(i), np.asarray(j)
    values = _check.vector(values, "values")
    if not rows.size == cols.size == values.size:
        raise InvalidInputError(
            f"i, j and values have lengths {rows.size}, {cols.size} and {values.size}; "
            f"they must agree"
        )
    if shape is None:
        shape = enclosing_shape(rows, cols)
    if duplicates not in ("raise", "mean"):
        raise InvalidInputError(f"duplicates must be 'raise' or 'mean', got {duplicates!r}")
    if duplicates == "mean":
        rows, cols, values = averaged(rows, cols, values)
    operator = EntrySampling(rows, cols, shape, empty=empty)
    return Problem(operator, values, loss=loss or Squared(), nuclear=nuclear)


def averaged(rows: Array, cols: Array, values: Array) -> tuple[Array, Array, Array]:
    """Positions in row order, each once, and the mean of the values at each."""
    pairs, where, counts = np.unique(
        np.stack([rows, cols]), axis=1, return_inverse=True, return_counts=True
    )
    sums = np.zeros(pairs.shape[1], values.dtype)
    np.add.at(sums, where.ravel(), values)
    return pairs[0], pairs[1], sums / counts.astype(values.real.dtype)
