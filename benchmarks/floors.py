"""Floors: work that no formulation can avoid, measured in the same process.

All of them use as many threads as the package does.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit

from .registry import Work, floor
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

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "fastmath": {"contract", "reassoc"},
}
THREADS = int(os.environ.get("LOWRANK_LA_THREADS", "1"))
PIECES_PER_THREAD = 8


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max(1, THREADS - 1))


def _in_threads(task: Callable[[int, int], Any], n: int) -> None:
    """Calls task(lo, hi) for pieces of range(n), drawn by all threads from one counter."""
    if THREADS == 1:
        task(0, n)
        return
    cuts = np.linspace(0, n, PIECES_PER_THREAD * THREADS + 1).astype(int).tolist()
    counter = itertools.count()

    def draw() -> None:
        while (k := next(counter)) < len(cuts) - 1:
            task(cuts[k], cuts[k + 1])

    helpers = [_pool().submit(draw) for _ in range(THREADS - 1)]
    draw()
    for helper in helpers:
        helper.result()


@lru_cache
def _gather(rank: int) -> Any:
    # The rank is a constant of the kernel: the compiler then keeps the sums in registers.
    @njit(**OPTIONS)
    def gather(lo, hi, cols, data, other, out):  # type: ignore[no-untyped-def]
        # Slices start at zero, which spares the test for negative indices.
        cols, data = cols[lo:hi], data[lo:hi]
        sums = np.zeros(rank, other.dtype)
        total = data[0] * 0
        for p in range(0, cols.size - 3, 4):
            v0, v1 = other[cols[p]], other[cols[p + 1]]
            v2, v3 = other[cols[p + 2]], other[cols[p + 3]]
            total += (data[p] + data[p + 1]) + (data[p + 2] + data[p + 3])
            for q in range(rank):
                sums[q] += (v0[q] + v1[q]) + (v2[q] + v3[q])
        out[0] = sums.sum() + total

    return gather


def _gather_both(by_row: Layout, by_column: Layout, data: Array, left: Array, right: Array) -> Any:
    kernel, sink = _gather(left.shape[1]), np.empty(1, left.dtype)
    passes = ((by_row.cols, right), (by_column.cols, left))

    def run() -> None:
        for cols, other in passes:
            _in_threads(lambda lo, hi, c=cols, o=other: kernel(lo, hi, c, data, o, sink), cols.size)

    return run


@floor("gather", CompletionGradient, ALSSweep)
def gather(w: Any) -> Callable[[], Any]:
    """Reading, for every observed entry and in both layouts, its index, its value, and the row
    of the other factor that the index points to; sums only."""
    return _gather_both(w.sampled.by_row, w.sampled.by_column, w.data, w.left, w.right)


@floor("gather", GaussNewtonProduct)
def gather_pairs(w: GaussNewtonProduct) -> Callable[[], Any]:
    """The same, with rows of the other factor and of its direction next to each other."""
    left, right = (
        np.hstack(pair)
        for pair in ((w.point.left, w.direction.left), (w.point.right, w.direction.right))
    )
    return _gather_both(w.sampled.by_row, w.sampled.by_column, w.data, left, right)


@njit(**OPTIONS)
def _multiply_add(lo, hi, x, a, b):  # type: ignore[no-untyped-def]
    # Chains of 16 in registers; neighbours in x are independent and fill the pipeline.
    x = x.copy()
    for _ in range(lo, hi):
        for k in range(x.size):
            t = x[k]
            for _ in range(16):
                t = t * a + b
            x[k] = t
    return x[0]


def _flops(needed: float) -> Work:
    x, rounds = np.ones(256), 1000 * THREADS * PIECES_PER_THREAD

    def run() -> None:
        _in_threads(lambda lo, hi: _multiply_add(lo, hi, x, 0.999, 0.001), rounds)

    return Work(run, scale=needed / (rounds * x.size * 16))


@floor("flops", ALSSweep)
def normal_matrices(w: ALSSweep) -> Work:
    """The multiply-adds of the lower triangles of all normal matrices, at the highest rate of
    fused multiply-adds that a loop in registers reaches here."""
    return _flops(2 * w.data.size * w.rank * (w.rank + 1) / 2)


@floor("flops", RobustPass)
def three_products(w: RobustPass) -> Work:
    """The multiply-adds of the residual and of both products, at the highest rate of fused
    multiply-adds that a loop in registers reaches here."""
    return _flops(3 * w.data.size * w.values.size)


@njit(**OPTIONS)
def _read(lo, hi, numbers, out):  # type: ignore[no-untyped-def]
    part = numbers[lo:hi]
    total = part[0] * 0
    for k in range(part.size):
        total += part[k]
    out[0] = total


def _memory_read(count: int, dtype: Any) -> Callable[[], Any]:
    numbers, sink = np.ones(count, dtype), np.empty(1, dtype)
    return lambda: _in_threads(lambda lo, hi: _read(lo, hi, numbers, sink), numbers.size)


@floor("memory read", SensingGradient)
def read_matrices(w: SensingGradient) -> Callable[[], Any]:
    """Reading the stored measurement matrices once, sum only."""
    return _memory_read(w.stored, w.storage)


@floor("memory read", RobustPass)
def read_data(w: RobustPass) -> Callable[[], Any]:
    """Reading the data matrix once, sum only."""
    return _memory_read(w.data.size, w.data.dtype)


@floor("memory read", QuadraticGradient)
def read_vectors(w: QuadraticGradient) -> Callable[[], Any]:
    """Reading the measurement vectors once, sum only."""
    real = w.vectors.view(float)
    return _memory_read(real.size, real.dtype)
