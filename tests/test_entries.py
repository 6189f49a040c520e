"""Observed entries: both layouts, in whatever order the positions come."""

from __future__ import annotations

import numpy as np
import pytest

from lowrank_la.operators import EntrySampling


def positions(order, m=60, shape=(13, 9), seed=0):
    rng = np.random.default_rng(seed)
    i, j = np.divmod(rng.choice(shape[0] * shape[1], m, replace=False), shape[1])
    keys = {
        "rows": (j, i),
        "columns": (i, j),
        "rows only": (rng.permutation(m), i),
        "columns only": (rng.permutation(m), j),
        "none": (rng.permutation(m),),
    }[order]
    chosen = np.lexsort(keys)
    return i[chosen], j[chosen], shape


@pytest.mark.parametrize("order", ["rows", "columns", "rows only", "columns only", "none"])
@pytest.mark.parametrize("m", [1, 60])
def test_layouts_are_sorted_by_both_indices(order, m):
    i, j, shape = positions(order, m)
    operator = EntrySampling(i, j, shape, empty="allow")
    sides = ((operator._by_row, i, j, shape[0]), (operator._by_column, j, i, shape[1]))
    for layout, major, minor, n in sides:
        expected = np.lexsort((minor, major))
        given = np.arange(m) if layout.order is None else layout.order
        np.testing.assert_array_equal(given, expected)
        np.testing.assert_array_equal(layout.indices, minor[expected])
        np.testing.assert_array_equal(np.diff(layout.indptr), np.bincount(major, minlength=n))
        assert layout.take(np.arange(m)).tolist() == expected.tolist()
    for found, wanted in zip(operator.positions, (i, j), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_what_comes_in_order_is_not_sorted():
    """The positions are then their own layout, which saves memory and a pass."""
    for order, sorted_side in (("rows", "_by_row"), ("columns", "_by_column")):
        operator = EntrySampling(*positions(order), empty="allow")
        for side in ("_by_row", "_by_column"):
            assert (getattr(operator, side).order is None) == (side == sorted_side)


def test_strided_positions():
    i, j, shape = positions("none")
    both = np.stack([i, j], axis=1)
    operator = EntrySampling(both[:, 0], both[:, 1], shape, empty="allow")
    np.testing.assert_array_equal(operator.positions[0], i)
