"""From which order on a stationary point is a strict saddle."""

from __future__ import annotations

import numpy as np

from .. import _check
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors
from ..problem import Problem
from ._lifting import DENSE, Lifting

# Relative gradient up to which a point passes for stationary.
STATIONARY = 1e-4


def strict_saddle_order(problem: Problem, X: Factors, *, max_order: int = 99) -> int | None:
    """From which odd order on a stationary point is a strict saddle of the lifted problem.

    The certificate is a direction of rank one with negative curvature (`Lifting.curvature`),
    which is sought for each odd order; where the Hessian is small enough, its smallest
    eigenvalue decides. No tensor is needed, so that orders far beyond the reach of any
    computation can be told.

    Parameters
    ----------
    problem : Problem
        Symmetric, real, with squared loss and without a nuclear-norm weight.
    X : Factors
        A stationary point of it with one factor, ``Factors(F, F)``.
    max_order : int
        The last order that is tried.

    Returns
    -------
    int or None
        The order; 1 for a point that is a strict saddle without lifting. None if there is none
        up to `max_order`, as at the truth.

    Raises
    ------
    InvalidInputError
        If X is not stationary.
    IncompatibleError
        For another kind of problem.

    Examples
    --------
    >>> import numpy as np
    >>> import lowrank_la as ll
    >>> from lowrank_la.lifting import strict_saddle_order
    >>> problem = ll.problems.perturbed_completion(5, eps=0.3).problem
    >>> flipped = np.array([[1.0], [0], [1], [0], [-1]])
    >>> start = ll.Factors(flipped, flipped)
    >>> spurious = ll.solve(problem, "gd", step_size=0.5, start=start).factors
    >>> strict_saddle_order(problem, spurious)
    3
    """
    max_order = _check.count(max_order, "max_order", low=1)
    lifting = Lifting.of(problem, order=1, rank=X.rank)
    P, N, C = matrices = lifting.matrices(X)
    gradient = float(np.linalg.norm(lifting.gradient_at(X)))
    size = float(np.linalg.norm(C @ lifting.vector(X)))
    if not gradient <= STATIONARY * size:
        raise InvalidInputError(
            f"X is not a stationary point: its relative gradient is "
            f"{gradient / size if size else np.inf:.1e}; run a solver to a small tol first"
        )
    starts = _candidates(P, N, C)
    for order in range(1, max_order + 1, 2):
        lifted = Lifting(lifting.rows, lifting.target, lifting.excess, order, lifting.rank)
        if lifting.size**order <= DENSE:
            # Rounding in a semidefinite Hessian is no curvature.
            noise = 1e-9 * float(np.abs(np.linalg.eigvalsh(C)).max()) ** order
            if lifted.smallest_eigenvalue(X) < -noise:
                return order
        elif _lowest_curvature(matrices, order, starts) < -1e-9:
            return order
    return None


def _candidates(P: Array, N: Array, C: Array) -> Array:
    """Directions, as rows, in which C is large against P and N in various mixtures."""
    shares, levels = np.linspace(0, 1, 9), np.geomspace(0.25, 4, 13)
    s, t = (g.reshape(-1, 1, 1) for g in np.meshgrid(shares, levels))
    vectors: Array = np.linalg.eigh(s * P + (1 - s) * N - t * C)[1][:, :, 0]
    return vectors


def _lowest_curvature(matrices: tuple[Array, Array, Array], order: int, starts: Array) -> float:
    """Smallest curvature found along tensor powers of unit vectors, over its largest term.

    A minimiser on the sphere is an eigenvector of ``2 p^(l-1) P + n^(l-1) N - c^(l-1) C`` with p,
    n, c its own quadratic forms; that fixed point is iterated from the best candidates.
    """
    P, N, C = matrices

    def forms(u: Array) -> Array:
        return np.array([np.einsum("ki,ij,kj->k", u, m, u) for m in (P, N, C)])

    def curvature(f: Array) -> Array:
        f = f / np.maximum(np.abs(f).max(axis=0), np.finfo(float).tiny)
        return 2 * f[0] ** order + f[1] ** order - f[2] ** order

    values = curvature(forms(starts))
    u = starts[np.argsort(values)[:8]]
    lowest = float(values.min())
    for _ in range(20):
        f = forms(u)
        p, n, c = (f / np.maximum(np.abs(f).max(axis=0), np.finfo(float).tiny)) ** (order - 1)
        mixed = (2 * p)[:, None, None] * P + n[:, None, None] * N - c[:, None, None] * C
        u = np.linalg.eigh(mixed)[1][:, :, 0]
        lowest = min(lowest, float(curvature(forms(u)).min()))
    return lowest
