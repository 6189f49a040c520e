"""Rank-one sensing: quadratic (phase retrieval) and bilinear measurements."""

from __future__ import annotations

from typing import Any

from .. import _check
from .._random import seed_of
from ..losses import Absolute, Squared
from ..operators.rank_one import RankOneSensing
from ..problem import Instance, Problem
from ._parts import assemble, corrupt, draw_truth, gaussian_noise, singular_values
from ._registry import register

__all__ = ["bilinear_sensing", "quadratic_sensing"]


@register(
    "quadratic forms of a PSD matrix; rank 1: phase retrieval", n=12, rank=2, measurements=160
)
def quadratic_sensing(
    n: int,
    rank: int,
    *,
    measurements: int,
    cond: float = 1.0,
    spectrum: Any = "linear",
    factors: str = "gaussian",
    noise: float = 0.0,
    outliers: float = 0.0,
    outlier_scale: float = 10.0,
    outlier_model: str = "uniform",
    dtype: Any = float,
    rng: Any = None,
) -> Instance:
    """A quadratic sensing instance: ``y_i = a_i^H X a_i`` with Gaussian vectors.

    The vectors are scaled so that ``E[A* A](X) = X + tr(X) I / 2`` (complex: ``X + tr(X) I``).
    Rank 1 is phase retrieval from the squared moduli ``|a_i^H x|^2``; it wants four to six
    times as many measurements as n, and six when real and without a start near the truth.

    Parameters
    ----------
    n : int
        The matrix is n x n, symmetric (complex: Hermitian) positive semidefinite.
    rank : int
        Rank r of the matrix.
    measurements : int
        Number m of measurements.
    cond : float
        Condition number ``sigma_1 / sigma_r`` of the matrix, with ``sigma_1 = 1``.
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the singular values from 1 to 1/cond, or the values themselves.
    factors : {"gaussian", "sign"}
        Eigenvectors: uniformly random, or those of a random sign matrix.
    noise : float
        Standard deviation of Gaussian noise on each measurement.
    outliers : float
        Probability with which a measurement is corrupted; the loss is then Absolute.
    outlier_scale : float
        Size of the outliers, in the unit of the model.
    outlier_model : {"uniform", "gaussian"}
        Corrupted measurements have ``outlier_scale max|y| Uniform(-1, 1)`` added (Tong, Ma,
        Chi 2021b), or ``outlier_scale rms(y) N(0, 1)`` (Ma, Fattahi 2023).
    dtype : data type
        float64, float32, complex128 or complex64: of vectors and matrix; data are real.
    rng : int, Generator or None
        The seed; vectors, factors, noise and outliers have streams of their own.

    Returns
    -------
    Instance

    Raises
    ------
    InvalidInputError, InvalidTypeError
        For impossible parameters.
    TooLargeError
        If the vectors do not fit into memory.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.quadratic_sensing(20, 1, measurements=120, rng=0)
    >>> ll.solve(instance, max_iter=300).converged
    True
    """
    n = _check.count(n, "n", low=1)
    return _instance(**locals(), symmetric=True)


@register("bilinear forms of a low-rank matrix", shape=(12, 10), rank=2, measurements=160)
def bilinear_sensing(
    shape: Any,
    rank: int,
    *,
    measurements: int,
    cond: float = 1.0,
    spectrum: Any = "linear",
    factors: str = "gaussian",
    noise: float = 0.0,
    outliers: float = 0.0,
    outlier_scale: float = 10.0,
    outlier_model: str = "uniform",
    dtype: Any = float,
    rng: Any = None,
) -> Instance:
    """A bilinear sensing instance: ``y_i = a_i^H X b_i`` with independent Gaussian vectors.

    The vectors are scaled so that ``E[A* A] = I``. Rank 1 is blind deconvolution in the
    Gaussian model.

    Parameters
    ----------
    shape : tuple of int or int
        Shape (n1, n2), or n for a square matrix.
    rank : int
        Rank r of the matrix.
    measurements : int
        Number m of measurements.
    cond : float
        Condition number ``sigma_1 / sigma_r`` of the matrix, with ``sigma_1 = 1``.
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the singular values from 1 to 1/cond, or the values themselves.
    factors : {"gaussian", "sign"}
        Singular vectors: uniformly random, or those of a random sign matrix.
    noise : float
        Standard deviation of Gaussian noise on each measurement.
    outliers : float
        Probability with which a measurement is corrupted; the loss is then Absolute.
    outlier_scale : float
        Size of the outliers, in the unit of the model.
    outlier_model : {"uniform", "gaussian"}
        Corrupted measurements have ``outlier_scale max|y| Uniform(-1, 1)`` added (Tong, Ma,
        Chi 2021b), or ``outlier_scale rms(y) N(0, 1)`` (Ma, Fattahi 2023).
    dtype : data type
        float64, float32, complex128 or complex64.
    rng : int, Generator or None
        The seed; vectors, factors, noise and outliers have streams of their own.

    Returns
    -------
    Instance

    Raises
    ------
    InvalidInputError, InvalidTypeError
        For impossible parameters.
    TooLargeError
        If the vectors do not fit into memory.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.bilinear_sensing((20, 15), 2, measurements=400, rng=0)
    >>> instance.problem.operator
    <RankOneSensing 20 x 15, 400 measurements float64>
    """
    return _instance(**locals(), symmetric=False)


def _instance(*, symmetric: bool, **given: Any) -> Instance:
    shape = _check.shape_of(given["n"] if symmetric else given["shape"])
    rank = _check.rank_of(given["rank"], shape)
    kind = _check.float_type(given["dtype"], "dtype")
    seed = seed_of(given["rng"])
    values = singular_values(rank, given["cond"], given["spectrum"])
    operator = RankOneSensing.draw(
        given["measurements"], shape, symmetric=symmetric, dtype=kind, rng=seed
    )
    truth = draw_truth(seed, shape, values, kind, given["factors"], symmetric=symmetric)
    data = operator.forward(truth)
    noise = _check.number(given["noise"], "noise", low=0.0)
    if noise:
        data = data + gaussian_noise(seed, data.size, noise, data.dtype)
    data, corrupted = corrupt(
        seed, data, given["outliers"], given["outlier_scale"], given["outlier_model"]
    )
    problem = Problem(
        operator, data, loss=Squared() if corrupted is None else Absolute(), symmetric=symmetric
    )
    parameters = {k: v for k, v in given.items() if k != "rng"}
    parameters |= {"dtype": kind.name, "measurements": operator.size}
    if not symmetric:
        parameters["shape"] = shape
    name = "quadratic_sensing" if symmetric else "bilinear_sensing"
    return assemble(problem, truth, name, parameters, seed, corrupted)
