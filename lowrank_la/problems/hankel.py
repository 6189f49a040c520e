"""Hankel completion: a sum of complex sinusoids from some of its samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from ..errors import InvalidInputError
from ..factors import Factors
from ..operators.hankel import HankelSampling
from ..problem import Instance, Problem
from ._parts import assemble, gaussian_noise, singular_values
from ._registry import register

__all__ = ["hankel_completion"]


@register("some samples of a sum of complex sinusoids", n=16, rank=2, sampling=0.7)
def hankel_completion(
    n: int,
    rank: int,
    *,
    sampling: float,
    cond: float = 1.0,
    spectrum: Any = "linear",
    noise: float = 0.0,
    dtype: Any = complex,
    rng: Any = None,
) -> Instance:
    """A Hankel completion instance: samples of r complex sinusoids at random times.

    The signal ``x_t`` has 2 n - 1 samples and frequencies that are different multiples of
    1/n, so that its n x n Hankel matrix ``X_ij = x_{i+j}`` has orthogonal singular vectors,
    and n times the amplitudes as singular values. Phases are uniform.

    Parameters
    ----------
    n : int
        The Hankel matrix is n x n.
    rank : int
        Number r of sinusoids.
    sampling : float
        Probability p with which each sample is observed, independently.
    cond : float
        Condition number ``sigma_1 / sigma_r`` of the matrix, with ``sigma_1 = 1``.
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the singular values from 1 to 1/cond, or the values themselves.
    noise : float
        Standard deviation of complex Gaussian noise on each measurement, which is a sample
        times the root of the length of its anti-diagonal over p.
    dtype : data type
        complex128 or complex64.
    rng : int, Generator or None
        The seed; times, frequencies with phases, and noise have streams of their own.

    Returns
    -------
    Instance
        ``problem.operator.signal(result.factors)`` is the whole signal.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        For impossible parameters, or if no sample is observed.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.hankel_completion(64, 3, sampling=0.6, rng=0)
    >>> ll.solve(instance, "scaledgd").converged
    True
    """
    n = _check.count(n, "n", low=1)
    rank = _check.rank_of(rank, (n, n))
    kind = _check.float_type(dtype, "dtype")
    if kind.kind != "c":
        raise InvalidInputError(f"dtype must be complex128 or complex64, got {kind}")
    p = _check.number(sampling, "sampling", low=0.0, high=1.0)
    seed = seed_of(rng)
    values = singular_values(rank, cond, spectrum)
    generator = stream(seed, "frequencies")
    frequencies = generator.choice(n, rank, replace=False) / n
    phases = np.exp(2j * np.pi * generator.random(rank))
    waves = np.exp(2j * np.pi * np.outer(np.arange(n), frequencies)) / np.sqrt(n)
    root = np.sqrt(values)
    truth = Factors((waves * root).astype(kind), ((waves * phases).conj() * root).astype(kind))
    times = np.flatnonzero(stream(seed, "mask").random(2 * n - 1) < p)
    operator = HankelSampling(times, (n, n))
    data = operator.lift(operator.signal(truth)[times])
    noise = _check.number(noise, "noise", low=0.0)
    if noise:
        data[: times.size] += gaussian_noise(seed, times.size, noise, kind)
    parameters = {
        "n": n,
        "rank": rank,
        "sampling": p,
        "cond": cond,
        "spectrum": spectrum,
        "noise": noise,
        "dtype": kind.name,
    }
    return assemble(Problem(operator, data), truth, "hankel_completion", parameters, seed)
