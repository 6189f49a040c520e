"""Laws that the papers state or that follow from them: what a measurement is compared with.

Each function says where it comes from and under which normalisation it holds. The matrix has
singular values ``sigma_1 >= ... >= sigma_r``; eta is a dimensionless step (see `steps`).
"""

from __future__ import annotations

import numpy as np

from .. import _check
from .._typing import Array
from ..errors import InvalidInputError

__all__ = [
    "alternating_floor",
    "asymmetric_rate",
    "bures_wasserstein_rate",
    "damping_floor",
    "gd_rate",
    "incremental_time",
    "noise_floor",
    "one_sided_error",
    "overparameterised_decay",
    "scaledgd_bound",
    "small_start_iterations",
    "subgradient_floor_exponent",
    "tubal_exponent",
]


def gd_rate(cond: float, *, step_size: float) -> float:
    """Slowest factor per iteration of gradient descent on a fully observed matrix.

    Linearised at the solution, with the step in units of ``1 / sigma_1``: the curvature along
    the weakest direction is ``sigma_r / sigma_1 = 1 / cond``, so the factor is
    ``1 - step_size / cond``; iterations grow like the condition number of the matrix, which is
    the square of that of a symmetric factor (Tong, Ma, Chi 2021; Xu, Shen, Chi, Ma 2023).

    Parameters
    ----------
    cond : float
        Condition number ``sigma_1 / sigma_r`` of the matrix.
    step_size : float
        Dimensionless step.

    Returns
    -------
    float
    """
    return 1.0 - step_size / _check.number(cond, "cond", low=1.0)


def scaledgd_bound(iterations: Array, *, step_size: float) -> Array:
    """Upper bound ``(1 - 0.6 eta)^t`` on the error of ScaledGD, relative to that at the start.

    Tong, Ma, Chi (2021), Theorem 5: free of the condition number; for a small enough
    restricted isometry constant and eta at most 2/3.

    Parameters
    ----------
    iterations : array
    step_size : float
        The eta.

    Returns
    -------
    array
    """
    return np.asarray((1.0 - 0.6 * step_size) ** np.asarray(iterations, float))


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


def overparameterised_decay(
    iterations: Array, *, step_size: float, rank: int, true_rank: int
) -> Array:
    """Absolute error ``sqrt(k - r) / (2 eta t)`` of symmetric gradient descent with k > r columns.

    A redundant direction obeys ``x <- x - eta x^3``, whence ``x^2 -> 1 / (2 eta t)``; the
    step is that of ``1/4 |X X^T - M|^2`` at full observation. In the squared loss it is the
    lower bound Omega(1/t^2) of Xiong, Ding, Du (2024).

    Parameters
    ----------
    iterations : array
    step_size : float
        The eta, in absolute units.
    rank, true_rank : int
        The k and r.

    Returns
    -------
    array
    """
    _excess(rank, true_rank)
    return np.asarray(np.sqrt(rank - true_rank) / (2.0 * step_size * np.asarray(iterations, float)))


def asymmetric_rate(left: Array, right: Array, *, step_size: float) -> float:
    """Factor per iteration of asymmetric gradient descent with redundant columns.

    ``F^T F - G^T G`` is conserved to first order, and a redundant product decays like
    ``exp(-eta lambda t)`` with lambda the smallest absolute eigenvalue of that difference at the
    start: a rate that grows with the square of the scale (Xiong, Ding, Du 2024). It holds up
    to a factor of order one.

    Parameters
    ----------
    left, right : array, shape (n1, k), (n2, k)
        The factors at the start.
    step_size : float
        The eta, in absolute units.

    Returns
    -------
    float
    """
    difference = left.conj().T @ left - right.conj().T @ right
    return float(np.exp(-step_size * np.abs(np.linalg.eigvalsh(difference)).min()))


