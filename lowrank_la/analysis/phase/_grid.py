"""Where on a grid the border lies, and which cells are near it."""

from __future__ import annotations

import numpy as np

from ..._typing import Array


def every(size: int, step: int) -> Array:
    """Every `step`-th index, and the last."""
    return np.unique(np.append(np.arange(0, size, step), size - 1))


def from_nearest(values: Array, known: Array) -> Array:
    """The values, with that of the nearest known cell in each unknown one."""
    places, out = np.argwhere(known), values.copy()
    if places.size:
        for row, column in np.argwhere(~known):
            distance = np.abs(places - [row, column]).sum(axis=1)
            out[row, column] = values[tuple(places[np.argmin(distance)])]
    return out


def mixed_cells(share: Array) -> Array:
    """Cells that are not sure, or whose neighbour lies on the other side of one half."""
    share = from_nearest(share, np.isfinite(share))
    above = share > 0.5
    mixed = (share > 0) & (share < 1)
    for axis in (0, 1):
        change = np.diff(above.astype(int), axis=axis) != 0
        first = [slice(None), slice(None)]
        second = [slice(None), slice(None)]
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        mixed[tuple(first)] |= change
        mixed[tuple(second)] |= change
    return np.asarray(mixed)


def near(mask: Array, distance: int) -> Array:
    """Cells within a distance (in both directions) of one of the mask."""
    from scipy.ndimage import binary_dilation

    window = np.ones((2 * distance + 1, 2 * distance + 1), bool)
    return np.asarray(binary_dilation(mask, window))
