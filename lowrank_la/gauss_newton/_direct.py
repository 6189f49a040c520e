"""The inner linear problem of Gauss-Newton with its matrix written down, for dense measurements.

With thin QR factorisations ``L = Q_L T_L`` and ``R = Q_R T_R`` a direction is written as
``dL = D_L T_R^{-H}``, ``dR = D_R T_L^{-H}``, so that ``J D = D_L Q_R^H + Q_L D_R^H``: the normal
matrix then knows nothing of the condition number of X, and the solution of least norm is the
same for all gauges of the factors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._typing import Array
from ..errors import SolverBreakdownError
from ..factors import Factors
from ..kernels import _chunks, dense
from ..losses import Squared
from ..operators import HasTangentRows
from ..problem import Problem

# Numbers of the Jacobian that are held at a time.
BLOCK = 1 << 16
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
    gradient: Parts,
    shift: Array | float = 0.0,
    *,
    weights: Array | None = None,
    tol: float = 0.0,
) -> Parts:
    """Solve ``(J* A* W A J + diag(shift)) D = -gradient`` with ``A J`` written down.

    Parameters
    ----------
    problem : Problem
        Whose operator has `tangent_rows`.
    X : Factors
        The point, with factors of full column rank.
    gradient : tuple of array
        One part for symmetric problems, two otherwise.
    shift : float or array, shape (r,)
        Curvature of penalties and damping, by column of the factors.
    weights : array, shape (m,), optional
        Weights W of the measurements; default ones.
    tol : float
        Share of the right-hand side that may be left; rounding if that is more.

    Returns
    -------
    tuple of array
        The parts of D.

    Raises
    ------
    SolverBreakdownError
        If a factor has dependent columns, or the matrix is not finite.
    """
    frame = _Frame(problem, X)
    equations = frame.equations()
    if weights is not None:
        equations = equations.weighted(weights)
    inverses = frame.inverses
    sums = _join([g @ inverse for g, inverse in zip(gradient, inverses, strict=True)])
    curvatures = []
    if np.any(shift):
        size = np.broadcast_to(shift, X.rank)
        curvatures = [(inverse.conj().T * size) @ inverse for inverse in inverses]
    else:
        sums = frame.without_gauge(sums)

    def apply(x: Array) -> Array:
        image = equations.product(x)
        if curvatures:
            parts = frame.split(x)
            image += _join([d @ c for d, c in zip(parts, curvatures, strict=True)])
        return image

    return frame.direction(-_solved(apply, sums, tol))


def reweighted(
    problem: Problem,
    X: Factors,
    residual: Array,
    weigh: Callable[[Array], Array],
    *,
    rounds: int,
    tol: float = 0.0,
) -> Parts:
    """Iteratively reweighted least squares for ``e + A J D``, with ``A J`` written down once.

    Parameters
    ----------
    problem, X
        See `solve`.
    residual : array, shape (m,)
        The residual e at X.
    weigh : callable
        The weights (m,) for a residual: first that at X, then those that the linearised problem
        predicts for the D found so far.
    rounds : int
        How often to weigh and solve.
    tol : float
        Share of the right-hand side that may be left in each round.

    Returns
    -------
    tuple of array
        The parts of D.

    Raises
    ------
    SolverBreakdownError
        If a factor has dependent columns, or the matrix is not finite.
    """
    frame = _Frame(problem, X)
    equations = frame.equations()
    found, predicted = None, residual
    for left in range(rounds, 0, -1):
        weighted = equations.weighted(weigh(predicted))
        sums = frame.without_gauge(weighted.gradient(residual))
        found = _solved(weighted.product, sums, tol, found)
        if left > 1:
            predicted = residual - equations.images(found)
    assert found is not None
    return frame.direction(-found)


class _Frame:
    """Orthonormal coordinates of directions at a point."""

    def __init__(self, problem: Problem, X: Factors) -> None:
        self.problem, self.dtype = problem, X.dtype
        self.left, left_core = np.linalg.qr(X.left)
        self.right, right_core = (self.left, left_core) if X.symmetric else np.linalg.qr(X.right)
        # dL goes with the core of R, dR with that of L.
        cores = [right_core] if problem.symmetric else [right_core, left_core]
        self.inverses = [_inverse(core) for core in cores]
        sides = (X.left.shape[0], X.right.shape[0])[: len(cores)]
        self.shapes = [(n, X.rank) for n in sides]

    def equations(self) -> _Equations:
        return _written(self.problem, self.left, self.right)

    def split(self, x: Array) -> list[Array]:
        return _split(x, self.shapes, self.dtype)

    def without_gauge(self, sums: Array) -> Array:
        """The right-hand side without its rounding errors along the gauge.

        Where it is a small difference of large numbers they point there too, which nothing
        would hold.
        """
        return _join(_without_gauge(self.split(sums), self.left, self.right))

    def direction(self, x: Array) -> Parts:
        return tuple(
            np.ascontiguousarray(d @ inverse.conj().T)
            for d, inverse in zip(self.split(x), self.inverses, strict=True)
        )


def _without_gauge(parts: list[Array], left: Array, right: Array) -> list[Array]:
    """The parts without ``(Q_L S, -Q_R S^H)``; of one factor, without ``Q S`` with S skew."""
    turn = left.conj().T @ parts[0]
    if len(parts) == 1:
        return [parts[0] - left @ (0.5 * (turn - turn.conj().T))]
    turn = 0.5 * (turn - parts[1].conj().T @ right)
    return [parts[0] - left @ turn, parts[1] + right @ turn.conj().T]


def _inverse(core: Array) -> Array:
    size = np.abs(np.diag(core))
    if not (np.isfinite(core).all() and size.min() > np.finfo(size.dtype).eps * size.max()):
        raise SolverBreakdownError(
            "a factor has dependent columns or is not finite: the iterate has a lower rank than "
            "its factors. Lower the rank, or use a method with damping (scaledgd_lambda)"
        )
    return np.linalg.inv(core)


def _written(problem: Problem, left: Array, right: Array) -> _Equations:
    """``A J`` over real unknowns; times the root of 1/2 where the objective is halved."""
    operator: Any = problem.operator
    m, kind = operator.size, left.real.dtype
    doubled = problem.dtype.kind == "c" and problem.data.dtype.kind == "c"
    shape = (2 if doubled else 1, m, _unknowns(problem, left.shape[1]))
    matrix = np.empty(shape, kind)
    root = kind.type(np.sqrt(0.5 if problem.symmetric else 1.0))
    count = max(64, BLOCK // shape[2])
    for start in range(0, m, count):
        stop = min(start + count, m)
        rows = operator.tangent_rows(left, right, start, stop)
        _write_jacobian(problem, rows, matrix[:, start:stop])
        if problem.symmetric:
            matrix[:, start:stop] *= root
    return _Equations(matrix.reshape(-1, shape[2]), np.full(m, root))


class _Equations:
    """``W^{1/2} A J`` over real unknowns, the roots of W, and products.

    A row for each real number measured: those of imaginary parts come after the others.
    """

    def __init__(self, matrix: Array, roots: Array) -> None:
        self.matrix, self.roots = matrix, roots
        self.cuts = _chunks.even_borders(len(matrix), LANES)
        self.zero = np.zeros(len(matrix), matrix.dtype)
        self.image = np.empty_like(self.zero)

    def weighted(self, weights: Array) -> _Equations:
        """The same with weights of the measurements."""
        roots = np.sqrt(weights).astype(self.roots.dtype)
        rows = np.tile(roots, len(self.matrix) // len(roots))
        return _Equations(self.matrix * rows[:, None], self.roots * roots)

    def images(self, x: Array) -> Array:
        """``A J D`` for the direction with coordinates x; for equations without weights."""
        out = np.empty_like(self.zero)
        work = float(self.matrix.size)
        _chunks.run(dense.row_products, self.cuts, work, self.matrix, x, out)
        m = len(self.roots)
        return (out if len(out) == m else out[:m] + 1j * out[m:]) / self.roots

    def product(self, x: Array) -> Array:
        """``J^T W J x``, reading the matrix once."""

        def lane(lo: int, hi: int) -> Array:
            out = np.zeros_like(x)
            args = (self.matrix, x, self.zero, Squared.code, 0.0, self.image, out)
            dense.residual_sums(lo, hi, *args)
            return out

        return _sum(_chunks.run(lane, self.cuts, 2.0 * self.matrix.size))

    def gradient(self, residual: Array) -> Array:
        """``J^T W e``."""
        e = residual * self.roots
        e = np.concatenate([e.real, e.imag])[: len(self.matrix)].astype(self.roots.dtype)

        def lane(lo: int, hi: int) -> Array:
            out = np.zeros(self.matrix.shape[1], e.dtype)
            dense.row_combination(lo, hi, self.matrix, e, out)
            return out

        return _sum(_chunks.run(lane, self.cuts, float(self.matrix.size)))


def _sum(lanes: list[Array]) -> Array:
    total = lanes[0]
    for lane in lanes[1:]:
        total += lane
    return total


def _write_jacobian(problem: Problem, rows: tuple[Array, Array], out: Array) -> None:
    """A row for each real number measured, into ``out[0]``, and ``out[1]`` for imaginary parts.

    ``A(J D)_i = <P_i, dL> + conj(<Q_i, dR>)`` with ``P_i = A_i R`` and ``Q_i = A_i^H L``.
    """
    P, Q = (part.reshape(len(part), -1) for part in rows)
    if problem.dtype.kind != "c":
        real = [(P, Q)]
    else:
        real = [(P.view(P.real.dtype), Q.view(Q.real.dtype))]
        if len(out) > 1:
            # conj(p) x has the imaginary part <i p, x>, and its conjugate the opposite one.
            turned = 1j * P, -1j * Q
            real.append((turned[0].view(P.real.dtype), turned[1].view(Q.real.dtype)))
    for target, (p, q) in zip(out, real, strict=True):
        if problem.symmetric:
            np.add(p, q, out=target)
        else:
            target[:, : p.shape[1]] = p
            target[:, p.shape[1] :] = q


def _join(parts: list[Array]) -> Array:
    """Real unknowns: a part's columns one after another, real and imaginary parts in turn."""
    flat = np.concatenate([np.ascontiguousarray(part.T).ravel() for part in parts])
    return flat.view(flat.real.dtype)


