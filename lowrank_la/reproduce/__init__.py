"""Claims of the papers, each one file: what is run, what is measured, how it is judged."""

from ..analysis.cells import Call, Outcome, Solve
from ._checks import Check, Finding, Verdict
from ._claim import Claim, register
from ._data import Data, Setting
from ._engine import ClaimResult, claims, run, run_many
from ._figures import Curves, Custom, Points, Runs

__all__ = [
    "Call",
    "Check",
    "Claim",
    "ClaimResult",
    "Curves",
    "Custom",
    "Data",
    "Finding",
    "Outcome",
    "Points",
    "Runs",
    "Setting",
    "Solve",
    "Verdict",
    "claims",
    "register",
    "run",
    "run_many",
]
