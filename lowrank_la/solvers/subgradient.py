"""The subgradient method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _check
from ..initial import frobenius_estimate, truncated
from ..losses import Absolute
from ..problem import Problem
from ._protocol import SolverInfo
from ._registry import register
from ._subgradient import SubgradientDescent

__all__ = ["Subgradient"]


@register(
    SolverInfo(
        name="subgradient",
        summary="subgradient method for the absolute loss: outliers, and more columns than rank",
        losses=(Absolute,),
        oracle=("sigma_max",),
        start="truncated",
        references=(
            "Ma, Fattahi (2023), Global convergence of sub-gradient method for robust matrix "
            "recovery: small initialization, noisy measurements, and over-parameterization, "
            "JMLR 24(96), arXiv:2202.08788",
            "Tong, Ma, Chi (2021b), Low-rank matrix recovery with scaled subgradient methods, "
            "IEEE Transactions on Signal Processing 69, arXiv:2010.13364 (as the baseline)",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class Subgradient(SubgradientDescent):
    """Subgradient method on the factors for the absolute loss.

    Parameters
    ----------
    step_size : float, str or Step
        "median" or a number: proportional to the median modulus of the residual
        (`steps.MedianResidual`), which needs to know nothing of the outliers. "geometric" or
        a `steps.Geometric`: by a schedule, for data with noise, and for single entries, on
        which steps by the median freeze. "auto": the second for operators that observe
        entries, else the first. "loss" (`steps.LossProportional`), without
        outliers. `steps.Polyak` with f_min, the objective at the solution: an oracle quantity.
    sigma_max : float, optional
        Largest singular value of the matrix, if known (an oracle quantity), for the steps by
        residuals. Default: that of the start "truncated" of rank one.

    Model
    -----
    ``min |A(L R^H) - y|_1`` over L (n1 x r) and R (n2 x r); half of it over one factor,
    ``F F^H``, for symmetric problems. The rank r may be larger than that of the matrix.

    Update
    ------
    ``F <- F - eta_t Q F`` with Q the Hermitian part of ``A*(sign(A(F F^H) - y))``; for two
    factors ``L <- L - eta_t Q R`` and ``R <- R - eta_t Q^H L``, both with the old ones. The
    steps of Ma and Fattahi are ``eta_t = (pi / 2) eta f`` without outliers, with f the mean
    modulus of the residual, and otherwise ``eta_t = eta_0 rho^t / |Q|``.

    Assumptions
    -----------
    Less than half of the measurements are outliers; the sign variant of restricted isometry,
    which Gaussian measurements have. With more columns than the rank, a start near zero:
    ``start="sign_spectral"`` with an `init_scale`, or "small_random".

    Guarantee
    ---------
    From a start of scale alpha the error falls to a power of alpha that does not depend on the
    number of columns, in a number of iterations that grows with ``log(1 / alpha)`` and the
    condition number; with Gaussian noise to that of the true rank. At the true rank linear.
    Steps by the median are a rule of this package and without proof; under dense noise they do
    not shrink to nothing, and the iterates hover at about the error that the noise causes.

    Cost
    ----
    As gradient descent, and O(m) for the median, for which the residual is stored.

    References
    ----------
    Ma, Fattahi (2023), arXiv:2202.08788. Tong, Ma, Chi (2021b), arXiv:2010.13364.
    """

    sigma_max: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma_max is not None:
            _check.number(self.sigma_max, "sigma_max", low=1e-300, high=1e300)

    def scale(self, problem: Problem) -> float:
        """The largest singular value, or its estimate."""
        if self.sigma_max is not None:
            return float(self.sigma_max)
        return truncated(problem, 1).norm() or frobenius_estimate(problem)

    def schedule_unit(self, problem: Problem, norm: str) -> float:
        """Size of the factors, or 1 where the move is relative to them anyway."""
        return float(np.sqrt(frobenius_estimate(problem))) if norm == "factors" else 1.0
