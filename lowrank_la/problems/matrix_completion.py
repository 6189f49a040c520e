"""Completion: some entries of a low-rank matrix."""

from __future__ import annotations

from typing import Any

from .. import _check
from .._random import seed_of
from ..operators.entries import EntrySampling
from ..problem import Instance, Problem
from ._parts import assemble, draw_mask, draw_truth, gaussian_noise, singular_values
from ._registry import register

__all__ = ["completion"]


@register("some entries of a low-rank matrix", shape=(40, 30), rank=2, sampling=0.5)
def completion(
    shape: Any,
    rank: int,
    *,
    cond: float = 1.0,
    spectrum: Any = "linear",
    factors: str = "sign",
    sampling: float | None = None,
    oversampling: float | None = None,
    law: str = "uniform",
    exponent: float = 0.5,
    least: int = 0,
    noise: float = 0.0,
    empty: str = "raise",
    dtype: Any = float,
    rng: Any = None,
) -> Instance:
    """A completion instance: entries of a random low-rank matrix at random positions.

    Parameters
    ----------
    shape : tuple of int
        Shape (n1, n2).
    rank : int
        Rank r of the matrix; its left and right singular vectors are independent.
    cond : float
        Condition number ``sigma_1 / sigma_r`` of the matrix, with ``sigma_1 = 1``.
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the singular values from 1 to 1/cond, or the values themselves.
    factors : {"gaussian", "sign"}
        Singular vectors: uniformly random, or those of a random sign matrix, whose rows have
        nearly equal norms (as incoherent as can be; Tong, Ma, Chi 2021).
    sampling : float, optional
        Probability p with which each entry is observed, independently.
    oversampling : float, optional
        Number of observed entries, drawn uniformly without replacement, over the number of
        degrees of freedom ``r (n1 + n2 - r)``. Give exactly one of the two.
    law : {"uniform", "power"}
        How entries are drawn. "power": popular rows and columns are seen more often, as in
        ratings; an entry has the weight ``(a b)^-exponent``, a and b the places of its row and
        column in random orders.
    exponent : float
        Of the power law; 0 is uniform, from about 1 on most rows have next to no entries.
    least : int
        Entries are moved until each row and column has at least so many. Near the limit a row
        with fewer than r entries would spoil the instance for every method.
    noise : float
        Standard deviation of Gaussian noise on each observed entry.
    empty : {"raise", "allow"}
        What to do about rows or columns without any entry.
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
        For impossible parameters, or a mask with an empty row or column.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.completion((100, 80), 3, cond=10, oversampling=4, rng=0)
    >>> instance.problem.operator.size
    2124
    """
    shape = _check.shape_of(shape)
    rank = _check.rank_of(rank, shape)
    kind = _check.float_type(dtype, "dtype")
    seed = seed_of(rng)
    values = singular_values(rank, cond, spectrum)
    truth = draw_truth(seed, shape, values, kind, factors)
    least = _check.count(least, "least", low=0)
    i, j = draw_mask(
        seed, shape, rank, sampling, oversampling, law=law, exponent=exponent, least=least
    )
    operator = EntrySampling(i, j, shape, empty=empty)
    data = operator.forward(truth)
    noise = _check.number(noise, "noise", low=0.0)
    if noise:
        data = data + gaussian_noise(seed, data.size, noise, kind)
    parameters = {
        "shape": shape,
        "rank": rank,
        "cond": cond,
        "spectrum": spectrum,
        "factors": factors,
        "sampling": sampling,
        "oversampling": oversampling,
        "law": law,
        "exponent": exponent,
        "least": least,
        "noise": noise,
        "empty": empty,
        "dtype": kind.name,
    }
    problem = Problem(operator, data)
    return assemble(problem, truth, "completion", parameters, seed)
