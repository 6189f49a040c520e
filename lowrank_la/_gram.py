"""The Gram matrix of the columns, from rows with few observed entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._typing import Array
from .problem import Problem


def mean_products(problem: Problem) -> tuple[Array, Array, Array]:
    """Mean of ``conj(X_ij) X_ik`` over the rows i that observe both.

    Parameters
    ----------
    problem : Problem
        With an operator that has `positions`.

    Returns
    -------
    pairs : array of int, shape (2, p)
        Positions (j, k), j <= k, that some row observes.
    means, counts : array, shape (p,)
        Mean products, and the number of rows behind each.
    """
    from scipy import sparse

    operator: Any = problem.operator
    i, j = operator.positions
    values = sparse.csr_array((problem.data, (i, j)), shape=problem.shape)
    seen = sparse.csr_array((np.ones(j.size), (i, j)), shape=problem.shape)
    products = sparse.triu(values.conj().T @ values).tocoo()
    pairs = sparse.triu(seen.T @ seen).tocsr()
    pairs.sort_indices()
    pairs = pairs.tocoo()
    # Products that cancel may have no stored entry.
    n2 = problem.shape[1]
    keys = pairs.row.astype(np.int64) * n2 + pairs.col
    sums = np.zeros(keys.size, problem.dtype)
    found = products.row.astype(np.int64) * n2 + products.col
    sums[np.searchsorted(keys, found)] = products.data
    places = np.stack([pairs.row, pairs.col]).astype(np.int64)
    return places, sums / pairs.data.astype(sums.real.dtype), pairs.data
