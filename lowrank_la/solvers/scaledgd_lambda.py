"""Scaled gradient descent with fixed damping, from a small random start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .. import _check
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors
from ..initial import spectral_values
from ..problem import Problem
from ._descent import Descent, gram_metric
from ._protocol import SolverInfo
from ._registry import register

__all__ = ["ScaledGDLambda"]


@register(
    SolverInfo(
        name="scaledgd_lambda",
        summary="scaled gradient descent with fixed damping, for more columns than the rank",
        start="small_random",
        fewer_measurements=True,
        references=(
            "Xu, Shen, Chi, Ma (2023), The power of preconditioning in overparameterized "
            "low-rank matrix sensing, ICML, arXiv:2302.01186",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class ScaledGDLambda(Descent):
    """Scaled gradient descent with fixed damping, ScaledGD(lambda).

    Parameters
    ----------
    step_size : float, str or Step
        "auto" is the exact line search on the squared loss and backtracking on others, with the
        constant 0.3 while the iterate is still small (`steps.Automatic`). A number is the
        dimensionless eta of the paper, constant, in units of ``1 / isometry``; or "exact",
        "backtracking", "polyak", or a rule from `lowrank_la.steps`.
    damping : float or "auto"
        The lambda of the paper, in the units of the singular values of the matrix; half to
        one times the smallest singular value is best. Much smaller values are harmful: with
        more columns than the rank they leave a floor of about
        ``sqrt(r - r*) lambda / (2 eta t)``. "auto" takes the r-th singular value of the
        back-projected data. Sampling noise makes that an overestimate where the matrix is ill
        conditioned or the measurements are few, which is safe but slow.

    Model
    -----
    ``min f(A(F F^H) - y)`` over F (n x r), r at least the rank; or ``L R^H``.

    Update
    ------
    ``F <- F - eta A*(s) F (F^H F + lambda I)^{-1}`` with fixed lambda (equation 4 of the
    paper); ``L <- L - eta G_L (R^H R + lambda I)^{-1}`` and likewise R for two factors.

    Assumptions
    -----------
    Smooth loss; restricted isometry; a small random start.

    Guarantee
    ---------
    From a start of scale alpha, about ``log(kappa) log(kappa n) + log(1/eps)`` iterations; the
    final error falls with a power of alpha; with noise it is that of the true rank.

    Cost
    ----
    As gradient descent plus O((n1 + n2) r^2).

    References
    ----------
    Xu, Shen, Chi, Ma (2023), arXiv:2302.01186.
    """

    damping: float | str = "auto"
    small_step: ClassVar[float | None] = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.damping, str):
            if self.damping != "auto":
                raise InvalidInputError(
                    f"damping must be a positive number or 'auto', got {self.damping!r}"
                )
        else:
            _check.number(self.damping, "damping", low=1e-300)

    def initial_damping(self, problem: Problem, start: Factors) -> float:
        """The fixed damping, or its estimate."""
        if not isinstance(self.damping, str):
            return float(self.damping)
        estimate = float(spectral_values(problem, start.rank)[-1])
        if estimate <= 0:
            raise InvalidInputError(
                "damping='auto' finds no positive singular value to go by; give damping a number, "
                "about the smallest singular value expected"
            )
        return estimate

    def metric(self, X: Factors, damping: float) -> tuple[Array, Array]:
        """``(R^H R + lambda I, L^H L + lambda I)``."""
        return gram_metric(X, damping)
