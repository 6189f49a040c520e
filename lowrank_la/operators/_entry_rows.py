"""Least squares for all rows of one factor from single entries, the other one fixed."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..kernels import entries, row_steps, rows, sketched, wide
from ..losses import Squared
from ._layout import Layout, same_dtype

# Of the data's squares, in square roots of the rounding unit: where squared residuals sum to less,
# they are formed, and not what moments leave of them.
CANCELLED = 64.0


class EntryRows:
    """Exact, kept and inexact solves: the abilities `HasRowSolve` and `HasRowSteps`."""

    size: int
    _by_row: Layout
    _by_column: Layout

    def row_solve(
        self, prepared: tuple[Array, Array], fixed: Array, ridge: float | Array, *, side: str
    ) -> Array:
        """Exact ridge least squares for every row of one factor, the other one fixed.

        Parameters
        ----------
        prepared : tuple of array
            What `prepare` returned for the data.
        fixed : array, shape (n2, r) for side "left", (n1, r) for side "right"
            The factor that stays.
        ridge : float or array
            Weight of the squared norm of each row, against the sum of squared residuals.
        side : {"left", "right"}
            The factor that is solved for.

        Returns
        -------
        array, shape (n1, r) or (n2, r)
            The minimiser; coefficients that a row's entries do not determine are zero.
        """
        layout, data = (
            (self._by_row, prepared[0]) if side == "left" else (self._by_column, prepared[1])
        )
        n, rank = layout.indptr.size - 1, fixed.shape[1]
        fixed = np.ascontiguousarray(fixed)
        weights = np.ascontiguousarray(np.broadcast_to(ridge, n), fixed.real.dtype)
        out = np.empty((n, rank), fixed.dtype)
        args = (layout.indptr, layout.indices, data.astype(fixed.dtype, copy=False), weights, out)
        fast = wide.solver_of(rank, fixed.dtype)
        if fast is None:
            layout.run(rows.ridge_rows, rank * rank, fixed, *args)
        else:
            kernel, size = fast
            layout.run(kernel, rank * rank // 4, *size, wide.padded(fixed), *args)
        return out

    def row_steps(
        self,
        X: Factors,
        prepared: tuple[Array, Array],
        ridge: float | Array,
        *,
        side: str,
        kept: Array | None = None,
    ) -> tuple[float, Array, Array, Array | None]:
        """Loss at X, its slope in one factor, and the step to the least squares solution there.

        Parameters
        ----------
        X : Factors
            The point.
        prepared : tuple of array
            What `prepare` returned for the data.
        ridge : float or array
            Weight of the squared norm of each row, against the sum of squared residuals.
        side : {"left", "right"}
            The factor that the step is for; the other one stays.
        kept : array, optional
            What an earlier call returned, for rows with the same entries: its normal matrices
            are used again, which leaves a quarter to a half of the time.

        Returns
        -------
        loss : float
            Half the sum of squared residuals, without the ridge.
        slope, step : array, shape (n1, r) or (n2, r)
            The slope with the ridge. Along what the entries of a row do not determine its step
            is zero.
        kept : array or None
            The normal matrices, factored; None where they cannot be used again.
        """
        left, right = same_dtype(X.left, X.right)
        layout, data, mine, other = (
            (self._by_row, prepared[0], left, right)
            if side == "left"
            else (self._by_column, prepared[1], right, left)
        )
        (n, rank), dtype = mine.shape, mine.dtype
        data = data.astype(dtype, copy=False)
        weights = np.ascontiguousarray(np.broadcast_to(ridge, n), mine.real.dtype)
        slope = np.empty((n, rank), dtype)
        size = row_steps.size_of(rank, dtype)
        # A subclass may solve in its own way.
        if size is None or type(self).row_solve is not EntryRows.row_solve:
            plain = (mine, other, layout.indptr, layout.indices, data, Squared.code, 0.0, slope)
            sums = layout.run(entries.loss_sums, 2 * rank, *plain)
            solution = self.row_solve(prepared, other, weights, side=side)
            return float(sum(sums)), slope + weights[:, None] * mine, solution - mine, None
        step = np.empty((n, rank), dtype)
        entries_ = (layout.indptr, layout.indices, data, weights)
        padded = wide.padded(other)
        if kept is None:
            kept = np.empty(row_steps.kept_size(n, rank), dtype)
            outs = (kept, slope, step)
            found = layout.run(
                row_steps.row_steps_anew, rank * rank // 4, size, mine, padded, *entries_, *outs
            )
            loss, whole = (float(sum(part)) for part in zip(*found, strict=True))
            if loss > CANCELLED * float(np.finfo(dtype).eps) ** 0.5 * whole:
                return loss, slope, step, kept
        lanes = (0,) * -(-rank // wide.BLOCK)
        again = (lanes, wide.padded(mine), padded, *entries_, kept, slope, step)
        losses = layout.run(row_steps.row_steps_again, 2 * rank, *again)
        return float(sum(losses)), slope, step, kept

    def row_solve_inexact(
        self,
        prepared: tuple[Array, Array],
        fixed: Array,
        start: Array,
        *,
        side: str,
        sketch: str,
        size: int,
        damping: float,
        tol: float,
        forcing: float,
        limit: int,
        rng: np.random.Generator,
    ) -> tuple[Array, Array]:
        """Least squares for every row of one factor by sketched, preconditioned iterations.

        Parameters
        ----------
        prepared : tuple of array
            What `prepare` returned for the data.
        fixed : array, shape (n2, r) for side "left", (n1, r) for side "right"
            The factor that stays.
        start : array, shape (n1, r) or (n2, r)
            The rows to begin at.
        side : {"left", "right"}
            The factor that is solved for.
        sketch : {"srht", "leverage"}
            Signs, Walsh-Hadamard transform and even sampling, or sampling by squared norms.
        size : int
            Rows of a sketch; rows of the factor with no more entries are solved exactly.
        damping : float
            Weight of the squared distance to `start`.
        tol, forcing : float
            End when the preconditioned gradient is below `tol` times that at zero, or below
            `forcing` times that at `start`.
        limit : int
            Iterations after which a row is solved exactly instead.
        rng : Generator
            Source of the sketch, which all rows share.

        Returns
        -------
        rows : array, shape (n1, r) or (n2, r)
        counts : array of int, shape (n1,) or (n2,)
            Iterations of each row; -1 where it was solved exactly.
        """
        layout, data = (
            (self._by_row, prepared[0]) if side == "left" else (self._by_column, prepared[1])
        )
        longest = int(np.diff(layout.indptr).max(initial=1))
        signs = rng.integers(0, 2, 1 << (longest - 1).bit_length()) * 2.0 - 1.0
        fixed = np.ascontiguousarray(fixed)
        out = np.empty((layout.indptr.size - 1, fixed.shape[1]), fixed.dtype)
        counts = np.empty(layout.indptr.size - 1, np.int64)
        layout.run(
            sketched.sketched_rows,
            8 * fixed.shape[1],
            fixed,
            layout.indptr,
            layout.indices,
            data.astype(fixed.dtype, copy=False),
            np.ascontiguousarray(start, fixed.dtype),
            signs.astype(fixed.real.dtype),
            np.sort(rng.random(size)),
            sketch == "leverage",
            damping,
            tol,
            forcing,
            limit,
            counts,
            out,
        )
        return out, counts
