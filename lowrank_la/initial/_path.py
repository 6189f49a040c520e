"""The start that solves the problem: the ridged rank path."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from ..errors import IncompatibleError
from ..factors import Factors
from ..gauss_newton import Ladder
from ..losses import Squared
from ..problem import Problem


def rank_path(problem: Problem, rank: int, *, restarts: int = 0, rng: Any = 0) -> Factors:
    """Start by the ridged rank path: columns one by one, Gauss-Newton at each rank.

    The squared residual is minimised, whatever the loss of the problem. Tries with several
    ridges follow each other until one fits the data to rounding; without one, the start is the
    best of them. As a solver (`lowrank_la.solvers.RankPath`) it says what it found.

    Parameters
    ----------
    problem : Problem
        The problem.
    rank : int
        Number of columns of the factors.
    restarts : int
        Further tries, at random.
    rng : int, Generator or None
        Starts of the power iterations, and what is held out under noise.

    Returns
    -------
    Factors

    Raises
    ------
    IncompatibleError
        For a loss that is not smooth: outliers lead the path astray.
    """
    rank = _check.rank_of(rank, problem.shape, limit=problem.max_rank)
    if not problem.loss.smooth:
        raise IncompatibleError(
            f"start='rank_path' minimises squares, which outliers lead astray, and the loss is "
            f"{problem.loss}; use start='truncated' or 'thresholded'"
        )
    seed = int(stream(seed_of(rng), "rank path").integers(2**31))
    ladder = Ladder(rank=rank, restarts=_check.count(restarts, "restarts"), seed=seed)
    squared = problem.replace(loss=Squared())
    left, right = (np.zeros((n, rank), problem.dtype) for n in problem.shape)
    state = ladder.begin(squared, Factors(left, left if problem.symmetric else right))
    # A found matrix under noise is left to the solver.
    while state.phase not in ("found", "exhausted"):
        ladder.advance(squared, state)
    return state.X.balanced()
