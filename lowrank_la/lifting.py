"""Lifting of symmetric problems to tensors, in closed form.

With x = vec(F) the squared loss of a symmetric problem is ``1/4 |<A, x x^T> - b|^2``; lifted to
order l it is ``1/4 |<A^(xl), w w^T> - b^(xl)|^2`` over tensors w with l indices, where ^(xl) is
the l-fold tensor power (Ma, Molybog, Lavaei, Sojoudi 2023; Ma, Lavaei, Sojoudi 2023, whose loss
is twice or once this one). The power of A acts on one index pair after another and is never
formed. At a lifted point ``x^(xl)`` all follows from three matrices,

    P = sum_k (A_k x)(A_k x)^T,   N = A*(A(x x^T)),   C = A*(b):

the gradient is ``(N x)^(xl) - (C x)^(xl)`` and the Hessian ``2 P^(xl) + N^(xl) - C^(xl)``. So x is
stationary for every order if it is for one, while the curvature changes with the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from . import _check
from ._random import stream
from ._typing import Array
from .errors import IncompatibleError, InvalidInputError, TooLargeError
from .factors import Factors
from .losses import Squared
from .operators import matrix_of
from .problem import Problem

__all__ = ["Lifting", "strict_saddle_order"]

# Numbers in the largest tensor that is formed; a few of that size are alive at a time.
LIMIT = 5 * 10**7
# Largest Hessian that is formed; above that Lanczos.
DENSE = 1500
# Relative gradient up to which a point passes for stationary.
STATIONARY = 1e-4
# Power iterations without and again with a shift.
SWEEPS = 100


@dataclass(frozen=True, eq=False)
class Lifting:
    """A symmetric problem with squared loss, lifted to tensors with `order` indices.

    `Lifting.of` makes one from a problem. Order 1 is the problem itself. With d = n r unknowns,
    a tensor has d^order numbers and its loss and gradient take about d^(2 order); what is said
    of lifted points (`hessian_product`, `curvature`) needs no more than d^order.

    Even orders see neither the sign of w nor that of the data, since the even power of -b is
    that of b; what papers state of saddles holds for odd orders.

    Parameters
    ----------
    rows : array, shape (p, d, d)
        Symmetric matrices with the same ``A* A`` as the measurements, p as small as can be.
    target : array, shape (p,)
        The data on these rows.
    excess : float
        Squared norm of the part of the data that no matrix fits.
    order : int
        Number l of indices, at least 1.
    rank : int
        Columns r of the factor that is vectorised.
    """

    rows: Array
    target: Array
    excess: float
    order: int
    rank: int = 1

    @classmethod
    def of(cls, problem: Problem, *, order: int = 3, rank: int = 1) -> Lifting:
        """Lift a problem.

        Parameters
        ----------
        problem : Problem
            Symmetric, real, with squared loss and without a nuclear-norm weight.
        order : int
            Number of indices of the tensors.
        rank : int
            Number of columns of the factor.

        Returns
        -------
        Lifting

        Raises
        ------
        IncompatibleError
            For another kind of problem.
        TooLargeError
            If the operator's matrix is too large to be reduced.
        """
        reason = why_not(problem)
        if reason is not None:
            raise IncompatibleError(f"lifting {reason}")
        order = _check.count(order, "order", low=1)
        rank = _check.rank_of(rank, problem.shape)
        rows, target, excess = _reduced(problem)
        n = problem.shape[0]
        wide = np.einsum("kij,ab->kiajb", rows, np.eye(rank)).reshape(-1, n * rank, n * rank)
        kind = problem.dtype
        return cls(wide.astype(kind), target.astype(kind), excess, order, rank)

    @property
    def size(self) -> int:
        """Number d = n r of unknowns of the problem."""
        return int(self.rows.shape[1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the tensors."""
        return (self.size,) * self.order

    # --- points ---

    def vector(self, X: Factors) -> Array:
        """``vec(F)`` of a symmetric matrix ``F F^T``, shape (d,).

        Parameters
        ----------
        X : Factors
            With one factor of n rows and `rank` columns.

        Raises
        ------
        InvalidInputError
            If it has two factors, or another shape.
        """
        if not X.symmetric or X.left.shape != (self.size // self.rank, self.rank):
            raise InvalidInputError(
                f"expected Factors(F, F) with F of shape ({self.size // self.rank}, {self.rank}), "
                f"got {X}"
            )
        return X.left.ravel().astype(self.rows.dtype)

    def lift(self, X: Factors) -> Array:
        """The tensor power ``x^(xl)`` of ``x = vec(F)``.

        Parameters
        ----------
        X : Factors
            With one factor of n rows and `rank` columns.

        Returns
        -------
        array, shape (d, ..., d)

        Raises
        ------
        TooLargeError
            If it would not fit into memory.
        """
        self.refuse_if_too_large()
        return self.power(self.vector(X))

    def power(self, x: Array) -> Array:
        """The tensor power of a vector, shape (d, ..., d)."""
        return reduce(np.multiply.outer, [x] * self.order)

    def drop(self, w: Array) -> tuple[Factors, float]:
        """The best symmetric rank-one fit ``+-x^(xl)`` of a tensor, as ``F F^T``.

        By the symmetric higher-order power method on the symmetrised tensor, from the leading
        vectors of its unfolding and from six fixed random ones at once; the best is kept. The
        sign of x, which even orders lose, does not show in ``F F^T``.

        Parameters
        ----------
        w : array, shape (d, ..., d)
            A tensor, not necessarily symmetric.

        Returns
        -------
        X : Factors
            With x as its factor.
        residual : float
            ``|w - fit| / |w|``, 0 for a tensor of rank one.
        """
        value, v = _best_rank_one(_symmetrised(w))
        # Of an even power the sign stays outside: w and -w have the same loss.
        sign = np.sign(value) if self.order % 2 else 1.0
        x = (sign * np.abs(value) ** (1.0 / self.order)).astype(v.dtype) * v
        size = float(np.linalg.norm(w))
        gap = float(np.linalg.norm(w - value.astype(w.dtype) * self.power(v)))
        factor = x.reshape(-1, self.rank)
        return Factors(factor, factor), gap / size if size > 0 else 0.0

    def refuse_if_too_large(self) -> None:
        """Raise TooLargeError if loss and gradient at a tensor do not fit into memory."""
        d, p, order = self.size, len(self.rows), self.order
        largest = max(p * d ** (2 * (order - 1)), p**order)
        if largest > LIMIT:
            raise TooLargeError(
                f"lifting {d} unknowns to order {order} takes tensors of n^(2 l) = {d}^{2 * order} "
                f"= {float(d) ** (2 * order):.1e} numbers (in reduced form {float(largest):.1e}, "
                f"the limit is {LIMIT:.0e}): lower the order, or use an unlifted solver from a "
                f"small start"
            )

    # --- loss and gradient at a tensor ---

    def residual(self, w: Array) -> Array:
        """``<A^(xl), w w^T> - b^(xl)`` on the reduced rows, shape (p, ..., p)."""
        d, p, rest = self.size, len(self.rows), self.size ** (self.order - 1)
        flat = w.reshape(d, rest)
        half = (self.rows.reshape(p * d, d) @ flat).reshape(p, d, rest)
        pairs = flat.T @ half
        matrix = self.rows.reshape(p, d * d)
        done = p
        while rest > 1:
            rest //= d
            split = pairs.reshape(done, d, rest, d, rest).transpose(0, 2, 4, 1, 3)
            seen = split.reshape(done, rest * rest, d * d) @ matrix.T
            pairs = seen.transpose(0, 2, 1)
            done *= p
        return pairs.reshape((p,) * self.order) - self._target_power()

    def _target_power(self) -> Array:
        return reduce(np.multiply.outer, [self.target] * self.order)

    def _adjoint_times(self, z: Array, w: Array) -> Array:
        """``(A*)^(xl)(z) w``, with the matrix never formed."""
        d, p = self.size, len(self.rows)
        matrix = self.rows.reshape(p, d * d)
        done, rest = p**self.order, 1
        pairs = z.reshape(done, 1, 1)
        while done > p:
            done //= p
            seen = pairs.reshape(done, p, rest * rest).transpose(0, 2, 1) @ matrix
            split = seen.reshape(done, rest, rest, d, d).transpose(0, 3, 1, 4, 2)
            rest *= d
            pairs = split.reshape(done, rest, rest)
        inner = (pairs @ w.reshape(d, rest).T).transpose(0, 2, 1)
        out = self.rows.transpose(1, 0, 2).reshape(d, p * d) @ inner.reshape(p * d, rest)
        return out.reshape(w.shape)

    def evaluate(self, w: Array) -> tuple[float, Array]:
        """Lifted loss and its gradient.

        Parameters
        ----------
        w : array, shape (d, ..., d)
            A tensor.

        Returns
        -------
        value : float
        gradient : array, shape (d, ..., d)

        Raises
        ------
        TooLargeError
            If this does not fit into memory.
        """
        self.refuse_if_too_large()
        z = self.residual(w)
        return self._value(z), self._adjoint_times(z, w)

    def objective(self, w: Array) -> float:
        """Lifted loss at a tensor.

        Parameters
        ----------
        w : array, shape (d, ..., d)
            A tensor.

        Raises
        ------
        TooLargeError
            If this does not fit into memory.
        """
        self.refuse_if_too_large()
        return self._value(self.residual(w))

    def _value(self, z: Array) -> float:
        return 0.25 * (float(np.sum(z * z, dtype=float)) + self._excess())

    def _excess(self) -> float:
        """``|b|^2l - |target|^2l``, the part of the lifted data that nothing fits."""
        fitted = float(np.sum(self.target.astype(float) ** 2))
        if fitted == 0.0:
            return self.excess**self.order
        grown = np.expm1(self.order * np.log1p(self.excess / fitted))
        return float(fitted**self.order * grown)

    # --- at lifted points ---

    def matrices(self, X: Factors) -> tuple[Array, Array, Array]:
        """P, N and C at ``x = vec(F)``, each of shape (d, d).

        Parameters
        ----------
        X : Factors
            With one factor of n rows and `rank` columns.
        """
        x = self.vector(X)
        images = self.rows @ x
        return (
            images.T @ images,
            np.tensordot(images @ x, self.rows, 1),
            np.tensordot(self.target, self.rows, 1),
        )

    def objective_at(self, X: Factors) -> float:
        """Lifted loss at ``x^(xl)``, for any order: no tensor is formed and no digit lost.

        Parameters
        ----------
        X : Factors
            With one factor of n rows and `rank` columns.
        """
        x, b, order = self.vector(X).astype(float), self.target.astype(float), self.order
        a = self.rows.astype(float) @ x @ x
        sizes = np.linalg.norm(a), np.linalg.norm(b)
        if min(sizes) == 0.0:
            return float(0.25 * (max(sizes) ** (2 * order) + self._excess()))
        # |a^l - b^l|^2 = (|a|^l - |b|^l)^2 + 2 |a|^l |b|^l (1 - cos^l), each without cancellation.
        ratio = 0.5 * np.log1p(np.sum((a - b) * (a + b)) / sizes[1] ** 2)
        lengths = sizes[1] ** order * np.expm1(order * ratio)
        chord = 0.5 * np.sum((a / sizes[0] - b / sizes[1]) ** 2)
        turned = -np.expm1(order * np.log1p(-chord)) if chord < 1 else 1 - (1 - chord) ** order
        square = lengths**2 + 2 * (sizes[0] * sizes[1]) ** order * turned
        return float(0.25 * (square + self._excess()))

    def gradient_at(self, X: Factors) -> Array:
        """Gradient at ``x^(xl)``: ``(N x)^(xl) - (C x)^(xl)``.

        Parameters
        ----------
        X : Factors
            With one factor of n rows and `rank` columns.

        Returns
        -------
        array, shape (d, ..., d)
        """
        x = self.vector(X)
        _, N, C = self.matrices(X)
        residual = self.rows @ x @ x - self.target
        u, v, gap = N @ x, C @ x, np.tensordot(residual, self.rows @ x, 1)
        # u^l - v^l = sum_k u^k (u - v) v^(l-1-k), with u - v from the residual.
        terms = (
            reduce(np.multiply.outer, [u] * k + [gap] + [v] * (self.order - 1 - k))
            for k in range(self.order)
        )
        return sum(terms, np.zeros(self.shape, self.rows.dtype))

    def hessian_product(self, X: Factors, v: Array) -> Array:
        """Hessian at ``x^(xl)`` times a tensor: ``(2 P^(xl) + N^(xl) - C^(xl)) v``.

        Parameters
        ----------
        X : Factors
            With one factor of n rows and `rank` columns.
        v : array, shape (d, ..., d)
            A tensor.

        Returns
        -------
        array, shape (d, ..., d)
        """
        P, N, C = self.matrices(X)
        return 2 * _modewise(P, v) + _modewise(N, v) - _modewise(C, v)

    def smallest_eigenvalue(self, X: Factors) -> float:
        """Smallest eigenvalue of the Hessian at ``x^(xl)``; negative at a strict saddle.

        Dense for d^order up to 1500, above that by Lanczos iteration with products along the
        indices.

        Parameters
        ----------
        X : Factors
            With one factor of n rows and `rank` columns.

        Raises
        ------
        TooLargeError
            If tensors of d^order numbers do not fit into memory.
        """
        total = self.size**self.order
        if total > LIMIT:
            raise TooLargeError(
                f"a tensor of order {self.order} over {self.size} unknowns holds {total:.1e} "
                f"numbers, the limit is {LIMIT:.0e}; strict_saddle_order needs no tensors"
            )
        P, N, C = (matrix.astype(float) for matrix in self.matrices(X))
        if total <= DENSE:
            powers = [reduce(np.kron, [matrix] * self.order) for matrix in (P, N, C)]
            return float(np.linalg.eigvalsh(2 * powers[0] + powers[1] - powers[2])[0])
        from scipy.sparse.linalg import LinearOperator, eigsh

        def product(v: Array) -> Array:
            v = v.reshape(self.shape)
            return (2 * _modewise(P, v) + _modewise(N, v) - _modewise(C, v)).ravel()

        linear = LinearOperator((total, total), matvec=product, dtype=float)
        start = stream(0, "lanczos").standard_normal(total)
        return float(eigsh(linear, 1, which="SA", v0=start, return_eigenvectors=False)[0])

    def curvature(self, X: Factors, u: Array) -> float:
        """Second derivative of the lifted loss at ``x^(xl)`` along ``u^(xl)``.

        ``2 (u^T P u)^l + (u^T N u)^l - (u^T C u)^l``: negative certifies that a stationary
        point is a strict saddle, and needs no tensor.

        Parameters
        ----------
        X : Factors
            With one factor of n rows and `rank` columns.
        u : array, shape (d,)
            The direction.
        """
        p, q, c = (float(u @ matrix @ u) for matrix in self.matrices(X))
        return 2 * p**self.order + q**self.order - c**self.order


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


def why_not(problem: Problem) -> str | None:
    """Why a problem cannot be lifted, as a sentence without its subject; None if it can."""
    if not problem.symmetric:
        return "takes symmetric problems only"
    if not isinstance(problem.loss, Squared):
        return f"needs the loss Squared, got {type(problem.loss).__name__}"
    if problem.dtype.kind == "c":
        return f"takes real problems only, this one is {problem.dtype}"
    if problem.nuclear:
        return "has no term for a nuclear-norm weight; set nuclear=0"
    return None


def _reduced(problem: Problem) -> tuple[Array, Array, float]:
    """Rows B_k, data on them, and the squared norm of the data outside the range of A.

    An orthonormal basis of the range keeps both ``A* A`` and the distance to the data, for A as
    for its powers.
    """
    n = problem.shape[0]
    matrix: Any = matrix_of(problem.operator)
    dense = np.asarray(matrix.toarray() if hasattr(matrix, "toarray") else matrix, dtype=float)
    dense = dense.reshape(-1, n, n)
    i, j = np.tril_indices(n)
    # Symmetric matrices as vectors, whose inner product is theirs.
    weight = np.where(i == j, 1.0, np.sqrt(2.0))
    half = 0.5 * (dense[:, i, j] + dense[:, j, i]) * weight
    u, s, vh = np.linalg.svd(half, full_matrices=False)
    kept = s > np.finfo(float).eps * max(half.shape) * s[0]
    u, data = u[:, kept], problem.data.astype(float)
    rows = np.zeros((int(kept.sum()), n, n))
    rows[:, i, j] = rows[:, j, i] = s[kept, None] * vh[kept] / weight
    target = u.T @ data
    outside = data - u @ target
    outside -= u @ (u.T @ outside)
    square = float(outside @ outside)
    # What is left of data within the range is rounding.
    floor = (np.finfo(problem.dtype).eps * len(data)) ** 2 * float(data @ data)
    return rows, target, square if square > floor else 0.0


def _modewise(matrix: Array, v: Array) -> Array:
    """The matrix applied along every index."""
    for _ in range(v.ndim):
        # Contracts the first index and puts it last: after all of them, the old order.
        v = np.tensordot(v, matrix, axes=(0, 1))
    return v


def _symmetrised(w: Array) -> Array:
    """Mean over all orders of the indices, one more index at a time."""
    for k in range(1, w.ndim):
        w = (w + sum(np.swapaxes(w, j, k) for j in range(k))) / w.dtype.type(k + 1)
    return w


def _best_rank_one(w: Array) -> tuple[Any, Array]:
    """Value and unit vector of the best ``value v^(xl)`` for a symmetric tensor."""
    d, order = w.shape[0], w.ndim
    size = np.linalg.norm(w)
    if not np.isfinite(size) or size == 0.0:
        return size, np.eye(d, dtype=w.dtype)[0]
    if order == 1:
        return size, w / size
    if order == 2:
        values, vectors = np.linalg.eigh(w)
        top = int(np.argmax(np.abs(values)))
        return values[top], vectors[:, top]
    # Powers of tiny numbers would underflow.
    flat = (w / size).reshape(d, -1)
    leading = np.linalg.eigh(flat @ flat.T)[1][:, ::-1][:, : min(d, 3)]
    draws = stream(0, "drop").standard_normal((d, 6)).astype(w.dtype)
    V = np.hstack([leading, draws / np.linalg.norm(draws, axis=0)])
    best, vector = w.dtype.type(0), V[:, 0]
    eps = np.finfo(w.dtype).eps
    for sweep in range(2 * SWEEPS):
        if sweep == SWEEPS:
            # The plain iteration may cycle; with this shift the value cannot fall.
            V = vector[:, None]
        powers = V
        for _ in range(order - 2):
            powers = (powers[:, None, :] * V).reshape(-1, V.shape[1])
        images = flat @ powers
        values = np.sum(V * images, axis=0)
        top = int(np.argmax(np.abs(values)))
        moved = np.linalg.norm(images[:, top] - values[top] * V[:, top])
        # The value tells v to half of the digits only: among equals the later is better.
        if np.abs(values[top]) >= np.abs(best) * (1 - 64 * eps):
            best, vector = values[top], V[:, top]
        if moved <= 4 * eps * np.abs(values[top]):
            break
        if sweep >= SWEEPS:
            images = images * np.sign(values) + (order - 1) * np.abs(values) * V
        norms = np.linalg.norm(images, axis=0)
        V = images / np.where(norms > 0, norms, 1)
    return best * size, vector


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
