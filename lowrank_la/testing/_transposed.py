"""Measurements of the conjugate transpose, which a solver must not tell apart."""

from __future__ import annotations

from typing import Any

from .._typing import Array
from ..factors import Factors
from ..operators import HasInexactRowSolve, HasRowSolve, MeasurementOperator


class _Transposed:
    """The measurements of the conjugate transpose: ``A'(Y) = conj(A(Y^H))``."""

    def __init__(self, base: Any) -> None:
        self.base = base
        self.shape = base.shape[::-1]
        self.size, self.dtype, self.isometry = base.size, base.dtype, base.isometry

    def forward(self, X: Factors) -> Array:
        return self.base.forward(X.H).conj()

    def adjoint_right(self, z: Array, R: Array) -> Array:
        return self.base.adjoint_left(z.conj(), R)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        return self.base.adjoint_right(z.conj(), L)


class _TransposedRows(_Transposed):
    """The same with exact row solves, sides exchanged."""

    @property
    def row_counts(self) -> Array:
        return self.base.column_counts

    @property
    def column_counts(self) -> Array:
        return self.base.row_counts

    @property
    def positions(self) -> tuple[Array, Array]:
        return self.base.positions[::-1]

    def prepare(self, data: Array) -> Any:
        return self.base.prepare(data.conj())

    def row_solve(self, prepared: Any, fixed: Array, ridge: Any, *, side: str) -> Array:
        other = "right" if side == "left" else "left"
        return self.base.row_solve(prepared, fixed, ridge, side=other)


class _TransposedInexactRows(_TransposedRows):
    """And with iterative ones."""

    def row_solve_inexact(
        self, prepared: Any, fixed: Array, start: Array, *, side: str, **options: Any
    ) -> tuple[Array, Array]:
        other = "right" if side == "left" else "left"
        return self.base.row_solve_inexact(prepared, fixed, start, side=other, **options)


def transposed(operator: MeasurementOperator) -> Any:
    if isinstance(operator, HasInexactRowSolve):
        return _TransposedInexactRows(operator)
    return (_TransposedRows if isinstance(operator, HasRowSolve) else _Transposed)(operator)
