"""The weights of the smoothed log-determinant, and least squares under them through single entries.

With ``X = U diag(s) V^H`` and a smoothing eps the weight operator is

    W(Z) = (U diag(1/t) U^H) Z (V diag(1/t) V^H),  t_i = max(s_i, eps),

so that W^{-1} is eps^2 times the identity but on the tangent space T of the k singular triplets
with s_i > eps. For entries, A A* = I, and the minimiser of <Z, W(Z)> under A(Z) = y is

    Z = G + A*(y - A(G)),  (P_T A* A P_T + eps^2 (W_T^{-1} - eps^2)^{-1}) G = P_T A*(y),

with G in T: of rank 2 k, plus a sparse matrix. Neither is ever formed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._random import stream
from .._typing import Array
from ..factors import Factors
from ..initial._krylov import block_size, leading_triplets
from ..initial._spectral import ROOM, gaussian
from ..kernels.tangent import block_products, inverse_blocks
from ..operators import HasGaussNewton, HasNormalProduct, MeasurementOperator
from ..operators._protocol import offers
from ._tangent import Tangent

# Relative residual of squared singular values. The smoothing needs no more, and singular vectors
# that a gap separates come out far more accurate.
ACCURACY = 0.01
# Shares of a block's largest entry below which Cholesky takes a direction as not determined.
FLOOR = 16.0


@dataclass(frozen=True, eq=False)
class Completed:
    """A matrix of low rank plus a sparse one, ``left right^H + A*(entries)``."""

    operator: MeasurementOperator
    low: Factors
    entries: Array

    @classmethod
    def of(cls, operator: MeasurementOperator, low: Factors, data: Array) -> Completed:
        """The matrix nearest to one of low rank among those that have the data."""
        return cls(operator, low, data - operator.forward(low) if low.rank else data)

    def leading(self, k: int, block: Array) -> tuple[Array, Array, Array]:
        """The leading k singular triplets, at most min(n1, n2).

        Parameters
        ----------
        k : int
        block : array, shape (n2, b)
            Right singular vectors of a matrix close by, as far as known.

        Returns
        -------
        u : array, shape (n1, k), s : array, shape (k,), v : array, shape (n2, k)
        """
        operator: Any = self.operator
        n1, n2 = operator.shape
        L, R = self.low.left, self.low.right
        dtype = np.result_type(L, self.entries)
        if hasattr(operator, "prepared_product"):
            prepared = operator.prepare(self.entries)

        def product(v: Array, side: str) -> Array:
            v = np.ascontiguousarray(v, dtype)
            if hasattr(operator, "prepared_product"):
                return operator.prepared_product(prepared, v, side=side)  # type: ignore[no-any-return]
            if side == "left":
                return operator.adjoint_right(self.entries, v)  # type: ignore[no-any-return]
            return operator.adjoint_left(self.entries, v)  # type: ignore[no-any-return]

        def right(v: Array) -> Array:
            return product(v, "left") + L @ (R.conj().T @ v)

        def left(u: Array) -> Array:
            return product(u, "right") + R @ (L.conj().T @ u)

        width = block_size(k)
        if ROOM * width > min(n1, n2):
            dense = right(np.eye(n2, dtype=dtype))
            u, s, vh = np.linalg.svd(dense, full_matrices=False)
            return u[:, :k], s[:k], vh[:k].conj().T
        known = block[:, :width]
        spare = gaussian(stream(0, "spare vectors"), (n2, width - known.shape[1]), dtype)
        _, _, v = leading_triplets(right, left, np.hstack([known, spare]), k, ACCURACY)
        # What is small beside s_1 is lost in squares: once more, without squaring.
        q, _ = np.linalg.qr(right(v))
        v, s, bh = np.linalg.svd(left(q), full_matrices=False)
        return q @ bh.conj().T, s, v


class Reweighted:
    """Least squares under the weights of k singular triplets, and of eps for all others."""

    def __init__(
        self, operator: MeasurementOperator, u: Array, s: Array, v: Array, eps: float
    ) -> None:
        self.operator, self.s, self.eps = operator, s, s.dtype.type(eps)
        self.at = Factors(np.ascontiguousarray(u), np.ascontiguousarray(v))
        # eps^2 / (s_i s_j - eps^2), and eps^2 / (s_i eps - eps^2) beside the core.
        ratio = s / self.eps
        self.across = 1 / (np.outer(ratio, ratio) - 1)
        self.along = 1 / (ratio - 1)
        self._blocks: tuple[Array, Array] | None = None
        if offers(operator, HasGaussNewton):
            blocked: Any = operator
            floor = FLOOR * s.size * float(np.finfo(s.dtype).eps)
            self._blocks = (
                blocked.normal_blocks(self.at.right, side="left"),
                blocked.normal_blocks(self.at.left, side="right"),
            )
            for block in self._blocks:
                inverse_blocks(0, len(block), block, self.along, floor, block)

    def project(self, right: Array, left: Array) -> Tangent:
        """The projection of a matrix Z onto T, from ``Z V`` and ``Z^H U``."""
        u, v = self.at.left, self.at.right
        core = u.conj().T @ right
        return Tangent(core, right - u @ core, left - v @ core.conj().T)

    def moves(self, g: Tangent) -> Factors:
        """The directions (dL, dR) of the factors (U, V) that make it."""
        return Factors(self.at.left @ g.core + g.left, g.right)

    def matrix(self, g: Tangent) -> Factors:
        """The matrix, as factors of twice the rank."""
        D = self.moves(g)
        return Factors(np.hstack([D.left, self.at.left]), np.hstack([self.at.right, D.right]))

    def pulled(self, z: Array) -> Tangent:
        """``P_T A*(z)``."""
        operator, X = self.operator, self.at
        return self.project(operator.adjoint_right(z, X.right), operator.adjoint_left(z, X.left))

    def weighed(self, g: Tangent) -> Tangent:
        """The second term of the system."""
        return Tangent(self.across * g.core, self.along * g.left, self.along * g.right)

    def system(self, g: Tangent) -> Tangent:
        """The matrix of the linear system times g."""
        operator: Any = self.operator
        if offers(operator, HasNormalProduct):
            image = self.project(*operator.normal_product(self.at, self.moves(g)))
        else:
            image = self.pulled(operator.forward(self.matrix(g)))
        return image.plus(1.0, self.weighed(g))

    def precondition(self, g: Tangent) -> Tangent:
        """The row blocks of the system in (dL, dR), inverted; where there are none, its mean."""
        p = self.s.dtype.type(self.operator.isometry)
        if self._blocks is None:
            along = p + self.along
            return Tangent(g.core / (p + self.across), g.left / along, g.right / along)
        u, v = self.at.left, self.at.right
        parts = u @ g.core + g.left, v @ g.core.conj().T + g.right
        outs = tuple(np.empty_like(part) for part in parts)
        for block, part, out in zip(self._blocks, parts, outs, strict=True):
            block_products(0, len(block), block, np.ascontiguousarray(part), out)
        cores = u.conj().T @ outs[0], v.conj().T @ outs[1]
        core = cores[0] + cores[1].conj().T
        return Tangent(core, outs[0] - u @ cores[0], outs[1] - v @ cores[1])

    def solve(self, data: Array, tol: float, limit: int) -> tuple[Completed, int]:
        """The minimiser among the matrices that have the data, and the inner iterations.

        Conjugate gradients from what solves the system if the minimiser is the last iterate,
        until the preconditioned residual is `tol` times that at the start.
        """
        u, v = self.at.left, self.at.right
        last = np.diag(self.s - self.eps * (self.eps / self.s)).astype(u.dtype)
        g = Tangent(last, np.zeros_like(u), np.zeros_like(v))
        rest = self.pulled(data - self.operator.forward(self.matrix(g))).plus(-1.0, self.weighed(g))
        d = z = self.precondition(rest)
        gamma = rest.inner(z)
        # What is left cannot fall below the rounding of the right-hand side.
        whole = self.pulled(data)
        rounding = float(np.finfo(self.s.dtype).eps) ** 2 * whole.inner(self.precondition(whole))
        enough = max(tol * tol * gamma, rounding)
        done = 0
        while done < limit and gamma > enough:
            image = self.system(d)
            curvature = d.inner(image)
            if not curvature > 0:
                break
            g, rest = g.plus(gamma / curvature, d), rest.plus(-gamma / curvature, image)
            z = self.precondition(rest)
            new = rest.inner(z)
            d, gamma, done = z.plus(new / gamma, d), new, done + 1
        return Completed.of(self.operator, self.matrix(g), data), done
