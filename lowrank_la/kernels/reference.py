"""NumPy twins of all kernels: the tests' oracle, and what runs with LOWRANK_LA_JIT=0."""

# ruff: noqa: D103 - each function has the docstring of the kernel of the same name

from __future__ import annotations

import numpy as np

from .._typing import Array

_CHUNK = 1 << 13


def _row_of(lo: int, hi: int, indptr: Array) -> Array:
    return np.repeat(np.arange(lo, hi), np.diff(indptr[lo : hi + 1]))


def products(
    lo: int, hi: int, left: Array, right: Array, indptr: Array, cols: Array, out: Array
) -> None:
    rows = _row_of(lo, hi, indptr)
    start, stop = int(indptr[lo]), int(indptr[hi])
    for p in range(start, stop, _CHUNK):
        s = slice(p, min(p + _CHUNK, stop))
        i = rows[s.start - start : s.stop - start]
        out[s] = np.einsum("pq,pq->p", left[i], right[cols[s]].conj())


def weighted_sums(
    lo: int, hi: int, weights: Array, other: Array, indptr: Array, cols: Array, out: Array
) -> None:
    for i in range(lo, hi):
        s = slice(indptr[i], indptr[i + 1])
        out[i] = weights[s] @ other[cols[s]]


def loss_sums(
    lo: int,
    hi: int,
    left: Array,
    right: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    code: int,
    parameter: float,
    out: Array,
) -> float:
    residual = np.empty(int(indptr[hi]), np.result_type(left, right))
    products(lo, hi, left, right, indptr, cols, residual)
    residual = residual[int(indptr[lo]) :] - data[int(indptr[lo]) : int(indptr[hi])]
    size = np.abs(residual)
    unit = residual / np.where(size > 0, size, 1)
    if code == 0:
        total, slope = 0.5 * np.sum(size.astype(float) ** 2), residual
    elif code == 1:
        total, slope = np.sum(size.astype(float)), unit
    else:
        inside = size <= parameter
        total = np.sum(np.where(inside, 0.5 * size**2, parameter * (size - 0.5 * parameter)))
        slope = np.where(inside, residual, parameter * unit)
    padded = np.zeros(int(indptr[hi]), slope.dtype)
    padded[int(indptr[lo]) :] = slope
    weighted_sums(lo, hi, padded, right, indptr, cols, out)
    return float(total)


def ridge_rows(
    lo: int,
    hi: int,
    other: Array,
    indptr: Array,
    cols: Array,
    data: Array,
    ridge: Array,
    out: Array,
) -> None:
    identity = np.eye(other.shape[1])
    for i in range(lo, hi):
        s = slice(indptr[i], indptr[i + 1])
        v = other[cols[s]]
        gram = v.T @ v.conj() + ridge[i] * identity
        out[i] = np.linalg.lstsq(gram, v.T @ data[s], rcond=None)[0]


def row_products(lo: int, hi: int, matrix: Array, x: Array, out: Array) -> None:
    out[lo:hi] = matrix[lo:hi].conj() @ x


def row_combination(lo: int, hi: int, matrix: Array, weights: Array, out: Array) -> None:
    out += weights[lo:hi] @ matrix[lo:hi]
