"""Where an iteration starts: from the spectrum of the data, near zero, or near the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _check
from ..errors import InvalidInputError, InvalidTypeError, unknown_name
from ..factors import Factors
from ..problem import Problem
from ._drawn import near, small_random
from ._one_sided import gram
from ._path import rank_path
from ._quadratic import is_quadratic as is_quadratic
from ._quadratic import weighted_spectral
from ._robust import frobenius_estimate, medians, sign_spectral, thresholded, truncated
from ._spectral import spectral, spectral_values

__all__ = [
    "frobenius_estimate",
    "gram",
    "medians",
    "near",
    "rank_path",
    "sign_spectral",
    "small_random",
    "spectral",
    "spectral_values",
    "thresholded",
    "truncated",
    "weighted_spectral",
]

STARTS: dict[str, Callable[..., Factors]] = {
    "spectral": spectral,
    "small_random": small_random,
    "thresholded": thresholded,
    "truncated": truncated,
    "sign_spectral": sign_spectral,
    "gram": gram,
    "medians": medians,
    "weighted_spectral": weighted_spectral,
    "rank_path": rank_path,
}
# Those that take a scale.
SCALED_STARTS = ("small_random", "sign_spectral")


def start_from(
    problem: Problem, start: Any, rank: int | None, *, init_scale: float | None, rng: Any
) -> Factors:
    """Factors from what the user gave as `start`: a name, factors, or a function.

    Raises
    ------
    InvalidInputError
        If no rank is given though one is needed, or the factors do not fit the problem.
    UnknownNameError
        If there is no start of that name.
    """
    if init_scale is not None and not (isinstance(start, str) and start in SCALED_STARTS):
        raise InvalidInputError(
            f"init_scale belongs to start='small_random' or 'sign_spectral', not to {start!r}"
        )
    if isinstance(start, Factors):
        if start.shape != problem.shape:
            raise InvalidInputError(
                f"start is {start.shape[0]} x {start.shape[1]}, the problem "
                f"{problem.shape[0]} x {problem.shape[1]}"
            )
        if rank is not None and rank != start.rank:
            raise InvalidInputError(f"rank={rank} but the start has rank {start.rank}")
        if not start.isfinite():
            raise InvalidInputError("start holds NaN or infinite values")
        if problem.symmetric and not start.symmetric:
            raise InvalidInputError(
                "a symmetric problem needs a start with one factor: Factors(F, F)"
            )
        if start.dtype.kind == "c" and problem.dtype.kind != "c":
            raise InvalidInputError("the problem is real but the start is complex")
        _check.rank_of(start.rank, problem.shape, limit=problem.max_rank)
        start = start.astype(problem.dtype)
        # Only a symmetric problem moves one factor for both.
        return start if problem.symmetric else Factors(start.left, start.right.copy())
    if not isinstance(start, str) and not callable(start):
        raise InvalidTypeError(
            f"start must be a name ({', '.join(STARTS)}), Factors(left, right), a function or a "
            f"result, got {type(start).__name__}"
        )
    if rank is None:
        raise InvalidInputError("rank is needed: pass rank=r, or a start with r columns")
    rank = _check.rank_of(rank, problem.shape, limit=problem.max_rank)
    if callable(start):
        return start_from(problem, start(problem, rank, rng=rng), rank, init_scale=None, rng=rng)
    if start not in STARTS:
        raise unknown_name("start", start, STARTS)
    options = {} if init_scale is None else {"init_scale": init_scale}
    return STARTS[start](problem, rank, rng=rng, **options)