def _split(x: Array, shapes: list[tuple[int, int]], dtype: np.dtype[Any]) -> list[Array]:
    flat = x.view(dtype) if dtype.kind == "c" else x
    cuts = np.cumsum([a * b for a, b in shapes])[:-1]
    pieces = zip(np.split(flat, cuts), shapes, strict=True)
    return [piece.reshape(rank, n).T for piece, (n, rank) in pieces]


def _solved(
    apply: Callable[[Array], Array], right: Array, tol: float, begin: Array | None = None
) -> Array:
    """Conjugate gradients from zero: the solution of least norm, whatever the gauge.

    Or from what they found for other weights, which has no part along the gauge either.

    The equations are well conditioned, and products with the Jacobian cost little beside reading
    the measurement matrices for it. LAPACK's factorisations would need the normal matrix, change
    their bits with the number of threads, and need the gauge taken out.
    """
    if not np.isfinite(right).all():
        raise SolverBreakdownError("the Jacobian is not finite: the iterates grew too large")
    first = _dot(right, right)
    x = np.zeros_like(right) if begin is None else begin
    d = residual = right if begin is None else right - apply(begin)
    gamma = _dot(residual, residual)
    least = max(tol, TOLERANCE * float(np.finfo(right.dtype).eps)) ** 2 * first
    for _ in range(2 * len(right)):
        if not gamma > least:
            break
        image = apply(d)
        curvature = _dot(d, image)
        if not curvature > 0.0:
            break
        t = right.dtype.type(gamma / curvature)
        x = x + t * d
        residual = residual - t * image
        new = _dot(residual, residual)
        d = residual + right.dtype.type(new / gamma) * d
        gamma = new
    if not np.isfinite(x).all():
        raise SolverBreakdownError("the Jacobian is not finite: the iterates grew too large")
    return x


def _dot(a: Array, b: Array) -> float:
    # Not BLAS: its summation order changes with the number of threads.
    return float(np.sum(a * b, dtype=float))
