"""The objective along a line of factors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from .._typing import Array
from ..errors import IncompatibleError
from ..factors import Factors
from ..losses import Squared
from ..operators import HasNormalProduct
from ..problem import Evaluation, Problem


@dataclass(frozen=True, eq=False)
class Line:
    """The objective along ``(L + t dL, R + t dR)``.

    Attributes
    ----------
    problem : Problem
    X : Factors
        The point.
    at : Evaluation
        Objective and gradient there.
    direction : Factors
        The pair (dL, dR); one array twice for symmetric problems.
    iteration : int
        Steps taken before this one.
    """

    problem: Problem
    X: Factors
    at: Evaluation
    direction: Factors
    iteration: int = 0

    def point(self, t: float) -> Factors:
        """The point at length t."""
        t = self.X.left.real.dtype.type(t)
        left = self.X.left + t * self.direction.left
        if self.problem.symmetric:
            return Factors(left, left)
        return Factors(left, self.X.right + t * self.direction.right)

    @cached_property
    def _trials(self) -> dict[float, Evaluation]:
        return {}

    def evaluate(self, t: float, *, residual: bool = False) -> Evaluation:
        """Objective and gradient at length t; the last one asked for is kept.

        One pass over the data has both, so that the step that a search accepts has cost
        nothing besides.
        """
        found = self._trials.get(t)
        if found is None or (residual and found.residual is None):
            found = self.problem.evaluate(self.point(t), residual=residual)
            self._trials.clear()
            self._trials[t] = found
        return found

    @cached_property
    def slope(self) -> float:
        """Derivative of the objective at t = 0."""
        total = np.vdot(self.at.left, self.direction.left).real
        if not self.problem.symmetric:
            total += np.vdot(self.at.right, self.direction.right).real
        return float(total)

    def quartic(self) -> Array:
        """Coefficients of the squared-loss objective in t, constant first, shape (5,).

        With residual e, ``A(X(t)) - data = e + t a1 + t^2 a2`` where
        ``a1 = A(dL R^H + L dR^H)`` and ``a2 = A(dL dR^H)``: two forward calls, or one pass over
        the data where the operator offers `line_sums`.

        Raises
        ------
        IncompatibleError
            For another loss, along which the objective is no quartic.
        """
        if not isinstance(self.problem.loss, Squared):
            raise IncompatibleError(
                f"the exact line search needs the squared loss, got {self.problem.loss}; "
                f"Backtracking() takes any smooth loss"
            )
        X, D = self.X, self.direction
        ee, e1, e2, s11, s12, s22 = self._sums()
        coefficients = np.array([0.5 * ee, e1, e2 + 0.5 * s11, s12, 0.5 * s22])
        if self.problem.nuclear:
            pairs = ((X.left, D.left), (X.right, D.right))
            squares = [
                sum(_dot(a, a) for a, _ in pairs),
                2 * sum(_dot(a, b) for a, b in pairs),
                sum(_dot(b, b) for _, b in pairs),
            ]
            coefficients[:3] += 0.5 * self.problem.nuclear * np.array(squares)
        return coefficients * (0.5 if self.problem.symmetric else 1.0)

    def _sums(self) -> Array:
        """e.e, e.a1, e.a2, a1.a1, a1.a2, a2.a2."""
        X, D, operator = self.X, self.direction, self.problem.operator
        if self.at.residual is None and self.problem.sums_along_lines:
            return cast(HasNormalProduct, operator).line_sums(X, D, self.problem.prepared)
        e = self.problem.residual(X) if self.at.residual is None else self.at.residual
        a1 = operator.forward(Factors(np.hstack([D.left, X.left]), np.hstack([X.right, D.right])))
        a2 = operator.forward(D)
        parts = (e, a1, a2)
        return np.array([_dot(parts[a], parts[b]) for a in range(3) for b in range(a, 3)])


def _dot(a: Array, b: Array) -> float:
    # Not vdot: its summation order changes with the number of BLAS threads.
    return float(np.sum((a.conj() * b).real, dtype=float))
