"""Compile every kernel for given data types, and say where they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import (
    _jit,
    dense,
    entries,
    quadratic,
    robust,
    row_steps,
    rows,
    selection,
    sketched,
    sorting,
    tangent,
    wide,
)


def warmup(dtypes: Sequence[Any] = (np.float64,)) -> int:
    """Call each kernel once per data type, with the layouts that operators use.

    Returns
    -------
    int
        Number of kernel specialisations that are now ready.
    """
    count = 0
    indptr, indices = np.array([0, 2, 3], np.int64), np.array([0, 1, 1], np.uint32)
    keys, starts = np.array([0, 1], np.int64), np.empty(3, np.int64)
    sorting.counted(keys, keys, starts)
    sorting.placed(keys, keys, keys, starts[:2].copy(), keys.copy(), np.empty(2, np.uint32))
    count += 2
    for dtype in dtypes:
        factor = np.ones((2, 2), dtype)
        data, out = np.ones(3, dtype), np.empty(3, dtype)
        ridge = np.ones(2, factor.real.dtype)
        product = np.empty_like(factor)
        entries.products(0, 2, factor, factor, indptr, indices, out)
        entries.weighted_sums(0, 2, data, factor, indptr, indices, product)
        entries.loss_sums(0, 2, factor, factor, indptr, indices, data, 0, 0.0, product)
        rows.ridge_rows(0, 2, factor, indptr, indices, data, ridge, product)
        dense.row_products(0, 2, factor, np.ones(2, dtype), np.empty(2, dtype))
        dense.row_combination(0, 2, factor, np.ones(2, dtype), np.zeros(2, dtype))
        two = np.ones(2, dtype)
        dense.residual_sums(0, 2, factor, two, two, 0, 0.0, two.copy(), two.copy())
        three, cube = np.ones((2, 3), dtype), np.empty((2, 1, 2), dtype)
        one = np.ones((1, 2), dtype)
        real = np.ones((2, 2), factor.real.dtype)
        quadratic.form_products(0, 2, real, real, real.copy())
        quadratic.form_combination(0, 2, real, real, real.copy())
        quadratic.form_sums(0, 2, real, real, real[:0], real[0], 0, 0.0, real.copy())
        dense.packed_products(0, 2, three, one, cube)
        dense.tangent_products(0, 2, np.ones((2, 4), dtype), one, one, cube, cube.copy())
        size, kept = np.ones(3, factor.real.dtype), np.array([1, 1], np.int64)
        selection.kept_thresholds(0, 2, size, indptr, kept, np.empty(2, factor.real.dtype))
        sketched.sketched_rows(
            0,
            2,
            factor,
            indptr,
            indices,
            data,
            product,
            np.ones(2, factor.real.dtype),
            np.full(1, 0.5),
            False,
            0.0,
            0.0,
            0.0,
            1,
            np.empty(2, np.int64),
            np.empty_like(factor),
        )
        _tangent(factor, indptr, indices, data)
        count += 21
        if factor.dtype.kind == "f":
            _robust(factor.dtype)
            count += 1
        if factor.dtype.kind == "f":
            count += _wide(factor.dtype, indptr, indices, data, out)
    return count


def _robust(dtype: np.dtype[Any]) -> None:
    four, right = np.ones((4, 1), dtype), np.ones((1, 4), dtype)
    square, hits = np.ones((4, 4), dtype), np.zeros(4, np.int64)
    robust.thresholded_products(
        0,
        4,
        square,
        four,
        right,
        dtype.type(1),
        False,
        1,
        square.copy(),
        four.copy(),
        right.copy(),
        hits,
        np.zeros(4, dtype),
    )


def _wide(dtype: Any, indptr: Any, indices: Any, data: Any, out: Any) -> int:
    """Ranks up to 16, of which larger ones are rare."""
    count = 0
    for rank in wide.TRIANGLE:
        product, ridge = np.empty((2, rank), dtype), np.ones(2, dtype)
        kernel, size = wide.solver_of(rank, dtype) or (None, ())
        if kernel is not None:
            other = wide.padded(product)
            kernel(0, 2, *size, other, indptr, indices, data, ridge, product)
            kept = np.empty(row_steps.kept_size(2, rank), dtype)
            entries_, outs = (indptr, indices, data, ridge), (kept, product, product.copy())
            row_steps.row_steps_anew(0, 2, size[0], product, other, *entries_, *outs)
            lanes = (0,) * (other.shape[1] // wide.BLOCK)
            row_steps.row_steps_again(0, 2, lanes, other, other, *entries_, *outs)
            blocks = np.empty((2, rank, rank), dtype)
            wide.wide_normal_blocks(0, 2, size[0], other, indptr, indices, blocks)
            count += 3
    for width in (8, 16):
        product = np.ones((2, width), dtype)
        lanes = wide.lanes_of(width, dtype)
        if lanes is not None:
            pair = wide.padded(product, product)
            wide.wide_products(0, 2, lanes, product, product, indptr, indices, out)
            wide.wide_weighted_sums(0, 2, lanes, data, product, indptr, indices, product)
            args = (lanes, product, product, indptr, indices, data, 0, 0.0, product.copy())
            wide.wide_loss_sums(0, 2, *args)
            tangent.wide_tangent_sums(0, 2, lanes, pair, pair, indptr, indices, product)
            tangent.wide_line_sums(0, 2, lanes, pair, pair, indptr, indices, data)
            _tangent_cg(lanes, product, indptr, indices)
            count += 7
    return count


def _tangent(factor: Any, indptr: Any, indices: Any, data: Any) -> None:
    wide, product = np.hstack([factor, factor]), np.empty_like(factor)
    blocks, shift = np.ones((2, 2, 2), factor.dtype), np.ones(2, factor.real.dtype)
    tangent.tangent_sums(0, 2, wide, wide, indptr, indices, product)
    tangent.line_sums(0, 2, wide, wide, indptr, indices, data)
    tangent.normal_blocks(0, 2, factor, indptr, indices, blocks)
    tangent.inverse_blocks(0, 2, blocks, shift, 0.0, blocks)
    tangent.block_products(0, 2, blocks, factor, product)
    _tangent_cg(None, factor, indptr, indices)


def _tangent_cg(lanes: Any, factor: Any, indptr: Any, indices: Any) -> None:
    rank = factor.shape[1]
    blocks, shift = np.ones((2, rank, rank), factor.dtype), np.ones(rank, factor.real.dtype)
    layouts = (indptr, indices, indptr, indices)
    outs = np.empty_like(factor), np.empty_like(factor)
    residuals = factor.copy(), factor.copy()
    args = (factor, factor, *layouts, shift, blocks, blocks, *residuals, 0.1, 1, *outs)
    tangent.tangent_cg(lanes, *args)


def cache_folder() -> str | None:
    """Where compiled kernels are kept; None if nowhere."""
    if not _jit.enabled():
        return None
    cache = getattr(entries.products, "_cache", None)
    return getattr(cache, "cache_path", None)
