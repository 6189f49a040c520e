"""Measurement operators: three methods on factors, plus abilities that are discovered."""

from .._registry import attach
from ._protocol import (
    HasGaussNewton,
    HasInexactRowSolve,
    HasLossGradient,
    HasMatrix,
    HasNormalProduct,
    HasNormalSolve,
    HasPositions,
    HasResidualGradient,
    HasRowSolve,
    HasRowSteps,
    HasTangentRows,
    MeasurementOperator,
    matrix_of,
)

__getattr__, __dir__ = attach(__name__)

__all__ = [
    "HasGaussNewton",
    "HasInexactRowSolve",
    "HasLossGradient",
    "HasMatrix",
    "HasNormalProduct",
    "HasNormalSolve",
    "HasPositions",
    "HasResidualGradient",
    "HasRowSolve",
    "HasRowSteps",
    "HasTangentRows",
    "MeasurementOperator",
    "matrix_of",
]
