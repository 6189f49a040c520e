"""The lifted problem: its loss and derivatives at tensors and at lifted points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

from .. import _check
from .._random import stream
from .._typing import Array
from ..errors import IncompatibleError, InvalidInputError, TooLargeError
from ..factors import Factors
from ..problem import Problem
from ._reduction import reduced, why_not
from ._tensors import adjoint_times, best_rank_one, measured, modewise, symmetrised

# Numbers in the largest tensor that is formed; a few of that size are alive at a time.
LIMIT = 5 * 10**7
# Largest Hessian that is formed; above that Lanczos.
DENSE = 1500


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
        rows, target, excess = reduced(problem)
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
        value, v = best_rank_one(symmetrised(w))
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
        return measured(self.rows, w, self.order) - self._target_power()

    def _target_power(self) -> Array:
        return reduce(np.multiply.outer, [self.target] * self.order)

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
        return self._value(z), adjoint_times(self.rows, z, w, self.order)

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
        return 2 * modewise(P, v) + modewise(N, v) - modewise(C, v)

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
            return (2 * modewise(P, v) + modewise(N, v) - modewise(C, v)).ravel()

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
