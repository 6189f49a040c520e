"""The scaled subgradient method."""

from __future__ import annotations

from dataclasses import dataclass

from .. import _check
from .._typing import Array
from ..factors import Factors
from ..losses import Absolute
from ..problem import Problem
from ._descent import gram_metric
from ._protocol import SolverInfo
from ._registry import register
from ._subgradient import SubgradientDescent

__all__ = ["ScaledSubgradient"]


@register(
    SolverInfo(
        name="scaled_subgradient",
        summary="scaled subgradient method: outliers, at a rate free of the condition number",
        losses=(Absolute,),
        gauge_invariant=True,
        start="truncated",
        references=(
            "Tong, Ma, Chi (2021b), Low-rank matrix recovery with scaled subgradient methods: "
            "fast and robust convergence without the condition number, IEEE Transactions on "
            "Signal Processing 69, arXiv:2010.13364",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class ScaledSubgradient(SubgradientDescent):
    """Scaled subgradient method for the absolute loss.

    Parameters
    ----------
    step_size : float, str or Step
        "median" or a number: proportional to the median modulus of the residual
        (`steps.MedianResidual`), which needs to know nothing of the outliers. "geometric" or
        a `steps.Geometric`: by a schedule, for data with noise, and for single entries, on
        which steps by the median freeze. "auto": the second for operators that observe
        entries, else the first. `steps.Polyak` with f_min, the objective at
        the solution: an oracle quantity. "loss" (`steps.LossProportional`), without outliers.
    damping : float
        Added to the metric, in the units of the singular values of the matrix. Needed from a
        start near zero, where about the smallest singular value is best; it leaves a floor if
        the factors have more columns than the rank of the matrix. (An addition of this
        package.)

    Model
    -----
    ``min |A(L R^H) - y|_1`` over L (n1 x r) and R (n2 x r); half of it over one factor,
    ``F F^H``, for symmetric problems.

    Update
    ------
    With ``Z = A*(sign(A(L R^H) - y))``, ``L <- L - eta Z R (R^H R)^{-1}`` and
    ``R <- R - eta Z^H L (L^H L)^{-1}``, both with the old factors.
    Polyak's step is ``eta = (f - f_min) / (|Z R (R^H R)^{-1/2}|^2 + |Z^H L (L^H L)^{-1/2}|^2)``.

    Assumptions
    -----------
    The rank is that of the matrix; with twice as many columns the default start and steps did
    as well in our trials, while the measurements sufficed for them. Less than half of the
    measurements are outliers; mixed-norm restricted isometry, which Gaussian measurements have;
    a start that outliers do not spoil.

    Guarantee
    ---------
    Linear with a rate free of the condition number, for Polyak's and for geometric steps.
    Steps by the median are a rule of this package and without proof; under dense noise they do
    not shrink to nothing, and the iterates hover at about the error that the noise causes.

    Cost
    ----
    As gradient descent plus O((n1 + n2) r^2), and O(m) for the median, for which the residual
    is stored.

    References
    ----------
    Tong, Ma, Chi (2021b), arXiv:2010.13364.
    """

    damping: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check.number(self.damping, "damping", low=0.0, high=1e300)

    def initial_damping(self, problem: Problem, start: Factors) -> float:
        """The damping of the options."""
        return float(self.damping)

    def metric(self, X: Factors, damping: float) -> tuple[Array, Array]:
        """``(R^H R + damping I, L^H L + damping I)``."""
        return gram_metric(X, damping)
