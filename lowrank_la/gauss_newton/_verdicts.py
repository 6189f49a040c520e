"""What the end of a try is: the matrix, the matrix and noise, or neither."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..problem import Problem
from ._columns import top_value
from ._held_out import concentration
from ._state import PathState

# A residual of so many rounding units, relative to the data, is none.
ROUNDING = 256.0
# Share of the held-out measurements' size that a matrix must explain.
PREDICTS = 0.5
# With so many times as many measurements as unknowns, tries that end with the same residual,
# up to this share of it, are taken to have found the same matrix, and noise.
PLENTY, AGREES = 2.0, 0.02
# With fewer, they have to agree as matrices too: down to SOME times, in a residual that is the same
# up to CLOSELY, as well as the data determine it; down to FEW times, up to SAME.
SOME, CLOSELY = 1.45, 0.001
FEW, SAME = 1.15, 0.001
# Paths of different kinds do end at the same wrong matrix; what it cannot fit is then in a few
# rows and columns. Fourth moment over the square of the second: 3 for noise, 4 to 7 for what a
# fit leaves of it at 1.2 times as many measurements as unknowns, 10 to 100 at local minima.
HEAVY = 8.0
# With a nuclear-norm weight: multiples of the residual of shrunk singular values, and what small
# residuals are that are due to it; the relative gap to the dual.
SHRINKS, SMALL, GAP = 3.0, 0.1, 1e-4


def relative_residual(problem: Problem, state: PathState) -> float:
    """``|A(X) - y| / |y|`` at the present factors, whose ridge is zero."""
    loss = problem.misfit(state.X, state.at)
    return float(np.sqrt(max(2.0 * loss, 0.0)) / np.linalg.norm(problem.data))


def relative_move(X: Factors, Y: Factors) -> float:
    """``|X - Y|_F / |Y|_F``."""
    return X.distance(Y) / max(Y.norm(), 1e-300)


def is_rounding(miss: float, state: PathState) -> bool:
    """Whether a relative residual is what rounding errors leave."""
    return bool(miss <= ROUNDING * np.finfo(state.left.dtype).eps)


def is_noise(problem: Problem, state: PathState, miss: float, error: float, rank: int) -> bool:
    """Whether what a try ends at is the matrix, and its residual noise.

    Parameters
    ----------
    problem : Problem
        The problem.
    state : PathState
        At the end of a try, with what earlier ones ended at.
    miss : float
        The relative residual.
    error : float
        Relative error on measurements held out.
    rank : int
        Rank of the matrix.
    """
    ratio = _ratio(problem, rank)
    gaps = np.abs(state.stationary - miss)
    if ratio >= PLENTY:
        again = bool(np.any(gaps <= AGREES * miss))
        if problem.nuclear:
            # Shrunk matrices predict less.
            return error < (1.0 if again else PREDICTS)
        return error < PREDICTS and again
    if ratio < FEW or not error < PREDICTS or not np.any(gaps <= AGREES * miss):
        return False
    if not looks_even(problem, state.X, rank):
        return False
    move = relative_move(state.X, state.best)
    if ratio < SOME:
        return move <= SAME
    # The held-out error tells how well the data determine the matrix.
    return move <= SAME or (bool(np.any(gaps <= CLOSELY * miss)) and move < error)


def looks_even(problem: Problem, X: Factors, rank: int) -> bool:
    """Whether the residual may be noise: with much data and with weights it always may."""
    if problem.nuclear or _ratio(problem, rank) >= PLENTY:
        return True
    return concentration(problem.residual(X)) <= HEAVY


def is_minimum(problem: Problem, state: PathState, miss: float, block: Array) -> bool:
    """Whether the residual is what the nuclear-norm weight makes it.

    That is so where it is small and no larger than that of singular values that are all too
    small by the weight; or if no matrix of any rank has an objective smaller by more than a
    share `GAP`, which the residual tells when scaled to a point of the dual problem.

    Parameters
    ----------
    problem : Problem
        The problem, with a weight.
    state : PathState
        At the end of a try.
    miss : float
        The relative residual.
    block : array, shape (n2, k)
        Start of power iterations; not the factors, whose columns are invariant here.
    """
    weight, rank = problem.nuclear, state.left.shape[1]
    size = float(np.linalg.norm(problem.data))
    shrunk = weight * float(np.sqrt(rank / problem.operator.isometry)) / size
    if miss <= min(SHRINKS * shrunk, SMALL):
        return True
    slope = max(top_value(problem, state.X, block), weight)
    residual = -problem.residual(state.X) * (weight / slope)
    dual = float(np.vdot(residual, problem.data - 0.5 * residual).real)
    value = state.value * (2.0 if problem.symmetric else 1.0)
    return value - dual <= GAP * value


def expected_error(problem: Problem, miss: float, rank: int) -> float:
    """What noise of this residual makes of data held out, with a margin."""
    spare = problem.informative - problem.degrees_of_freedom(rank)
    return 3.0 * miss * problem.informative / max(spare, 1)


def _ratio(problem: Problem, rank: int) -> float:
    return problem.informative / problem.degrees_of_freedom(rank)
