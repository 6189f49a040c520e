"""Scaled gradient descent with soft thresholding: robust PCA and robust completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .. import _check
from .._orthonormal import orthonormal
from ..losses import Absolute
from ..operators.full import FullObservation
from ..problem import Problem
from ._outliers import refuses
from ._protocol import SolverInfo
from ._registry import register
from ._set_aside import SVD, SetAside, SetAsideState, few, finite, positive

__all__ = ["SoftScaledGD"]

# The threshold falls by this factor at first, the slower one where rows or columns have few
# measurements.
FAST, SLOW = 0.5, 0.9
# Length of a step with all entries observed, and with some of them.
WHOLE, PARTIAL = 1.0, 0.5


@register(
    SolverInfo(
        name="soft_scaledgd",
        summary="robust PCA: scaled gradient descent, the residual clipped to a falling threshold",
        losses=(Absolute,),
        symmetric=False,
        gauge_invariant=True,
        start="medians",
        references=(
            "Cai, Liu, Yin (2021), Learned robust PCA: a scalable deep unfolding approach for "
            "high-dimensional outlier detection, NeurIPS 34, arXiv:2110.05649",
            "Tong, Ma, Chi (2021), Accelerating ill-conditioned low-rank matrix estimation via "
            "scaled gradient descent, JMLR 22(150), arXiv:2005.08898",
        ),
        refuses=refuses,
    )
)
@dataclass(frozen=True, kw_only=True)
class SoftScaledGD(SetAside):
    """Scaled gradient descent with soft thresholding of the residual (robust PCA).

    Parameters
    ----------
    step_size : float, optional
        The eta of the paper, in units of ``1 / isometry``. None is 1 if all entries are observed,
        and 0.5 if some are.
    decay : float, optional
        The threshold is multiplied by this in each iteration. None begins with 0.5 (0.9 for small
        matrices) and falls more slowly as soon as rows or columns are clipped nearly as a whole.
    threshold : float, optional
        The first threshold; None takes three times the median modulus of the data, or 30 times
        that of the residual at the start if this is less.

    Model
    -----
    ``min 1/2 |A(L R^H) + s - y|^2`` over the factors and a sparse s. The trace records half the
    squares of the clipped residual, not the absolute loss of the problem, for which it stands
    in. The share of outliers need not be known.

    Update
    ------
    With s the soft thresholding of ``y - A(L R^H)`` by z, ``y - A(L R^H) - s`` is the residual
    clipped to z; with ``G = A*(A(L R^H) + s - y)`` ``L <- L - eta G R (R^H R)^{-1}``,
    ``R <- R - eta G^H L (L^H L)^{-1}``, both with the old factors. z falls by the factor
    `decay`, where the paper learns each threshold and step from training data. With
    ``decay=None``, if the share that is clipped of a row or column exceeds the typical one by
    half of what is typically kept, z goes up threefold and the decay to its square root; where
    residuals no longer fall with z, it stays at four lower quarters of all moduli.

    Assumptions
    -----------
    Incoherence; outliers spread over rows and columns. `thresholded_scaledgd` takes the same
    steps with another rule, which needs a bound on the share of outliers. `altproj` sets
    entries aside as a whole, takes half the time and larger shares; clipping is better where
    there is no gap between noise and outliers. At n = 200 and rank 4, 10, 20 a share of 50 %,
    40 %, 30 % is recovered where signs are random, and 30 %, 30 %, 20 % where all outliers are
    positive. The start "medians" misses small singular values: where the condition number is
    large and outliers are few, "thresholded" is safer.

    Guarantee
    ---------
    Linear, with a rate free of the condition number, for a suitable sequence of thresholds and
    shares of outliers up to about ``1 / (mu r^{3/2} cond)`` (Theorem 1 of the paper); no
    guarantee for this one.

    Cost
    ----
    O(m r + (n1 + n2) r^2) per iteration in one pass over the data; nothing as large as the
    matrix is stored besides the data if all entries are observed.

    References
    ----------
    Cai, Liu, Yin (2021), arXiv:2110.05649; Tong, Ma, Chi (2021), arXiv:2005.08898.
    """

    step_size: float | None = None
    decay: float | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.step_size is not None:
            _check.number(self.step_size, "step_size", low=0.0, high=np.finfo(float).max)
        if self.decay is not None:
            _check.number(self.decay, "decay", low=0.0, high=1.0)
        if self.threshold is not None:
            _check.number(self.threshold, "threshold", low=0.0, high=np.finfo(float).max)

    def clips(self, state: SetAsideState | None) -> bool:
        """Always."""
        return True

    def first_decay(self, problem: Problem) -> float:
        """Faster for large matrices."""
        if self.decay is not None:
            return float(self.decay)
        return SLOW if few(problem) else FAST

    def fixed_threshold(
        self, problem: Problem, state: SetAsideState | None, found: Mapping[str, float]
    ) -> float | None:
        """That of a constant decay."""
        if state is None:
            return None if self.threshold is None else float(self.threshold)
        return None if self.decay is None else float(self.decay) * state.threshold

    def step(self, problem: Problem, state: SetAsideState) -> tuple[SVD, dict[str, float]]:
        """A scaled step, whose result does not depend on the choice of factors."""
        U, s, V = state.svd
        size = self.step_size
        if size is None:
            size = WHOLE if isinstance(problem.operator, FullObservation) else PARTIAL
        t = s.dtype.type(size / problem.operator.isometry)
        # With L = U diag(s) and R = V.
        left, right = U * s + t * state.rows, V + t * (state.columns / s)
        finite(left, right)
        Q1, R1 = orthonormal(left, accurate=True)
        Q2, R2 = orthonormal(right, accurate=True)
        u, values, vh = np.linalg.svd(R1 @ R2.conj().T)
        return (Q1 @ u, positive(values), np.ascontiguousarray(Q2 @ vh.conj().T)), {}
