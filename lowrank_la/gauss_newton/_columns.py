"""The columns along which factors grow."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..problem import Problem

# Iterations from one look at the largest singular value to the next, looks, and what it moves by
# where that is the last one.
AT_ONCE, MOST, CLOSE = 10, 30, 1e-5


def leading_columns(X: Factors, rank: int) -> Factors:
    """The first columns of balanced factors, which come by falling singular value."""
    left = np.ascontiguousarray(X.left[:, :rank])
    return Factors(left, left if X.symmetric else np.ascontiguousarray(X.right[:, :rank]))


def top_value(problem: Problem, X: Factors | None, block: Array) -> float:
    """The largest singular value of ``A*(y - A(X))``, to a relative error of about `CLOSE`.

    For symmetric problems the largest eigenvalue of its Hermitian part, or zero.
    """
    shift = _modulus(problem, X, block) if problem.symmetric else 0.0
    found = 0.0
    for _ in range(MOST):
        before = found
        _, values, block = leading(problem, X, block, AT_ONCE, shift=shift)
        found = float(values[0])
        if abs(found - before) <= CLOSE * (found + shift):
            break
    return max(0.0, found - shift)


def _modulus(problem: Problem, X: Factors | None, block: Array) -> float:
    """About the largest modulus of an eigenvalue of the Hermitian part."""
    image = block
    for _ in range(AT_ONCE):
        image = _hermitian(problem, _residual(problem, X), np.linalg.qr(image)[0])
    return float(np.linalg.norm(image, 2))


def _residual(problem: Problem, X: Factors | None) -> Array:
    z = problem.data if X is None else -problem.residual(X)
    return z.astype(problem.dtype, copy=False)


def _hermitian(problem: Problem, z: Array, block: Array) -> Array:
    operator, half = problem.operator, z.real.dtype.type(0.5)
    return half * (operator.adjoint_right(z, block) + operator.adjoint_left(z, block))


def leading(
    problem: Problem, X: Factors | None, block: Array, sweeps: int, *, shift: float = 0.0
) -> tuple[Array, Array, Array]:
    """Leading singular triplets of ``A*(y - A(X))`` by block power iterations.

    For symmetric problems the eigenvalues of its Hermitian part that are largest in modulus, with
    one basis; with a shift, of that plus `shift` times the identity.
    """
    operator, z = problem.operator, _residual(problem, X)
    if problem.symmetric:
        scale = z.real.dtype.type(shift)
        for _ in range(sweeps):
            block = np.linalg.qr(_hermitian(problem, z, block) + scale * block)[0]
        image = _hermitian(problem, z, block) + scale * block
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
        c = 1e-3 * problem.norm_estimate
    root = u.real.dtype.type(np.sqrt(c))
    return root * u, root * v
