"""Starts from quadratic measurements, above all phase retrieval."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._random import seed_of, stream
from .._typing import Array
from ..errors import IncompatibleError
from ..factors import Factors
from ..problem import Problem
from ._spectral import gaussian, spectral, spectral_rank

# Steps of the Krylov iteration; the weights separate the wanted eigenvalues from the others.
STEPS = 8
# Multiples of the mean above which a form is taken for an outlier: one of 200, if real.
LARGEST = 8.0
# Reweightings when the small core is fitted, and the least residual as a share of the median.
REWEIGHTINGS, SMOOTHING = 8, 0.2


def is_quadratic(problem: Problem) -> bool:
    """Whether the measurements are forms ``a_i^H X a_i`` of a symmetric matrix."""
    operator = problem.operator
    return (
        problem.symmetric
        and bool(getattr(operator, "symmetric", False))
        and hasattr(operator, "forms")
    )


def weighted_spectral(problem: Problem, rank: int, *, rng: Any = 0) -> Factors:
    """Spectral start from bounded weights of quadratic measurements: phase retrieval.

    The factor's columns span the leading eigenvectors of ``sum_i T(y_i / mean) a_i a_i^H`` with
    ``T(y) = (y - 1) / (y + sqrt(d) - 1)``, d the number of measurements per unknown, twice that
    for real ones: the weights with which eigenvectors tell of the truth from the fewest
    measurements (Mondelli, Montanari 2019), where plain ones, ``T(y) = y``, follow single large
    measurements. Outliers are left out where they stand out, and the mean is told by the median.
    The r x r matrix between the eigenvectors then minimises the sum of the moduli of the residual.

    Parameters
    ----------
    problem : Problem
        A symmetric problem with quadratic measurements (`RankOneSensing` without right vectors).
    rank : int
        Number of columns of the factors.
    rng : int, Generator or None
        Start of the Krylov iteration.

    Returns
    -------
    Factors

    Raises
    ------
    IncompatibleError
        If the measurements are not quadratic forms.
    """
    rank = spectral_rank(problem, rank)
    if not is_quadratic(problem):
        raise IncompatibleError(
            f"the start 'weighted_spectral' needs quadratic measurements of a symmetric matrix, "
            f"which {type(problem.operator).__name__} here does not give; use start='spectral', or "
            f"'truncated' for data with outliers"
        )
    data = problem.data.real
    mean = float(np.median(data)) / _median_of_mean_one(rank, problem.dtype)
    if mean <= 0:
        return spectral(problem, rank, rng=rng)
    per_unknown = problem.data.size / problem.shape[0]
    weights = _weights(data / mean, per_unknown * (1 if problem.dtype.kind == "c" else 2))
    weights = weights.astype(problem.data.real.dtype)

    project, product = _multipliers(problem, weights)
    begin = gaussian(stream(seed_of(rng), "lanczos"), (problem.shape[0], rank), problem.dtype)
    basis = _leading(product, begin)
    left = basis @ _core_root(problem, project(basis))
    return Factors(*(np.ascontiguousarray(left, problem.dtype),) * 2)


def _median_of_mean_one(rank: int, dtype: np.dtype[Any]) -> float:
    """Median of the mean of `rank` squared standard Gaussians, up to 4 %."""
    return (1 - 1 / (9 * rank)) ** 3 if dtype.kind == "c" else (1 - 2 / (9 * rank)) ** 3


def _weights(relative: Array, per_unknown: float) -> Array:
    """``(y - 1) / (y + sqrt(d) - 1)``; zero for what can hardly be a form of mean one."""
    y = np.maximum(relative, 0.0)
    weights = (y - 1) / (y + max(np.sqrt(per_unknown), 1.1) - 1)
    return np.where((relative < -LARGEST / 16) | (relative > LARGEST), 0.0, weights)


def _multipliers(
    problem: Problem, weights: Array
) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """``a_i^H B`` and ``sum_i w_i a_i a_i^H B`` from B; a start need not be exact."""
    operator: Any = problem.operator
    if problem.dtype.kind != operator.dtype.kind:
        return operator.projections, lambda B: operator.adjoint_right(weights, B)
    rounded = operator.forms.rounded
    return rounded.products, lambda B: rounded.normal_product(weights, B)


def _leading(product: Callable[[Array], Array], begin: Array) -> Array:
    """Ritz vectors of the largest eigenvalues, by block Lanczos with full orthogonalisation."""
    n, k = begin.shape
    steps = min(STEPS, n // k)
    block = np.linalg.qr(begin)[0]
    basis, images = block, product(np.ascontiguousarray(block))
    for _ in range(steps - 1):
        new = images[:, -k:]
        for _ in range(2):
            new = new - basis @ (basis.conj().T @ new)
        block = np.linalg.qr(new)[0]
        basis = np.hstack([basis, block])
        images = np.hstack([images, product(np.ascontiguousarray(block))])
    small = basis.conj().T @ images
    _, vectors = np.linalg.eigh(0.5 * (small + small.conj().T))
    return basis @ vectors[:, -k:][:, ::-1]


def _core_root(problem: Problem, u: Array) -> Array:
    """C with ``B C C^H B^H`` nearest to the data in the sum of moduli, from ``u_i = a_i^H B``."""
    rank = u.shape[1]
    # y_i = u_i S u_i^H with S Hermitian: real coordinates of S below and on the diagonal.
    below = np.tril_indices(rank)
    pairs = u[:, below[0]] * u[:, below[1]].conj()
    design = np.where(below[0] == below[1], 1.0, 2.0) * pairs.real
    if u.dtype.kind == "c":
        design = np.hstack([design, -2.0 * pairs.imag[:, below[0] != below[1]]])
    found = _least_moduli(design.astype(float), problem.data.real.astype(float))
    core = np.zeros((rank, rank), u.dtype)
    core[below] = found[: below[0].size]
    if u.dtype.kind == "c":
        off = tuple(index[below[0] != below[1]] for index in below)
        core[off] += 1j * found[below[0].size :]
    # Of the lower triangle alone.
    values, vectors = np.linalg.eigh(core)
    least = 1e-3 * max(float(values[-1]), 0.0)
    return vectors * np.sqrt(np.maximum(values, least))


def _least_moduli(design: Array, data: Array) -> Array:
    """``argmin |design x - data|_1``, nearly, by reweighted least squares."""
    weights = np.ones(data.size)
    top = float(np.max(np.abs(design), initial=0.0)) or 1.0
    design = design / top
    for _ in range(REWEIGHTINGS):
        # Few columns of like size: their Gram matrix will do.
        weighted = design * weights[:, None]
        found = np.linalg.lstsq(weighted.T @ design, weighted.T @ data, rcond=None)[0]
        size = np.abs(data - design @ found)
        level = SMOOTHING * float(np.median(size))
        if level == 0.0:
            break
        weights = level / np.maximum(size, level)
    return found / top
