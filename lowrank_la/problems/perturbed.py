"""Completion with weak weights, whose spurious solutions are known."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of
from ..errors import InvalidTypeError
from ..factors import Factors
from ..operators.combine import Weighted
from ..operators.full import FullObservation
from ..problem import Instance, Problem
from ._parts import assemble, gaussian_noise
from ._registry import register

__all__ = ["perturbed_completion"]


@register("a rank-one matrix seen through weak weights: has known spurious solutions", n=5)
def perturbed_completion(
    n: int, *, eps: float = 0.3, noise: float = 0.0, dtype: Any = float, rng: Any = None
) -> Instance:
    """Perturbed matrix completion: a symmetric matrix of rank one with spurious solutions.

    The truth is ``z z^T`` with z = (1, 0, 1, 0, ...). Every entry is observed; those off the
    diagonal with both indices even (from 0), on which alone the relative signs of z depend,
    with the weight `eps`, all others with weight 1. Points such as (0.937, 0, 0.937, 0, -0.793)
    are then local minima that are far from z (n = 5, eps = 0.3).

    The quadratic form has the weights eps^2, so that its restricted isometry constant is
    (1 - eps^2) / (1 + eps^2); some published code puts eps where eps^2 belongs. The truth is the
    same for every seed: `rng` draws the noise.

    Parameters
    ----------
    n : int
        Size of the matrix, at least 3.
    eps : float
        Weight of the weak entries, above 0 and at most 1.
    noise : float
        Standard deviation of Gaussian noise on each weighted entry.
    dtype : data type
        float64 or float32.
    rng : int, Generator or None
        The seed of the noise.

    Returns
    -------
    Instance

    Raises
    ------
    InvalidInputError
        For impossible parameters.
    InvalidTypeError
        For a complex type.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> ll.problems.perturbed_completion(5).problem.operator.size
    25
    """
    n = _check.count(n, "n", low=3)
    eps = _check.number(eps, "eps", low=np.finfo(float).tiny, high=1.0)
    noise = _check.number(noise, "noise", low=0.0)
    kind = _check.float_type(dtype, "dtype")
    if kind.kind == "c":
        raise InvalidTypeError(f"perturbed_completion is real; dtype cannot be {kind}")
    seed = seed_of(rng)
    z = np.zeros((n, 1), kind)
    z[::2] = 1
    even = np.arange(n) % 2 == 0
    weak = np.outer(even, even) & ~np.eye(n, dtype=bool)
    weights = np.where(weak, eps, 1.0)
    operator = Weighted(FullObservation(n), weights.ravel())
    truth = Factors(z, z)
    data = operator.forward(truth)
    if noise:
        data = data + gaussian_noise(seed, data.size, noise, data.dtype)
    parameters = {"n": n, "eps": eps, "noise": noise, "dtype": kind.name}
    problem = Problem(operator, data, symmetric=True)
    return assemble(problem, truth, "perturbed_completion", parameters, seed)
