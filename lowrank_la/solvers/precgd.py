"""Preconditioned gradient descent with damping that follows the residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import _check
from .._typing import Array
from ..factors import Factors
from ..problem import Problem
from ._descent import Descent, DescentState, gram_metric
from ._protocol import SolverInfo
from ._registry import register

__all__ = ["PrecGD"]


@register(
    SolverInfo(
        name="precgd",
        summary="preconditioned gradient descent, damping from the residual",
        references=(
            "Zhang, Fattahi, Zhang (2021), Preconditioned gradient descent for "
            "over-parameterized nonconvex matrix factorization, NeurIPS, arXiv:2504.09708",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class PrecGD(Descent):
    """Preconditioned gradient descent (PrecGD).

    Parameters
    ----------
    step_size : float, str or Step
        "auto" is the exact line search on the squared loss and backtracking on others, with the
        constant 0.5 while the iterate is still small (`steps.Automatic`). A number is a
        dimensionless constant, in units of ``1 / isometry``; or "exact", "backtracking",
        "polyak", or a rule from `lowrank_la.steps`.
    damping : float
        Factor on the damping ``sqrt(f / isometry)``.

    Model
    -----
    ``min f(A(F F^H) - y)`` over F (n x r), r at least the rank; or ``L R^H``.

    Update
    ------
    ``F <- F - eta A*(s) F (F^H F + eta_t I)^{-1}`` with ``eta_t = sqrt(f(F_t))``, f the
    objective, which is ``1/4 |A(F F^H) - y|^2`` for the squared loss.

    Assumptions
    -----------
    Squared loss without noise (with noise the damping stays above what is best); restricted
    isometry at the number of columns; a start that is close (spectral).

    Guarantee
    ---------
    Linear also with more columns than the rank, as long as their number keeps the restricted
    isometry.

    Cost
    ----
    As gradient descent plus O((n1 + n2) r^2).

    References
    ----------
    Zhang, Fattahi, Zhang (2021), arXiv:2504.09708.
    """

    damping: float = 1.0
    small_step: ClassVar[float | None] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        _check.number(self.damping, "damping", low=0.0)

    def damping_at(self, problem: Problem, state: DescentState) -> float:
        """``damping * sqrt(f / isometry)`` at the present factors."""
        if not np.isfinite(state.value):
            return float("nan")
        return self.damping * float(np.sqrt(max(state.value, 0.0) / problem.operator.isometry))

    def resumed_damping(self, state: DescentState, previous: DescentState) -> float:
        """That of the last step."""
        return previous.damping

    def metric(self, X: Factors, damping: float) -> tuple[Array, Array]:
        """``(R^H R + eta_t I, L^H L + eta_t I)``."""
        return gram_metric(X, damping)
