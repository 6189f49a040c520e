"""One-sided completion: many rows, very few entries in each."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import Seed, seed_of, stream
from .._typing import Array
from ..factors import Factors
from ..operators.entries import EntrySampling
from ..problem import Instance, Problem
from ._parts import assemble, draw_truth, gaussian_noise, singular_values
from ._registry import register

__all__ = ["one_sided"]


@register("a few entries of each of many rows from one subspace", n_rows=400, n_cols=12, rank=2)
def one_sided(
    n_rows: int,
    n_cols: int,
    rank: int,
    *,
    per_row: int = 2,
    cond: float = 1.0,
    spectrum: Any = "linear",
    noise: float = 0.0,
    empty: str = "raise",
    dtype: Any = float,
    rng: Any = None,
) -> Instance:
    """Many rows from a random subspace, of each of which a few entries are seen.

    With fewer entries in a row than the rank the matrix cannot be completed, but its right
    singular subspace and ``X^H X`` can be found: the solver "one_sided" does. Judge it by
    `lowrank_la.gram_error` and `lowrank_la.subspace_error`; "rel_error" is that of the whole
    matrix. ``X = sqrt(n1) Q diag(s) V^H`` has Q and V uniformly random with orthonormal
    columns, so that ``X^H X / n1 = V diag(s^2) V^H``: rows that are nearly Gaussian.

    Parameters
    ----------
    n_rows, n_cols : int
        Shape (n1, n2), with many more rows than columns.
    rank : int
        Rank r of the matrix.
    per_row : int
        Number of entries observed in each row, in distinct columns drawn uniformly.
    cond : float
        Condition number ``s_1 / s_r`` of the matrix, with ``s_1 = 1``.
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the s from 1 to 1/cond, or the values themselves; the singular values of X
        are ``sqrt(n1)`` times as large.
    noise : float
        Standard deviation of Gaussian noise on each observed entry. Entries have the mean
        square ``sum(s^2) / n2``.
    empty : {"raise", "allow"}
        What to do if a column has no entry.
    dtype : data type
        float64, float32, complex128 or complex64.
    rng : int, Generator or None
        The seed; mask, factors and noise have streams of their own.

    Returns
    -------
    Instance

    Raises
    ------
    InvalidInputError
        For impossible parameters, or a column without any entry.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.one_sided(20_000, 30, 2, rng=0)
    >>> result = ll.solve(instance, "one_sided", observe=ll.gram_error, max_iter=200)
    >>> bool(result.trace["gram_error"][-1] < 0.2)
    True
    """
    shape = _check.shape_of((n_rows, n_cols))
    rank = _check.rank_of(rank, shape)
    per_row = _check.count(per_row, "per_row", low=1, high=shape[1])
    kind = _check.float_type(dtype, "dtype")
    seed = seed_of(rng)
    values = singular_values(rank, cond, spectrum)
    factors = draw_truth(seed, shape, values, kind, "gaussian")
    left = np.sqrt(shape[0]).astype(factors.left.real.dtype) * factors.left
    truth = Factors(left, factors.right)
    rows = np.repeat(np.arange(shape[0]), per_row)
    operator = EntrySampling(rows, _columns(seed, shape, per_row).ravel(), shape, empty=empty)
    data = operator.forward(truth)
    noise = _check.number(noise, "noise", low=0.0)
    if noise:
        data = data + gaussian_noise(seed, data.size, noise, kind)
    parameters = {
        "n_rows": shape[0],
        "n_cols": shape[1],
        "rank": rank,
        "per_row": per_row,
        "cond": cond,
        "spectrum": spectrum,
        "noise": noise,
        "empty": empty,
        "dtype": kind.name,
    }
    return assemble(Problem(operator, data), truth, "one_sided", parameters, seed)


def _columns(seed: Seed, shape: tuple[int, int], per_row: int) -> Array:
    """Distinct columns for each row, ascending, uniform over all subsets (Floyd's algorithm)."""
    n1, n2 = shape
    generator = stream(seed, "mask")
    chosen = np.empty((n1, per_row), np.int64)
    for place, last in enumerate(range(n2 - per_row, n2)):
        drawn = generator.integers(0, last + 1, n1)
        taken = np.any(chosen[:, :place] == drawn[:, None], axis=1)
        chosen[:, place] = np.where(taken, last, drawn)
    return np.sort(chosen, axis=1)
