"""Where a ladder of tries stands."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from .._point import PointState
from .._typing import Array
from ..factors import Factors
from ..problem import Evaluation, Problem


@dataclass
class PathState(PointState):
    """Where a ladder of tries stands.

    Attributes
    ----------
    left, right : array
        The present factors; `right` is None for symmetric problems.
    iteration : int
        Gauss-Newton steps done.
    rung : int
        Number of the try; -1 for the one from the start that was given.
    phase : str
        "grow", "anneal" or "finish"; "found", "kept" or "exhausted" at the end.
    weights : array, shape (k,)
        The ridge of each column.
    level : float
        What is annealed.
    top : float
        Its first value.
    second, spread : float
        Second and last over first singular value of the residual, as the columns of the first
        rung entered along them; NaN before.
    value, left_gradient, right_gradient
        Objective with the ridge, and its gradient.
    forcing, length, move, slow, count, since
        Tolerance of the next inner solve; how far the last step went, relative to its
        direction and to the matrix; slow steps in a row, steps at this level and in this try.
    block : array
        Start of the next power iteration.
    best_left, best_right, best_score, best_rung
        The best matrix of all tries, its score (the relative residual, if it predicts anything
        of held-out data), and from which try.
    stationary : array
        Relative residuals of the tries that ended at a stationary point.
    outcomes : str
        What each try gave.
    verdict : str
        Why the ladder ended.
    inner : int
        Inner iterations so far.
    natural, nuclear : float
        Loss of the data and the problem's weight, which tell whether the state fits a problem.
    """

    rung: int
    phase: str
    weights: Array
    level: float
    top: float
    second: float
    spread: float
    forcing: float
    length: float
    move: float
    slow: int
    count: int
    since: int
    block: Array
    best_left: Array
    best_right: Array | None
    best_score: float
    best_rung: int
    stationary: Array
    outcomes: str
    verdict: str
    inner: int
    natural: float
    nuclear: float

    @classmethod
    def beginning(
        cls, problem: Problem, start: Factors, at: Evaluation, forcing: float
    ) -> PathState:
        """Before the first step, at a start that is to be finished; nothing is known yet."""
        single, real = start.symmetric, start.left.real.dtype
        nothing = float("nan")
        return cls(
            left=start.left,
            right=None if single else start.right,
            iteration=0,
            rung=-1,
            phase="finish",
            weights=np.zeros(start.rank, real),
            level=0.0,
            top=0.0,
            second=nothing,
            spread=nothing,
            value=at.value,
            left_gradient=at.left,
            right_gradient=None if single else at.right,
            forcing=forcing,
            length=0.0,
            move=float("inf"),
            slow=0,
            count=0,
            since=0,
            block=np.zeros((problem.shape[1], 0), problem.dtype),
            best_left=start.left,
            best_right=None if single else start.right,
            best_score=float("inf"),
            best_rung=-1,
            stationary=np.zeros(0),
            outcomes="",
            verdict="",
            inner=0,
            natural=problem.natural,
            nuclear=problem.nuclear,
        )

    @property
    def best(self) -> Factors:
        """The best factors of all tries."""
        left = self.best_left
        return Factors(left, left if self.best_right is None else self.best_right)

    def copy_from(self, other: PathState) -> None:
        """Take over all fields."""
        for item in fields(self):
            setattr(self, item.name, getattr(other, item.name))
