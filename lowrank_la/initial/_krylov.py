"""Leading singular vectors by block Krylov iteration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._orthonormal import inner, orthonormal
from .._typing import Array

Product = Callable[[Array], Array]

# Columns of a block are a multiple of this, the width of the vectors in kernels.
WIDTH = 8
# Columns beyond those asked for, which speed up the convergence of the last of them.
SPARE = 2
# Columns that are kept before the iteration starts again from its best vectors, but at least so
# many blocks. LAPACK's bits depend on the number of threads for larger matrices.
KEPT, BLOCKS = 128, 3
# Products with the matrix after which the best vectors so far must do.
LIMIT = 200
# Rounding units up to which a squared singular value counts as zero.
ROUNDING = 1e3


def block_size(k: int) -> int:
    """Columns of a block for k singular vectors."""
    return -(-(k + SPARE) // WIDTH) * WIDTH


def leading_triplets(
    right: Product, left: Product, start: Array, k: int, accuracy: float
) -> tuple[Array, Array, Array]:
    """The leading k singular triplets of a matrix that is known by its products.

    Block Lanczos iteration on ``A^H A`` with full reorthogonalisation. Blocks of vectors make
    passes over the data few, which are what it costs, and find values that are equal.

    Parameters
    ----------
    right, left : callable
        ``A @ v`` and ``A^H @ u`` for blocks of vectors.
    start : array, shape (n2, b)
        Where to begin; b is larger than k, and a few blocks fit into both dimensions.
    k : int
        Number of triplets.
    accuracy : float
        Norm of the residual of ``A^H A v = s^2 v``, relative to s^2.

    Returns
    -------
    u : array, shape (n1, k), s : array, shape (k,), v : array, shape (n2, k)
        Singular values in descending order; what is zero to rounding is zero, with a column u
        that is no unit vector.
    """
    block = _basis(_basis(start))
    width = block.shape[1]
    image = right(block)
    room = min(max(KEPT, BLOCKS * width), block.shape[0], image.shape[0])
    basis = np.empty((block.shape[0], room), block.dtype)
    images = np.empty((image.shape[0], room), image.dtype)
    gram = np.zeros((room, room), np.result_type(block, float))
    filled = 0
    for done in range(1, LIMIT + 1):
        here = slice(filled, filled + width)
        filled += width
        basis[:, here], images[:, here] = block, image
        kept = basis[:, :filled]
        new = left(image)
        # The new columns of the projected matrix, and what is left of A^H A v outside the basis.
        inside = inner(kept, new)
        gram[:filled, here] = inside
        gram[here, :filled] = inside.conj().T
        rest = new - kept @ inside
        squares, vectors = np.linalg.eigh(gram[:filled, :filled])
        squares, vectors = np.maximum(squares[::-1], 0), vectors[:, ::-1]
        residuals = np.linalg.norm(rest @ vectors[-width:, :k].astype(rest.dtype), axis=0)
        if done == LIMIT or not np.any(residuals > accuracy * squares[:k]):
            break
        if filled + width > room:
            # Again from the best vectors, whose residuals lie in what comes next.
            best = vectors[:, :width].astype(basis.dtype)
            basis[:, :width], images[:, :width] = kept @ best, images[:, :filled] @ best
            gram[:] = 0
            gram[:width, :width] = np.diag(squares[:width])
            filled = width
        kept = basis[:, :filled]
        block = _basis(rest - kept @ inner(kept, rest))
        block = _basis(block - kept @ inner(kept, block))
        image = right(block)
    best, kept = vectors[:, :k].astype(basis.dtype), basis[:, :filled]
    # Below, a square is rounding error of the largest one.
    floor = ROUNDING * float(np.finfo(basis.dtype).eps) * squares[0]
    values = np.sqrt(np.where(squares[:k] > floor, squares[:k], 0)).astype(basis.real.dtype)
    left_vectors = (images[:, :filled] @ best) / np.where(values > 0, values, 1)
    return left_vectors, values, kept @ best


def _basis(block: Array) -> Array:
    """To half of the digits: done twice, it is orthonormal."""
    return orthonormal(block)[0]
