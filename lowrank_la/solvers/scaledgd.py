"""Scaled gradient descent."""

from __future__ import annotations

from dataclasses import dataclass

from .._typing import Array
from ..factors import Factors
from ._descent import Descent, gram_metric
from ._protocol import SolverInfo
from ._registry import register

__all__ = ["ScaledGD"]


@register(
    SolverInfo(
        name="scaledgd",
        summary="scaled gradient descent: a rate free of the condition number",
        gauge_invariant=True,
        references=(
            "Tong, Ma, Chi (2021), Accelerating ill-conditioned low-rank matrix estimation via "
            "scaled gradient descent, JMLR 22(150), arXiv:2005.08898",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class ScaledGD(Descent):
    """Scaled gradient descent (ScaledGD).

    Parameters
    ----------
    step_size : float, str or Step
        "auto" is the exact line search on the squared loss and backtracking on others. A number
        is the dimensionless eta of the paper, constant, in units of ``1 / isometry``; or
        "exact", "backtracking", "polyak", or a rule from `lowrank_la.steps`.

    Model
    -----
    ``min f(A(L R^H) - y)`` over L (n1 x r) and R (n2 x r); with one factor, ``F F^H``, for
    symmetric problems.

    Update
    ------
    ``L <- L - eta G_L (R^H R)^{-1}``, ``R <- R - eta G_R (L^H L)^{-1}``, both with the old
    factors (equation 3 of the paper).

    Assumptions
    -----------
    Smooth loss; the rank is that of the matrix, and the start is close (spectral); restricted
    isometry, or incoherence and enough samples. With the paper's constant step of 0.5 completion
    wants four to five times as many entries as degrees of freedom, or it diverges.

    Guarantee
    ---------
    With a constant step linear at a rate free of the condition number: error at most
    ``(1 - 0.6 eta)^t`` for eta up to 2/3 under a small enough restricted isometry constant
    (Theorem 5). With "auto" the objective never rises.

    Cost
    ----
    As gradient descent plus O((n1 + n2) r^2).

    References
    ----------
    Tong, Ma, Chi (2021), arXiv:2005.08898.
    """

    def metric(self, X: Factors, damping: float) -> tuple[Array, Array]:
        """``(R^H R, L^H L)``."""
        return gram_metric(X, 0.0)
