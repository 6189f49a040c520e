"""The Gauss-Newton operator on factors, and the local contraction that it implies.

At a solution the update of a descent method with metric M and step t is, to first order,
``d <- d - t M^{-1} H d`` with ``H d = (A*(A(J d)) R, A*(A(J d))^H L)`` and
``J d = dL R^H + L dR^H``. Directions that only change the gauge, ``(L S, -R S^H)``, have J = 0
and are left out; the contraction is the spectral radius on the rest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..losses import Squared
from ..problem import Problem

# Above this rank the r^2 gauge directions are too many to keep.
MAX_RANK = 32


def product(problem: Problem, X: Factors, direction: Factors) -> tuple[Array, Array]:
    """``J* A* A J d`` for the squared loss; the two parts are one array for symmetric problems."""
    operator = problem.operator
    image = operator.forward(
        Factors(np.hstack([direction.left, X.left]), np.hstack([X.right, direction.right]))
    )
    left = operator.adjoint_right(image, X.right)
    right = operator.adjoint_left(image, X.left)
    if problem.symmetric:
        left = right = 0.5 * (left + right)
    return left, right


def contraction(
    problem: Problem, X: Factors, metric: tuple[Array, Array], step: float
) -> float | None:
    """Spectral radius of one preconditioned gradient step, linearised at a solution X.

    Parameters
    ----------
    problem : Problem
        With squared loss and no nuclear-norm weight.
    X : Factors
        The solution, of full rank.
    metric : tuple of array, each shape (r, r)
        Hermitian positive definite M of the update ``dL = -step G_L M_L^{-1}``, likewise right.
    step : float
        Length of the step.

    Returns
    -------
    float or None
        The factor per iteration; None where this analysis does not apply or Lanczos does not
        converge.
    """
    if not isinstance(problem.loss, Squared) or problem.nuclear or X.rank > MAX_RANK:
        return None
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    coordinates = _Coordinates(problem, X, metric)
    basis = coordinates.gauge()
    size = coordinates.size
    if size - basis.shape[1] < 3:
        return None

    def hessian(x: Array) -> Array:
        x = x.ravel() - basis @ (basis.T @ x.ravel())
        y = coordinates.hessian(x)
        return y - basis @ (basis.T @ y)

    start = np.random.default_rng(0).standard_normal(size)
    options: dict[str, Any] = {"k": 1, "v0": start, "return_eigenvectors": False, "tol": 1e-4}
    try:
        linear = LinearOperator((size, size), matvec=hessian, dtype=float)
        top = float(eigsh(linear, which="LA", **options)[0])
        # The gauge directions are moved to the top, so that they do not count as the bottom.
        shifted = LinearOperator(
            (size, size), matvec=lambda x: hessian(x) + top * (basis @ (basis.T @ x)), dtype=float
        )
        bottom = float(eigsh(shifted, which="SA", maxiter=2000, **options)[0])
    except ArpackNoConvergence:
        return None
    return max(abs(1 - step * top), abs(1 - step * bottom))


class _Coordinates:
    """Directions as real vectors, scaled by the square root of the metric."""

    def __init__(self, problem: Problem, X: Factors, metric: tuple[Array, Array]) -> None:
        self.problem, self.X = problem, X
        # Lanczos runs in double precision whatever the problem's type.
        self.kind = np.result_type(X.dtype, np.float64)
        self.roots = [_inverse_root(m) for m in metric]
        self.rows = [X.left.shape[0]] if problem.symmetric else [*X.shape]
        self.size = sum(self.rows) * X.rank * (2 if self.kind.kind == "c" else 1)

    def _join(self, parts: list[Array]) -> Array:
        flat = np.concatenate([np.ascontiguousarray(p).ravel() for p in parts])
        return flat.view(flat.real.dtype)

    def _split(self, x: Array) -> list[Array]:
        rank = self.X.rank
        flat = np.ascontiguousarray(x).view(self.kind)
        cuts = np.cumsum([n * rank for n in self.rows])[:-1]
        return [part.reshape(-1, rank) for part in np.split(flat, cuts)]

    def hessian(self, x: Array) -> Array:
        scaled = [p @ root for p, root in zip(self._split(x), self.roots, strict=False)]
        direction = Factors(scaled[0], scaled[-1])
        parts = product(self.problem, self.X, direction)
        return self._join([p @ r for p, r in zip(parts[: len(scaled)], self.roots, strict=False)])

    def gauge(self) -> Array:
        """Orthonormal basis of the directions that leave the matrix as it is."""
        rank = self.X.rank
        columns = []
        inverse = [np.linalg.inv(root) for root in self.roots]
        units = [1.0, 1j] if self.kind.kind == "c" else [1.0]
        for a in range(rank):
            for b in range(rank):
                for unit in units:
                    s = np.zeros((rank, rank), self.kind)
                    s[a, b] = unit
                    if self.problem.symmetric:
                        s = s - s.conj().T
                        parts = [self.X.left @ s @ inverse[0]]
                    else:
                        parts = [
                            self.X.left @ s @ inverse[0],
                            -self.X.right @ s.conj().T @ inverse[1],
                        ]
                    columns.append(self._join(parts).astype(float))
        u, weights, _ = np.linalg.svd(np.stack(columns, axis=1), full_matrices=False)
        return u[:, weights > 1e-10 * weights[0]]


def _inverse_root(metric: Array) -> Array:
    values, vectors = np.linalg.eigh(metric)
    return (vectors / np.sqrt(values)) @ vectors.conj().T
