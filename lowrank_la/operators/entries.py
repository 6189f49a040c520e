"""Sampling of single entries: matrix completion."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _check
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors, check_positions
from ..kernels import _chunks, entries, row_steps, rows, sketched, sorting, tangent, wide
from ..losses import Loss, Squared

__all__ = ["EntrySampling"]

# So many empty rows are a mistake that is best found before memory is taken for them.
MANY = 1_000_000
# Of the data's squares, in square roots of the rounding unit: where squared residuals sum to less,
# they are formed, and not what moments leave of them.
CANCELLED = 64.0


@dataclass(frozen=True)
class _Layout:
    """Observed entries sorted by row (or by column), and where each came from."""

    indptr: Array
    indices: Array
    order: Array | None  # position in the user's order of each stored entry; None if the same
    cuts: Array

    def take(self, values: Array) -> Array:
        """`values`, given in the user's order, in the order of this layout."""
        return np.ascontiguousarray(values if self.order is None else values[self.order])

    def run(self, kernel: Any, flops: int, *args: Any) -> list[Any]:
        return _chunks.run(kernel, self.cuts, float(flops) * self.indices.size, *args)


def _layouts(rows_: Array, cols_: Array, shape: Any) -> tuple[_Layout, _Layout]:
    """Both layouts: each is a stable sort of what is in the order of the other index."""
    row_ends, column_ends = (np.empty(n + 1, np.int64) for n in shape)
    by_rows = sorting.counted(rows_, cols_, row_ends)
    by_columns = sorting.counted(cols_, rows_, column_ends)
    before = None
    if by_rows < 2 and by_columns < 1:
        before = _placed(cols_, rows_, column_ends, None)[0]
    if by_rows == 2:
        row_order, row_minors = None, cols_.astype(np.uint32)
    else:
        row_order, row_minors = _placed(rows_, cols_, row_ends, before)
    if by_columns == 2:
        column_order, column_minors = None, rows_.astype(np.uint32)
    else:
        column_order, column_minors = _placed(cols_, rows_, column_ends, row_order)
    return (
        _Layout(row_ends, row_minors, row_order, _chunks.borders(row_ends)),
        _Layout(column_ends, column_minors, column_order, _chunks.borders(column_ends)),
    )


def _placed(
    keys: Array, others: Array, ends: Array, before: Array | None
) -> tuple[Array | None, Array]:
    order, minors = np.empty(keys.size, np.int64), np.empty(keys.size, np.uint32)
    given = np.empty(0, np.int64) if before is None else before
    sorting.placed(keys, others, given, ends[:-1].copy(), order, minors)
    return order, minors


