"""Completion: some entries of a low-rank matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._typing import Array, Shape
from ..errors import InvalidInputError
from ..operators.entries import EntrySampling
from ..problem import Instance, Problem
from ._parts import assemble, draw_truth, gaussian_noise, singular_values
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
    i, j = _mask(seed, shape, rank, sampling, oversampling)
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
        "noise": noise,
        "empty": empty,
        "dtype": kind.name,
    }
    problem = Problem(operator, data)
    return assemble(problem, truth, "completion", parameters, seed)


def _mask(
    seed: Any, shape: Shape, rank: int, sampling: float | None, oversampling: float | None
) -> tuple[Array, Array]:
    if (sampling is None) == (oversampling is None):
        raise InvalidInputError("give exactly one of sampling and oversampling")
    n1, n2 = shape
    generator = stream(seed, "mask")
    if sampling is not None:
        p = _check.number(sampling, "sampling", low=0.0, high=1.0)
        # Given their number, the entries of a Bernoulli mask are a uniform subset.
        m = int(generator.binomial(n1 * n2, p))
    else:
        factor = _check.number(oversampling, "oversampling", low=0.0)
        m = int(factor * rank * (n1 + n2 - rank))
        if m > n1 * n2:
            raise InvalidInputError(
                f"oversampling {oversampling:g} asks for {m} of {n1 * n2} entries; it can be at "
                f"most {n1 * n2 / (rank * (n1 + n2 - rank)):.3g} here"
            )
    flat = np.sort(generator.choice(n1 * n2, size=m, replace=False, shuffle=False))
    return flat // n2, flat % n2
