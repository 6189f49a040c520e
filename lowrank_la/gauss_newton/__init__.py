"""Gauss-Newton on factors: its operator and local contraction, and the step itself."""

from ._columns import leading_columns
from ._contraction import MAX_RANK, contraction, product
from ._path import Ladder
from ._rungs import parse
from ._state import PathState
from ._step import Move, curvature_scale, direction, evaluate, next_forcing, step

__all__ = [
    "MAX_RANK",
    "Ladder",
    "Move",
    "PathState",
    "contraction",
    "curvature_scale",
    "direction",
    "evaluate",
    "leading_columns",
    "next_forcing",
    "parse",
    "product",
    "step",
]
