"""The head of the states of solvers: factors, and the objective and its gradient there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from ._typing import Array
from .factors import Factors
from .problem import Evaluation


@dataclass
class PointState:
    """Factors, and the objective and its gradient at them.

    Attributes
    ----------
    left, right : array
        The factors; `right` is None for symmetric problems, and so is the gradient in it.
    iteration : int
        Iterations done.
    value : float
        The objective.
    left_gradient, right_gradient : array
        Its gradient.
    """

    left: Array
    right: Array | None
    iteration: int
    value: float
    left_gradient: Array
    right_gradient: Array | None

    @classmethod
    def begin(cls, X: Factors, at: Evaluation, **rest: Any) -> Self:
        """The state of iteration 0 at a point, and what was evaluated there."""
        single = X.symmetric
        return cls(
            left=X.left,
            right=None if single else X.right,
            iteration=0,
            value=at.value,
            left_gradient=at.left,
            right_gradient=None if single else at.right,
            **rest,
        )

    @property
    def X(self) -> Factors:
        """The factors."""
        return Factors(self.left, self.left if self.right is None else self.right)

    @property
    def at(self) -> Evaluation:
        """Objective and gradient at the factors, and the residual if the state has it."""
        right = self.left_gradient if self.right_gradient is None else self.right_gradient
        return Evaluation(self.value, self.left_gradient, right, getattr(self, "residual", None))

    def place(self, X: Factors, at: Evaluation) -> None:
        """Bind a point and what was evaluated there."""
        single = X.symmetric
        self.left, self.right = X.left, None if single else X.right
        self.value, self.left_gradient = at.value, at.left
        self.right_gradient = None if single else at.right
