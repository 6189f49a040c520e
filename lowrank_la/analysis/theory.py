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
    "asymmetric_mean_rate",
    "asymmetric_rate",
    "bures_wasserstein_bound",
    "bures_wasserstein_rate",
    "damping_floor",
    "gd_rate",
    "geometric_accuracy",
    "incremental_time",
    "noise_floor",
    "one_sided_error",
    "one_step_rate",
    "overparameterised_decay",
    "scaledgd_bound",
    "sign_share",
    "small_start_exponent",
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


def asymmetric_rate(left: Array, right: Array, *, step_size: float, fastest: bool = False) -> float:
    """Factor per iteration of asymmetric gradient descent with redundant columns.

    ``D = F^T F - G^T G`` is conserved to first order, and a redundant product decays like
    ``exp(-eta v^T D v t)`` with v the direction that the matrix leaves over: a rate that grows
    with the square of the scale (Xiong, Ding, Du 2024). Which v that is shows at the end only;
    the smallest absolute eigenvalue of D at the start bounds the rate from one side, and the
    largest, if all have one sign, from the other.

    Parameters
    ----------
    left, right : array, shape (n1, k), (n2, k)
        The factors at the start.
    step_size : float
        The eta, in absolute units.
    fastest : bool
        The factor of the largest eigenvalue instead of the smallest.

    Returns
    -------
    float
    """
    difference = left.conj().T @ left - right.conj().T @ right
    sizes = np.abs(np.linalg.eigvalsh(difference))
    return float(np.exp(-step_size * (sizes.max() if fastest else sizes.min())))


def asymmetric_mean_rate(init_scale: float, n: int, *, step_size: float, ratio: float) -> float:
    """That of `asymmetric_rate` for the mean of the eigenvalues, expected for random factors.

    ``exp(-eta (1 - ratio^2) alpha^2 n)`` with entries alpha N(0, 1) in the left factor and
    ratio times as large ones in the right; Xiong, Ding, Du (2024) take a third.

    Parameters
    ----------
    init_scale : float
        The alpha.
    n : int
        Number of rows of either factor.
    step_size : float
        The eta, in absolute units.
    ratio : float
        Scale of the right factor over that of the left.

    Returns
    -------
    float
    """
    return float(np.exp(-step_size * (1.0 - ratio**2) * init_scale**2 * n))


def one_step_rate(beta: float, *, step_size: float) -> float:
    """Factor per iteration of redundant directions after the one-step rescaling.

    With ``F = beta P``, P orthonormal, the conserved gap ``F^T F - G^T G`` is beta^2 in the
    redundant directions, whence ``exp(-eta beta^2)`` whatever the scale of the start was. The
    error then falls at the slower of this rate and that of exact rank (Xiong, Ding, Du 2024).

    Parameters
    ----------
    beta : float
        Norm of the columns of F after the rescaling.
    step_size : float
        The eta, in absolute units.

    Returns
    -------
    float
    """
    return float(np.exp(-step_size * beta**2))


def small_start_exponent() -> float:
    """Power of alpha that bounds the final error of ScaledGD(lambda) from a small start: 1/3.

    An upper bound (Xu, Shen, Chi, Ma 2023); measured errors fall faster.

    Returns
    -------
    float
    """
    return 1.0 / 3.0


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


def geometric_accuracy(iterations: int, *, initial: float, decay: Array | float) -> Array:
    """Error ``lambda_0 q^t`` that subgradients with geometric steps reach in t iterations.

    A subgradient does not shrink near the solution, so that the iterates stay at about the
    length of the last move from it; up to a constant of order one, and only if q is not below
    the factor per iteration that the conditioning of the loss permits (Tong, Ma, Chi 2021b).

    Parameters
    ----------
    iterations : int
    initial : float
        Length lambda_0 of the first move, in the geometry of the matrix; the error has its unit.
    decay : float or array
        The q.

    Returns
    -------
    array
    """
    return np.asarray(initial * np.asarray(decay, float) ** iterations)


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


def bures_wasserstein_rate(depth: int, weakest: float, *, smoothing: float = 0.0) -> float:
    """Slope of the log loss per unit of time near the optimum of a deep linear network.

    ``-4 N mu^((N-1)/N) mu / lambda`` for balanced layers of full rank, with lambda the smallest
    eigenvalue of the target and ``mu = lambda - tau`` that of the network; without smoothing
    ``-4 N lambda^((N-1)/N)``, with one layer -4 whatever the spectrum. (Linearisation of the
    flow of Brechet, Papagiannouli, An, Montufar 2023, whose own bound is far smaller.)

    Parameters
    ----------
    depth : int
        Number N of layers.
    weakest : float
        Smallest eigenvalue of the target covariance.
    smoothing : float
        The tau, at most `weakest`.

    Returns
    -------
    float
    """
    depth = _check.count(depth, "depth", low=1)
    smoothing = _check.number(smoothing, "smoothing", low=0.0, high=weakest)
    network = weakest - smoothing
    return float(-4.0 * depth * network ** ((depth - 1) / depth) * network / weakest)


def bures_wasserstein_bound(
    depth: int, weakest: float, *, smoothing: float, trace: float, loss: float
) -> float:
    """Slope of the log loss per unit of time that the theory guarantees from a start.

    ``-8 N c^(2 (2N-1)/N) K`` with ``K = sqrt(tau lambda_min) / (2 C^2)``, ``C = 2 (L_0 + tr)``
    and the margin ``c = sqrt(lambda_min) - sqrt(L_0)`` (Brechet, Papagiannouli, An, Montufar
    2023; constants as their released code has them).

    Parameters
    ----------
    depth : int
        Number N of layers.
    weakest, trace : float
        Smallest eigenvalue and trace of the target covariance.
    smoothing : float
        The tau; without it the bound is 0.
    loss : float
        Loss L_0 at the start, below `weakest`.

    Returns
    -------
    float

    Raises
    ------
    InvalidInputError
        If the start is too far for the bound.
    """
    depth = _check.count(depth, "depth", low=1)
    margin = float(np.sqrt(weakest) - np.sqrt(loss))
    if margin <= 0:
        raise InvalidInputError(
            f"the bound needs a loss below the smallest eigenvalue {weakest:.3g}, got {loss:.3g}"
        )
    scale = np.sqrt(smoothing * weakest) / (2 * (2 * (loss + trace)) ** 2)
    return float(-8 * depth * margin ** (2 * (2 * depth - 1) / depth) * scale)


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


def _excess(rank: int, true_rank: int) -> None:
    if rank <= true_rank:
        raise InvalidInputError(
            f"the law is about more columns than the rank: got {rank} for rank {true_rank}"
        )
