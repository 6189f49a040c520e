"""The columns along which factors grow."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..problem import Problem


def leading_columns(X: Factors, rank: int) -> Factors:
    """The first columns of balanced factors, which come by falling singular value."""
    left = np.ascontiguousarray(X.left[:, :rank])
    return Factors(left, left if X.symmetric else np.ascontiguousarray(X.right[:, :rank]))


def seen_norm(problem: Problem) -> float:
    """``|X|_F`` as the data suggest it."""
    return float(np.linalg.norm(problem.data) / np.sqrt(problem.operator.isometry))


def leading(
    problem: Problem, X: Factors | None, block: Array, sweeps: int
) -> tuple[Array, Array, Array]:
    """Leading singular triplets of ``A*(y - A(X))`` by block power iterations.

    For symmetric problems the largest eigenvalues of its Hermitian part, with one basis.
    """
    operator = problem.operator
    z = problem.data if X is None else -problem.residual(X)
    z = z.astype(problem.dtype, copy=False)
    if problem.symmetric:
        for _ in range(sweeps):
            image = operator.adjoint_right(z, block) + operator.adjoint_left(z, block)
            block = np.linalg.qr(image)[0]
        image = 0.5 * (operator.adjoint_right(z, block) + operator.adjoint_left(z, block))
        small = block.conj().T @ image
        values, turn = np.linalg.eigh(0.5 * (small + small.conj().T))
        basis = block @ turn[:, ::-1]
        return basis, np.maximum(values[::-1], 1e-3 * np.abs(values).max()), basis
    for _ in range(sweeps - 1):
        # Once per sweep: in between the columns cannot become dependent.
        block = np.linalg.qr(operator.adjoint_left(z, operator.adjoint_right(z, block)))[0]
    left = np.linalg.qr(operator.adjoint_right(z, block))[0]
    block, triangle = np.linalg.qr(operator.adjoint_left(z, left))
    # A*(z)^H left = block triangle.
    u, values, vh = np.linalg.svd(triangle)
    return left @ vh.conj().T, values, block @ u


def best_pair(problem: Problem, X: Factors | None, u: Array, v: Array) -> tuple[Array, Array]:
    """``c u v^H`` as a pair of columns, with the c >= 0 that fits the residual best."""
    measured = problem.operator.forward(Factors(u, v))
    z = problem.data if X is None else -problem.residual(X)
    size = float(np.sum(np.abs(measured) ** 2))
    along = float(np.sum((measured.conj() * z).real))
    c = along / size if size > 0 else 0.0
    if not c > 0:
        # No multiple helps; a small one lets the next steps turn it.
        c = 1e-3 * seen_norm(problem)
    root = u.real.dtype.type(np.sqrt(c))
    return root * u, root * v
