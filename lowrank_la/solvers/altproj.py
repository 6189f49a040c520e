"""Accelerated alternating projections: robust PCA and robust completion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .. import _check
from .._orthonormal import orthonormal
from ..errors import InvalidTypeError
from ..losses import Absolute
from ..problem import Problem
from ._outliers import Cut, refuses
from ._protocol import SolverInfo
from ._registry import register
from ._set_aside import SVD, SetAside, SetAsideState, few, finite, positive
from ._threshold import Schedule, gapless

__all__ = ["AltProj"]

# The threshold falls by this factor at first: the slower one where rows or columns have few
# measurements, or if residuals are clipped, which moves less.
FAST, SLOW = 0.3, 0.7
# A step makes up for at most so large a share that is set aside.
LARGEST = 0.85


@register(
    SolverInfo(
        name="altproj",
        summary="robust PCA: projections onto tangent spaces, entries that stand out set aside",
        losses=(Absolute,),
        symmetric=False,
        gauge_invariant=True,
        start="medians",
        references=(
            "Cai, Cai, Wei (2019), Accelerated alternating projections for robust principal "
            "component analysis, JMLR 20(20), arXiv:1711.05519",
        ),
        refuses=refuses,
    )
)
@dataclass(frozen=True, kw_only=True)
class AltProj(SetAside):
    """Accelerated alternating projections (AccAltProj) with an automatic threshold.

    Parameters
    ----------
    decay : float, optional
        The gamma of the paper, whose schedule of thresholds and unit steps are then used. None
        lets the threshold fall to 0.3 of its value at most in an iteration (0.7 of it for small
        matrices, or if clipped to it), and more slowly as soon as rows or columns are set aside
        nearly as a whole.
    scale : float, optional
        The beta of the paper, for its schedule only; None is ``1 / (2 (n1 n2)^{1/4})``.
    soft : bool, optional
        Clip the residuals to the threshold instead of setting aside what exceeds it. Better
        where there is no gap between noise and outliers, as in video; slower where the matrix
        is exactly of low rank. The share above the threshold is then not that of outliers.
        None sets aside until residuals stand still, and clips from then on if more than a
        hundredth of them are between one and two thresholds, and fewer beyond.

    Model
    -----
    ``min 1/2 |A(L) + s - y|^2`` over L of rank r and a sparse s. The trace records this
    objective (`soft`: that of the clipped residuals), not the absolute loss of the problem, for
    which it stands in. The share of outliers need not be known.

    Update
    ------
    With T the tangent space at L: ``L <- H_r(P_T(L + t A*(y - s - A(L))))``, H_r the best
    approximation of rank r, found from a 2r x 2r matrix; then s is ``y - A(L)`` where its
    modulus is above the threshold z, and zero elsewhere. In the paper t = 1 and
    ``z = beta (sigma_{r+1} + gamma^k sigma_1)`` with the singular values before H_r (algorithm 1
    without trimming). With ``decay=None`` t makes up for what is set aside or not observed,
    and z is the larger of 4 lower quarters of all moduli and the last z times the decay; where
    it no longer falls, of 4.5 medians of what is kept too. If the share that is set aside of a
    row or column exceeds the typical one by half of what is typically kept, z goes up tenfold
    and the decay to its square root; and z goes back to its first value where much is set
    aside and the rest fits badly. Rows that lag as before at a slower pace are left alone. If
    clipped, z goes up threefold, and stays at 4 lower quarters where residuals no longer fall.

    Assumptions
    -----------
    Incoherence; outliers spread over rows and columns. With ``decay=None``, n = 200 and rank
    4, 10, 20 a share of 70 %, 60 %, 50 % is recovered where signs are random, and 50 %, 40 %,
    30 % where all outliers are positive (0.95: 60 %, 50 %, 40 % and 30 %, 30 %, 20 %).

    Guarantee
    ---------
    Linear with rate gamma for the paper's schedule, for shares up to about
    ``1 / (mu r^2 cond^2)`` (theorem 2); in practice for shares far above.

    Cost
    ----
    O(m r + (n1 + n2) r^2) per iteration in one pass over the data; nothing as large as the
    matrix is stored besides the data if all entries are observed. O(m r^2) more once the
    gradient is small, where it is looked at whether what is kept determines each row and column;
    in later iterations too where one keeps fewer than ten measurements for each unknown: then
    each measurement has to be one that could be left out.

    References
    ----------
    Cai, Cai, Wei (2019), arXiv:1711.05519.
    """

    decay: float | None = None
    scale: float | None = None
    soft: bool | None = None

    def __post_init__(self) -> None:
        if self.decay is not None:
            _check.number(self.decay, "decay", low=0.0, high=1.0)
        if self.scale is not None:
            _check.number(self.scale, "scale", low=0.0, high=np.finfo(float).max)
        if self.soft is not None and not isinstance(self.soft, bool):
            raise InvalidTypeError(f"soft must be True, False or None, got {self.soft!r}")

    def clips(self, state: SetAsideState | None) -> bool:
        """What the option says, or what was found."""
        if self.soft is None:
            return state is not None and state.clipped
        return self.soft

    def turns(self, problem: Problem, found: Cut, plan: Schedule) -> bool:
        """Where there is no gap between noise and outliers."""
        automatic = self.soft is None and self.decay is None
        eps = float(np.finfo(problem.dtype).eps)
        return automatic and gapless(found, plan.threshold, plan.calm, eps)

    def first_decay(self, problem: Problem) -> float:
        """Faster for large matrices."""
        if self.decay is not None:
            return float(self.decay)
        return SLOW if few(problem) or self.soft else FAST

    def fixed_threshold(
        self, problem: Problem, state: SetAsideState | None, found: Mapping[str, float]
    ) -> float | None:
        """The paper's threshold."""
        if self.decay is None:
            return None
        n1, n2 = problem.shape
        beta = 0.5 / (n1 * n2) ** 0.25 if self.scale is None else self.scale
        if state is None:
            return beta * found["top"]
        power = float(self.decay) ** (state.iteration + 1)
        return beta * (found["beyond"] + power * found["top"])

    def step(self, problem: Problem, state: SetAsideState) -> tuple[SVD, dict[str, float]]:
        """The best approximation of rank r of the projection onto the tangent space."""
        U, s, V = state.svd
        t = 1.0 / problem.operator.isometry
        if self.decay is None:
            t /= 1.0 - min(state.share, LARGEST)
        length = s.dtype.type(t)
        rows, columns = length * state.rows, length * state.columns
        finite(rows, columns)
        inside = U.conj().T @ rows
        Q1, R1 = orthonormal(rows - U @ inside, accurate=True)
        Q2, R2 = orthonormal(columns - V @ (V.conj().T @ columns), accurate=True)
        r = s.size
        core = np.zeros((r + len(R1), r + len(R2)), U.dtype)
        core[:r, :r] = np.diag(s) + inside
        core[r:, :r] = R1
        core[:r, r:] = R2.conj().T
        u, values, vh = np.linalg.svd(core)
        beyond = float(values[r]) if values.size > r else 0.0
        left = np.hstack([U, Q1]) @ u[:, :r]
        right = np.hstack([V, Q2]) @ vh[:r].conj().T
        found = (left, positive(values[:r]), np.ascontiguousarray(right))
        return found, {"beyond": beyond, "top": float(values[0])}
