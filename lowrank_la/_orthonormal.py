"""Orthonormal bases of tall blocks, by Cholesky where that is as good as Householder's QR."""

from __future__ import annotations

import numpy as np

from ._typing import Array

# Rows of a product that are added in one go.
SLICE = 256
# Largest ratio of diagonal entries of a Cholesky factor whose inverse is used, for a basis to half
# of the digits (rounding units to this power), and for one that loses three digits at most.
HALF, EVEN = -0.25, 32.0


def inner(a: Array, b: Array) -> Array:
    """``a^H b`` of tall matrices in slices: the same bits for any number of BLAS threads."""
    whole = a.shape[0] // SLICE * SLICE
    parts = [x[:whole].reshape(-1, SLICE, x.shape[1]) for x in (a.conj(), b)]
    out: Array = np.sum(np.matmul(parts[0].transpose(0, 2, 1), parts[1]), axis=0)
    return out + a[whole:].conj().T @ b[whole:]


def orthonormal(block: Array, *, accurate: bool = False) -> tuple[Array, Array]:
    """Q and T with ``block = Q T``, the columns of Q orthonormal.

    Several times as fast as Householder's QR, which it falls back to. The diagonal of T is
    positive, so that an orthonormal block stays as it is.

    Parameters
    ----------
    block : array, shape (n, r)
        Columns; n >= r.
    accurate : bool
        Whether ``Q^H Q`` is to be the identity to all digits but three, not just to half of them.

    Returns
    -------
    Q : array, shape (n, r)
    T : array, shape (r, r)
    """
    try:
        lower = np.linalg.cholesky(inner(block, block))
        diagonal = np.diagonal(lower).real
        spread = EVEN if accurate else float(np.finfo(diagonal.dtype).eps) ** HALF
        exact = float(np.finfo(diagonal.dtype).tiny) ** 0.5 / float(np.finfo(diagonal.dtype).eps)
        # Squares of smaller numbers have lost digits.
        if max(diagonal.max() / spread, exact) <= diagonal.min():
            upper = lower.conj().T
            return block @ np.linalg.inv(upper), upper
    except np.linalg.LinAlgError:
        pass
    basis, upper = np.linalg.qr(block)
    diagonal = np.diagonal(upper)
    size = np.abs(diagonal)
    signs = np.where(size > 0, diagonal / np.where(size > 0, size, 1), 1).astype(upper.dtype)
    return np.ascontiguousarray(basis * signs), signs.conj()[:, None] * upper
