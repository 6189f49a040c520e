"""What operators with dense rows share."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from ..errors import InvalidInputError


def as_finite(array: Any, name: str, squares: Array) -> None:
    """Raise if an array is not finite, as the squared norms of its rows tell.

    Parameters
    ----------
    array : array
        The array.
    name : str
        What it is called.
    squares : array
        What `squared_norms` gave, so that finite arrays are read once.

    Raises
    ------
    InvalidInputError
    """
    # Squares may overflow where the numbers do not.
    if not np.isfinite(squares.sum()) and not np.isfinite(array).all():
        raise InvalidInputError(f"{name} hold NaN or infinite values")


def squared_norms(rows: Array) -> Array:
    """Squared norm of each row, in one pass; infinite or NaN where it cannot be had."""
    if rows.dtype.kind == "c":
        rows = rows.view(rows.real.dtype)
    with np.errstate(all="ignore"):
        return np.einsum("ij,ij->i", rows, rows, dtype=float)
