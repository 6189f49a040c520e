"""Conjugate gradients on the manifold of matrices of fixed rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors
from ..losses import Squared
from ..operators import HasNormalProduct
from ..problem import Evaluation, Problem
from ._descent import inner
from ._protocol import Solver, SolverInfo
from ._registry import register
from ._tangent import Tangent

__all__ = ["RiemannianCG"]

RULES = ("pr+", "hs+")
# Share of the decrease that the slope promises which is enough, and halvings of the step.
SUFFICIENT, HALVINGS = 1e-4, 30


@dataclass
class RiemannianCGState:
    """A point of the manifold, objective and gradient there, and the direction to go.

    Attributes
    ----------
    left, right : array
        Factors; after the first step ``U sqrt(s)`` and ``V sqrt(s)``.
    iteration : int
        Iterations done.
    value, left_gradient, right_gradient
        Objective and its gradient in the factors.
    u, s, v : array
        Thin singular value decomposition of the iterate.
    gradient_core, gradient_left, gradient_right : array
        Riemannian gradient.
    core, along_left, along_right : array
        Tangent direction of the coming step.
    step : float
        Length of the last step; 0 before the first.
    """

    left: Array
    right: Array
    iteration: int
    value: float
    left_gradient: Array
    right_gradient: Array
    u: Array
    s: Array
    v: Array
    gradient_core: Array
    gradient_left: Array
    gradient_right: Array
    core: Array
    along_left: Array
    along_right: Array
    step: float = 0.0

    @property
    def X(self) -> Factors:
        """The factors."""
        return Factors(self.left, self.right)

    @property
    def at(self) -> Evaluation:
        """Objective and gradient at the factors."""
        return Evaluation(self.value, self.left_gradient, self.right_gradient)

    @property
    def gradient(self) -> Tangent:
        """The Riemannian gradient."""
        return Tangent(self.gradient_core, self.gradient_left, self.gradient_right)

    @property
    def direction(self) -> Tangent:
        """The direction of the coming step."""
        return Tangent(self.core, self.along_left, self.along_right)


@register(
    SolverInfo(
        name="riemannian_cg",
        summary="Riemannian conjugate gradients on matrices of fixed rank",
        losses=(Squared,),
        symmetric=False,
        monotone=True,
        gauge_invariant=True,
        references=(
            "Vandereycken (2013), Low-rank matrix completion by Riemannian optimization, SIAM "
            "Journal on Optimization 23(2), arXiv:1209.3834",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class RiemannianCG(Solver):
    """Riemannian conjugate gradients in the embedded geometry (LRGeomCG).

    Parameters
    ----------
    rule : {"pr+", "hs+"}
        How much of the old direction is kept: Polak-Ribiere, as in the paper, or
        Hestenes-Stiefel, none where that is negative.

    Model
    -----
    ``min 1/2 |A(X) - y|^2`` over the manifold of n1 x n2 matrices of rank r, as a submanifold of
    all matrices with the Euclidean metric. A symmetric matrix is looked for with two factors,
    ``problem.replace(symmetric=False)``.

    Update
    ------
    With P the projection onto the tangent space, ``g = P(A*(e))`` and
    ``d <- -g + beta P(d)``, ``beta = max(0, <g, g - P(g_old)> / |g_old|^2)``; then
    ``X <- SVD_r(X + t d)``, the best approximation of rank r, with ``t = -<e, A(d)> / |A(d)|^2``,
    exact on the tangent space, halved until the objective falls enough (Algorithm 1 of the
    paper). A d that does not descend is replaced by -g.

    Assumptions
    -----------
    Squared loss; the rank is that of the matrix; a start that is close (spectral); about three
    times as many samples as degrees of freedom, and a moderate condition number.

    Guarantee
    ---------
    The objective never rises; limit points are stationary. The rate near the solution degrades
    with the conditioning of A on the tangent space, which that of the matrix does not enter,
    but the curvature of the manifold is one over the smallest singular value: ill-conditioned
    matrices have a small region of fast convergence.

    Cost
    ----
    One gradient and one product with A per iteration, O(m r) for entries, plus
    O((n1 + n2) r^2 + r^3).

    References
    ----------
    Vandereycken (2013), arXiv:1209.3834.
    """

    rule: str = "pr+"
    state_type: ClassVar[type] = RiemannianCGState

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise InvalidInputError(f"rule must be 'pr+' or 'hs+', got {self.rule!r}")

    def init(self, problem: Problem, start: Factors) -> RiemannianCGState:
        """Decomposition and gradient at the start."""
        at = problem.evaluate(start)
        u, s, v = start.svd()
        X = _balanced(u, s, v)
        gradient = _riemannian(u, s, v, problem.evaluate(X))
        return RiemannianCGState(
            left=start.left,
            right=start.right,
            iteration=0,
            value=at.value,
            left_gradient=at.left,
            right_gradient=at.right,
            u=u,
            s=s,
            v=v,
            gradient_core=gradient.core,
            gradient_left=gradient.left,
            gradient_right=gradient.right,
            core=-gradient.core,
            along_left=-gradient.left,
            along_right=-gradient.right,
        )

    def advance(self, problem: Problem, state: RiemannianCGState, k: int) -> None:
        """Take k steps."""
        for _ in range(k):
            self._step(problem, state)

    def _step(self, problem: Problem, state: RiemannianCGState) -> None:
        u, s, v = state.u, state.s, state.v
        old, d = state.gradient, state.direction
        slope = old.inner(d)
        step = _tangent_step(problem, state, d, slope)
        curve = _Curve(u, s, v, d)
        new = curve.point(step)
        at = problem.evaluate(_balanced(*new))
        for _ in range(HALVINGS):
            if not at.value > state.value + SUFFICIENT * step * slope:
                break
            step *= 0.5
            new = curve.point(step)
            at = problem.evaluate(_balanced(*new))
        else:
            # No descent down to rounding.
            step, new, at = 0.0, (u, s, v), problem.evaluate(_balanced(u, s, v))
        gradient = _riemannian(*new, at)
        d = self._turned(gradient, _moved(u, v, old, *new), _moved(u, v, d, *new), old)
        X = _balanced(*new)
        state.left, state.right, state.value = X.left, X.right, at.value
        state.left_gradient, state.right_gradient = at.left, at.right
        state.u, state.s, state.v = new
        state.gradient_core, state.gradient_left, state.gradient_right = gradient
        state.core, state.along_left, state.along_right = d
        state.step = step
        state.iteration += 1

    def _turned(self, gradient: Tangent, before: Tangent, d: Tangent, old: Tangent) -> Tangent:
        """The next direction, from the old gradient and direction in the new tangent space."""
        steepest = Tangent(*(-part for part in gradient))
        change = gradient.plus(-1.0, before)
        below = old.inner(old) if self.rule == "pr+" else d.inner(change)
        beta = gradient.inner(change) / below if below > 0 else 0.0
        if beta > 0:
            turned = steepest.plus(beta, d)
            if turned.inner(gradient) < 0:
                return turned
        return steepest

    def factors(self, state: RiemannianCGState) -> Factors:
        """The present factors."""
        return state.X

    def resume(self, state: RiemannianCGState, previous: RiemannianCGState) -> None:
        """Carry over decomposition and direction, if the problem is that of before."""
        if state.value == previous.value:
            vars(state).update(vars(previous))

    def evaluation(self, problem: Problem, state: RiemannianCGState) -> Evaluation:
        """Objective and gradient at the present factors."""
        return state.at


def _balanced(u: Array, s: Array, v: Array) -> Factors:
    root = np.sqrt(s)
    return Factors(u * root, v * root)


def _riemannian(u: Array, s: Array, v: Array, at: Evaluation) -> Tangent:
    """The projection of ``Z = A*(e)`` onto the tangent space, from ``Z V sqrt(s)``."""
    root = np.sqrt(s)
    # A vanishing singular value hides its column of Z V; it then stays where it is.
    inverse = np.where(s > 0, 1 / np.where(s > 0, root, 1), 0).astype(root.dtype)
    left, right = at.left * inverse, at.right * inverse
    core = u.conj().T @ left
    return Tangent(core, left - u @ core, right - v @ (v.conj().T @ right))


def _moved(u: Array, v: Array, d: Tangent, u_new: Array, _: Array, v_new: Array) -> Tangent:
    """The projection of a tangent vector onto the tangent space at another point."""
    across, down = v.conj().T @ v_new, u.conj().T @ u_new
    to_right = (u @ d.core + d.left) @ across + u @ (d.right.conj().T @ v_new)
    to_left = (v @ d.core.conj().T + d.right) @ down + v @ (d.left.conj().T @ u_new)
    core = u_new.conj().T @ to_right
    return Tangent(core, to_right - u_new @ core, to_left - v_new @ core.conj().T)


def _tangent_step(problem: Problem, state: RiemannianCGState, d: Tangent, slope: float) -> float:
    """The t that minimises the objective at X + t d, the nuclear norm taken as linear."""
    right = Factors(state.u @ d.core + d.left, state.v)
    left = Factors(state.u, d.right)
    operator = problem.operator
    if problem.sums_along_lines:
        point, along = Factors(state.u, state.v), Factors(right.left, left.right)
        sums = cast(HasNormalProduct, operator).line_sums(point, along, problem.prepared)
        square = float(sums[3])
    else:
        image = operator.forward(
            Factors(np.hstack([right.left, left.left]), np.hstack([right.right, left.right]))
        )[:, None]
        square = inner(image, image)
    return -slope / square if square > 0 else 0.0


class _Curve:
    """The curve of best approximations of rank r of ``X + t d``."""

    def __init__(self, u: Array, s: Array, v: Array, d: Tangent) -> None:
        self.rank, self.s, self.core = s.size, s, d.core
        left, self.down = np.linalg.qr(d.left)
        right, self.across = np.linalg.qr(d.right)
        self.left, self.right = np.hstack([u, left]), np.hstack([v, right])

    def point(self, t: float) -> tuple[Array, Array, Array]:
        """The thin singular value decomposition at t."""
        t = self.s.dtype.type(t)
        rank = self.rank
        middle = np.zeros((rank + self.down.shape[0], rank + self.across.shape[0]), self.core.dtype)
        middle[:rank, :rank] = np.diag(self.s) + t * self.core
        middle[rank:, :rank] = t * self.down
        middle[:rank, rank:] = t * self.across.conj().T
        a, s, bh = np.linalg.svd(middle)
        return self.left @ a[:, :rank], s[:rank], self.right @ bh[:rank].conj().T
