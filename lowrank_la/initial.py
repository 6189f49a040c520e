"""Where an iteration starts: from the spectrum of the data, near zero, or near the truth."""

from __future__ import annotations

from inspect import getattr_static
from typing import Any

import numpy as np

from . import _check
from ._gram import mean_products
from ._grid import grid_of, median_modulus
from ._random import seed_of, stream
from ._typing import Array
from .errors import IncompatibleError, InvalidInputError, InvalidTypeError, unknown_name
from .factors import Factors
from .problem import Instance, Problem

__all__ = [
    "frobenius_estimate",
    "gram",
    "near",
    "sign_spectral",
    "small_random",
    "spectral",
    "spectral_values",
    "thresholded",
    "truncated",
]


# Relative accuracy of squared singular values; sampling errors are larger by far.
ACCURACY = 1e-3
# Median modulus of a standard Gaussian, and how many standard deviations are kept of data that
# may hold outliers.
MEDIAN, TAIL = 0.6744897501960817, 3.0


def _gaussian(rng: np.random.Generator, shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    draw = rng.standard_normal(shape)
    if dtype.kind == "c":
        draw = (draw + 1j * rng.standard_normal(shape)) / np.sqrt(2)
    return draw.astype(dtype)


def _backprojection(problem: Problem, k: int, rng: Any) -> tuple[Array, Array, Array]:
    """The leading k singular triplets (eigenpairs if symmetric) of ``A*(data) / isometry``."""
    from scipy.sparse.linalg import LinearOperator, eigsh, svds

    operator, (n1, n2) = problem.operator, problem.shape
    dtype = problem.dtype
    data = (problem.data / problem.data.real.dtype.type(operator.isometry)).astype(
        problem.data.dtype, copy=False
    )
    generator = stream(seed_of(rng), "lanczos")

    def right(v: Array) -> Array:
        return operator.adjoint_right(data, np.ascontiguousarray(v, dtype).reshape(n2, -1))

    def left(u: Array) -> Array:
        return operator.adjoint_left(data, np.ascontiguousarray(u, dtype).reshape(n1, -1))

    if problem.symmetric:
        share = getattr(operator, "identity_share", None)
        shift = dtype.type(share(data) if share else 0.0)

        def hermitian(v: Array) -> Array:
            v = np.ascontiguousarray(v, dtype).reshape(n1, -1)
            return 0.5 * (right(v) + left(v)) - shift * v

        if k >= n1 - 1:
            values, vectors = np.linalg.eigh(hermitian(np.eye(n1, dtype=dtype)))
            values, vectors = values[-k:], vectors[:, -k:]
        else:
            linear = LinearOperator((n1, n1), matvec=hermitian, matmat=hermitian, dtype=dtype)
            start = _gaussian(generator, (n1, 1), dtype)[:, 0]
            values, vectors = eigsh(linear, k, which="LA", v0=start, tol=ACCURACY)
        order = np.argsort(values)[::-1]
        return vectors[:, order], values[order], vectors[:, order]
    if k >= min(n1, n2) - 1:
        # The factors asked for are then as large as the matrix itself.
        dense = (
            left(np.eye(n1, dtype=dtype)).conj().T if n1 < n2 else right(np.eye(n2, dtype=dtype))
        )
        u, s, vh = np.linalg.svd(dense, full_matrices=False)
        return u[:, :k], s[:k], vh[:k].conj().T
    linear = LinearOperator(
        (n1, n2), matvec=right, rmatvec=left, matmat=right, rmatmat=left, dtype=dtype
    )
    start = _gaussian(generator, (min(n1, n2), 1), dtype)[:, 0]
    u, s, vh = svds(linear, k, v0=start, tol=ACCURACY, random_state=0)
    order = np.argsort(s)[::-1]
    return u[:, order], s[order], vh[order].conj().T


def _spectral_rank(problem: Problem, rank: Any) -> int:
    """A number of columns that singular vectors of the data can give."""
    rank = _check.rank_of(rank, problem.shape, limit=problem.max_rank)
    most = min(problem.shape)
    if rank > most:
        raise InvalidInputError(
            f"a spectral start has at most {most} columns, as many as a {problem.shape[0]} x "
            f"{problem.shape[1]} matrix has singular vectors, got rank {rank}; use "
            f"start='small_random', which takes more"
        )
    return rank


def spectral_values(problem: Problem, k: int, *, rng: Any = 0) -> Array:
    """The leading k singular values of ``A*(data) / isometry``, estimates of those of X.

    For symmetric problems the largest eigenvalues, negative ones as zero.

    Parameters
    ----------
    problem : Problem
        Squared, absolute or other loss; only operator and data are used.
    k : int
        Number of values, at most min(n1, n2).
    rng : int, Generator or None
        Start vector of the Lanczos iteration.

    Returns
    -------
    array, shape (k,)
    """
    k = min(k, *problem.shape)
    return np.maximum(_backprojection(problem, k, rng)[1], 0)


def spectral(problem: Problem, rank: int, *, rng: Any = 0) -> Factors:
    """Best rank-r approximation of the back-projected data, with balanced factors.

    ``A*(data) / isometry`` has the matrix as its mean; its leading singular vectors are found
    by Lanczos iteration on the operator, never forming the matrix. Tong, Ma, Chi (2021),
    equation (8) for sensing and (16) for completion. For symmetric problems the leading
    eigenvectors, with negative eigenvalues as zero; where the mean holds a multiple of the
    identity too, the operator tells it by `identity_share` and it is taken off.

    Parameters
    ----------
    problem : Problem
        The problem.
    rank : int
        Number of columns of the factors.
    rng : int, Generator or None
        Start vector of the Lanczos iteration.

    Returns
    -------
    Factors
    """
    rank = _spectral_rank(problem, rank)
    u, s, v = _backprojection(problem, rank, rng)
    root = np.sqrt(np.maximum(s, 0)).astype(u.real.dtype)
    left = np.ascontiguousarray(u * root, problem.dtype)
    if problem.symmetric:
        return Factors(left, left)
    return Factors(left, np.ascontiguousarray(v * root, problem.dtype))


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
    return spectral(problem.replace(data=kept.astype(data.dtype)), rank, rng=rng)


def gram(problem: Problem, rank: int, *, rng: Any = 0) -> Factors:
    """Leading eigenvectors of the averaged products of entries in the same row: one-sided data.

    ``X^H X / n1`` of the start is the best approximation of rank r, positive semidefinite, of
    the matrix of means, with zeros where no row observes a pair (Cao, Liang, Valiant 2023).

    Parameters
    ----------
    problem : Problem
        A problem whose operator has `positions` and `row_solve`.
    rank : int
        Number of columns of the factors.
    rng : int, Generator or None
        Not used; the start is deterministic.

    Returns
    -------
    Factors

    Raises
    ------
    IncompatibleError
        If the operator does not observe single entries.
    """
    rank = _check.rank_of(rank, problem.shape)
    operator: Any = problem.operator
    if getattr_static(operator, "positions", None) is None or not hasattr(operator, "row_solve"):
        raise IncompatibleError(
            f"the start 'gram' needs an operator that observes single entries, which "
            f"{type(operator).__name__} does not; use start='spectral'"
        )
    (j, k), means, _ = mean_products(problem)
    matrix = np.zeros((problem.shape[1],) * 2, problem.dtype)
    matrix[j, k] = means
    matrix[k, j] = means.conj()
    values, vectors = np.linalg.eigh(matrix)
    root = np.sqrt(np.maximum(values[::-1][:rank], 0)).astype(matrix.real.dtype)
    right = np.ascontiguousarray(vectors[:, ::-1][:, :rank] * root)
    rows = operator.row_solve(
        problem.prepared, right, 1e-2 * float(np.mean(root) ** 2), side="left"
    )
    u, _, vh = np.linalg.svd(rows, full_matrices=False)
    scale = np.sqrt(problem.shape[0]).astype(right.real.dtype)
    return Factors(np.ascontiguousarray(scale * (u @ vh)).astype(problem.dtype), right)


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
    the sum of the moduli of the residual is least.

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
    found = spectral(problem.replace(data=kept.astype(problem.data.dtype)), rank, rng=rng)
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
    rank = _spectral_rank(problem, rank)
    signs = np.sign(problem.data).astype(problem.data.dtype)
    found = spectral(problem.replace(data=signs), rank, rng=rng)
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


def small_random(
    problem: Problem, rank: int, *, init_scale: float = 1e-12, ratio: float = 1.0, rng: Any = 0
) -> Factors:
    """Gaussian factors of a small scale.

    Entries of the left factor are ``init_scale sqrt(s) N(0, 1/n1)``, of the right one
    ``ratio init_scale sqrt(s) N(0, 1/n2)``, with s an estimate of the largest singular value,
    so that the scale has no unit (Xu, Shen, Chi, Ma 2023 with s = 1).

    Parameters
    ----------
    problem : Problem
        The problem.
    rank : int
        Number of columns of the factors.
    init_scale : float
        The papers' alpha.
    ratio : float
        Scale of the right factor relative to the left one; unequal scales speed up gradient
        descent with too many columns (Xiong, Ding, Du 2024 take 1/3). Without effect on
        symmetric problems, which have one factor.
    rng : int, Generator or None
        Source of randomness.

    Returns
    -------
    Factors
    """
    rank = _check.rank_of(rank, problem.shape, limit=problem.max_rank)
    ratio = _check.number(ratio, "ratio", low=0.0)
    init_scale = _check.number(init_scale, "init_scale", low=0.0)
    seed = seed_of(rng)
    size = init_scale * np.sqrt(spectral_values(problem, 1, rng=seed)[0])

    def draw(name: str, n: int, size: Any) -> Array:
        # Not the stream of the truth's factors: an instance may well have the same seed.
        factor = _gaussian(stream(seed, f"start {name}"), (n, rank), problem.dtype)
        return (size / np.sqrt(n)).astype(factor.real.dtype) * factor

    n1, n2 = problem.shape
    left = draw("left", n1, size)
    return Factors(left, left if problem.symmetric else draw("right", n2, ratio * size))


def near(
    instance: Instance, rank: int | None = None, *, distance: float = 0.1, rng: Any = 0
) -> Factors:
    """The truth, with its balanced factors perturbed: for theory, since it uses the truth.

    Parameters
    ----------
    instance : Instance
        An instance, whose truth is used.
    rank : int, optional
        Number of columns; more than the true rank are filled with perturbation only.
    distance : float
        Frobenius norm of the perturbation of each factor, relative to that of the factor.
    rng : int, Generator or None
        Source of randomness.

    Returns
    -------
    Factors
    """
    if not isinstance(instance, Instance):
        raise InvalidTypeError(f"near needs an Instance, whose truth it uses, got {instance!r}")
    truth, problem = instance.truth.factors.balanced(), instance.problem
    if rank is None:
        rank = truth.rank
    rank = _check.rank_of(rank, problem.shape, limit=problem.max_rank)
    if rank < truth.rank:
        raise InvalidInputError(f"rank {rank} is below the true rank {truth.rank}")
    distance = _check.number(distance, "distance", low=0.0)
    seed = seed_of(rng)

    def perturb(name: str, factor: Array) -> Array:
        wide = np.zeros((factor.shape[0], rank), problem.dtype)
        wide[:, : truth.rank] = factor
        noise = _gaussian(stream(seed, f"perturbation {name}"), wide.shape, problem.dtype)
        size = distance * np.linalg.norm(factor) / np.linalg.norm(noise)
        return wide + noise * size.astype(noise.real.dtype)

    left = perturb("left", truth.left)
    return Factors(left, left if problem.symmetric else perturb("right", truth.right))


STARTS = {
    "spectral": spectral,
    "small_random": small_random,
    "thresholded": thresholded,
    "truncated": truncated,
    "sign_spectral": sign_spectral,
    "gram": gram,
}
# Those that take a scale.
SCALED_STARTS = ("small_random", "sign_spectral")


def start_from(
    problem: Problem, start: Any, rank: int | None, *, init_scale: float | None, rng: Any
) -> Factors:
    """Factors from what the user gave as `start`: a name, factors, or a function.

    Raises
    ------
    InvalidInputError
        If no rank is given though one is needed, or the factors do not fit the problem.
    UnknownNameError
        If there is no start of that name.
    """
    if init_scale is not None and not (isinstance(start, str) and start in SCALED_STARTS):
        raise InvalidInputError(
            f"init_scale belongs to start='small_random' or 'sign_spectral', not to {start!r}"
        )
    if isinstance(start, Factors):
        if start.shape != problem.shape:
            raise InvalidInputError(
                f"start is {start.shape[0]} x {start.shape[1]}, the problem "
                f"{problem.shape[0]} x {problem.shape[1]}"
            )
        if rank is not None and rank != start.rank:
            raise InvalidInputError(f"rank={rank} but the start has rank {start.rank}")
        if not start.isfinite():
            raise InvalidInputError("start holds NaN or infinite values")
        if problem.symmetric and not start.symmetric:
            raise InvalidInputError(
                "a symmetric problem needs a start with one factor: Factors(F, F)"
            )
        if start.dtype.kind == "c" and problem.dtype.kind != "c":
            raise InvalidInputError("the problem is real but the start is complex")
        _check.rank_of(start.rank, problem.shape, limit=problem.max_rank)
        start = start.astype(problem.dtype)
        # Only a symmetric problem moves one factor for both.
        return start if problem.symmetric else Factors(start.left, start.right.copy())
    if not isinstance(start, str) and not callable(start):
        raise InvalidTypeError(
            f"start must be a name ({', '.join(STARTS)}), Factors(left, right), a function or a "
            f"result, got {type(start).__name__}"
        )
    if rank is None:
        raise InvalidInputError("rank is needed: pass rank=r, or a start with r columns")
    rank = _check.rank_of(rank, problem.shape, limit=problem.max_rank)
    if callable(start):
        return start_from(problem, start(problem, rank, rng=rng), rank, init_scale=None, rng=rng)
    if start not in STARTS:
        raise unknown_name("start", start, STARTS)
    options = {} if init_scale is None else {"init_scale": init_scale}
    return STARTS[start](problem, rank, rng=rng, **options)  # type: ignore[operator]
