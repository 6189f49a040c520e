"""Starts from data that may hold outliers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .. import _check
from .._grid import Grid, grid_of, median_modulus
from .._random import seed_of, stream
from .._typing import Array
from ..errors import IncompatibleError, InvalidInputError
from ..factors import Factors
from ..problem import Problem
from ._quadratic import is_quadratic, weighted_spectral
from ._spectral import gaussian, spectral, spectral_rank

# Median modulus of a standard Gaussian, and how many standard deviations are kept of data that
# may hold outliers.
MEDIAN, TAIL = 0.6744897501960817, 3.0
# Of the singular vectors of data that are cut: they decide which outliers are seen later.
ACCURACY = 0.03
# The start from medians: rows that medians are taken of, rows of a block, additional columns,
# and power iterations.
SOME, BLOCK, EXTRA, POWERS = 129, 64, 5, 2


def thresholded(
    problem: Problem, rank: int, *, corruption: float | None = None, rng: Any = 0
) -> Factors:
    """Spectral start from data whose largest entries are left out: robust PCA.

    What is among the ``floor(alpha k)`` largest moduli of the k measurements of its row, and
    among those of its column, counts as zero (Tong, Ma, Chi 2021, equation 13).

    Parameters
    ----------
    problem : Problem
        A problem whose operator observes entries.
    rank : int
        Number of columns of the factors.
    corruption : float, optional
        The share alpha. Default: 0.3, but only moduli above 15 times the median count.
    rng : int, Generator or None
        Start vector of the Lanczos iteration.

    Returns
    -------
    Factors

    Raises
    ------
    IncompatibleError
        If the operator does not observe single entries.
    """
    grid = grid_of(problem.operator)
    if grid is None:
        raise IncompatibleError(
            f"the start 'thresholded' needs an operator that observes single entries, which "
            f"{type(problem.operator).__name__} does not; use start='spectral'"
        )
    data = problem.data
    if corruption is None:
        left_out = grid.outstanding(data, 0.3) & (np.abs(data) > 15 * median_modulus(data))
    else:
        share = _check.number(corruption, "corruption", low=0.0, high=0.5)
        left_out = grid.outstanding(data, share)
    kept = np.where(left_out, 0, data)
    cut = problem.replace(data=kept.astype(data.dtype))
    return spectral(cut, rank, accuracy=ACCURACY, rng=rng)


def medians(problem: Problem, rank: int, *, rng: Any = 0) -> Factors:
    """Column medians, and the leading singular vectors with what is left clipped: robust PCA.

    The medians take off what columns have in common, which in real data is most; what remains
    is clipped to three times its median modulus, and divided by the share of observed entries.
    A few power iterations find the leading singular vectors of the sum of both, with a block of
    rows at a time if all entries are observed. Of many rows medians are taken of some.

    Parameters
    ----------
    problem : Problem
        A problem whose operator observes entries.
    rank : int
        Number of columns of the factors.
    rng : int, Generator or None
        Start of the power iteration.

    Returns
    -------
    Factors

    Raises
    ------
    IncompatibleError
        If the operator does not observe single entries.
    """
    grid = grid_of(problem.operator)
    if grid is None:
        raise IncompatibleError(
            f"the start 'medians' needs an operator that observes single entries, which "
            f"{type(problem.operator).__name__} does not; use start='spectral'"
        )
    rank = spectral_rank(problem, rank)
    n1, n2 = problem.shape
    make = _centred_rows if grid.rows is None else _centred_entries
    middle, products = make(problem, grid)
    width = min(rank + EXTRA, n1, n2)
    generator = stream(seed_of(rng), "medians")
    V = np.linalg.qr(gaussian(generator, (n2, width), problem.dtype))[0]
    # The medians themselves are nearly a singular vector, where they matter.
    V[:, 0] += middle.conj() / max(float(np.linalg.norm(middle)), np.finfo(V.dtype).tiny)
    for _ in range(POWERS):
        V = np.linalg.qr(products(np.linalg.qr(V)[0])[1])[0]
    u, s, vh = np.linalg.svd(products(V, both=False)[0], full_matrices=False)
    root = np.sqrt(s[:rank]).astype(u.real.dtype)
    right = (V @ vh[:rank].conj().T) * root
    left = np.ascontiguousarray(u[:, :rank] * root, problem.dtype)
    return Factors(left, np.ascontiguousarray(right, problem.dtype))


class Products(Protocol):
    """``Z V`` and ``Z^H (Z V)`` of a block V, for the matrix Z; or the first alone."""

    def __call__(self, V: Array, both: bool = True) -> tuple[Array, Array]: ...


def _clipped(values: Array, limit: float) -> Array:
    """Moduli above the limit set to it, in place."""
    if values.dtype.kind == "f":
        return np.clip(values, -limit, limit, out=values)
    size = np.abs(values)
    large = size > limit
    values[large] *= (limit / size[large]).astype(size.dtype)
    return values


def _median(values: Array) -> Any:
    """The median of each column; of complex numbers, of real and imaginary parts."""
    if values.dtype.kind == "c":
        return _median(values.real) + 1j * _median(values.imag)
    # NumPy sorts all columns of a block several times as fast as it finds their medians.
    ordered, n = np.sort(values, axis=0), len(values)
    return 0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])


def _centred_rows(problem: Problem, grid: Grid) -> tuple[Array, Products]:
    data = problem.data.reshape(problem.shape)
    middle = _median(data[:: -(-len(data) // SOME)]).astype(data.dtype)
    limit = TAIL * median_modulus((data[:: -(-len(data) // SOME)] - middle).ravel())
    if limit == 0.0:
        limit = np.inf

    def products(V: Array, both: bool = True) -> tuple[Array, Array]:
        first, second = np.empty((len(data), V.shape[1]), V.dtype), np.zeros_like(V)
        for lo in range(0, len(data), BLOCK):
            block = middle + _clipped(data[lo : lo + BLOCK] - middle, limit)
            first[lo : lo + BLOCK] = part = block @ V
            if both:
                second += block.conj().T @ part
        return first, second

    return middle, products


def _centred_entries(problem: Problem, grid: Grid) -> tuple[Array, Products]:
    operator, data, columns = problem.operator, problem.data, grid.columns
    assert columns is not None
    middle = np.zeros(problem.shape[1], data.dtype)
    order = np.argsort(columns, kind="stable")
    seen, starts = np.unique(columns[order], return_index=True)
    for column, values in zip(seen, np.split(data[order], starts[1:]), strict=True):
        middle[column] = _median(values)
    rest = data - middle[columns]
    rest = _clipped(rest, TAIL * median_modulus(rest) or np.inf)
    rest = rest / rest.real.dtype.type(operator.isometry)

    def products(V: Array, both: bool = True) -> tuple[Array, Array]:
        first = operator.adjoint_right(rest, V) + middle @ V
        if not both:
            return first, np.zeros_like(V)
        second = operator.adjoint_left(rest, first)
        return first, second + np.outer(middle.conj(), first.sum(axis=0))

    return middle, products


def _deviation(data: Array) -> float:
    """Standard deviation of Gaussian data among outliers, from the median modulus."""
    size = np.abs(data)
    # Where most data vanish, those that do not have to do.
    return float(np.median(size) or np.median(size[size > 0])) / MEDIAN


def frobenius_estimate(problem: Problem) -> float:
    """``|X|_F`` as the median modulus of the data tells it: outliers may be among them.

    Exact in the mean for Gaussian measurements; outliers of share p raise it, by half for
    p = 0.3.

    Parameters
    ----------
    problem : Problem
        The problem; operator and data are used.

    Returns
    -------
    float
    """
    return _deviation(problem.data) * float(np.sqrt(problem.data.size / problem.operator.isometry))


def truncated(problem: Problem, rank: int, *, keep: float | None = None, rng: Any = 0) -> Factors:
    """Spectral start from the smaller measurements only, for data with outliers.

    Measurements of large modulus count as zero (Tong, Ma, Chi 2021b). That makes the matrix
    too small, by a factor that depends on outliers and operator; it is then scaled such that
    the sum of the moduli of the residual is least. For quadratic measurements, in whose mean
    the trace stands too, it is `weighted_spectral` unless `keep` is given.

    Parameters
    ----------
    problem : Problem
        The problem.
    rank : int
        Number of columns of the factors.
    keep : float, optional
        Share of the measurements to keep, those of the smallest modulus: one minus the share
        of outliers, if that is known. Default: all up to three standard deviations, with the
        standard deviation from the median, which up to half of outliers do not spoil.
    rng : int, Generator or None
        Start vector of the Lanczos iteration.

    Returns
    -------
    Factors
    """
    if keep is None and is_quadratic(problem):
        return weighted_spectral(problem, rank, rng=rng)
    size = np.abs(problem.data)
    if keep is None:
        limit = TAIL * _deviation(problem.data)
    else:
        keep = _check.number(keep, "keep", low=0.0, high=1.0)
        count = max(1, int(np.ceil(keep * size.size)))
        limit = float(np.partition(size, count - 1)[count - 1])
    kept = np.where(size <= limit, problem.data, 0)
    if not kept.any():
        raise InvalidInputError(
            f"keep={keep:g} leaves no measurement that is not zero; keep more of them"
        )
    cut = problem.replace(data=kept.astype(problem.data.dtype))
    found = spectral(cut, rank, accuracy=ACCURACY, rng=rng)
    return _scaled_to_fit(problem, found)


def sign_spectral(
    problem: Problem, rank: int, *, init_scale: float | None = None, rng: Any = 0
) -> Factors:
    """Spectral start from the signs of the data, which outliers can do no more than flip.

    Leading singular vectors of ``A*(sign(y))``, with factors in proportion to the square
    roots of the singular values, which for Gaussian measurements are those of X up to a
    common factor; negative eigenvalues as zero for symmetric problems (Ma, Fattahi 2023).
    Data that are all positive have no signs to go by: use `truncated`.

    Parameters
    ----------
    problem : Problem
        The problem.
    rank : int
        Number of columns of the factors; it may be larger than that of the matrix.
    init_scale : float, optional
        The paper's alpha: the factors have spectral norm ``init_scale sqrt(s)``, with s an
        estimate of the norm of the matrix. Default: such that the sum of the moduli of the
        residual is least.
    rng : int, Generator or None
        Start vector of the Lanczos iteration.

    Returns
    -------
    Factors
    """
    rank = spectral_rank(problem, rank)
    signs = np.sign(problem.data).astype(problem.data.dtype)
    found = spectral(problem.replace(data=signs), rank, accuracy=ACCURACY, rng=rng)
    if init_scale is None:
        return _scaled_to_fit(problem, found)
    init_scale = _check.number(init_scale, "init_scale", low=0.0)
    top = float(np.linalg.norm(found.left, 2))
    if top == 0.0:
        return found
    return _times(found, init_scale**2 * frobenius_estimate(problem) / top**2)


def _scaled_to_fit(problem: Problem, X: Factors) -> Factors:
    """The multiple of X with the least ``|A(X) - y|_1``, if it is positive: a weighted median."""
    measured = problem.operator.forward(X)
    weights = np.abs(measured)
    seen = weights > 0
    if not seen.any():
        return X
    weights, measured = weights[seen], measured[seen]
    ratios = (problem.data[seen] * measured.conj()).real / weights**2
    order = np.argsort(ratios)
    sums = np.cumsum(weights[order], dtype=float)
    best = float(ratios[order][np.searchsorted(sums, sums[-1] / 2)])
    return _times(X, best) if best > 0 else X


def _times(X: Factors, scale: float) -> Factors:
    root = X.left.real.dtype.type(np.sqrt(scale))
    left = root * X.left
    return Factors(left, left if X.symmetric else root * X.right)
