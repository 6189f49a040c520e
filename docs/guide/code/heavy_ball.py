"""Gradient descent with momentum, as a solver of another distribution would bring it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from lowrank_la import Factors
from lowrank_la.initial import spectral_values
from lowrank_la.solvers import Solver, SolverInfo, register


@dataclass
class HeavyBallState:
    """The last two iterates, and the natural length of a step."""

    left: np.ndarray
    right: np.ndarray
    old_left: np.ndarray
    old_right: np.ndarray
    unit: float
    iteration: int = 0


@register(
    SolverInfo(
        name="heavy_ball",
        summary="gradient descent with momentum",
        symmetric=False,
        references=("Polyak (1964), Some methods of speeding up convergence",),
    )
)
@dataclass(frozen=True, kw_only=True)
class HeavyBall(Solver):
    """Gradient descent with momentum."""

    step_size: float = 0.3
    momentum: float = 0.8
    state_type: ClassVar[type] = HeavyBallState

    def init(self, problem, start):
        """At rest at the start."""
        unit = 1 / (problem.operator.isometry * spectral_values(problem, 1)[0])
        return HeavyBallState(start.left, start.right, start.left, start.right, float(unit))

    def advance(self, problem, state, k):
        """Take k steps."""
        for _ in range(k):
            X, step = self.factors(state), self.step_size * state.unit
            at = problem.evaluate(X)
            # New arrays, bound at the end: an interrupt leaves the state whole.
            left = X.left - step * at.left + self.momentum * (X.left - state.old_left)
            right = X.right - step * at.right + self.momentum * (X.right - state.old_right)
            state.old_left, state.old_right = X.left, X.right
            state.left, state.right = left, right
            state.iteration += 1

    def factors(self, state):
        """The present factors."""
        return Factors(state.left, state.right)

    def resume(self, state, previous):
        """Keep the momentum, which the factors do not determine."""
        super().resume(state, previous)
        state.old_left, state.old_right = previous.old_left, previous.old_right
