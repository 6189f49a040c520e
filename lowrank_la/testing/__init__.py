"""Conformance checks, for the operators, losses, generators and solvers of anyone.

Each raises AssertionError with a sentence that says what does not hold.
"""

from __future__ import annotations

from ._generators import check_generator
from ._losses import check_loss
from ._operators import check_operator
from ._solvers import check_solver

__all__ = ["check_generator", "check_loss", "check_operator", "check_solver"]
