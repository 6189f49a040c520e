"""Rows and columns of the matrix found that their own measurements leave open."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..operators import HasGaussNewton
from ..operators._protocol import offers
from ..problem import Problem
from ..result import UNDETERMINED

# An eigenvalue of a block is zero up to so many rounding units, and up to the square of so many
# times the tolerance, which is taken for no more than COARSE: the row is then off by its own size.
ROUNDING, OFF, COARSE = 64.0, 4.0, 1e-3
# Where an eigenvalue vanishes a Cholesky pivot falls below this share of the first, by far.
NEAR = 1e-2
# Singular values below this share of the first are no part of a matrix that was looked for with
# more columns than it may have.
SPARE = 1e-3
# So many of them are named in a message.
SHOWN = 5
# Blocks that are looked at at once.
BATCH_BYTES = 1 << 25


def open_lines(
    problem: Problem, X: Factors, *, tol: float | None = None, spare: bool = False
) -> dict[str, Array] | None:
    """Rows and columns that could move without any measurement seeing it, the rest fixed.

    Those whose measurements meet fewer independent directions of the other factor than its rank.

    Parameters
    ----------
    problem : Problem
        The problem.
    X : Factors
        The matrix found.
    tol : float, optional
        Relative accuracy of the factors; default: `problem.default_tol`.
    spare : bool
        Whether the factors are meant to have more columns than the matrix has rank.

    Returns
    -------
    dict of str to array of int, or None
        "undetermined_rows" and "undetermined_columns", ascending; for symmetric problems both
        are the same. None for operators without blocks of the normal matrix.
    """
    operator: Any = problem.operator
    if not offers(operator, HasGaussNewton):
        return None
    tol = min(OFF * max(tol or 0.0, problem.default_tol), COARSE)
    share = SPARE if spare else tol
    right = _basis(X.right, X.left, share)
    if problem.symmetric:
        return dict.fromkeys(UNDETERMINED, _open(operator, right, ("left", "right"), tol))
    left = _basis(X.left, X.right, share)
    found = _open(operator, right, ("left",), tol), _open(operator, left, ("right",), tol)
    return dict(zip(UNDETERMINED, found, strict=True))


def _open(operator: Any, basis: Array, sides: tuple[str, ...], tol: float) -> Array:
    """Numbers of the lines whose blocks are singular, found in batches that fit into memory."""
    count, rank = operator.shape[0 if sides[0] == "left" else 1], basis.shape[1]
    batch = max(1, BATCH_BYTES // (basis.itemsize * max(1, rank * rank)))
    found, largest = [], 0.0
    for start in range(0, count, batch):
        # All at once where they fit: then a user's operator need not know of batches.
        some: Any = {} if count <= batch else {"lines": slice(start, start + batch)}
        blocks = sum(operator.normal_blocks(basis, side=side, **some) for side in sides)
        sizes = np.trace(blocks, axis1=1, axis2=2).real
        largest = max(largest, float(sizes.max(initial=0.0)))
        found.append(start + _singular(blocks, sizes, largest, tol))
    return np.concatenate(found)


def _basis(factor: Array, other: Array, share: float) -> Array:
    """An orthonormal basis of the factor, for singular values above this share of the first.

    Where a matrix of lower rank fits, its rows and columns are those of that rank.
    """
    # In double precision whatever the data: a block has the square of the condition of its rows.
    double = np.result_type(factor, np.float64)
    Q, R = np.linalg.qr(factor.astype(double))
    rest = np.linalg.qr(other.astype(double))[1]
    turn, values, _ = np.linalg.svd(R @ rest.conj().T)
    return np.ascontiguousarray(Q @ turn[:, : values.size][:, values > share * values[0]])


def _singular(blocks: Array, sizes: Array, largest: float, tol: float) -> Array:
    """Numbers of the singular ones among positive semidefinite blocks, ascending."""
    rank = blocks.shape[1]
    rounding = ROUNDING * rank * float(np.finfo(blocks.dtype).eps)
    floor = rounding + tol**2
    small = floor * largest
    if small == 0.0:
        return np.arange(len(blocks)) if rank else np.zeros(0, np.int64)
    # Shifted, so that each has a decomposition.
    shift = rounding * np.maximum(sizes, small)
    try:
        root = np.linalg.cholesky(blocks + shift[:, None, None] * np.eye(rank))
    except np.linalg.LinAlgError:
        # Sums of very many products have larger rounding errors than that.
        suspect = np.arange(len(blocks))
    else:
        pivots = np.diagonal(root, axis1=1, axis2=2).real
        # Cholesky takes a tenth of the time of eigenvalues.
        near = pivots.min(axis=1) <= NEAR * pivots.max(axis=1)
        suspect = np.flatnonzero(near | (sizes <= small))
    values = np.linalg.eigvalsh(blocks[suspect])
    return suspect[values[:, 0] <= np.maximum(floor * values[:, -1], floor * small)]


def in_words(lines: dict[str, Array]) -> str:
    """Such rows and columns as "row 7 and columns 3, 5"; empty if there are none."""
    parts = []
    for what, found in zip(("row", "column"), lines.values(), strict=True):
        if found.size:
            listed = ", ".join(map(str, found[:SHOWN]))
            more = f" and {found.size - SHOWN} more" if found.size > SHOWN else ""
            parts.append(f"{what}{'s' if found.size > 1 else ''} {listed}{more}")
    return " and ".join(parts)
