"""Sensing of tubal tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from ..errors import InvalidInputError
from ..factors import Factors
from ..operators.tubal import TubalSensing
from ..problem import Instance, Problem, Truth
from ..tubal import orthonormal_part, unfold
from ._parts import assemble, gaussian_noise, singular_values
from ._registry import register

__all__ = ["TubalTruth", "tubal_sensing"]


@dataclass(frozen=True, eq=False)
class TubalTruth(Truth):
    """The truth of a tensor problem: errors are those of the tensor, not of the matrix.

    Attributes
    ----------
    factors : Factors
        The unfolded factors; others give the same tensor.
    singular_values : array, shape (r,)
        Those of the matrix of the factors, descending.
    f_min : float
        The objective at the truth.
    corrupted : array of bool, shape (m,), or None
        Which measurements are outliers.
    operator : TubalSensing
        What makes tensors of factors.
    """

    operator: TubalSensing = field(kw_only=True)

    def relative_error(self, X: Factors) -> float:
        """``|T(X) - T*|_F / |T*|_F`` for the tensors of X and of the truth."""
        truth = self.operator.tensor(self.factors)
        return float(np.linalg.norm(self.operator.tensor(X) - truth) / np.linalg.norm(truth))


@register(
    "Gaussian linear functionals of a tensor of low tubal rank",
    shape=(6, 3),
    rank=2,
    measurements=160,
)
def tubal_sensing(
    shape: Any,
    rank: int,
    *,
    measurements: int,
    cond: float = 1.0,
    spectrum: Any = "linear",
    noise: float = 0.0,
    dtype: Any = float,
    rng: Any = None,
) -> Instance:
    """A tensor ``T = U * U^H`` of low tubal rank, seen through Gaussian measurements.

    The problem is that of the matrix ``F F^H`` with ``F = unfold(U)``, so that every solver of
    symmetric problems takes it; see `lowrank_la.operators.TubalSensing`. The trace's
    "rel_error" is that of the tensor. Measurement tensors are the symmetric parts of tensors
    with independent entries N(0, 1/m).

    Parameters
    ----------
    shape : tuple of int
        Sizes (n, k): the tensor is n x n with tubes of length k.
    rank : int
        Tubal rank r, at most n.
    measurements : int
        Number m of measurements.
    cond : float
        Condition number of every Fourier slice of the tensor; its largest singular value is 1.
    spectrum : {"linear", "geometric"} or array, shape (r,)
        Spacing of the singular values from 1 to 1/cond, or the values themselves; the same in
        all Fourier slices.
    noise : float
        Standard deviation of Gaussian noise on each measurement.
    dtype : data type
        float64, float32, complex128 or complex64.
    rng : int, Generator or None
        The seed; measurement tensors, factors and noise have streams of their own.

    Returns
    -------
    Instance

    Raises
    ------
    InvalidInputError
        For impossible parameters.
    TooLargeError
        If the measurement tensors do not fit into memory.

    Notes
    -----
    Karnik, Veselovska, Iwen, Krahmer (2025, arXiv:2410.16247) run n = 10, k = 4, r = 3 from
    small random starts with many columns, on truths without spread of singular values: the
    default ``cond=1``. Their text has m = 254 measurements N(0, 1/m); the scripts that they
    released have 254 in one figure, with r = 2, and 285 in the others, and entries N(0, 1),
    which multiplies the step: in the units of this package their 1e-5 is a step of 5.1e-3 and
    of 2.28e-2. The scripts draw the start once and not for every trial, so that later trials
    go on from the answers of earlier ones; here a seed belongs to each.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.tubal_sensing((10, 4), 3, measurements=285, rng=0)
    >>> instance.problem.operator
    <symmetric TubalSensing 10 x 10 x 4, 285 measurements>
    >>> result = ll.solve(instance, "scaledgd", step_size="exact")
    >>> bool(result.trace["rel_error"][-1] < 1e-8)
    True
    """
    try:
        n, k = shape
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"shape must be (n, k), got {shape!r}") from error
    n, k = _check.count(n, "n", low=1), _check.count(k, "k", low=1)
    rank = _check.rank_of(rank, (n, n))
    kind = _check.float_type(dtype, "dtype")
    seed = seed_of(rng)
    values = singular_values(rank, cond, spectrum)
    operator = TubalSensing.draw(measurements, (n, n, k), symmetric=True, dtype=kind, rng=seed)
    generator = stream(seed, "left")
    draw = generator.standard_normal((n, rank, k))
    if kind.kind == "c":
        draw = draw + 1j * generator.standard_normal(draw.shape)
    factor = (unfold(orthonormal_part(draw)) * np.sqrt(values)).astype(kind)
    truth = Factors(factor, factor)
    data = operator.forward(truth)
    noise = _check.number(noise, "noise", low=0.0)
    if noise:
        data = data + gaussian_noise(seed, data.size, noise, data.dtype)
    parameters = {
        "shape": (n, k),
        "rank": rank,
        "measurements": operator.size,
        "cond": cond,
        "spectrum": spectrum,
        "noise": noise,
        "dtype": kind.name,
    }
    problem = Problem(operator, data, symmetric=True)
    make = partial(TubalTruth, operator=operator)
    return assemble(problem, truth, "tubal_sensing", parameters, seed, kind=make)
