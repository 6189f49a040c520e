"""Random starts: near zero, or near the truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError
from ..factors import Factors
from ..problem import Instance, Problem
from ._spectral import gaussian, spectral_values


def small_random(
    problem: Problem, rank: int, *, init_scale: float = 1e-12, ratio: float = 1.0, rng: Any = 0
) -> Factors:
    """Gaussian factors of a small scale.

    Entries of the left factor are ``init_scale sqrt(s) N(0, 1/n1)``, of the right one
    ``ratio init_scale sqrt(s) N(0, 1/n2)``, with s an estimate of the largest singular value,
    so that the scale has no unit (Xu, Shen, Chi, Ma 2023 with s = 1).

    Parameters
    ----------
    problem : Problem
        The problem.
    rank : int
        Number of columns of the factors.
    init_scale : float
        The papers' alpha.
    ratio : float
        Scale of the right factor relative to the left one; unequal scales speed up gradient
        descent with too many columns (Xiong, Ding, Du 2024 take 1/3). Without effect on
        symmetric problems, which have one factor.
    rng : int, Generator or None
        Source of randomness.

    Returns
    -------
    Factors
    """
    rank = _check.rank_of(rank, problem.shape, limit=problem.max_rank)
    ratio = _check.number(ratio, "ratio", low=0.0)
    init_scale = _check.number(init_scale, "init_scale", low=0.0)
    seed = seed_of(rng)
    size = init_scale * np.sqrt(spectral_values(problem, 1, rng=seed)[0])

    def draw(name: str, n: int, size: Any) -> Array:
        # Not the stream of the truth's factors: an instance may well have the same seed.
        factor = gaussian(stream(seed, f"start {name}"), (n, rank), problem.dtype)
        return (size / np.sqrt(n)).astype(factor.real.dtype) * factor

    n1, n2 = problem.shape
    left = draw("left", n1, size)
    return Factors(left, left if problem.symmetric else draw("right", n2, ratio * size))


def near(
    instance: Instance, rank: int | None = None, *, distance: float = 0.1, rng: Any = 0
) -> Factors:
    """The truth, with its balanced factors perturbed: for theory, since it uses the truth.

    Parameters
    ----------
    instance : Instance
        An instance, whose truth is used.
    rank : int, optional
        Number of columns; more than the true rank are filled with perturbation only.
    distance : float
        Frobenius norm of the perturbation of each factor, relative to that of the factor.
    rng : int, Generator or None
        Source of randomness.

    Returns
    -------
    Factors
    """
    if not isinstance(instance, Instance):
        raise InvalidTypeError(f"near needs an Instance, whose truth it uses, got {instance!r}")
    truth, problem = instance.truth.factors.balanced(), instance.problem
    if rank is None:
        rank = truth.rank
    rank = _check.rank_of(rank, problem.shape, limit=problem.max_rank)
    if rank < truth.rank:
        raise InvalidInputError(f"rank {rank} is below the true rank {truth.rank}")
    distance = _check.number(distance, "distance", low=0.0)
    seed = seed_of(rng)

    def perturb(name: str, factor: Array) -> Array:
        wide = np.zeros((factor.shape[0], rank), problem.dtype)
        wide[:, : truth.rank] = factor
        noise = gaussian(stream(seed, f"perturbation {name}"), wide.shape, problem.dtype)
        size = distance * np.linalg.norm(factor) / np.linalg.norm(noise)
        return wide + noise * size.astype(noise.real.dtype)

    left = perturb("left", truth.left)
    return Factors(left, left if problem.symmetric else perturb("right", truth.right))
