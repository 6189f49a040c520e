"""What is solved: an operator, data, a loss, and the weight of the nuclear norm."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np

from .. import _check
from .._typing import Array, Shape
from ..errors import InvalidInputError, InvalidTypeError
from ..factors import Factors
from ..losses import Loss, Squared
from ..operators import (
    HasLossGradient,
    HasNormalProduct,
    HasResidualGradient,
    MeasurementOperator,
)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The objective at a point, and its gradient in the factors.

    Attributes
    ----------
    value : float
        The objective.
    left, right : array
        Gradient with respect to the factors; one array for symmetric problems.
    residual : array or None
        ``A(X) - data``, if it was asked for.
    """

    value: float
    left: Array
    right: Array
    residual: Array | None = None

    def __iter__(self) -> Any:
        return iter((self.left, self.right))


@dataclass(frozen=True, eq=False)
class Problem:
    """All that a solver may see.

    The objective is ``f(A(X) - data) + nuclear |X|_*`` with the nuclear norm through the
    factors, ``(|L|_F^2 + |R|_F^2) / 2``. For symmetric problems ``X = F F^H`` it is half of
    that, so that the gradient in F is ``A*(s) F + nuclear F`` and step sizes carry over (a
    squared loss is then ``1/4 |A(F F^H) - data|^2``).

    Parameters
    ----------
    operator : MeasurementOperator
        How the matrix is seen.
    data : array, shape (m,)
        The measurements. float32 data are worked on in float32.
    loss : Loss
        Loss on the residual; squared by default.
    symmetric : bool
        Look for a symmetric (Hermitian) positive semidefinite matrix.
    nuclear : float
        Weight of the nuclear norm, in units of the data for the squared loss.

    Raises
    ------
    InvalidInputError
        If the data are not finite, of the wrong length, or all zero; if the weight is
        negative; if a symmetric matrix cannot have the operator's shape.
    InvalidTypeError
        If the data are not numbers, or operator or loss lack their methods.
    """

    operator: MeasurementOperator
    data: Array
    loss: Loss = field(default_factory=Squared)
    symmetric: bool = False
    nuclear: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.operator, MeasurementOperator):
            raise InvalidTypeError(
                f"operator must have shape, size, dtype, isometry, forward, adjoint_right and "
                f"adjoint_left, got {type(self.operator).__name__}"
            )
        if not isinstance(self.loss, Loss):
            raise InvalidTypeError(
                f"loss must have smooth, value and slope, got {self.loss!r}; for example "
                f"lowrank_la.losses.Squared()"
            )
        data = _check.vector(self.data, "data", size=self.operator.size)
        if data.size == 0:
            raise InvalidInputError("no measurement; give at least one")
        if not data.any():
            raise InvalidInputError("all data are zero: the zero matrix fits them")
        _refuse_scale(data)
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "nuclear", _check.number(self.nuclear, "nuclear", low=0.0))
        if not np.isfinite(self.nuclear):
            raise InvalidInputError(f"nuclear must be finite, got {self.nuclear}")
        n1, n2 = self.shape
        if self.symmetric and n1 != n2:
            raise InvalidInputError(f"symmetric=True needs a square shape, got {n1} x {n2}")

    @property
    def shape(self) -> Shape:
        """Shape (n1, n2) of the matrix."""
        return self.operator.shape

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Type of the matrix: precision of the data, complex if data or operator are."""
        kind = self.operator.dtype
        if kind is not None and kind.kind == "c":
            return np.result_type(self.data.dtype, np.complex64)
        return self.data.dtype

    @cached_property
    def default_tol(self) -> float:
        """Relative accuracy that is asked for by default: 256 rounding units."""
        return 256.0 * float(np.finfo(self.dtype).eps)

    @cached_property
    def natural(self) -> float:
        """The loss of the data themselves, that of the zero matrix."""
        return self.loss.value(self.data)

    @cached_property
    def norm_estimate(self) -> float:
        """``|X|_F`` as the squares of the data suggest it: ``|y| / sqrt(isometry)``."""
        return float(np.linalg.norm(self.data)) / float(np.sqrt(self.operator.isometry))

    @cached_property
    def prepared(self) -> Any:
        """The data in the layout of the operator's one-pass methods."""
        return self.operator.prepare(self.data)  # type: ignore[attr-defined]

    @cached_property
    def exact_steps(self) -> bool:
        """Whether the minimiser along a line costs about as much as a gradient.

        For the squared loss, and operators that have residuals or sums along a line; not where
        `loss_gradient` is there to avoid a residual, which can be as large as the matrix.
        """
        if not isinstance(self.loss, Squared):
            return False
        return self.sums_along_lines or self._one_pass_with_residual or not self._one_pass

    @cached_property
    def sums_along_lines(self) -> bool:
        """Whether the operator gives the squared loss along a line in one pass."""
        return isinstance(self.operator, HasNormalProduct)

    @cached_property
    def _one_pass(self) -> bool:
        return isinstance(self.operator, HasLossGradient)

    @cached_property
    def _one_pass_with_residual(self) -> bool:
        return isinstance(self.operator, HasResidualGradient)

    def __getstate__(self) -> dict[str, Any]:
        # The prepared layout can be as large as the data and is made again when needed.
        return {key: value for key, value in self.__dict__.items() if key != "prepared"}

    @property
    def max_rank(self) -> int:
        """Largest number of columns that factors may have: that of the operator, or of X."""
        return int(getattr(self.operator, "max_rank", min(self.shape)))

    @property
    def informative(self) -> int:
        """Number of real numbers that the data hold, structural zeros left out."""
        count = int(getattr(self.operator, "informative", self.data.size))
        return count * (2 if self.data.dtype.kind == "c" else 1)

    def degrees_of_freedom(self, rank: int) -> int:
        """Number of real parameters of a matrix of this rank, and of the operator's structure."""
        if hasattr(self.operator, "degrees_of_freedom"):
            return int(self.operator.degrees_of_freedom(rank))
        n1, n2 = self.shape
        rank = min(rank, n1, n2)
        is_complex = self.dtype.kind == "c"
        if self.symmetric:
            return rank * (2 * n1 - rank) if is_complex else rank * n1 - rank * (rank - 1) // 2
        return rank * (n1 + n2 - rank) * (2 if is_complex else 1)

    def _scale(self) -> float:
        return 0.5 if self.symmetric else 1.0

    def residual(self, X: Factors) -> Array:
        """``A(X) - data``, shape (m,)."""
        return self.operator.forward(X) - self.data

    def _penalty(self, X: Factors) -> float:
        if self.nuclear == 0.0:
            return 0.0
        squares = np.vdot(X.left, X.left).real + np.vdot(X.right, X.right).real
        return 0.5 * self.nuclear * float(squares)

    def objective(self, X: Factors) -> float:
        """The objective at X."""
        return self._scale() * (self.loss.value(self.residual(X)) + self._penalty(X))

    def misfit(self, X: Factors, at: Evaluation) -> float:
        """The loss alone, ``f(A(X) - data)``, from the objective at X."""
        return at.value / self._scale() - self._penalty(X)

    def evaluate(self, X: Factors, *, residual: bool = False) -> Evaluation:
        """The objective and its gradient in the factors.

        Parameters
        ----------
        X : Factors
            The point.
        residual : bool
            Keep the residual too; without it one pass over the data may do.
        """
        kept = None
        if self._one_pass and not residual:
            one_pass = cast(HasLossGradient, self.operator)
            value, left, right = one_pass.loss_gradient(X, self.prepared, self.loss)
        elif self._one_pass_with_residual:
            fused = cast(HasResidualGradient, self.operator)
            value, left, right, kept = fused.residual_gradient(X, self.prepared, self.loss)
        else:
            kept = self.residual(X)
            slope = self.loss.slope(kept)
            value = self.loss.value(kept)
            left = self.operator.adjoint_right(slope, X.right)
            hermitian = self.symmetric and getattr(self.operator, "symmetric", False)
            right = None if hermitian else self.operator.adjoint_left(slope, X.left)
        if self.symmetric:
            # Only the Hermitian part of A*(s) acts on a symmetric matrix.
            left = left if right is None else 0.5 * (left + right)
            if self.nuclear:
                left = left + self.nuclear * X.left
            right = left
        elif right is None:
            raise AssertionError("only symmetric problems may leave out one slope")
        elif self.nuclear:
            left, right = left + self.nuclear * X.left, right + self.nuclear * X.right
        return Evaluation(self._scale() * (value + self._penalty(X)), left, right, kept)

    def replace(self, **changes: Any) -> Problem:
        """The same problem with some fields changed."""
        from dataclasses import replace

        return replace(self, **changes)


def _refuse_scale(data: Array) -> None:
    """Raise if squares of the data, or what is left of them at convergence, leave their type."""
    limits = np.finfo(data.dtype)
    largest = float(np.abs(data).max())
    norm = largest * float(np.linalg.norm(data / data.real.dtype.type(largest)))
    low, high = float(limits.tiny) ** 0.5 / float(limits.eps), float(limits.max) ** 0.5 / 1e4
    if not low < norm < high:
        raise InvalidInputError(
            f"the data have norm {norm:.1e}; in {data.dtype} their squares are exact between "
            f"{low:.0e} and {high:.0e} only. Rescale them"
        )
