"""What an operator is: three methods on factors, and abilities that are discovered."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .. import _check
from .._typing import Array, Shape
from ..errors import InvalidInputError, TooLargeError
from ..factors import Factors
from ..losses import Loss


@runtime_checkable
class MeasurementOperator(Protocol):
    """A linear map from n1 x n2 matrices to m measurements, seen through factors.

    Attributes
    ----------
    shape : tuple of int
        Shape (n1, n2) of the matrices.
    size : int
        Number m of measurements.
    dtype : numpy.dtype or None
        Data type of the matrices measured; None if it follows the data.
    isometry : float
        The c with ``E[A* A] = c I``; step sizes are divided by it.
    """

    @property
    def shape(self) -> Shape: ...

    @property
    def size(self) -> int: ...

    @property
    def dtype(self) -> np.dtype[Any] | None: ...

    @property
    def isometry(self) -> float: ...

    def forward(self, X: Factors) -> Array:
        """Measurements ``A(X)``, shape (m,), with ``A(X)_i = <A_i, X> = trace(A_i^H X)``."""
        ...

    def adjoint_right(self, z: Array, R: Array) -> Array:
        """``A*(z) @ R``, shape (n1, r), with ``A*(z) = sum_i z_i A_i``."""
        ...

    def adjoint_left(self, z: Array, L: Array) -> Array:
        """``A*(z)^H @ L``, shape (n2, r)."""
        ...


@runtime_checkable
class HasLossGradient(Protocol):
    """Ability: loss and both slopes in one pass, without the residual in between."""

    def prepare(self, data: Array) -> Any:
        """The data in the layout that `loss_gradient` reads; called once per problem."""
        ...

    def loss_gradient(
        self, X: Factors, prepared: Any, loss: Loss
    ) -> tuple[float, Array, Array | None]:
        """``f(A(X) - data)``, ``A*(s) R`` and ``A*(s)^H L`` with s the slope of the loss.

        The last is None if X is symmetric and A*(s) is Hermitian by construction.
        """
        ...


@runtime_checkable
class HasResidualGradient(Protocol):
    """Ability: loss, both slopes and the residual in one pass."""

    def prepare(self, data: Array) -> Any:
        """The data in the layout that `residual_gradient` reads; called once per problem."""
        ...

    def residual_gradient(
        self, X: Factors, prepared: Any, loss: Loss
    ) -> tuple[float, Array, Array | None, Array]:
        """As `loss_gradient`, and the residual ``A(X) - data``, shape (m,)."""
        ...


@runtime_checkable
class HasRowSolve(Protocol):
    """Ability: exact ridge least squares for all rows of one factor.

    Attributes
    ----------
    row_counts, column_counts : array of int
        Number of measurements of each row and column of the matrix.
    """

    @property
    def row_counts(self) -> Array: ...

    @property
    def column_counts(self) -> Array: ...

    def prepare(self, data: Array) -> Any:
        """The data in the layout that `row_solve` reads; called once per problem."""
        ...

    def row_solve(self, prepared: Any, fixed: Array, ridge: float | Array, *, side: str) -> Array:
        """Minimise ``|A(L R^H) - data|^2 + sum_i ridge_i |row i|^2`` over the factor `side`."""
        ...


@runtime_checkable
class HasRowSteps(HasRowSolve, Protocol):
    """Ability: the same from where the rows are, and with normal matrices of an earlier call."""

    def row_steps(
        self,
        X: Factors,
        prepared: Any,
        ridge: float | Array,
        *,
        side: str,
        kept: Array | None = None,
    ) -> tuple[float, Array, Array, Array | None]:
        """Loss at X, slope and step of the factor `side`, and its matrices for later calls.

        The step leads to what `row_solve` gives; with `kept`, which an earlier call returned, it
        is that of other matrices like these. Nothing is kept (None) where that is not to be had.
        """
        ...


@runtime_checkable
class HasInexactRowSolve(Protocol):
    """Ability: least squares for all rows of one factor, iterative and from given rows."""

    def prepare(self, data: Array) -> Any:
        """The data in the layout that `row_solve_inexact` reads; called once per problem."""
        ...

    def row_solve_inexact(
        self,
        prepared: Any,
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
        """Minimise ``|A(L R^H) - data|^2 + damping |F - start|^2`` over the factor F = `side`.

        Returns the rows, and for each the number of iterations, -1 where it was solved exactly.
        """
        ...


@runtime_checkable
class HasNormalProduct(Protocol):
    """Ability: products with J* A* A J and the squared loss along a line, in one pass.

    J maps a direction D = (dL, dR) to ``dL R^H + L dR^H``.
    """

    def prepare(self, data: Array) -> Any:
        """The data in the layout that `line_sums` reads; called once per problem."""
        ...

    def normal_product(self, X: Factors, D: Factors) -> tuple[Array, Array]:
        """``A*(t) R`` and ``A*(t)^H L`` with ``t = A(dL R^H + L dR^H)``."""
        ...

    def line_sums(self, X: Factors, D: Factors, prepared: Any) -> Array:
        """Inner products e.e, e.a1, e.a2, a1.a1, a1.a2, a2.a2 (real parts), shape (6,).

        Along ``(L + t dL, R + t dR)`` the residual is ``e + t a1 + t^2 a2``.
        """
        ...


@runtime_checkable
class HasGaussNewton(HasNormalProduct, Protocol):
    """Ability: the diagonal blocks of J* A* A J too, which precondition."""

    def normal_blocks(self, fixed: Array, *, side: str, lines: slice | None = None) -> Array:
        """Diagonal r x r blocks of J* A* A J for the rows of the factor `side`, (n, r, r).

        Sums of ``v v^H`` over the measurements of each row, v the rows of `fixed`, the other
        factor.
        """
        ...


@runtime_checkable
class HasNormalSolve(HasGaussNewton, Protocol):
    """Ability: the inner iteration of Gauss-Newton in one kernel, where that is worth it."""

    def normal_solve(
        self,
        X: Factors,
        gradient: tuple[Array, Array],
        shift: Array,
        inverses: tuple[Array, Array],
        tol: float,
        limit: int,
    ) -> tuple[Array, Array, int, float] | None:
        """Conjugate gradients on ``(J* A* A J + diag(shift)) d = -gradient``; None if too large.

        `inverses` are the blocks of the preconditioner, (n1, r, r) and (n2, r, r). Returns the
        two parts of d, the number of iterations, and the share of the residual left.
        """
        ...


@runtime_checkable
class HasTangentRows(Protocol):
    """Ability: the linearised measurements as rows, for dense measurement matrices.

    Attributes
    ----------
    tangent_limit : int
        Number of unknowns up to which solving with the rows beats iterating with the operator.
    """

    @property
    def tangent_limit(self) -> int: ...

    def tangent_rows(self, L: Array, R: Array, start: int, stop: int) -> tuple[Array, Array]:
        """Transposes of ``A_i R`` and ``A_i^H L`` for i in [start, stop): (k, r, n1), (k, r, n2).

        One array twice for symmetric operators with R the same array as L.
        """
        ...


@runtime_checkable
class HasPositions(Protocol):
    """Ability: measurements that are single entries.

    Not among `ABILITIES`, whose test would make the arrays on Python 3.11.

    Attributes
    ----------
    positions : tuple of array of int, shape (m,)
        Rows and columns of the entries, in the order of the measurements.
    """

    @property
    def positions(self) -> tuple[Array, Array]: ...


@runtime_checkable
class HasMatrix(Protocol):
    """Ability: the operator as an m x (n1 n2) matrix on vec(X), rows first."""

    def as_matrix(self) -> Any:
        """A dense array or scipy.sparse array; symmetric operators give symmetric rows."""
        ...


ABILITIES: dict[str, type] = {
    "loss_gradient": HasLossGradient,
    "residual_gradient": HasResidualGradient,
    "row_solve": HasRowSolve,
    "row_steps": HasRowSteps,
    "row_solve_inexact": HasInexactRowSolve,
    "normal_product": HasGaussNewton,
    "tangent_rows": HasTangentRows,
    "as_matrix": HasMatrix,
}


@lru_cache(maxsize=256)
def _offers(kind: type, ability: type) -> bool:
    return issubclass(kind, ability)


def offers(operator: Any, ability: type) -> bool:
    """Whether the operator has an ability that consists of methods; remembered by its class.

    On Python 3.11 `isinstance` costs as much as a pass over thousands of entries.
    """
    return _offers(type(operator), ability)  # type: ignore[arg-type]


def matrix_of(operator: MeasurementOperator, *, limit: int = 10**8) -> Any:
    """The operator as a matrix on vec(X): by its ability, or column by column.

    Raises
    ------
    TooLargeError
        If the matrix would have more than `limit` stored numbers.
    """
    if isinstance(operator, HasMatrix):
        return operator.as_matrix()
    n1, n2 = operator.shape
    if operator.size * n1 * n2 > limit:
        raise TooLargeError(
            f"the matrix of this operator would hold {operator.size} x {n1 * n2} numbers, more "
            f"than the limit of {limit:.3g}"
        )
    kind = complex if np.issubdtype(operator.dtype or float, np.complexfloating) else float
    # A(e_a e_b^T) = conj(A_i[a, b]); the matrix acts as conj(A_i) . vec(X).
    columns = [
        operator.forward(Factors(np.eye(n1, 1, -a, dtype=kind), np.eye(n2, 1, -b, dtype=kind)))
        for a in range(n1)
        for b in range(n2)
    ]
    return np.stack(columns, axis=1)


def positive(value: float, name: str) -> float:
    """A positive finite number."""
    result = _check.number(value, name)
    if not 0 < result < np.inf:
        raise InvalidInputError(f"{name} must be positive and finite, got {value!r}")
    return result