def damping_floor(
    iterations: Array, *, step_size: float, damping: float, rank: int, true_rank: int
) -> Array:
    """Absolute error ``sqrt(r - r*) lambda / (2 eta t)`` of ScaledGD with a small lambda.

    Redundant columns that have grown to the size of lambda obey
    ``x <- x - eta x^3 / (x^2 + lambda)``, whence ``x^2 -> lambda / (2 eta t)``, whatever the
    scale of the start. (From the update of Xu, Shen, Chi, Ma 2023.)

    Parameters
    ----------
    iterations : array
    step_size, damping : float
        The eta and lambda.
    rank, true_rank : int
        The r and r*.

    Returns
    -------
    array
    """
    _excess(rank, true_rank)
    time = 2.0 * step_size * np.asarray(iterations, float)
    return np.asarray(np.sqrt(rank - true_rank) * damping / time)


def noise_floor(
    noise: float, *, measurements: int, degrees_of_freedom: int, finite_sample: bool = False
) -> float:
    """Absolute error left by Gaussian noise, with measurements scaled to ``A* A ~ I``.

    ``noise sqrt(d / m)`` with noise the standard deviation before the scaling by
    ``1 / sqrt(m)`` and d the degrees of freedom at the *true* rank (about n r for symmetric
    matrices; Xu, Shen, Chi, Ma 2023). Least squares on a finite sample leaves
    ``noise sqrt(d / (m - d - 1))``.

    Parameters
    ----------
    noise : float
    measurements : int
        The m.
    degrees_of_freedom : int
        The d.
    finite_sample : bool
        Use the expression for a finite sample.

    Returns
    -------
    float
    """
    d, m = degrees_of_freedom, measurements
    if finite_sample and m <= d + 1:
        raise InvalidInputError(f"{m} measurements do not determine {d} degrees of freedom")
    return float(noise * np.sqrt(d / ((m - d - 1) if finite_sample else m)))


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


def alternating_floor(inexactness: float) -> float:
    """Relative error left by alternating minimisation with inexact solves: their own size.

    Up to a constant of order one (Gu, Song, Yin, Zhang 2024).

    Parameters
    ----------
    inexactness : float
        Relative error of each solve.

    Returns
    -------
    float
    """
    return float(inexactness)


def one_sided_error(n_rows: int, n_cols: int, rank: int) -> float:
    """Relative error ``r sqrt(d / n)`` of the Gram matrix from two entries per row.

    Up to a constant of order one (Cao, Liang, Valiant 2023: n of order r^2 d log d rows).

    Parameters
    ----------
    n_rows, n_cols, rank : int
        The n, d and r.

    Returns
    -------
    float
    """
    return float(rank * np.sqrt(n_cols / n_rows))


def tubal_exponent() -> float:
    """Power of alpha in the relative error of tubal factorisation from a small start.

    The theorem bounds the squared error by ``alpha^(21/16)`` (Karnik, Veselovska, Iwen, Krahmer
    2025), hence 21/32 for the error itself.

    Returns
    -------
    float
    """
    return 21.0 / 32.0


def bures_wasserstein_rate(depth: int, weakest: float) -> float:
    """Slope of the log loss per unit of time near the optimum of a deep linear network.

    ``-4 N lambda_min^((N-1)/N)`` for balanced layers of full rank, without smoothing; with one
    layer -4 whatever the spectrum. (Linearisation of the flow of Brechet, Papagiannouli, An,
    Montufar 2023, whose own bound is far smaller.)

    Parameters
    ----------
    depth : int
        Number N of layers.
    weakest : float
        Smallest eigenvalue of the target covariance.

    Returns
    -------
    float
    """
    depth = _check.count(depth, "depth", low=1)
    return float(-4.0 * depth * weakest ** ((depth - 1) / depth))


def _excess(rank: int, true_rank: int) -> None:
    if rank <= true_rank:
        raise InvalidInputError(
            f"the law is about more columns than the rank: got {rank} for rank {true_rank}"
        )
