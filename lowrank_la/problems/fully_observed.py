"""Factorisation: all entries of a low-rank matrix."""

from __future__ import annotations

from typing import Any

from .. import _check
from .._random import seed_of
from ..operators.full import FullObservation
from ..problem import Instance, Problem
from ._parts import assemble, draw_truth, gaussian_noise, singular_values
from ._registry import register

__all__ = ["factorization"]


@register("all entries of a low-rank matrix: factorisation, denoising", shape=(15, 12), rank=2)
def factorization(
    shape: Any,
    rank: int,
    *,
    symmetric: bool = False,
    cond: float = 1.0,
    spectrum: Any = "linear",
    factors: str = "gaussian",
    noise: float = 0.0,
    dtype: Any = float,
    rng: Any = None,
) -> Instance:
    """A matrix of which every entry is seen.

    What is left of a recovery problem is the factorisation: the place to study the dynamics of
    a method without sampling error.

    Parameters
    ----------
    shape : tuple of int or int
        Shape (n1, n2), or n for a square matrix.
    rank : int
        Rank r of the matrix.
    symmetric : bool
        A symmetric (complex: Hermitian) positive semidefinite matrix.
    cond : float
        Condition number ``sigma_1 / sigma_r`` of the matrix, with ``sigma_1 = 1``.
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the singular values from 1 to 1/cond, or the values themselves.
    factors : {"gaussian", "sign"}
        Singular vectors: uniformly random, or those of a random sign matrix.
    noise : float
        Standard deviation of Gaussian noise on each entry.
    dtype : data type
        float64, float32, complex128 or complex64.
    rng : int, Generator or None
        The seed; factors and noise have streams of their own.

    Returns
    -------
    Instance

    Raises
    ------
    InvalidInputError
        For impossible parameters.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.factorization(30, 2, symmetric=True, rng=0)
    >>> ll.solve(instance, "scaledgd").converged
    True
    """
    shape = _check.shape_of(shape)
    rank = _check.rank_of(rank, shape)
    kind = _check.float_type(dtype, "dtype")
    seed = seed_of(rng)
    values = singular_values(rank, cond, spectrum)
    truth = draw_truth(seed, shape, values, kind, factors, symmetric=symmetric)
    operator = FullObservation(shape)
    data = operator.forward(truth)
    noise = _check.number(noise, "noise", low=0.0)
    if noise:
        data = data + gaussian_noise(seed, data.size, noise, kind)
    parameters = {
        "shape": shape,
        "rank": rank,
        "symmetric": bool(symmetric),
        "cond": cond,
        "spectrum": spectrum,
        "factors": factors,
        "noise": noise,
        "dtype": kind.name,
    }
    problem = Problem(operator, data, symmetric=bool(symmetric))
    return assemble(problem, truth, "factorization", parameters, seed)
