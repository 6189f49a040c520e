"""Starts from the leading singular vectors of the back-projected data."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors
from ..kernels.dense import row_products
from ..problem import Problem
from ._krylov import Product, block_size, leading_triplets

# Relative residual of squared singular values; sampling errors are larger by far. A start from
# entries or other noisy projections needs less: values are then accurate to a few per cent.
ACCURACY, START_ACCURACY = 1e-3, 0.3
# Blocks that must fit into a matrix for the block iteration.
ROOM = 4


def gaussian(rng: np.random.Generator, shape: tuple[int, int], dtype: np.dtype[Any]) -> Array:
    draw = rng.standard_normal(shape)
    if dtype.kind == "c":
        draw = (draw + 1j * rng.standard_normal(shape)) / np.sqrt(2)
    return draw.astype(dtype)


def backprojection(
    problem: Problem, k: int, rng: Any, accuracy: float = ACCURACY
) -> tuple[Array, Array, Array]:
    """The leading k singular triplets (eigenpairs if symmetric) of ``A*(data) / isometry``."""
    from scipy.sparse.linalg import LinearOperator, eigsh, svds

    operator, (n1, n2) = problem.operator, problem.shape
    dtype = problem.dtype
    generator = stream(seed_of(rng), "lanczos")
    if not problem.symmetric and ROOM * block_size(k) <= min(n1, n2):
        begin = gaussian(generator, (n2, block_size(k)), dtype)
        return leading_triplets(*_products(problem), begin, k, accuracy)
    data = (problem.data / problem.data.real.dtype.type(operator.isometry)).astype(
        problem.data.dtype, copy=False
    )
    whole = _whole(problem, data)

    def right(v: Array) -> Array:
        v = np.ascontiguousarray(v, dtype).reshape(n2, -1)
        return whole[0](v) if whole else operator.adjoint_right(data, v)

    def left(u: Array) -> Array:
        u = np.ascontiguousarray(u, dtype).reshape(n1, -1)
        return whole[1](u) if whole else operator.adjoint_left(data, u)

    if problem.symmetric:
        share = getattr(operator, "identity_share", None)
        shift = dtype.type(share(data) if share else 0.0)

        def hermitian(v: Array) -> Array:
            v = np.ascontiguousarray(v, dtype).reshape(n1, -1)
            if getattr(operator, "symmetric", False):
                return right(v) - shift * v
            return 0.5 * (right(v) + left(v)) - shift * v

        if k >= n1 - 1:
            values, vectors = np.linalg.eigh(hermitian(np.eye(n1, dtype=dtype)))
            values, vectors = values[-k:], vectors[:, -k:]
        else:
            linear = LinearOperator((n1, n1), matvec=hermitian, matmat=hermitian, dtype=dtype)
            start = gaussian(generator, (n1, 1), dtype)[:, 0]
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
    start = gaussian(generator, (min(n1, n2), 1), dtype)[:, 0]
    u, s, vh = svds(linear, k, v0=start, tol=ACCURACY, random_state=0)
    order = np.argsort(s)[::-1]
    return u[:, order], s[order], vh[order].conj().T


def _whole(problem: Problem, data: Array) -> tuple[Product, Product] | None:
    """Products of ``A*(data)`` formed, where the operator says that it can be."""
    operator: Any = problem.operator
    if not hasattr(operator, "adjoint"):
        return None
    formed = operator.adjoint(data).astype(problem.dtype, copy=False)

    def product(rows: Array) -> Product:
        # BLAS would change the bits with the number of its threads.
        def apply(v: Array) -> Array:
            out = np.empty((v.shape[1], len(rows)), rows.dtype)
            for x, image in zip(np.ascontiguousarray(v.T, rows.dtype), out, strict=True):
                row_products(0, len(rows), rows, x, image)
            return np.ascontiguousarray(out.T)

        return apply

    return product(np.ascontiguousarray(formed.conj())), product(np.ascontiguousarray(formed.T))


def _products(problem: Problem) -> tuple[Product, Product]:
    """Products of ``A*(data) / isometry`` and of its conjugate transpose with blocks."""
    operator: Any = problem.operator
    kind = problem.data.real.dtype
    scale, dtype = kind.type(1.0 / operator.isometry), problem.dtype
    whole = _whole(problem, scale * problem.data)
    if whole is not None:
        return whole

    def right(v: Array) -> Array:
        v = np.ascontiguousarray(v, dtype)
        if hasattr(operator, "prepared_product"):
            return scale * operator.prepared_product(problem.prepared, v, side="left")
        return scale * operator.adjoint_right(problem.data, v)

    def left(u: Array) -> Array:
        u = np.ascontiguousarray(u, dtype)
        if hasattr(operator, "prepared_product"):
            return scale * operator.prepared_product(problem.prepared, u, side="right")
        return scale * operator.adjoint_left(problem.data, u)

    return right, left


def spectral_rank(problem: Problem, rank: Any) -> int:
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
    return np.maximum(backprojection(problem, k, rng)[1], 0)


def spectral(
    problem: Problem, rank: int, *, accuracy: float = START_ACCURACY, rng: Any = 0
) -> Factors:
    """Best rank-r approximation of the back-projected data, with balanced factors.

    ``A*(data) / isometry`` has the matrix as its mean; its leading singular vectors are found
    by block Lanczos iteration on the operator, never forming the matrix. Tong, Ma, Chi (2021),
    equation (8) for sensing and (16) for completion. For symmetric problems the leading
    eigenvectors, with negative eigenvalues as zero; where the mean holds a multiple of the
    identity too, the operator tells it by `identity_share` and it is taken off.

    Parameters
    ----------
    problem : Problem
        The problem.
    rank : int
        Number of columns of the factors.
    accuracy : float
        Relative residual of the squared singular values at which the iteration ends. The sampling
        errors of entries leave no use for more than the default.
    rng : int, Generator or None
        Start vector of the Lanczos iteration.

    Returns
    -------
    Factors
    """
    rank = spectral_rank(problem, rank)
    u, s, v = backprojection(problem, rank, rng, accuracy)
    root = np.sqrt(np.maximum(s, 0)).astype(u.real.dtype)
    left = np.ascontiguousarray(u * root, problem.dtype)
    if problem.symmetric:
        return Factors(left, left)
    return Factors(left, np.ascontiguousarray(v * root, problem.dtype))
