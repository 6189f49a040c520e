"""Checks of arguments, each with one clear error."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._typing import Array, Shape
from .errors import InvalidInputError, InvalidTypeError


def number(value: Any, name: str, *, low: float = -np.inf, high: float = np.inf) -> float:
    """`value` as a float in [low, high]."""
    if isinstance(value, (str, bytes, bool)) or not np.isscalar(value):
        raise InvalidTypeError(f"{name} must be a number, got {value!r}")
    if not np.isrealobj(value):
        raise InvalidTypeError(f"{name} must be a real number, got {value!r}")
    result = float(value)  # type: ignore[arg-type]
    if not low <= result <= high:
        raise InvalidInputError(f"{name} must lie in [{low:g}, {high:g}], got {value!r}")
    return result


def count(value: Any, name: str, *, low: int = 0, high: int | None = None) -> int:
    """`value` as an int in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InvalidTypeError(f"{name} must be an integer, got {value!r}")
    result = int(value)
    if result < low or (high is not None and result > high):
        top = "" if high is None else f" and at most {high}"
        raise InvalidInputError(f"{name} must be at least {low}{top}, got {result}")
    return result


def float_type(value: Any, name: str) -> np.dtype[Any]:
    """`value` as one of the data types that are worked in."""
    try:
        kind = np.dtype(value)
    except TypeError as error:
        raise InvalidTypeError(f"{name} must be a data type, got {value!r}") from error
    if kind not in (np.float64, np.float32, np.complex128, np.complex64):
        raise InvalidTypeError(
            f"{name} must be float64, float32, complex128 or complex64, got {kind}"
        )
    return kind


def shape_of(value: Any) -> Shape:
    """A matrix shape, from a pair or from one integer for a square matrix."""
    pair = (value, value) if isinstance(value, (int, np.integer)) else value
    try:
        n1, n2 = pair
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(f"shape must be a pair (n1, n2), got {value!r}") from error
    return count(n1, "n1", low=1), count(n2, "n2", low=1)


def rank_of(value: Any, shape: Shape, *, limit: int | None = None) -> int:
    """A rank that fits the shape, or is at most `limit`."""
    rank = count(value, "rank", low=1)
    limit = min(shape) if limit is None else limit
    if rank > limit:
        raise InvalidInputError(
            f"rank {rank} is larger than the shape {shape[0]} x {shape[1]} allows; "
            f"it can be at most {limit}"
        )
    return rank


def vector(values: Any, name: str, *, size: int | None = None) -> Array:
    """`values` as a one-dimensional array of finite floating-point or complex numbers.

    Integers become float64; float32 and complex types are kept.
    """
    array = np.asarray(values)
    too_wide = array.dtype in (np.longdouble, np.clongdouble)
    if array.dtype.kind not in "fciub" or too_wide:
        raise InvalidTypeError(
            f"{name} must be numbers, got an array of dtype {array.dtype}; convert it first, "
            f"for example with numpy.asarray(..., dtype=float)"
        )
    if array.ndim != 1:
        raise InvalidInputError(f"{name} must be one-dimensional, got shape {array.shape}")
    if size is not None and array.size != size:
        raise InvalidInputError(f"{name} has length {array.size}, expected {size}")
    if array.dtype.kind in "iub" or array.dtype == np.float16:
        array = array.astype(float)
    finite = np.isfinite(array)
    if not finite.all():
        bad = np.flatnonzero(~finite)
        raise InvalidInputError(
            f"{bad.size} NaN or infinite value{'s' if bad.size > 1 else ''} in {name}, the first "
            f"at position {bad[0]}; leave out what was not measured, or could not be"
        )
    return array
