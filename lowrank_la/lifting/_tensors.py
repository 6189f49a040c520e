"""Tensors: measurements of index pairs, a matrix along every index, the best fit of rank one."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._random import stream
from .._typing import Array

# Power iterations without and again with a shift.
SWEEPS = 100


def measured(rows: Array, w: Array, order: int) -> Array:
    """``<A^(xl), w w^T>`` with the matrices `rows`, shape (p, ..., p)."""
    d, p = rows.shape[1], len(rows)
    rest = d ** (order - 1)
    flat = w.reshape(d, rest)
    half = (rows.reshape(p * d, d) @ flat).reshape(p, d, rest)
    pairs = flat.T @ half
    matrix = rows.reshape(p, d * d)
    done = p
    while rest > 1:
        rest //= d
        split = pairs.reshape(done, d, rest, d, rest).transpose(0, 2, 4, 1, 3)
        seen = split.reshape(done, rest * rest, d * d) @ matrix.T
        pairs = seen.transpose(0, 2, 1)
        done *= p
    return pairs.reshape((p,) * order)


def adjoint_times(rows: Array, z: Array, w: Array, order: int) -> Array:
    """``(A*)^(xl)(z) w``, with the matrix never formed."""
    d, p = rows.shape[1], len(rows)
    matrix = rows.reshape(p, d * d)
    done, rest = p**order, 1
    pairs = z.reshape(done, 1, 1)
    while done > p:
        done //= p
        seen = pairs.reshape(done, p, rest * rest).transpose(0, 2, 1) @ matrix
        split = seen.reshape(done, rest, rest, d, d).transpose(0, 3, 1, 4, 2)
        rest *= d
        pairs = split.reshape(done, rest, rest)
    inner = (pairs @ w.reshape(d, rest).T).transpose(0, 2, 1)
    out = rows.transpose(1, 0, 2).reshape(d, p * d) @ inner.reshape(p * d, rest)
    return out.reshape(w.shape)


def modewise(matrix: Array, v: Array) -> Array:
    """The matrix applied along every index."""
    for _ in range(v.ndim):
        # Contracts the first index and puts it last: after all of them, the old order.
        v = np.tensordot(v, matrix, axes=(0, 1))
    return v


def symmetrised(w: Array) -> Array:
    """Mean over all orders of the indices, one more index at a time."""
    for k in range(1, w.ndim):
        w = (w + sum(np.swapaxes(w, j, k) for j in range(k))) / w.dtype.type(k + 1)
    return w


def best_rank_one(w: Array) -> tuple[Any, Array]:
    """Value and unit vector of the best ``value v^(xl)`` for a symmetric tensor."""
    d, order = w.shape[0], w.ndim
    size = np.linalg.norm(w)
    if not np.isfinite(size) or size == 0.0:
        return size, np.eye(d, dtype=w.dtype)[0]
    if order == 1:
        return size, w / size
    if order == 2:
        values, vectors = np.linalg.eigh(w)
        top = int(np.argmax(np.abs(values)))
        return values[top], vectors[:, top]
    # Powers of tiny numbers would underflow.
    flat = (w / size).reshape(d, -1)
    leading = np.linalg.eigh(flat @ flat.T)[1][:, ::-1][:, : min(d, 3)]
    draws = stream(0, "drop").standard_normal((d, 6)).astype(w.dtype)
    V = np.hstack([leading, draws / np.linalg.norm(draws, axis=0)])
    best, vector = w.dtype.type(0), V[:, 0]
    eps = np.finfo(w.dtype).eps
    for sweep in range(2 * SWEEPS):
        if sweep == SWEEPS:
            # The plain iteration may cycle; with this shift the value cannot fall.
            V = vector[:, None]
        powers = V
        for _ in range(order - 2):
            powers = (powers[:, None, :] * V).reshape(-1, V.shape[1])
        images = flat @ powers
        values = np.sum(V * images, axis=0)
        top = int(np.argmax(np.abs(values)))
        moved = np.linalg.norm(images[:, top] - values[top] * V[:, top])
        # The value tells v to half of the digits only: among equals the later is better.
        if np.abs(values[top]) >= np.abs(best) * (1 - 64 * eps):
            best, vector = values[top], V[:, top]
        if moved <= 4 * eps * np.abs(values[top]):
            break
        if sweep >= SWEEPS:
            images = images * np.sign(values) + (order - 1) * np.abs(values) * V
        norms = np.linalg.norm(images, axis=0)
        V = images / np.where(norms > 0, norms, 1)
    return best * size, vector
