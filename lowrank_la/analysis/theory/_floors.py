"""The error that remains, by noise, inexact solves, short steps or few data."""

from __future__ import annotations

import numpy as np

from ..._typing import Array
from ...errors import InvalidInputError


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
