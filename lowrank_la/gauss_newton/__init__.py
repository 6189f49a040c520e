"""Gauss-Newton on factors: its operator and local contraction, and the step itself."""

from ._contraction import MAX_RANK, contraction, product
from ._step import Move, curvature_scale, direction, evaluate, next_forcing, step

__all__ = [
    "MAX_RANK",
    "Move",
    "contraction",
    "curvature_scale",
    "direction",
    "evaluate",
    "next_forcing",
    "product",
    "step",
]
