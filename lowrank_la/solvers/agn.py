"""Approximated Gauss-Newton: alternating scaled steps with pseudo-inverses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Array
from ..errors import SolverBreakdownError
from ..factors import Factors
from ..problem import Evaluation, Problem
from ..steps import Line
from ._descent import Descent, DescentState, keeps_residual
from ._protocol import SolverInfo
from ._registry import register

__all__ = ["AGN"]


def _nuclear(problem: Problem) -> str | None:
    return "takes no nuclear-norm weight: scaledgd does" if problem.nuclear else None


@register(
    SolverInfo(
        name="agn",
        summary="approximated Gauss-Newton: alternating scaled steps, free of rank and condition",
        symmetric=False,
        gauge_invariant=True,
        refuses=_nuclear,
        references=(
            "Jia, Feng, Meng, Sun (2024), Globally Q-linear Gauss-Newton method for "
            "overparameterized non-convex matrix sensing, NeurIPS",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class AGN(Descent):
    """Approximated Gauss-Newton method (AGN).

    Parameters
    ----------
    step_size : float, str or Step
        "auto" is the exact line search on the squared loss and backtracking on others. A number
        is the dimensionless eta of the paper, constant, in units of ``1 / isometry``; or
        "exact", "backtracking", "polyak", or a rule from `lowrank_la.steps`, applied to each
        half of an iteration.

    Model
    -----
    ``min f(A(L R^H) - y)`` over L (n1 x k) and R (n2 x k), k at least the rank. A symmetric
    matrix is looked for with two factors, ``problem.replace(symmetric=False)``.

    Update
    ------
    ``L <- L - eta Z R^{+H}`` with ``Z = A*(s)`` and s the slope of the loss, then
    ``R <- R - eta Z^H L^{+H}`` with the new L and Z at the new L; ``F^{+H}`` is the conjugate
    transpose of the pseudo-inverse, ``F (F^H F)^{-1}`` where the columns are independent.

    Assumptions
    -----------
    Smooth loss; restricted isometry at the number of columns. Any start whose factors have
    full column rank will do, a random one as well as the spectral one.

    Guarantee
    ---------
    For the squared loss linear from the first iteration on, without plateaus at saddle points,
    at a rate free of the condition number. The number of columns enters through the restricted
    isometry only: with measurements in proportion to it the rate stays.

    Cost
    ----
    Two gradients per iteration, one after each half, plus O((n1 + n2) k^2).

    References
    ----------
    Jia, Feng, Meng, Sun (2024), NeurIPS.
    """

    def advance(self, problem: Problem, state: DescentState, k: int) -> None:
        """Take k iterations, of two halves each."""
        for _ in range(k):
            X, at = state.X, state.at
            d_left = -at.left @ _inverse_gram(X.right)
            X, at, step = self._half(problem, state, X, at, d_left, np.zeros_like(X.right))
            d_right = -at.right @ _inverse_gram(X.left)
            # A rule that grows its last step starts both halves from that of the iteration before.
            X, at, step = self._half(problem, state, X, at, np.zeros_like(X.left), d_right)
            state.go(X, at, step, 0.0)

    def _half(
        self,
        problem: Problem,
        state: DescentState,
        X: Factors,
        at: Evaluation,
        d_left: Array,
        d_right: Array,
    ) -> tuple[Factors, Evaluation, float]:
        rule = self.rule
        line = Line(problem, X, at, Factors(d_left, d_right))
        step = rule.length(line, state.unit, state.step)
        there = line.evaluate(step, residual=keeps_residual(rule, problem))
        return line.point(step), there, step

    def local_rate(self, problem: Problem, solution: Factors) -> float | None:
        """None: the linearised alternation is not the step that the base analyses."""
        return None


def _inverse_gram(factor: Array) -> Array:
    """``(F^H F)^+``, so that ``F (F^H F)^+`` is the conjugate transpose of the pseudo-inverse.

    From the singular values of F itself: those of the Gram matrix would lose half the digits,
    and columns that the matrix does not need shrink towards zero.

    Raises
    ------
    SolverBreakdownError
        If the factor is not finite.
    """
    core = np.linalg.qr(factor, mode="r")
    if not np.isfinite(core).all():
        raise SolverBreakdownError("a factor is not finite: the step is too long")
    _, s, vh = np.linalg.svd(core)
    kept = s > np.finfo(s.dtype).eps * max(factor.shape) * s[0]
    scaled = vh[kept].conj().T / s[kept]
    return scaled @ scaled.conj().T
