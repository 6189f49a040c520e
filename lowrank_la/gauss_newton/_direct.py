"""The inner linear problem of Gauss-Newton by its normal equations, for dense measurements.

With thin QR factorisations ``L = Q_L T_L`` and ``R = Q_R T_R`` a direction is written as
``dL = D_L T_R^{-H}``, ``dR = D_R T_L^{-H}``, so that ``J D = D_L Q_R^H + Q_L D_R^H``: the normal
matrix then knows nothing of the condition number of X, and the solution of least norm is the
same for all gauges of the factors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from ..errors import SolverBreakdownError
from ..factors import Factors
from ..kernels import _chunks, dense
from ..operators import HasTangentRows
from ..problem import Problem

# Numbers of the Jacobian that are held at a time.
BLOCK = 1 << 22
# Share of the right-hand side that the solution may leave, in rounding units.
TOLERANCE = 1e3
# Fixed, as for all kernels.
LANES = 8

Parts = tuple[Array, ...]


def possible(problem: Problem) -> bool:
    """Whether the operator can write the Jacobian down."""
    return isinstance(problem.operator, HasTangentRows)


def pays(problem: Problem, rank: int) -> bool:
    """Whether it can, and solving with it costs less than iterating."""
    operator: Any = problem.operator
    return possible(problem) and _unknowns(problem, rank) <= operator.tangent_limit


def _unknowns(problem: Problem, rank: int) -> int:
    n1, n2 = problem.shape
    rows = n1 if problem.symmetric else n1 + n2
    return rows * rank * (2 if problem.dtype.kind == "c" else 1)


def solve(
    problem: Problem,
    X: Factors,
    gradient: Parts | None,
    shift: Array | float = 0.0,
    *,
    residual: Array | None = None,
    weights: Array | None = None,
) -> Parts:
    """Solve ``(J* A* W A J + diag(shift)) D = -gradient`` with the matrix written down.

    Parameters
    ----------
    problem : Problem
        Whose operator has `tangent_rows`.
    X : Factors
        The point, with factors of full column rank.
    gradient : tuple of array, or None
        One part for symmetric problems, two otherwise. None: that of ``1/2 |W^{1/2} e|^2`` with
        e the `residual`, which comes with the matrix.
    shift : float or array, shape (r,)
        Curvature of penalties and damping, by column of the factors.
    residual : array, shape (m,), optional
        ``A(X) - data``; used where no gradient is given.
    weights : array, shape (m,), optional
        Weights W of the measurements; default ones.

    Returns
    -------
    tuple of array
        The parts of D.

    Raises
    ------
    SolverBreakdownError
        If a factor has dependent columns, or the normal matrix is not finite.
    """
    left, left_core = np.linalg.qr(X.left)
    right, right_core = (left, left_core) if X.symmetric else np.linalg.qr(X.right)
    # dL goes with the core of R, dR with that of L.
    cores = [right_core] if problem.symmetric else [right_core, left_core]
    inverses = [_inverse(core) for core in cores]
    matrix, sums = _normal_equations(problem, left, right, residual, weights)
    rows = [X.left.shape[0], X.right.shape[0]][: len(cores)]
    if np.any(shift):
        _add_shift(matrix, shift, inverses, rows)
    if gradient is not None:
        sums = _join([g @ inverse for g, inverse in zip(gradient, inverses, strict=True)])
    parts = _split(-_solved(matrix, sums), [(n, X.rank) for n in rows], X.dtype)
    return tuple(
        np.ascontiguousarray(d @ inverse.conj().T)
        for d, inverse in zip(parts, inverses, strict=True)
    )


def _inverse(core: Array) -> Array:
    size = np.abs(np.diag(core))
    if not (np.isfinite(core).all() and size.min() > np.finfo(size.dtype).eps * size.max()):
        raise SolverBreakdownError(
            "a factor has dependent columns or is not finite: the iterate has a lower rank than "
            "its factors. Lower the rank, or use a method with damping (scaledgd_lambda)"
        )
    return np.linalg.inv(core)


def _normal_equations(
    problem: Problem,
    left: Array,
    right: Array,
    residual: Array | None,
    weights: Array | None,
) -> tuple[Array, Array]:
    """``J^T W J`` and ``J^T W e`` over real unknowns; halved where the objective is."""
    operator: Any = problem.operator
    unknowns = _unknowns(problem, left.shape[1])
    kind = left.real.dtype
    matrix, sums = np.zeros((unknowns, unknowns), kind), np.zeros(unknowns, kind)
    roots = None if weights is None else np.sqrt(weights).astype(kind)
    cuts = _chunks.even_borders(unknowns, LANES)
    count = max(64, BLOCK // unknowns)
    for start in range(0, operator.size, count):
        stop = min(start + count, operator.size)
        block = _jacobian(problem, operator.tangent_rows(left, right, start, stop))
        if roots is not None:
            block *= np.tile(roots[start:stop], block.shape[1] // (stop - start))
        _chunks.run(dense.gram_rows, cuts, float(block.size * unknowns), block, matrix)
        if residual is not None:
            e = residual[start:stop]
            e = e if roots is None else e * roots[start:stop]
            e = np.concatenate([e.real, e.imag])[: block.shape[1]].astype(kind)
            image = np.empty(unknowns, kind)
            _chunks.run(dense.row_products, cuts, float(block.size), block, e, image)
            sums += image
    matrix = np.triu(matrix) + np.triu(matrix, 1).T
    return (0.5 * matrix, 0.5 * sums) if problem.symmetric else (matrix, sums)


def _jacobian(problem: Problem, rows: tuple[Array, Array]) -> Array:
    """Transposed: a row for each unknown, a column for each real number measured.

    ``A(J D)_i = <P_i, dL> + conj(<Q_i, dR>)`` with ``P_i = A_i R`` and ``Q_i = A_i^H L``. Real
    parts of the measurements come first, then imaginary parts if the data have them.
    """
    single = problem.symmetric
    P = rows[0].reshape(len(rows[0]), -1).T
    Q = P if rows[1] is rows[0] else rows[1].reshape(len(rows[1]), -1).T
    if problem.dtype.kind != "c":
        if single:
            return np.ascontiguousarray(2 * P if P is Q else P + Q)
        return np.vstack([P, Q])
    parts = [(_pairs(P.real, P.imag), _pairs(Q.real, Q.imag))]
    if problem.data.dtype.kind == "c":
        parts.append((_pairs(-P.imag, P.real), _pairs(Q.imag, -Q.real)))
    sides = [a + b if single else np.vstack([a, b]) for a, b in parts]
    return np.hstack(sides)


def _pairs(a: Array, b: Array) -> Array:
    """Rows of a and b in turn, as numbers of a complex array lie in memory."""
    return np.stack([a, b], axis=1).reshape(-1, a.shape[1])


def _add_shift(matrix: Array, shift: Array | float, inverses: list[Array], rows: list[int]) -> None:
    start = 0
    for inverse, n in zip(inverses, rows, strict=True):
        weights = np.broadcast_to(shift, len(inverse))
        block = (inverse.conj().T * weights) @ inverse
        units = np.eye(n)
        if block.dtype.kind != "c":
            addition = np.kron(block, units)
        else:
            # The form x K x^H over pairs of real and imaginary parts.
            turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
            addition = np.kron(block.real, np.eye(2 * n))
            addition += np.kron(block.imag, np.kron(units, turn))
        at = slice(start, start + len(addition))
        matrix[at, at] += addition
        start += len(addition)


def _join(parts: list[Array]) -> Array:
    """Real unknowns: a part's columns one after another, real and imaginary parts in turn."""
    flat = np.concatenate([np.ascontiguousarray(part.T).ravel() for part in parts])
    return flat.view(flat.real.dtype)


