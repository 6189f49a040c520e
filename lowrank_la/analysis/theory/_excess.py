"""More columns than the rank: how the redundant directions die out."""

from __future__ import annotations

import numpy as np

from ..._typing import Array
from ...errors import InvalidInputError


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


def _excess(rank: int, true_rank: int) -> None:
    if rank <= true_rank:
        raise InvalidInputError(
            f"the law is about more columns than the rank: got {rank} for rank {true_rank}"
        )
