"""Gradient descent on the factors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import _check
from ..problem import Problem
from ._descent import Descent, gradient_unit
from ._protocol import SolverInfo
from ._registry import register

__all__ = ["GD"]


@register(
    SolverInfo(
        name="gd",
        summary="gradient descent on the factors",
        oracle=("sigma_max",),
        references=(
            "Tong, Ma, Chi (2021), Accelerating ill-conditioned low-rank matrix estimation via "
            "scaled gradient descent, JMLR 22(150), arXiv:2005.08898 (as the baseline)",
            "Xiong, Ding, Du (2024), How over-parameterization slows down gradient descent in "
            "matrix sensing, ICLR, arXiv:2310.01769",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class GD(Descent):
    """Gradient descent on both factors at once.

    Parameters
    ----------
    step_size : float, str or Step
        "auto" is the exact line search on the squared loss and backtracking on others, with the
        constant 0.5 while the iterate is still small (`steps.Automatic`). A number is a constant
        in units of ``1 / (isometry * sigma_max)``, as in the papers; or "exact",
        "backtracking", "polyak", or a rule from `lowrank_la.steps`.
    sigma_max : float, optional
        Largest singular value of the matrix, if known (an oracle quantity). Default: that of
        the back-projected data.

    Model
    -----
    ``min f(A(L R^H) - y)`` over L (n1 x r) and R (n2 x r); with one factor, ``F F^H``, for
    symmetric problems.

    Update
    ------
    ``L <- L - eta/sigma_1 G_L``, ``R <- R - eta/sigma_1 G_R`` with ``G_L = A*(s) R``,
    ``G_R = A*(s)^H L`` and s the slope of the loss.

    Assumptions
    -----------
    Smooth loss; restricted isometry, or incoherence and enough samples.

    Guarantee
    ---------
    Linear with a rate that degrades with the condition number of the matrix: about
    ``1 - eta c / kappa`` with a constant step; with the exact one the objective never rises.
    With more columns than the rank and one factor, sublinear.

    Cost
    ----
    One pass over the data per iteration, O(m r) for entries; the exact step is another half.

    References
    ----------
    Tong, Ma, Chi (2021), arXiv:2005.08898. Xiong, Ding, Du (2024), arXiv:2310.01769.
    """

    sigma_max: float | None = None
    small_step: ClassVar[float | None] = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma_max is not None:
            _check.number(self.sigma_max, "sigma_max", low=1e-300)

    def unit(self, problem: Problem) -> float:
        """``1 / (isometry * sigma_max + nuclear)``."""
        return gradient_unit(problem, self.sigma_max)
