"""The error tree: every error that the package raises on purpose is a `LowRankError`.

Each class is also the built-in that a caller would catch without knowing the package.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "BreakdownWarning",
    "ConvergenceWarning",
    "FileFormatError",
    "IncompatibleError",
    "InvalidInputError",
    "InvalidTypeError",
    "LowRankError",
    "LowRankWarning",
    "MissingDependencyError",
    "OutputError",
    "SolverBreakdownError",
    "TooLargeError",
    "UnderdeterminedWarning",
    "UnknownNameError",
]


class LowRankError(Exception):
    """Base class of all errors raised by this package."""


class InvalidInputError(LowRankError, ValueError):
    """A value that cannot be used: non-finite, out of range, of mismatched length."""


class InvalidTypeError(LowRankError, TypeError):
    """An argument of the wrong kind, such as a string where a number belongs."""


class UnknownNameError(LowRankError, LookupError):
    """A solver, problem, option or column that does not exist."""


class IncompatibleError(LowRankError, ValueError):
    """A solver that cannot take the problem; the message says who can."""


class TooLargeError(IncompatibleError):
    """A size at which a method is out of reach; the message holds the figure."""


class SolverBreakdownError(LowRankError, ArithmeticError):
    """An iteration that cannot be carried out; the driver turns it into DIVERGED."""


class FileFormatError(LowRankError, ValueError):
    """An unreadable or malformed file; the message holds the path and, if known, the line."""


class OutputError(LowRankError, OSError):
    """A result that could not be written; nothing half-written is left behind."""


class MissingDependencyError(LowRankError, ImportError):
    """An optional package that is not installed; the message says how to install it."""


class LowRankWarning(UserWarning):
    """Base class of all warnings issued by this package."""


class ConvergenceWarning(LowRankWarning):
    """A criterion that was asked for was not met, or the iteration diverged."""


class UnderdeterminedWarning(LowRankWarning):
    """Fewer measurements than degrees of freedom: the data cannot fix the matrix."""


class BreakdownWarning(LowRankWarning):
    """More outliers than a robust method can stand."""


def unknown_name(kind: str, given: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a misspelt name, with the nearest known one."""
    names = sorted(known)
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(str(given).lower(), lowered, n=1)
    hint = f"; did you mean {lowered[near[0]]!r}?" if near else ""
    return UnknownNameError(f"no {kind} named {given!r}{hint} (available: {', '.join(names)})")