def _split(x: Array, shapes: list[tuple[int, int]], dtype: np.dtype[Any]) -> list[Array]:
    flat = x.view(dtype) if dtype.kind == "c" else x
    cuts = np.cumsum([a * b for a, b in shapes])[:-1]
    pieces = zip(np.split(flat, cuts), shapes, strict=True)
    return [piece.reshape(rank, n).T for piece, (n, rank) in pieces]


def _solved(matrix: Array, right: Array) -> Array:
    """Conjugate gradients from zero: the solution of least norm, whatever the gauge.

    The matrix is well conditioned and applied in a kernel. LAPACK's factorisations would change
    their bits with the number of threads, and need the gauge taken out.
    """
    if not (np.isfinite(matrix).all() and np.isfinite(right).all()):
        raise SolverBreakdownError("the normal matrix is not finite: the iterates grew too large")
    x, image = np.zeros_like(right), np.empty_like(right)
    d = residual = right
    gamma = first = _dot(residual, residual)
    eps = float(np.finfo(matrix.dtype).eps)
    cuts = _chunks.even_borders(len(right), LANES)
    for _ in range(2 * len(right)):
        if not gamma > (TOLERANCE * eps) ** 2 * first:
            break
        _chunks.run(dense.row_products, cuts, float(matrix.size), matrix, d, image)
        curvature = _dot(d, image)
        if not curvature > 0.0:
            break
        t = right.dtype.type(gamma / curvature)
        x, residual = x + t * d, residual - t * image
        new = _dot(residual, residual)
        d = residual + right.dtype.type(new / gamma) * d
        gamma = new
    return x


def _dot(a: Array, b: Array) -> float:
    # Not vdot: its summation order changes with the number of BLAS threads.
    return float(np.sum(a * b, dtype=float))
