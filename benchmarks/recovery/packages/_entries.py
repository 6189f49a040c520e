"""Residuals and gradients on observed entries by NumPy and SciPy, for packages that want them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tasks import Array, Completion

# Gathered copies of this size stay in the second-level cache.
CHUNK_BYTES = 1 << 20


class Entries:
    """The observed entries in both orders, with buffers that are used again."""

    def __init__(self, task: Completion) -> None:
        from scipy import sparse

        n1, n2 = task.shape
        order = np.lexsort((task.cols, task.rows))
        self.rows, self.cols = task.rows[order], task.cols[order]
        self.values, self.shape, self.rank = task.values[order], task.shape, task.rank
        pointers = np.concatenate(([0], np.cumsum(np.bincount(self.rows, minlength=n1))))
        self.matrix = sparse.csr_array(
            (self.values.copy(), self.cols.astype(np.int32), pointers.astype(np.int32)),
            shape=(n1, n2),
        )
        self.transposed = self.matrix.T

    def spectral(self) -> tuple[Array, Array, Array]:
        """Leading singular triplets of the matrix of observed entries over their share."""
        from scipy.sparse.linalg import svds

        self.matrix.data[:] = self.values
        share = self.values.size / (self.shape[0] * self.shape[1])
        # A few digits do for a start.
        u, s, vt = svds(self.matrix, k=self.rank, tol=1e-2, random_state=0)
        return u[:, ::-1], s[::-1] / share, vt[::-1]

    def balanced(self) -> tuple[Array, Array]:
        """The spectral start as two factors."""
        u, s, vt = self.spectral()
        root = np.sqrt(s)
        return u * root, vt.T * root

    def at(self, left: Array, right: Array, out: Array | None = None) -> Array:
        """Entries of ``left @ right.T``."""
        out = np.empty_like(self.values) if out is None else out
        step = max(1, CHUNK_BYTES // (8 * left.shape[1]))
        for k in range(0, out.size, step):
            s = slice(k, k + step)
            a, b = (x.take(i[s], axis=0) for x, i in ((left, self.rows), (right, self.cols)))
            np.einsum("pq,pq->p", a, b, out=out[s])
        return out

    def residual(self, left: Array, right: Array) -> Any:
        """The sparse matrix of residuals; its data are overwritten by the next call."""
        self.at(left, right, out=self.matrix.data)
        self.matrix.data -= self.values
        return self.matrix

    def value_and_gradients(self, left: Array, right: Array) -> tuple[float, Array, Array]:
        """Half the sum of squares, and its gradients in both factors."""
        e = self.residual(left, right)
        return 0.5 * float(e.data @ e.data), e @ right, self.transposed @ left
