"""Robust PCA and robust completion: a low-rank matrix with gross errors in its entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._grid import Grid
from .._random import Seed, seed_of, stream
from .._typing import Array
from ..errors import InvalidInputError
from ..losses import Absolute
from ..operators.entries import EntrySampling
from ..operators.full import FullObservation
from ..problem import Instance, Problem
from ._parts import (
    assemble,
    corrupt,
    draw_mask,
    draw_truth,
    gaussian_noise,
    singular_values,
    warn_of_breakdown,
)
from ._registry import register

__all__ = ["robust_completion", "robust_pca"]

MODELS = ("sparse", "uniform", "gaussian")


@register(
    "all entries of a low-rank matrix, some grossly wrong", shape=(30, 25), rank=2, corruption=0.0
)
def robust_pca(
    shape: Any,
    rank: int,
    *,
    corruption: float = 0.1,
    model: str = "sparse",
    outlier_scale: float = 1.0,
    cond: float = 1.0,
    spectrum: Any = "linear",
    factors: str = "sign",
    noise: float = 0.0,
    dtype: Any = float,
    rng: Any = None,
) -> Instance:
    """A robust PCA instance: low rank plus sparse, all entries observed; absolute loss.

    Parameters
    ----------
    shape : tuple of int or int
        Shape (n1, n2), or n for a square matrix.
    rank : int
        Rank r of the matrix; its left and right singular vectors are independent.
    corruption : float
        Share alpha of corrupted entries.
    model : {"sparse", "uniform", "gaussian"}
        "sparse": errors ``outlier_scale N(0, 1)``, kept where they are among the
        ``floor(alpha n)`` largest of their row and of their column, so that no row or column
        has more than its share (Tong, Ma, Chi 2021). Otherwise each entry is hit with
        probability alpha, by an error of ``outlier_scale max|y| Uniform(-1, 1)`` or of
        ``outlier_scale rms(y) N(0, 1)``.
    outlier_scale : float
        Size of the errors, in the unit of the model.
    cond : float
        Condition number ``sigma_1 / sigma_r`` of the matrix, with ``sigma_1 = 1``.
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the singular values from 1 to 1/cond, or the values themselves.
    factors : {"gaussian", "sign"}
        Singular vectors: uniformly random, or those of a random sign matrix, whose rows have
        nearly equal norms (as incoherent as can be).
    noise : float
        Standard deviation of Gaussian noise on each entry.
    dtype : data type
        float64, float32, complex128 or complex64.
    rng : int, Generator or None
        The seed; factors, noise and outliers have streams of their own.

    Returns
    -------
    Instance
        ``truth.corrupted`` tells which entries are wrong.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        For impossible parameters.

    Warns
    -----
    BreakdownWarning
        For a share above one half.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.robust_pca((60, 50), 2, corruption=0.1, rng=0)
    >>> result = ll.solve(instance, "thresholded_scaledgd")
    >>> result.converged
    True
    """
    shape = _check.shape_of(shape)
    given = dict(locals())
    operator = FullObservation(shape)
    return _instance("robust_pca", operator, Grid(shape), given)


@register(
    "some entries of a low-rank matrix, some of them grossly wrong",
    shape=(40, 30),
    rank=2,
    sampling=0.5,
    corruption=0.0,
)
def robust_completion(
    shape: Any,
    rank: int,
    *,
    sampling: float | None = None,
    oversampling: float | None = None,
    corruption: float = 0.1,
    model: str = "sparse",
    outlier_scale: float = 1.0,
    cond: float = 1.0,
    spectrum: Any = "linear",
    factors: str = "sign",
    noise: float = 0.0,
    empty: str = "raise",
    dtype: Any = float,
    rng: Any = None,
) -> Instance:
    """A robust completion instance: some entries, a share of them corrupted; absolute loss.

    Parameters
    ----------
    shape : tuple of int or int
        Shape (n1, n2), or n for a square matrix.
    rank : int
        Rank r of the matrix; its left and right singular vectors are independent.
    sampling : float, optional
        Probability p with which each entry is observed, independently.
    oversampling : float, optional
        Number of observed entries over the number of degrees of freedom. Give exactly one of
        the two.
    corruption : float
        Share of the observed entries that are corrupted.
    model : {"sparse", "uniform", "gaussian"}
        As in `robust_pca`; "sparse" bounds the share of the observed entries of each row and
        column.
    outlier_scale : float
        Size of the errors, in the unit of the model.
    cond : float
        Condition number ``sigma_1 / sigma_r`` of the matrix, with ``sigma_1 = 1``.
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the singular values from 1 to 1/cond, or the values themselves.
    factors : {"gaussian", "sign"}
        Singular vectors: uniformly random, or those of a random sign matrix.
    noise : float
        Standard deviation of Gaussian noise on each entry.
    empty : {"raise", "allow"}
        What to do about rows or columns without any entry.
    dtype : data type
        float64, float32, complex128 or complex64.
    rng : int, Generator or None
        The seed; mask, factors, noise and outliers have streams of their own.

    Returns
    -------
    Instance
        ``truth.corrupted`` tells which of the measurements are wrong.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        For impossible parameters, or a mask with an empty row or column.

    Warns
    -----
    BreakdownWarning
        For a share above one half.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.robust_completion((80, 60), 2, sampling=0.5, rng=0)
    >>> round(float(instance.truth.corrupted.mean()), 2)
    0.06
    """
    shape = _check.shape_of(shape)
    given = dict(locals())
    seed = given["rng"] = seed_of(rng)
    rank = _check.rank_of(rank, shape)
    i, j = draw_mask(seed, shape, rank, sampling, oversampling)
    operator = EntrySampling(i, j, shape, empty=empty)
    return _instance("robust_completion", operator, Grid(shape, i, j), given)


def _instance(name: str, operator: Any, grid: Grid, given: dict[str, Any]) -> Instance:
    shape, seed = given["shape"], seed_of(given["rng"])
    rank = _check.rank_of(given["rank"], shape)
    kind = _check.float_type(given["dtype"], "dtype")
    values = singular_values(rank, given["cond"], given["spectrum"])
    truth = draw_truth(seed, shape, values, kind, given["factors"])
    data = operator.forward(truth)
    noise = _check.number(given["noise"], "noise", low=0.0)
    if noise:
        data = data + gaussian_noise(seed, data.size, noise, kind)
    data, corrupted = _corrupt(
        seed, data, grid, given["corruption"], given["outlier_scale"], given["model"]
    )
    parameters = {k: v for k, v in given.items() if k != "rng"} | {"dtype": kind.name}
    problem = Problem(operator, data, loss=Absolute())
    return assemble(problem, truth, name, parameters, seed, corrupted)


def _corrupt(
    seed: Seed, data: Array, grid: Grid, share: float, scale: float, model: str
) -> tuple[Array, Array]:
    share = _check.number(share, "corruption", low=0.0, high=1.0)
    scale = _check.number(scale, "outlier_scale", low=0.0)
    if model not in MODELS:
        raise InvalidInputError(f"model must be one of {', '.join(MODELS)}, got {model!r}")
    if model != "sparse":
        data, hit = corrupt(seed, data, share, scale, model)
        return data, np.zeros(data.size, bool) if hit is None else hit
    warn_of_breakdown(share)
    errors = stream(seed, "outliers").standard_normal(data.size)
    hit = grid.outstanding(errors, share)
    return data + (scale * hit * errors).astype(data.real.dtype), hit
