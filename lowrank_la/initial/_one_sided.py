"""The start for data of which each row shows few entries."""

from __future__ import annotations

from inspect import getattr_static
from typing import Any

import numpy as np

from .. import _check
from .._gram import mean_products
from ..errors import IncompatibleError
from ..factors import Factors
from ..problem import Problem


def gram(problem: Problem, rank: int, *, rng: Any = 0) -> Factors:
    """Leading eigenvectors of the averaged products of entries in the same row: one-sided data.

    ``X^H X / n1`` of the start is the best approximation of rank r, positive semidefinite, of
    the matrix of means, with zeros where no row observes a pair (Cao, Liang, Valiant 2023).

    Parameters
    ----------
    problem : Problem
        A problem whose operator has `positions` and `row_solve`.
    rank : int
        Number of columns of the factors.
    rng : int, Generator or None
        Not used; the start is deterministic.

    Returns
    -------
    Factors

    Raises
    ------
    IncompatibleError
        If the operator does not observe single entries.
    """
    rank = _check.rank_of(rank, problem.shape)
    operator: Any = problem.operator
    if getattr_static(operator, "positions", None) is None or not hasattr(operator, "row_solve"):
        raise IncompatibleError(
            f"the start 'gram' needs an operator that observes single entries, which "
            f"{type(operator).__name__} does not; use start='spectral'"
        )
    (j, k), means, _ = mean_products(problem)
    matrix = np.zeros((problem.shape[1],) * 2, problem.dtype)
    matrix[j, k] = means
    matrix[k, j] = means.conj()
    values, vectors = np.linalg.eigh(matrix)
    root = np.sqrt(np.maximum(values[::-1][:rank], 0)).astype(matrix.real.dtype)
    right = np.ascontiguousarray(vectors[:, ::-1][:, :rank] * root)
    rows = operator.row_solve(
        problem.prepared, right, 1e-2 * float(np.mean(root) ** 2), side="left"
    )
    u, _, vh = np.linalg.svd(rows, full_matrices=False)
    scale = np.sqrt(problem.shape[0]).astype(right.real.dtype)
    return Factors(np.ascontiguousarray(scale * (u @ vh)).astype(problem.dtype), right)
