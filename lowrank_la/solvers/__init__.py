"""Solvers: every public file of this folder is one that a user can name."""

from .._registry import attach
from ._descent import Descent, gram_metric
from ._protocol import Solver, SolverInfo
from ._registry import available_solvers, make_solver, register, solver_info

__getattr__, __dir__ = attach(__name__)

__all__ = [
    "Descent",
    "Solver",
    "SolverInfo",
    "available_solvers",
    "gram_metric",
    "make_solver",
    "register",
    "solver_info",
]
