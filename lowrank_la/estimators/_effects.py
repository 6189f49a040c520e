"""Additive effects: the baseline of every table, and the part that a low rank does not need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Array, Shape

TINY = 1e-300


@dataclass(frozen=True, eq=False)
class AdditiveEffects:
    """``mean + row[i] + column[j]``, each effect shrunk as if by `damping` entries at zero.

    Attributes
    ----------
    mean : float
    rows : array, shape (n1,)
    columns : array, shape (n2,)
    """

    mean: float
    rows: Array
    columns: Array

    @classmethod
    def fit(
        cls,
        i: Array,
        j: Array,
        values: Array,
        shape: Shape,
        *,
        mean: float | None = None,
        damping: float = 5.0,
        sweeps: int = 10,
    ) -> AdditiveEffects:
        """Alternating ridge least squares; the mean is that of the values unless given."""
        mean = float(np.mean(values, dtype=float)) if mean is None else mean
        rows, columns = np.zeros(shape[0]), np.zeros(shape[1])
        # Without damping an empty row has the effect zero, not zero by zero.
        row_counts = np.maximum(np.bincount(i, minlength=shape[0]) + damping, TINY)
        column_counts = np.maximum(np.bincount(j, minlength=shape[1]) + damping, TINY)
        centred = values - mean
        for _ in range(sweeps):
            columns = np.bincount(j, centred - rows[i], shape[1]) / column_counts
            rows = np.bincount(i, centred - columns[j], shape[0]) / row_counts
        return cls(mean, rows, columns)

    @classmethod
    def constant(cls, mean: float, shape: Shape) -> AdditiveEffects:
        """The mean alone."""
        return cls(mean, np.zeros(shape[0]), np.zeros(shape[1]))

    def penalty(self, damping: float) -> float:
        """Their share of the objective, ``damping/2 (|rows|^2 + |columns|^2)``."""
        squares = np.sum(self.rows**2) + np.sum(self.columns**2)
        return 0.5 * damping * float(squares)

    def at(self, i: Array, j: Array) -> Array:
        """The effects at positions."""
        return np.asarray(self.mean + self.rows[i] + self.columns[j])