class EntrySampling:
    """The observed entries of a matrix: ``A(X)_k = X[i[k], j[k]]``.

    Stored in row-sorted and in column-sorted order, so that both adjoints are loops over
    rows without races. Measurements keep the order in which the positions were given.

    Parameters
    ----------
    i, j : array of int, shape (m,)
        Row and column of each observed entry, starting at 0.
    shape : tuple of int
        Shape (n1, n2) of the matrix.
    empty : {"raise", "allow"}
        What to do about rows or columns without any entry. Without a ridge or a nuclear-norm
        weight nothing determines them.

    Attributes
    ----------
    isometry : float
        Share of entries that are observed, m / (n1 n2).
    row_counts, column_counts : array of int
        Number of observed entries in each row and column.

    Raises
    ------
    InvalidInputError
        For an index outside the shape, a position listed twice, or an empty row or column.
    """

    dtype = None

    def __init__(self, i: Any, j: Any, shape: Any, *, empty: str = "raise") -> None:
        self.shape = _check.shape_of(shape)
        rows_, cols_ = check_positions(i, j, self.shape)
        if rows_.size == 0:
            raise InvalidInputError("no entry is observed; give at least one")
        if max(self.shape) > np.iinfo(np.int32).max:
            raise InvalidInputError(f"shape {self.shape} is larger than 32-bit indices allow")
        self.size = int(rows_.size)
        if empty == "raise" and max(self.shape) > self.size + MANY:
            raise InvalidInputError(
                f"{self.size} entries cannot reach all rows and columns of a {self.shape[0]} x "
                f"{self.shape[1]} matrix; are the indices labels that should be numbered first?"
            )
        self._by_row, self._by_column = _layouts(
            np.ascontiguousarray(rows_), np.ascontiguousarray(cols_), self.shape
        )
        self._refuse_duplicates(rows_, cols_)
        if empty not in ("raise", "allow"):
            raise InvalidInputError(f"empty must be 'raise' or 'allow', got {empty!r}")
        if empty == "raise":
            self._refuse_empty()
        self.isometry = self.size / (self.shape[0] * self.shape[1])

    @property
    def row_counts(self) -> Array:
        """Number of observed entries in each row."""
        return np.diff(self._by_row.indptr)

    @property
    def column_counts(self) -> Array:
        """Number of observed entries in each column."""
        return np.diff(self._by_column.indptr)

    @property
    def positions(self) -> tuple[Array, Array]:
        """Rows and columns of the entries, in the order in which they were given."""
        rows_ = np.repeat(np.arange(self.shape[0]), self.row_counts)
        cols_ = self._by_row.indices.astype(np.int64)
        if self._by_row.order is None:
            return rows_, cols_
        out = np.empty_like(rows_), np.empty_like(cols_)
        out[0][self._by_row.order], out[1][self._by_row.order] = rows_, cols_
        return out

    def _refuse_duplicates(self, i: Array, j: Array) -> None:
        layout = self._by_row
        first = np.zeros(self.size, dtype=bool)
        first[layout.indptr[:-1][self.row_counts > 0]] = True
        same = np.flatnonzero(~first[1:] & (layout.indices[1:] == layout.indices[:-1])) + 1
        if same.size:
            where = same if layout.order is None else layout.order[same]
            k = int(where.min())
            raise InvalidInputError(
                f"{same.size} position{'s' if same.size > 1 else ''} listed more than once, "
                f"for example ({i[k]}, {j[k]}); to average the values use "
                f"lowrank_la.observed(i, j, values, shape, duplicates='mean')"
            )

    def _refuse_empty(self) -> None:
        for counts, name in ((self.row_counts, "row"), (self.column_counts, "column")):
            bare = np.flatnonzero(counts == 0)
            if bare.size:
                some = ", ".join(str(v) for v in bare[:5]) + (", ..." if bare.size > 5 else "")
                raise InvalidInputError(
                    f"{bare.size} {name}{'s' if bare.size > 1 else ''} without any observed "
                    f"entry ({some}): nothing determines them. Drop them, sample more, or pass "
                    f"empty='allow' and use a ridge or nuclear-norm weight"
                )

    def forward(self, X: Factors) -> Array:
        """Entries of X at the observed positions, shape (m,)."""
        layout = self._by_row
        out = np.empty(self.size, X.dtype)
        left, right = _same_dtype(X.left, X.right)
        kernel, lanes, (left, right) = _fitting(
            entries.products, wide.wide_products, (left,), (right,)
        )
        layout.run(kernel, X.rank, *lanes, left, right, layout.indptr, layout.indices, out)
        if layout.order is None:
            return out
        result = np.empty_like(out)
        result[layout.order] = out
        return result

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(z) @ R``, shape (n1, r), where A*(z) holds z at the observed positions."""
        return self._sums(self._by_row, z, R)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(z)^H @ L``, shape (n2, r)."""
        return self._sums(self._by_column, np.conj(z), L)

    @staticmethod
    def _sums(layout: _Layout, z: Array, factor: Array) -> Array:
        dtype = np.result_type(z, factor)
        return _sorted_sums(layout, layout.take(z.astype(dtype, copy=False)), factor)

    def prepared_product(self, prepared: tuple[Array, Array], factor: Array, *, side: str) -> Array:
        """``A*(data) @ R`` for side "left", ``A*(data)^H @ L`` for side "right".

        Parameters
        ----------
        prepared : tuple of array
            What `prepare` returned for the data, which spares sorting them anew.
        factor : array, shape (n2, r) for side "left", (n1, r) for side "right"
        side : {"left", "right"}
            The factor whose shape the result has.

        Returns
        -------
        array, shape (n1, r) or (n2, r)
        """
        if side == "left":
            return _sorted_sums(self._by_row, prepared[0], factor)
        return _sorted_sums(self._by_column, prepared[1], factor)

    def prepare(self, data: Array) -> tuple[Array, Array]:
        """The data in row-sorted order, and their conjugates in column-sorted order."""
        return self._by_row.take(data), self._by_column.take(np.conj(data))

    def loss_gradient(
        self, X: Factors, prepared: tuple[Array, Array], loss: Loss
    ) -> tuple[float, Array, Array | None]:
        """Loss and both slopes; the residual is recomputed in each layout and never stored."""
        if not hasattr(loss, "code"):
            return self._generic_loss_gradient(X, prepared, loss)
        left, right = _same_dtype(X.left, X.right)
        code, parameter = loss.code, float(loss.parameter)  # type: ignore[attr-defined]
        kernel, lanes, (left, right) = _fitting(
            entries.loss_sums, wide.wide_loss_sums, (left,), (right,)
        )
        passes = (
            (self._by_row, prepared[0], left, right),
            (self._by_column, prepared[1], right, left),
        )
        losses, slopes = [], []
        for layout, data, mine, others in passes:
            out = np.empty((mine.shape[0], X.rank), mine.dtype)
            data = data.astype(mine.dtype, copy=False)
            args = (mine, others, layout.indptr, layout.indices, data, code, parameter, out)
            losses.append(sum(layout.run(kernel, 2 * X.rank, *lanes, *args)))
            slopes.append(out)
        return losses[0], slopes[0], slopes[1]

    def _generic_loss_gradient(
        self, X: Factors, prepared: tuple[Array, Array], loss: Loss
    ) -> tuple[float, Array, Array | None]:
        layout = self._by_row
        data = prepared[0]
        if layout.order is not None:
            data = np.empty_like(data)
            data[layout.order] = prepared[0]
        residual = self.forward(X) - data
        slope = loss.slope(residual)
        return (
            loss.value(residual),
            self.adjoint_right(slope, X.right),
            self.adjoint_left(slope, X.left),
        )

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
        left, right = _same_dtype(X.left, X.right)
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
        if size is None or type(self).row_solve is not EntrySampling.row_solve:
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

    def normal_product(self, X: Factors, D: Factors) -> tuple[Array, Array]:
        """``A*(t) R`` and ``A*(t)^H L`` with ``t = A(dL R^H + L dR^H)``; t is never stored."""
        X, D = _one_dtype(X, D)
        outs = []
        for layout, mine, others in (
            (self._by_row, (D.left, X.left), (X.right, D.right)),
            (self._by_column, (D.right, X.right), (X.left, D.left)),
        ):
            out = np.empty((mine[0].shape[0], X.rank), X.dtype)
            kernel, lanes, (rows_, pairs) = _fitting(
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
        X, D = _one_dtype(X, D)
        kernel, lanes, (mine, pairs) = _fitting(
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
        left, right = _same_dtype(X.left, X.right)
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

    def as_matrix(self) -> Any:
        """Sparse m x (n1 n2) selection matrix on vec(X), rows first."""
        from scipy import sparse

        i, j = self.positions
        n1, n2 = self.shape
        ones = np.ones(self.size)
        return sparse.csr_array(
            (ones, (np.arange(self.size), i * n2 + j)), shape=(self.size, n1 * n2)
        )

    def __repr__(self) -> str:
        n1, n2 = self.shape
        return f"<EntrySampling {n1} x {n2}, {self.size} entries ({self.isometry:.3g})>"


def _same_dtype(left: Array, right: Array) -> tuple[Array, Array]:
    # One dtype for both factors keeps the number of compiled kernels down.
    dtype = np.result_type(left, right)
    return left.astype(dtype, copy=False), right.astype(dtype, copy=False)


def _one_dtype(X: Factors, D: Factors) -> tuple[Factors, Factors]:
    dtype = np.result_type(X.dtype, D.dtype)
    return X.astype(dtype), D.astype(dtype)


def _fitting(
    plain: Any, with_vectors: Any, *groups: tuple[Array, ...]
) -> tuple[Any, tuple[Any, ...], list[Array]]:
    """The kernel that fits rank and data type, its leading arguments, and the matrices for it.

    Matrices of a group lie side by side; for explicit vectors each is padded.
    """
    first = groups[0][0]
    lanes = wide.lanes_of(first.shape[1], first.dtype)
    if lanes is not None:
        return with_vectors, (lanes,), [wide.padded(*group) for group in groups]
    return plain, (), [group[0] if len(group) == 1 else np.hstack(group) for group in groups]


def _sorted_sums(layout: _Layout, z: Array, factor: Array) -> Array:
    """out[i] = sum of z over the entries of row i times rows of the factor; z is sorted."""
    dtype = np.result_type(z, factor)
    out = np.empty((layout.indptr.size - 1, factor.shape[1]), dtype)
    kernel, lanes, (other,) = _fitting(
        entries.weighted_sums, wide.wide_weighted_sums, (np.ascontiguousarray(factor, dtype),)
    )
    args = (z.astype(dtype, copy=False), other, layout.indptr, layout.indices, out)
    layout.run(kernel, factor.shape[1], *lanes, *args)
    return out
