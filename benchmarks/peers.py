"""Peers: the same numbers by NumPy and SciPy, as fast as we could make them.

Structures are built once, buffers are used again, nothing is allocated that need not be. All
of them run in one thread except for BLAS. To add one, write a function of the workload that
returns the function to be timed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import sparse

from .registry import peer
from .workloads import (
    ALSSweep,
    Array,
    CompletionGradient,
    GaussNewtonProduct,
    Layout,
    QuadraticGradient,
    RobustPass,
    SensingGradient,
)

# Gathered copies of this size stay in the second-level cache.
CHUNK_BYTES = 1 << 20
# Measurement matrices that stay in cache between the two products.
BLOCK_ROWS = 16
# Rows of a data matrix, or measurement vectors, that are worked on at once.
SLAB_ROWS = 64
# Rows of about equal length that share one batched product.
BATCH_ROWS = 64


def _csr(layout: Layout, values: Array) -> Any:
    n = layout.indptr.size - 1
    return sparse.csr_array((values, layout.cols, layout.indptr), shape=(n, n))


def _half_squares(e: Array) -> float:
    # In pieces, as a single sum in float32 over millions of numbers loses digits.
    pieces = (e[start : start + 8192] for start in range(0, e.size, 8192))
    return 0.5 * sum(float(np.vdot(piece, piece)) for piece in pieces)


def _chunked_residual(w: CompletionGradient, out: Array) -> Callable[[], None]:
    """Writes L[i] . R[j] - y into `out`: `take` into buffers is twice as fast as indexing."""
    i, j = (x.astype(np.intp) for x in (w.sampled.by_row.rows, w.sampled.by_row.cols))
    rank = w.left.shape[1]
    chunk = min(max(1, CHUNK_BYTES // (rank * w.left.itemsize)), i.size)
    a, b = np.empty((2, chunk, rank), w.left.dtype)

    def residual() -> None:
        for start in range(0, i.size, chunk):
            s = slice(start, start + chunk)
            k = out[s].size
            np.take(w.left, i[s], axis=0, out=a[:k], mode="clip")
            np.take(w.right, j[s], axis=0, out=b[:k], mode="clip")
            np.einsum("pq,pq->p", a[:k], b[:k], out=out[s])
        np.subtract(out, w.data, out=out)

    return residual


@peer("chunks + CSR", CompletionGradient)
def chunks_and_csr(w: CompletionGradient) -> Callable[[], Any]:
    """Residual by `einsum` over chunks of gathered rows, written into the data of one
    `scipy.sparse` CSR matrix E; then E @ R and E.T @ L."""
    E = _csr(w.sampled.by_row, np.empty_like(w.data))
    residual, transposed = _chunked_residual(w, E.data), E.T

    def run() -> Any:
        residual()
        return _half_squares(E.data), E @ w.right, transposed @ w.left

    return run


@peer("chunks + two CSR", CompletionGradient)
def chunks_and_two_csr(w: CompletionGradient) -> Callable[[], Any]:
    """The same, with a second CSR matrix for the transpose whose data are permuted in place."""
    E = _csr(w.sampled.by_row, np.empty_like(w.data))
    F = _csr(w.sampled.by_column, np.empty_like(w.data))
    residual, order = _chunked_residual(w, E.data), w.sampled.by_column.order

    def run() -> Any:
        residual()
        np.take(E.data, order, out=F.data, mode="clip")
        return _half_squares(E.data), E @ w.right, F @ w.left

    return run


@peer("row loop + CSR", CompletionGradient)
def row_loop_and_csr(w: CompletionGradient) -> Callable[[], Any]:
    """A Python loop over rows: residual and slope of a row by two BLAS products with one
    gathered block; then E.T @ L."""
    E = _csr(w.sampled.by_row, np.empty_like(w.data))
    transposed, cols = E.T, w.sampled.by_row.cols.astype(np.intp)
    spans = w.sampled.by_row.indptr.tolist()

    def run() -> Any:
        out = np.empty_like(w.left)
        for i in range(len(spans) - 1):
            s = slice(spans[i], spans[i + 1])
            V, e = w.right.take(cols[s], axis=0), E.data[s]
            np.dot(V, w.left[i], out=e)
            e -= w.data[s]
            np.dot(e, V, out=out[i])
        return _half_squares(E.data), out, transposed @ w.left

    return run


Half = Callable[[Layout, Array, Array, float], Array]


def _sweep(w: ALSSweep, half: Half) -> Callable[[], Any]:
    """Both halves: the right factor given the left one, then the left given the right."""
    rows, columns = w.sampled.by_row, w.sampled.by_column
    by_column = w.data[columns.order]

    def run() -> Any:
        right = half(columns, by_column, w.left, w.ridge)
        return half(rows, w.data, right, w.ridge), right

    return run


@peer("row loop", ALSSweep)
def row_loop(w: ALSSweep) -> Callable[[], Any]:
    """A Python loop over rows, `np.linalg.solve` for each."""

    def half(layout: Layout, data: Array, fixed: Array, ridge: float) -> Array:
        out = np.empty_like(fixed)
        penalty = ridge * np.eye(fixed.shape[1])
        spans = layout.indptr.tolist()
        for i in range(len(spans) - 1):
            s = slice(spans[i], spans[i + 1])
            V = fixed.take(layout.cols[s], axis=0)
            out[i] = np.linalg.solve(V.T @ V + penalty, V.T @ data[s])
        return out

    return _sweep(w, half)


@peer("padded batches", ALSSweep)
def padded_batches(w: ALSSweep) -> Callable[[], Any]:
    """Rows sorted by length, padded to equal length in batches; `np.matmul` and
    `np.linalg.solve` over each batch."""

    def half(layout: Layout, data: Array, fixed: Array, ridge: float) -> Array:
        counts = np.diff(layout.indptr)
        order = np.argsort(counts, kind="stable")
        # The padding points to a row of zeros.
        padded = np.vstack([fixed, np.zeros((1, fixed.shape[1]))])
        out, penalty = np.empty_like(fixed), ridge * np.eye(fixed.shape[1])
        for start in range(0, order.size, BATCH_ROWS):
            rows = order[start : start + BATCH_ROWS]
            slots = np.arange(counts[rows].max())
            there = slots < counts[rows, None]
            where = np.where(there, layout.indptr[rows, None] + slots, 0)
            V = padded.take(np.where(there, layout.cols[where], order.size), axis=0)
            gram = np.matmul(V.transpose(0, 2, 1), V) + penalty
            rhs = np.matmul(np.where(there, data[where], 0.0)[:, None, :], V)
            out[rows] = np.linalg.solve(gram, rhs[:, 0, :, None])[:, :, 0]
        return out

    return _sweep(w, half)


@peer("sparse @ products", ALSSweep)
def sparse_products(w: ALSSweep) -> Callable[[], Any] | None:
    """All normal matrices by one sparse product with the column-wise products of the fixed
    factor, one batched `np.linalg.solve`; for small ranks only."""
    # The dense matrix of products has r (r + 1) / 2 columns and falls out of every cache.
    if w.rank > 16:
        return None
    a, b = np.tril_indices(w.rank)
    ones = {id(x): _csr(x, np.ones(x.cols.size)) for x in (w.sampled.by_row, w.sampled.by_column)}

    def half(layout: Layout, data: Array, fixed: Array, ridge: float) -> Array:
        n, rank = fixed.shape
        triangle = ones[id(layout)] @ (fixed[:, a] * fixed[:, b])
        rhs = _csr(layout, data) @ fixed
        gram = np.empty((n, rank, rank))
        gram[:, a, b] = gram[:, b, a] = triangle
        gram += ridge * np.eye(rank)
        return np.linalg.solve(gram, rhs[:, :, None])[:, :, 0]

    return _sweep(w, half)


def _slopes(w: SensingGradient, value: float, gradient: Array) -> Any:
    """What the package returns, from half the sum of squares and the adjoint."""
    if w.symmetric:
        left = gradient @ w.left
        return 0.5 * value, left, left
    return value, gradient @ w.right, gradient.T @ w.left


@peer("two gemv", SensingGradient)
def two_gemv(w: SensingGradient) -> Callable[[], Any]:
    """A @ x and e @ A with the full float64 matrix A of size m x n^2."""
    matrix = w.full_matrix()

    def run() -> Any:
        e = matrix @ (w.left @ w.right.T).ravel()
        e -= w.data
        return _slopes(w, 0.5 * np.vdot(e, e), (e @ matrix).reshape(w.operator.shape))

    return run


@peer("gemv in blocks", SensingGradient)
def gemv_in_blocks(w: SensingGradient) -> Callable[[], Any]:
    """The same over blocks of 16 rows, so that the second product finds them in cache."""
    matrix = w.full_matrix()

    def run() -> Any:
        x, value = (w.left @ w.right.T).ravel(), 0.0
        gradient = np.zeros(matrix.shape[1])
        for start in range(0, w.measurements, BLOCK_ROWS):
            block = matrix[start : start + BLOCK_ROWS]
            e = block @ x
            e -= w.data[start : start + BLOCK_ROWS]
            value += 0.5 * np.vdot(e, e)
            gradient += e @ block
        return _slopes(w, value, gradient.reshape(w.operator.shape))

    return run


@peer("two gemv, half", SensingGradient)
def two_gemv_half(w: SensingGradient) -> Callable[[], Any] | None:
    """Symmetric problems: two gemv with the upper triangles only, off-diagonals doubled."""
    if not w.symmetric:
        return None
    n = w.left.shape[0]
    upper = np.triu_indices(n)
    positions = upper[0] * n + upper[1]
    matrix = np.ascontiguousarray(w.full_matrix()[:, positions])
    weights = np.where(upper[0] == upper[1], 1.0, 2.0)

    def run() -> Any:
        e = matrix @ (weights * (w.left @ w.left.T)[upper])
        e -= w.data
        half = np.zeros((n, n))
        half[upper] = e @ matrix
        return _slopes(w, 0.5 * np.vdot(e, e), half + np.triu(half, 1).T)

    return run


@peer("chunks + two CSR", GaussNewtonProduct)
def tangent_and_two_csr(w: GaussNewtonProduct) -> Callable[[], Any]:
    """A(dL R^T + L dR^T) by one `einsum` over chunks of gathered pairs of rows, written into
    the data of two `scipy.sparse` CSR matrices; then their products with both factors."""
    i, j = (x.astype(np.intp) for x in (w.sampled.by_row.rows, w.sampled.by_row.cols))
    pairs = (
        np.hstack([w.direction.left, w.point.left]),
        np.hstack([w.point.right, w.direction.right]),
    )
    width, E = pairs[0].shape[1], _csr(w.sampled.by_row, np.empty(i.size))
    F, order = _csr(w.sampled.by_column, np.empty(i.size)), w.sampled.by_column.order
    chunk = min(max(1, CHUNK_BYTES // (8 * width)), i.size)
    a, b = np.empty((2, chunk, width))

    def run() -> Any:
        for start in range(0, i.size, chunk):
            s = slice(start, start + chunk)
            k = E.data[s].size
            np.take(pairs[0], i[s], axis=0, out=a[:k], mode="clip")
            np.take(pairs[1], j[s], axis=0, out=b[:k], mode="clip")
            np.einsum("pq,pq->p", a[:k], b[:k], out=E.data[s])
        np.take(E.data, order, out=F.data, mode="clip")
        return E @ w.point.right, F @ w.point.left

    return run


def _robust_pass(w: RobustPass, size: int) -> Callable[[], Any]:
    scaled, across = w.left * w.values, np.ascontiguousarray(w.right.T)
    buffer, sizes = np.empty((2, size, w.data.shape[1]))
    rows = np.empty_like(w.left)

    def run() -> Any:
        columns, squares = np.zeros_like(across), 0.0
        for start in range(0, len(rows), size):
            s = slice(start, start + size)
            kept, above = buffer[: len(rows[s])], sizes[: len(rows[s])]
            np.matmul(scaled[s], across, out=kept)
            np.subtract(w.data[s], kept, out=kept)
            np.abs(kept, out=above)
            kept *= above <= w.threshold
            squares += float(np.vdot(kept, kept))
            np.matmul(kept, w.right, out=rows[s])
            columns += w.left[s].T @ kept
        return squares, rows, columns.T

    return run


@peer("in slabs", RobustPass)
def robust_in_slabs(w: RobustPass) -> Callable[[], Any]:
    """NumPy over slabs of 64 rows, whose residual stays in cache between its three uses."""
    return _robust_pass(w, SLAB_ROWS)


@peer("whole matrices", RobustPass)
def robust_at_once(w: RobustPass) -> Callable[[], Any]:
    """NumPy on the whole matrix, with two temporaries of its size."""
    return _robust_pass(w, len(w.left))


def _quadratic(w: QuadraticGradient, size: int) -> Callable[[], Any]:
    conjugate = w.vectors.conj() if np.iscomplexobj(w.vectors) else w.vectors

    def run() -> Any:
        value, slope = 0.0, np.zeros_like(w.left)
        for start in range(0, w.measurements, size):
            s = slice(start, start + size)
            u = conjugate[s] @ w.left
            e = np.sum(u.real**2 + u.imag**2, axis=1) - w.data[s]
            value += 0.5 * float(e @ e)
            u *= e[:, None]
            slope += w.vectors[s].T @ u
        return 0.5 * value, slope

    return run


@peer("two gemm", QuadraticGradient)
def quadratic_at_once(w: QuadraticGradient) -> Callable[[], Any]:
    """conj(A) @ X with a conjugate copy, the residual, and A.T @ (e * U)."""
    return _quadratic(w, w.measurements)


@peer("gemm in blocks", QuadraticGradient)
def quadratic_in_slabs(w: QuadraticGradient) -> Callable[[], Any]:
    """The same over blocks of 64 measurements."""
    return _quadratic(w, SLAB_ROWS)
