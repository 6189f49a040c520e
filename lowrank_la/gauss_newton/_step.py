"""One Gauss-Newton step on both factors: an inner linear solve and an exact line search.

The step at X = L R^H solves, for D = (dL, dR) and ``J D = dL R^H + L dR^H``,

    min_D  1/2 |A(X + J D) - y|^2 + 1/2 sum_q w_q |(L + dL, R + dR)_q|^2 + damping/2 |D|^2

with a ridge w_q on each column of the factors, by conjugate gradients on the normal equations
``(J* A* A J + diag(w) + damping) D = -gradient``. The r^2 directions that only change the gauge
are in the null space of J; iterations from zero never move along them, so that D is the solution
of least norm in the metric of the preconditioner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from .._typing import Array
from ..errors import SolverBreakdownError
from ..factors import Factors
from ..kernels.tangent import block_products, inverse_blocks
from ..operators import HasGaussNewton, HasNormalProduct, HasNormalSolve
from ..operators._protocol import offers
from ..problem import Evaluation, Problem
from ..steps import Line, positive_minimiser
from . import _direct
from ._contraction import product

# Shares of a block's largest entry below which Cholesky takes a direction as not determined.
FLOOR = 16.0

Parts = tuple[Array, ...]
Inner = Callable[[Problem, Factors, Parts, Array, float, int], tuple[Parts, int, float]]


@dataclass(frozen=True, eq=False)
class Move:
    """What a step did.

    Attributes
    ----------
    X : Factors
        The new point.
    at : Evaluation
        Objective and gradient there, the ridge included.
    length : float
        Share of the direction that was taken; 0 if no descent was found.
    inner : int
        Iterations of the inner solve.
    share : float
        Share of the inner residual that was left.
    """

    X: Factors
    at: Evaluation
    length: float
    inner: int
    share: float


def evaluate(problem: Problem, X: Factors, ridge: Array | float = 0.0) -> Evaluation:
    """Objective and gradient with ``1/2 sum_q ridge_q (|L_q|^2 + |R_q|^2)`` added.

    For symmetric problems half of it, as for the objective itself.
    """
    at = problem.evaluate(X)
    if not np.any(ridge):
        return at
    weights = np.broadcast_to(ridge, X.rank).astype(X.left.real.dtype)
    sizes = [np.sum(np.abs(F) ** 2, axis=0, dtype=float) for F in (X.left, X.right)]
    penalty = 0.5 * float(weights @ (sizes[0] + sizes[1])) * (0.5 if problem.symmetric else 1.0)
    left = at.left + weights * X.left
    right = left if problem.symmetric else at.right + weights * X.right
    return Evaluation(at.value + penalty, left, right)


def next_forcing(largest: float, before: float, after: float) -> float:
    """Share of the residual that the next inner solve may leave (Eisenstat, Walker 1996).

    In proportion to the last fall of the residual, which ends in quadratic convergence; as long
    as it falls by less than half, `largest`, since accurate directions are worth little there.
    """
    if not 0.0 <= after < 0.25 * before:
        return largest
    return min(largest, max(1e-6, float(np.sqrt(after / before))))


def curvature_scale(problem: Problem, X: Factors) -> float:
    """Mean curvature along the factors: isometry times the mean squared norm of a column."""
    size = sum(float(np.sum(np.abs(F) ** 2, dtype=float)) for F in (X.left, X.right))
    return problem.operator.isometry * size / (2 * X.rank)


def direction(
    problem: Problem,
    X: Factors,
    at: Evaluation,
    *,
    shift: Array | float = 0.0,
    tol: float = 0.1,
    limit: int = 100,
    inner: Inner | None = None,
) -> tuple[Factors, int, float]:
    """Solve ``(J* A* A J + diag(shift)) D = -gradient`` for the squared loss, from zero.

    Parameters
    ----------
    problem : Problem
        The problem.
    X : Factors
        The point.
    at : Evaluation
        Objective and gradient there, with all penalties.
    shift : float or array, shape (r,)
        Curvature of the penalties and damping, by column of the factors.
    tol : float
        The inner iteration ends at this share of the first residual.
    limit : int
        Largest number of inner iterations.
    inner : callable, optional
        Another inner solver: ``inner(problem, X, gradient, shift, tol, limit)`` gives the parts
        of D, a count and the share of the residual left. ``gradient`` holds one part for
        symmetric problems, two otherwise.

    Returns
    -------
    D : Factors
    count : int
    share : float
    """
    gradient: Parts = (at.left,) if problem.symmetric else (at.left, at.right)
    weights = np.ascontiguousarray(np.broadcast_to(shift, X.rank), X.left.real.dtype)
    if problem.nuclear:
        weights = weights + weights.dtype.type(problem.nuclear)
    parts, count, share = (inner or _solve)(problem, X, gradient, weights, tol, limit)
    return Factors(parts[0], parts[-1]), count, share


def step(
    problem: Problem,
    X: Factors,
    at: Evaluation,
    *,
    ridge: Array | float = 0.0,
    damping: float = 0.0,
    tol: float = 0.1,
    limit: int = 100,
    inner: Inner | None = None,
) -> Move:
    """One step: `direction`, and the best point along it.

    Parameters
    ----------
    problem : Problem
        With the squared loss.
    X : Factors
        The point.
    at : Evaluation
        What `evaluate` gave there, for the same ridge.
    ridge : float or array, shape (r,)
        Weight of the squared norm of each column of the factors, on top of `problem.nuclear`.
    damping : float
        Levenberg's: added to the curvature without being a part of the objective.
    tol, limit, inner
        See `direction`.

    Returns
    -------
    Move
    """
    D, count, share = direction(
        problem, X, at, shift=ridge + damping, tol=tol, limit=limit, inner=inner
    )
    length = _length(problem, X, at, D, ridge)
    if length == 0.0:
        return Move(X, at, 0.0, count, share)
    new = Line(problem, X, at, D).point(length)
    return Move(new, evaluate(problem, new, ridge), length, count, share)


def _length(
    problem: Problem, X: Factors, at: Evaluation, D: Factors, ridge: Array | float
) -> float:
    """The global minimiser of the objective along D, over positive lengths."""
    c = Line(problem, X, at, D).quartic()
    if np.any(ridge):
        pairs = ((X.left, D.left), (X.right, D.right))
        sums = np.array(
            [
                [np.sum((a.conj() * b).real, axis=0, dtype=float) for a, b in (p, (p[1], p[1]))]
                for p in pairs
            ]
        ).sum(axis=0)
        weights = np.broadcast_to(ridge, X.rank) * (0.5 if problem.symmetric else 1.0)
        c[1] += weights @ sums[0]
        c[2] += 0.5 * (weights @ sums[1])
    falls = bool(np.isfinite(c).all()) and c[1] < 0.0
    return positive_minimiser(c.tolist()) if falls else 0.0


def _solve(
    problem: Problem, X: Factors, gradient: Parts, shift: Array, tol: float, limit: int
) -> tuple[Parts, int, float]:
    """The equations written down where that pays; else preconditioned conjugate gradients."""
    operator: Any = problem.operator
    if not offers(operator, HasGaussNewton):
        if _direct.pays(problem, X.rank):
            try:
                # The inner iterations cost little beside writing the matrix down.
                return _direct.solve(problem, X, gradient, shift, tol=tol * tol), 1, 0.0
            except SolverBreakdownError:
                # Dependent columns, which iterations from zero do not mind.
                pass
        return _iterate(problem, X, gradient, shift, _gram(problem, X, shift), tol, limit)
    blocks = [operator.normal_blocks(X.right, side="left")]
    if problem.symmetric:
        blocks = [0.5 * (blocks[0] + operator.normal_blocks(X.left, side="right"))]
    else:
        blocks.append(operator.normal_blocks(X.left, side="right"))
    floor = FLOOR * X.rank * float(np.finfo(shift.dtype).eps)
    for block in blocks:
        inverse_blocks(0, len(block), block, shift, floor, block)
    if len(blocks) == 2 and offers(operator, HasNormalSolve):
        both = cast("tuple[Array, Array]", tuple(blocks))
        pair = cast("tuple[Array, Array]", gradient)
        found = operator.normal_solve(X, pair, shift, both, tol, limit)
        if found is not None:
            return found[:2], found[2], found[3]

    def precondition(parts: Parts) -> Parts:
        outs = tuple(np.empty_like(part) for part in parts)
        for block, part, out in zip(blocks, parts, outs, strict=True):
            block_products(0, len(block), block, part, out)
        return outs

    return _iterate(problem, X, gradient, shift, precondition, tol, limit)


def _gram(problem: Problem, X: Factors, shift: Array) -> Callable[[Parts], Parts]:
    """The preconditioner of operators without blocks: A* A in the mean, ``isometry I``."""
    others = (X.right,) if problem.symmetric else (X.right, X.left)
    inverses = []
    for other in others:
        gram = problem.operator.isometry * (other.conj().T @ other) + np.diag(shift)
        inverses.append(np.linalg.pinv(gram, hermitian=True).astype(X.dtype))
    return lambda parts: tuple(p @ inv for p, inv in zip(parts, inverses, strict=True))


def _iterate(
    problem: Problem,
    X: Factors,
    gradient: Parts,
    shift: Array,
    precondition: Callable[[Parts], Parts],
    tol: float,
    limit: int,
) -> tuple[Parts, int, float]:
    operator: Any = problem.operator
    fused = offers(operator, HasNormalProduct)

    def apply(parts: Parts) -> Parts:
        D = Factors(parts[0], parts[-1])
        images = operator.normal_product(X, D) if fused else product(problem, X, D)
        if fused and problem.symmetric:
            images = (0.5 * (images[0] + images[1]),) * 2
        return tuple(i + shift * p for i, p in zip(images, parts, strict=False))

    residual = tuple(-g for g in gradient)
    out = tuple(np.zeros_like(g) for g in gradient)
    d = z = precondition(residual)
    first = gamma = _dot(residual, z)
    done = 0
    while done < limit and gamma > tol * tol * first:
        image = apply(d)
        curvature = _dot(d, image)
        if not curvature > 0.0:
            break
        t = shift.dtype.type(gamma / curvature)
        out = tuple(o + t * p for o, p in zip(out, d, strict=True))
        residual = tuple(r - t * i for r, i in zip(residual, image, strict=True))
        z = precondition(residual)
        new = _dot(residual, z)
        ratio = shift.dtype.type(new / gamma)
        d = tuple(a + ratio * b for a, b in zip(z, d, strict=True))
        gamma, done = new, done + 1
    return out, done, float(np.sqrt(max(gamma, 0.0) / first)) if first > 0 else 0.0


def _dot(a: Parts, b: Parts) -> float:
    # Not vdot: its summation order changes with the number of BLAS threads.
    return sum(float(np.sum((x.conj() * y).real, dtype=float)) for x, y in zip(a, b, strict=True))
