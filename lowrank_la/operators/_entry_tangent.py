"""What Gauss-Newton asks of single entries: products, blocks and solutions of `J* A* A J`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..kernels import _chunks, tangent, wide
from ._layout import Layout, fitting, one_dtype, same_dtype


class EntryTangents:
    """Products along the tangent directions of the factors, none of which is stored."""

    size: int
    _by_row: Layout
    _by_column: Layout

    def normal_product(self, X: Factors, D: Factors) -> tuple[Array, Array]:
        """``A*(t) R`` and ``A*(t)^H L`` with ``t = A(dL R^H + L dR^H)``; t is never stored."""
        X, D = one_dtype(X, D)
        outs = []
        for layout, mine, others in (
            (self._by_row, (D.left, X.left), (X.right, D.right)),
            (self._by_column, (D.right, X.right), (X.left, D.left)),
        ):
            out = np.empty((mine[0].shape[0], X.rank), X.dtype)
            kernel, lanes, (rows_, pairs) = fitting(
                tangent.tangent_sums, tangent.wide_tangent_sums, mine, others
            )
            args = (rows_, pairs, layout.indptr, layout.indices, out)
            layout.run(kernel, 3 * X.rank, *lanes, *args)
            outs.append(out)
        return outs[0], outs[1]

    def line_sums(self, X: Factors, D: Factors, prepared: Any) -> Array:
        """Inner products of the parts of the residual along a line, in one pass, shape (6,).

        Parameters
        ----------
        X, D : Factors
            The point (L, R) and the direction (dL, dR).
        prepared : tuple
            What `prepare` returned for the data.

        Returns
        -------
        array, shape (6,)
            e.e, e.a1, e.a2, a1.a1, a1.a2, a2.a2, where the residual at ``(L + t dL, R + t dR)``
            is ``e + t a1 + t^2 a2``.
        """
        X, D = one_dtype(X, D)
        kernel, lanes, (mine, pairs) = fitting(
            tangent.line_sums, tangent.wide_line_sums, (D.left, X.left), (X.right, D.right)
        )
        layout, data = self._by_row, prepared[0].astype(mine.dtype, copy=False)
        args = (mine, pairs, layout.indptr, layout.indices, data)
        sums = layout.run(kernel, 4 * X.rank, *lanes, *args)
        return np.sum(np.array(sums, float), axis=0)  # type: ignore[no-any-return]

    def normal_blocks(self, fixed: Array, *, side: str, lines: slice | None = None) -> Array:
        """Sums of ``v v^H`` over the entries of each row, v the rows of the other factor.

        Parameters
        ----------
        fixed : array, shape (n2, r) for side "left", (n1, r) for side "right"
            The other factor.
        side : {"left", "right"}
            The factor whose rows the blocks are for.
        lines : slice, optional
            Only these rows or columns, in order.

        Returns
        -------
        array, shape (n1, r, r) or (n2, r, r)
        """
        layout = self._by_row if side == "left" else self._by_column
        if lines is not None:
            start, stop, _ = lines.indices(layout.indptr.size - 1)
            ends = layout.indptr[start : max(start, stop) + 1]
            layout = replace(layout, indptr=ends, cuts=np.array([0, ends.size - 1]))
        fixed = np.ascontiguousarray(fixed)
        rank = fixed.shape[1]
        out = np.empty((layout.indptr.size - 1, rank, rank), fixed.dtype)
        size = wide.blocks_of(rank, fixed.dtype)
        args = (layout.indptr, layout.indices, out)
        if size is None:
            layout.run(tangent.normal_blocks, rank * rank, fixed, *args)
        else:
            other = wide.padded(fixed)
            layout.run(wide.wide_normal_blocks, rank * rank // 4, size, other, *args)
        return out

    def normal_solve(
        self,
        X: Factors,
        gradient: tuple[Array, Array],
        shift: Array,
        inverses: tuple[Array, Array],
        tol: float,
        limit: int,
    ) -> tuple[Array, Array, int, float] | None:
        """Conjugate gradients on ``(J* A* A J + diag(shift)) d = -gradient``, from zero.

        Parameters
        ----------
        X : Factors
            The point.
        gradient : tuple of array, shapes (n1, r) and (n2, r)
            The right-hand side, negated.
        shift : array, shape (r,)
            Added to the diagonal, by column of the factors.
        inverses : tuple of array, shapes (n1, r, r) and (n2, r, r)
            Hermitian blocks of the preconditioner.
        tol : float
            Ends when the residual in the norm of the preconditioner is this share of the first.
        limit : int
            Largest number of iterations.

        Returns
        -------
        left, right : array
            The solution.
        count : int
            Number of iterations.
        share : float
            Share of the residual that is left.
        Or None for problems whose single products are worth more than one thread.
        """
        if 6 * X.rank * self.size > _chunks.SERIAL_WORK:
            return None
        left, right = same_dtype(X.left, X.right)
        outs = np.empty_like(left), np.empty_like(right)
        rows_, columns = self._by_row, self._by_column
        count, share = tangent.tangent_cg(
            wide.lanes_of(X.rank, left.dtype),
            left,
            right,
            rows_.indptr,
            rows_.indices,
            columns.indptr,
            columns.indices,
            shift,
            *inverses,
            -gradient[0],
            -gradient[1],
            float(tol),
            int(limit),
            *outs,
        )
        return (*outs, int(count), float(share))
