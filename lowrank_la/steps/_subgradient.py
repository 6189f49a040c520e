"""Rules for the absolute loss, whose subgradients do not shrink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from .. import _check
from ..errors import InvalidInputError
from ..factors import Factors
from ..problem import Evaluation, Problem
from ._line import Line


def gaussian_moduli(problem: Problem) -> tuple[float, float]:
    """Mean and median modulus of a standard Gaussian, real or complex as the data are."""
    if problem.data.dtype.kind == "c":
        return float(np.sqrt(np.pi) / 2), float(np.sqrt(np.log(2)))
    return float(np.sqrt(2 / np.pi)), 0.6744897501960817


def _matrix_norm(problem: Problem, deviation: float) -> float:
    """``|D|_F`` of the matrix whose measurements have this standard deviation."""
    return float(deviation * np.sqrt(problem.data.size / problem.operator.isometry))


def norm_of_mean(problem: Problem, mean: float) -> float:
    """``|D|_F`` of the matrix whose Gaussian measurements have this mean modulus."""
    return _matrix_norm(problem, mean / gaussian_moduli(problem)[0])


@dataclass(frozen=True)
class MedianResidual:
    """Absolute loss: a step proportional to the median modulus of the residual.

    A subgradient of the absolute loss does not shrink near the solution, so that its step has
    to. The median tells how far the solution is even if up to half of the data are outliers,
    whose share need not be known. For Gaussian measurements the step is, in the mean, that of
    gradient descent on the squared loss with the constant `value`; outliers weaken the
    subgradient and raise the median, and up to a share of 0.3 the two cancel to 15 %.

    Parameters
    ----------
    value : float
        Stable below 1 with many measurements; 0.3 to 0.5 is usual. Fewer measurements and
        more outliers want smaller values.
    """

    value: float = 0.5
    needs_residual: ClassVar[bool] = True
    oracle: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _check.number(self.value, "step_size", low=0.0, high=np.finfo(float).max)

    def length(self, line: Line, unit: float, previous: float) -> float:
        """``value unit median|e| / (E|g| median|g|)`` with g standard Gaussian."""
        mean, median = gaussian_moduli(line.problem)
        return self.value * unit * self.level(line.problem, line.X, line.at) / (mean * median)

    def level(self, problem: Problem, X: Factors, at: Evaluation) -> float:
        """Median modulus of the residual."""
        residual = problem.residual(X) if at.residual is None else at.residual
        return float(np.median(np.abs(residual)))

    def distance(self, problem: Problem, X: Factors, at: Evaluation) -> float:
        """Estimate of ``|X - X*|_F``: what Gaussian measurements with this median come from."""
        _, median = gaussian_moduli(problem)
        return _matrix_norm(problem, self.level(problem, X, at) / median)


@dataclass(frozen=True)
class LossProportional:
    """Absolute loss without outliers: a step proportional to the mean modulus of the residual.

    The subgradient times the loss is then, in the mean, the gradient of the squared loss, and
    `value` its constant step (Ma, Fattahi 2023; their ``(pi / 2) eta f``). With outliers the
    mean does not go to zero and neither does the step: the solvers give up where that shows.

    Parameters
    ----------
    value : float
        Stable below 1 with many measurements; 0.3 to 0.5 is usual.
    """

    value: float = 0.5
    needs_residual: ClassVar[bool] = False
    oracle: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _check.number(self.value, "value", low=0.0, high=np.finfo(float).max)

    def length(self, line: Line, unit: float, previous: float) -> float:
        """``value unit mean|e| / (E|g|)^2`` with g standard Gaussian."""
        mean, _ = gaussian_moduli(line.problem)
        return self.value * unit * self.level(line.problem, line.X, line.at) / mean**2

    def level(self, problem: Problem, X: Factors, at: Evaluation) -> float:
        """Mean modulus of the residual."""
        return problem.misfit(X, at) / problem.data.size

    def distance(self, problem: Problem, X: Factors, at: Evaluation) -> float:
        """Estimate of ``|X - X*|_F``: what Gaussian measurements with this mean come from."""
        return norm_of_mean(problem, self.level(problem, X, at))


NORMS = ("factors", "frobenius", "spectral")


@dataclass(frozen=True)
class Geometric:
    """Steps that shrink by a schedule: moves of length ``initial decay^t``.

    Takes noise and outliers alike, at the price of two parameters: the moves, which add up to
    ``initial / (1 - decay)``, must be longer than the way, and ``decay^t`` is the accuracy
    that t iterations can reach.

    Parameters
    ----------
    initial : float
        Length of the first move; see `norm` for its unit.
    decay : float
        Ratio of a move to the one before, in (0, 1).
    norm : {"factors", "frobenius", "spectral"}
        "factors": the length of a move is measured in the factors, with the metric of the
        method, and `initial` is relative to the size of the matrix that the data suggest
        (Tong, Ma, Chi 2021b). Otherwise the factors move by ``initial decay^t Q F / |Q|`` with
        ``Q = A*(s)`` and its Frobenius or spectral norm (Ma, Fattahi 2023): right for the plain
        method from a start near zero, which it leaves at a fixed rate. It needs Q itself, two
        further passes over the data.
    """

    initial: float = 0.25
    decay: float = 0.97
    norm: str = "factors"
    needs_residual: ClassVar[bool] = False
    oracle: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        _check.number(self.initial, "initial", low=1e-300, high=1e300)
        _check.number(self.decay, "decay", low=1e-3, high=1 - 1e-9)
        if self.norm not in NORMS:
            raise InvalidInputError(
                f"norm must be one of {', '.join(map(repr, NORMS))}, got {self.norm!r}"
            )

    def length(self, line: Line, unit: float, previous: float) -> float:
        """The scheduled length over the norm; 0 where that is zero."""
        size = self._size(line)
        return self.initial * self.decay**line.iteration * unit / size if size > 0 else 0.0

    def _size(self, line: Line) -> float:
        if self.norm == "factors":
            # The direction is -g M^{-1}: its length in the metric M is that of the gradient.
            return float(np.sqrt(max(-line.slope, 0.0)))
        problem = line.problem
        slope = problem.loss.slope(problem.residual(line.X))
        Q = problem.operator.adjoint_right(slope, np.eye(problem.shape[1], dtype=line.X.dtype))
        if problem.symmetric:
            Q = 0.5 * (Q + Q.conj().T)
        if not np.isfinite(Q).all():
            return float("nan")
        return float(np.linalg.norm(Q, "fro" if self.norm == "frobenius" else 2))
