"""Starts near zero: how long the way takes, what it leaves, which start succeeds."""

from __future__ import annotations

import numpy as np

from ... import _check


def small_start_iterations(
    init_scale: float, *, step_size: float, damping: float, weakest: float
) -> float:
    """Iterations until a direction has grown from a small random start under ScaledGD(lambda).

    While the factors are small the metric is lambda I, and a direction of singular value
    sigma grows by ``1 + eta sigma / lambda`` per iteration; with lambda close to sigma_r the
    factor is free of the condition number, and the total is the logarithm of the scale
    (Xu, Shen, Chi, Ma 2023: the phase of length log(kappa) log(kappa n)).

    Parameters
    ----------
    init_scale : float
        The alpha of the start.
    step_size, damping : float
        The eta and lambda.
    weakest : float
        The smallest singular value sigma_r.

    Returns
    -------
    float
    """
    return float(np.log(1.0 / init_scale) / np.log1p(step_size * weakest / damping))


def small_start_exponent() -> float:
    """Power of alpha that bounds the final error of ScaledGD(lambda) from a small start: 1/3.

    An upper bound (Xu, Shen, Chi, Ma 2023); measured errors fall faster.

    Returns
    -------
    float
    """
    return 1.0 / 3.0


def incremental_time(init_scale: float, *, step_size: float, singular_value: float) -> float:
    """Iterations until gradient descent from a small start has learned a direction.

    It grows by ``1 + eta sigma`` per iteration from the scale of the start to sqrt(sigma):
    the jump times are proportional to ``log(1/alpha) / sigma`` (Jin, Li, Lyu, Du, Lee 2023).

    Parameters
    ----------
    init_scale : float
        The alpha.
    step_size : float
        The eta, in absolute units.
    singular_value : float
        The sigma of the direction.

    Returns
    -------
    float
    """
    return float(
        np.log(np.sqrt(singular_value) / init_scale) / np.log1p(step_size * singular_value)
    )


def subgradient_floor_exponent() -> float:
    """Upper end of the power of alpha in the floor of the subgradient method.

    The floor of the over-parameterised noiseless run goes like ``alpha^(2 - O(sqrt(r) delta))``
    (Ma, Fattahi 2023), so that 2 is what a perfect isometry would give.

    Returns
    -------
    float
    """
    return 2.0


def tubal_exponent() -> float:
    """Power of alpha in the relative error of tubal factorisation from a small start.

    The theorem bounds the squared error by ``alpha^(21/16)`` (Karnik, Veselovska, Iwen, Krahmer
    2025), hence 21/32 for the error itself.

    Returns
    -------
    float
    """
    return 21.0 / 32.0


def sign_share(n: int) -> float:
    """Share of random starts that solve perturbed completion with very weak weights.

    ``2^(1 - k)`` with k = ceil(n / 2) signs: for eps to 0 each pattern of signs, up to a common
    one, is a minimum of its own, and descent keeps the signs that it starts with. (From the
    instance of Ma, Molybog, Lavaei, Sojoudi 2023.)

    Parameters
    ----------
    n : int
        Size of the matrix.

    Returns
    -------
    float
    """
    n = _check.count(n, "n", low=1)
    return float(2.0 ** (1 - (n + 1) // 2))
