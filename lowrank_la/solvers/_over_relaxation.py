"""Over-relaxation of alternating minimisation, and the rate of its sweeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._orthonormal import orthonormal
from .._typing import Array
from ..factors import Factors
from ..problem import Problem

# Sweeps without over-relaxation, whose ratios of moves are those of the start.
PLAIN_SWEEPS = 2
# Largest adaptive relaxation; and how it falls where the moves shrink no faster than it allows.
LARGEST, FALL, MARGIN = 1.9, 0.8, 1.1
# Moves of so many rounding units of the matrix are not looked at.
ROUNDING = 1e3


def next_relaxation(w: float, sweeps: int, before: float, move: float, rounding: float) -> float:
    """The relaxation for which Young's relation promises the fastest fall of the moves.

    Parameters
    ----------
    w : float
        The present relaxation.
    sweeps : int
        Sweeps done.
    before, move : float
        The last two moves.
    rounding : float
        A rounding unit of the matrix.
    """
    if sweeps < PLAIN_SWEEPS or not before > 0.0:
        return w
    ratio = move / before
    # Beyond the best relaxation w - 1 is the ratio, whatever the rate of plain sweeps; and
    # moves of the size of rounding errors, which relaxation amplifies, tell nothing.
    if ratio < MARGIN * (w - 1.0) or move <= ROUNDING * rounding:
        return 1.0 + FALL * (w - 1.0)
    if not ratio < 1.0:
        return w
    rate = min((ratio + w - 1.0) ** 2 / (ratio * w * w), 1.0)
    return float(min(2.0 / (1.0 + np.sqrt(1.0 - rate)), LARGEST))


def relaxed_rate(rate: float, w: float) -> float:
    """The larger solution z of ``(z + w - 1)^2 = z w^2 rate``, in modulus."""
    b = w * np.sqrt(rate)
    inside = b * b / 4 - (w - 1.0)
    if inside < 0.0:
        return w - 1.0
    return float((b / 2 + np.sqrt(inside)) ** 2)


def plain_rate(problem: Problem, solution: Factors) -> float | None:
    """Spectral radius of one plain sweep, linearised at a solution; None if it is not found.

    With J and A as in Gauss-Newton, ``dL = argmin |A(dL R^H + L dR^H)|`` and then
    ``dR' = argmin |A(dL R^H + L dR'^H)|``; directions ``dR = R S`` change the gauge only. Of
    the rate of plain sweeps, that of over-relaxed ones follows by Young's relation.
    """
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigs

    operator: Any = problem.operator
    X = solution.balanced()
    basis = orthonormal(X.right, accurate=True)[0]
    shape = X.right.shape

    def respond(side: str, moved: Factors, fixed: Array) -> Array:
        data = operator.prepare(-operator.forward(moved))
        found: Array = operator.row_solve(data, fixed, 0.0, side=side)
        return found

    def sweep(x: Array) -> Array:
        d_right = x.reshape(shape)
        d_right = d_right - basis @ (basis.T @ d_right)
        d_left = respond("left", Factors(X.left, d_right), X.right)
        d_right = respond("right", Factors(d_left, X.right), X.left)
        return (d_right - basis @ (basis.T @ d_right)).ravel()

    size = shape[0] * shape[1]
    linear = LinearOperator((size, size), matvec=sweep, dtype=float)
    start = np.random.default_rng(0).standard_normal(size)
    try:
        values = eigs(linear, 1, v0=start, tol=1e-3, return_eigenvectors=False)
    except ArpackError:
        return None
    return float(np.abs(values[0]))
