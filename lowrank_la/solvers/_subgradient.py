"""What the subgradient methods for the absolute loss share: steps, and what they can tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .._grid import sees_single_entries
from .._typing import Array
from ..errors import IncompatibleError, SolverBreakdownError
from ..factors import Factors
from ..initial import frobenius_estimate
from ..problem import Problem
from ..steps import (
    Geometric,
    LossProportional,
    MedianResidual,
    Polyak,
    Step,
    as_subgradient_step,
    norm_of_mean,
)
from ._descent import Descent, DescentState

# Share of the size that the data suggest below which a start counts as small.
SMALL = 0.05
# Median over mean of the residual, 0.85 if it is Gaussian, below which outliers are suspected;
# and the iterations without a lower loss, or its growth, that confirm it.
RATIO, PATIENCE, GROWTH = 0.5, 100, 10.0


@dataclass
class SubgradientState(DescentState):
    """A descent state, and what tells of outliers where the step goes by the loss.

    Attributes
    ----------
    ratio : float
        Median over mean modulus of the residual at the start.
    lowest : float
        Lowest objective so far.
    idle : int
        Iterations since then.
    """

    ratio: float = 1.0
    lowest: float = np.inf
    idle: int = 0


@dataclass(frozen=True, kw_only=True)
class SubgradientDescent(Descent):
    """Base of the plain and the scaled subgradient method."""

    step_size: float | str | Step = "auto"
    state_type: ClassVar[type] = SubgradientState

    def __post_init__(self) -> None:
        _ = self.rule

    @property
    def rule(self) -> Step:
        """The step rule; "auto" is by the median, but for single entries."""
        return as_subgradient_step("median" if self.step_size == "auto" else self.step_size)

    def rule_on(self, problem: Problem) -> Step:
        """The step rule on this problem.

        Raises
        ------
        IncompatibleError
            For steps by the median where the operator observes single entries.
        """
        rule = self.rule
        if not isinstance(rule, MedianResidual) or not sees_single_entries(problem):
            return rule
        if self.step_size == "auto":
            return Geometric()
        raise IncompatibleError(
            "steps by the median residual freeze on single entries: half of them are soon fitted "
            "exactly, by factors that are wrong about the others. Use step_size='geometric', which "
            "is the default there, or thresholded_scaledgd"
        )

    def scale(self, problem: Problem) -> float:
        """What a step by residuals is divided by, besides the isometry."""
        return 1.0

    def schedule_unit(self, problem: Problem, norm: str) -> float:
        """Natural length of steps by a schedule."""
        return frobenius_estimate(problem)

    def unit(self, problem: Problem) -> float:
        """Natural length of a step by the rule."""
        rule = self.rule_on(problem)
        if isinstance(rule, Geometric):
            return self.schedule_unit(problem, rule.norm)
        if isinstance(rule, Polyak):
            # Its steps have the right length by themselves.
            return 1.0
        return 1.0 / (problem.operator.isometry * self.scale(problem))

    def init(self, problem: Problem, start: Factors) -> SubgradientState:
        """Objective and subgradient at the start, and the natural length of a step."""
        rule = self.rule_on(problem)
        if isinstance(rule, Polyak) and start.norm() < SMALL * frobenius_estimate(problem):
            raise IncompatibleError(
                "the Polyak step from a start near zero overshoots: the subgradient in the "
                "factors is small there and the gap is not, so that the first step ends about "
                "|X| / |X_0| times too far, from where not all runs return. Use the start "
                "'truncated', or another rule"
            )
        by_loss = isinstance(rule, LossProportional)
        at = problem.evaluate(start, residual=rule.needs_residual or by_loss)
        return SubgradientState.begin(
            start,
            at,
            residual=at.residual if rule.needs_residual else None,
            unit=self.unit(problem),
            damping=self.initial_damping(problem, start),
            ratio=1.0 if at.residual is None or not by_loss else _ratio(at.residual),
            lowest=at.value,
        )

    def advance(self, problem: Problem, state: DescentState, k: int) -> None:
        """Take k steps."""
        assert isinstance(state, SubgradientState)
        rule = self.rule_on(problem)
        for _ in range(k):
            self._step(problem, state, rule, rule.needs_residual)
            if isinstance(rule, LossProportional):
                self._watch(problem, state)

    def _watch(self, problem: Problem, state: SubgradientState) -> None:
        """Give up where a step proportional to the loss cannot shrink because of outliers."""
        fell = state.value < state.lowest
        state.lowest, state.idle = (state.value, 0) if fell else (state.lowest, state.idle + 1)
        worse = state.idle >= PATIENCE or state.value > GROWTH * state.lowest
        resolution = np.sqrt(np.finfo(state.left.dtype).eps)
        noticeable = state.value > resolution * problem.loss.value(problem.data)
        if worse and noticeable and state.ratio < RATIO:
            raise SolverBreakdownError(
                f"the loss does not fall, and at the start the median residual was "
                f"{state.ratio:.2g} of their mean: there are outliers, and with them a step "
                f"proportional to the loss does not shrink. Use step_size='median'"
            )

    def resume(self, state: DescentState, previous: DescentState) -> None:
        """Carry over the last step too, and the lowest loss."""
        super().resume(state, previous)
        if state.value == previous.value:
            assert isinstance(state, SubgradientState)
            assert isinstance(previous, SubgradientState)
            state.ratio = previous.ratio
            state.lowest, state.idle = previous.lowest, previous.idle

    def standstill(self, state: DescentState) -> str | None:
        """Where a schedule of steps ends, whatever is there."""
        schedule = isinstance(self.rule, Geometric) or self.step_size == "auto"
        return "the end of the schedule of steps" if schedule else None

    def stationarity(self, problem: Problem, state: DescentState) -> float:
        """Distance to the solution relative to X, as the residual tells.

        From the median or the mean residual, or the gap of the Polyak step, through the ratio
        of the two for Gaussian measurements. Infinite for steps by a schedule, which shrink
        wherever the iterates are.
        """
        rule, X = self.rule_on(problem), state.X
        size = X.norm()
        if size > 0 and isinstance(rule, (MedianResidual, LossProportional)):
            return rule.distance(problem, X, state.at) / size
        if size > 0 and isinstance(rule, Polyak):
            gap = abs(state.value - rule.f_min) * (2.0 if problem.symmetric else 1.0)
            return norm_of_mean(problem, gap / problem.data.size) / size
        return float("inf")


def _ratio(residual: Array) -> float:
    """Median over mean modulus."""
    size = np.abs(residual)
    mean = float(np.mean(size, dtype=float))
    return float(np.median(size)) / mean if mean > 0 else 1.0
