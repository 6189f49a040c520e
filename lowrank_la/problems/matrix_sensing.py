"""Sensing: Gaussian linear functionals of a low-rank matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of
from ..losses import Absolute, Squared
from ..operators.gaussian import GaussianSensing
from ..problem import Instance, Problem
from ._parts import assemble, corrupt, draw_truth, gaussian_noise, singular_values
from ._registry import register

__all__ = ["sensing"]


@register(
    "Gaussian linear functionals of a low-rank matrix", shape=(12, 10), rank=2, measurements=160
)
def sensing(
    shape: Any,
    rank: int,
    *,
    measurements: int,
    symmetric: bool = False,
    cond: float = 1.0,
    spectrum: Any = "linear",
    factors: str = "gaussian",
    noise: float = 0.0,
    outliers: float = 0.0,
    outlier_scale: float = 10.0,
    outlier_model: str = "uniform",
    dtype: Any = float,
    storage: str | None = None,
    rng: Any = None,
) -> Instance:
    """A sensing instance: Gaussian measurements of a random low-rank matrix.

    The measurement matrices have independent entries N(0, 1/m) (symmetric: the Gaussian
    orthogonal ensemble of the same scale), so that ``E[A* A] = I``.

    Parameters
    ----------
    shape : tuple of int or int
        Shape (n1, n2), or n for a square matrix.
    rank : int
        Rank r of the matrix.
    measurements : int
        Number m of measurements.
    symmetric : bool
        A symmetric (complex: Hermitian) positive semidefinite matrix, and such measurements.
    cond : float
        Condition number ``sigma_1 / sigma_r`` of the matrix, with ``sigma_1 = 1``. (Papers on
        ``X X^T`` often quote that of the factor, its square root.)
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the singular values from 1 to 1/cond, or the values themselves.
    factors : {"gaussian", "sign"}
        Singular vectors: uniformly random, or those of a random sign matrix, whose rows have
        nearly equal norms (as incoherent as can be; Tong, Ma, Chi 2021).
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
    storage : str, optional
        Type in which measurement matrices are kept, for example "float32".
    rng : int, Generator or None
        The seed; matrices, factors, noise and outliers have streams of their own.

    Returns
    -------
    Instance

    Raises
    ------
    InvalidInputError
        For impossible parameters.
    TooLargeError
        If the measurement matrices do not fit into memory.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.sensing(20, 2, measurements=200, symmetric=True, rng=0)
    >>> instance.problem.operator
    <symmetric GaussianSensing 20 x 20, 200 measurements, 0.336 MB float64>
    """
    shape = _check.shape_of(shape)
    rank = _check.rank_of(rank, shape)
    kind = _check.float_type(dtype, "dtype")
    seed = seed_of(rng)
    values = singular_values(rank, cond, spectrum)
    operator = GaussianSensing.draw(
        measurements, shape, symmetric=symmetric, dtype=kind, storage=storage, rng=seed
    )
    truth = draw_truth(seed, shape, values, kind, factors, symmetric=symmetric)
    data = operator.forward(truth)
    noise = _check.number(noise, "noise", low=0.0)
    if noise:
        data = data + gaussian_noise(seed, data.size, noise, data.dtype)
    data, corrupted = corrupt(seed, data, outliers, outlier_scale, outlier_model)
    loss = Squared() if corrupted is None else Absolute()
    parameters = {
        "shape": shape,
        "rank": rank,
        "measurements": operator.size,
        "symmetric": bool(symmetric),
        "cond": cond,
        "spectrum": spectrum,
        "factors": factors,
        "noise": noise,
        "outliers": outliers,
        "outlier_scale": outlier_scale,
        "outlier_model": outlier_model,
        "dtype": kind.name,
        "storage": None if storage is None else np.dtype(storage).name,
    }
    problem = Problem(operator, data, loss=loss, symmetric=bool(symmetric))
    return assemble(problem, truth, "sensing", parameters, seed, corrupted)
