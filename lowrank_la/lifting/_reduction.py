"""Which problems can be lifted, and the fewest measurements that say the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from ..losses import Squared
from ..operators import matrix_of
from ..problem import Problem


def why_not(problem: Problem) -> str | None:
    """Why a problem cannot be lifted, as a sentence without its subject; None if it can."""
    if not problem.symmetric:
        return "takes symmetric problems only"
    if not isinstance(problem.loss, Squared):
        return f"needs the loss Squared, got {type(problem.loss).__name__}"
    if problem.dtype.kind == "c":
        return f"takes real problems only, this one is {problem.dtype}"
    if problem.nuclear:
        return "has no term for a nuclear-norm weight; set nuclear=0"
    return None


def reduced(problem: Problem) -> tuple[Array, Array, float]:
    """Rows B_k, data on them, and the squared norm of the data outside the range of A.

    An orthonormal basis of the range keeps both ``A* A`` and the distance to the data, for A as
    for its powers.
    """
    n = problem.shape[0]
    matrix: Any = matrix_of(problem.operator)
    dense = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=float)
    dense = dense.reshape(-1, n, n)
    i, j = np.tril_indices(n)
    # Symmetric matrices as vectors, whose inner product is theirs.
    weight = np.where(i == j, 1.0, np.sqrt(2.0))
    half = 0.5 * (dense[:, i, j] + dense[:, j, i]) * weight
    u, s, vh = np.linalg.svd(half, full_matrices=False)
    kept = s > np.finfo(float).eps * max(half.shape) * s[0]
    u, data = u[:, kept], problem.data.astype(float)
    rows = np.zeros((int(kept.sum()), n, n))
    rows[:, i, j] = rows[:, j, i] = s[kept, None] * vh[kept] / weight
    target = u.T @ data
    outside = data - u @ target
    outside -= u @ (u.T @ outside)
    square = float(outside @ outside)
    # What is left of data within the range is rounding.
    floor = (np.finfo(problem.dtype).eps * len(data)) ** 2 * float(data @ data)
    return rows, target, square if square > floor else 0.0
