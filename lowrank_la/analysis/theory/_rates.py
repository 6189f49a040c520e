"""How fast an iteration contracts near the solution."""

from __future__ import annotations

import numpy as np

from ... import _check
from ..._typing import Array
from ...errors import InvalidInputError


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
