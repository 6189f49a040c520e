"""Problem generators: every public file of this folder is one that a user can name."""

from .._registry import attach
from ._registry import available_problems, build, problem_info, register

__getattr__, __dir__ = attach(__name__)

__all__ = ["available_problems", "build", "problem_info", "register"]
