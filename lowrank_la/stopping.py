"""When to stop: objects joined by ``|`` and ``&``, each knowing what its firing means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from . import _check
from .errors import InvalidTypeError
from .result import Status

if TYPE_CHECKING:
    from .trace import View

__all__ = ["MaxIter", "MaxTime", "Stationary", "Stop", "Target", "Unchanged", "Verdict"]


class Verdict(NamedTuple):
    """Why to stop, and under which status.

    Parameters
    ----------
    status : Status
    reason : str
    """

    status: Status
    reason: str


class Stop:
    """Base of stopping criteria; ``a | b`` fires with the first, ``a & b`` once both hold."""

    def __call__(self, view: View) -> Verdict | None:
        """A verdict, or None to go on."""
        raise NotImplementedError

    def __or__(self, other: Stop) -> Stop:
        return _Any((self, _as_stop(other)))

    def __and__(self, other: Stop) -> Stop:
        return _All((self, _as_stop(other)))


def _as_stop(value: object) -> Stop:
    if not isinstance(value, Stop):
        raise InvalidTypeError(f"a stop must come from lowrank_la.stopping, got {value!r}")
    return value


@dataclass(frozen=True)
class _Any(Stop):
    stops: tuple[Stop, ...]

    def __call__(self, view: View) -> Verdict | None:
        verdicts = [stop(view) for stop in self.stops]
        return next((v for v in verdicts if v is not None), None)


@dataclass(frozen=True)
class _All(Stop):
    stops: tuple[Stop, ...]

    def __call__(self, view: View) -> Verdict | None:
        verdicts = [stop(view) for stop in self.stops]
        if any(v is None for v in verdicts):
            return None
        held = [v for v in verdicts if v is not None]
        # It indicates convergence if one of its parts does.
        status = next((v.status for v in held if v.status.converged), held[0].status)
        return Verdict(status, " and ".join(v.reason for v in held))


@dataclass(frozen=True)
class MaxIter(Stop):
    """Stop after a number of iterations; no sign of convergence.

    Parameters
    ----------
    iterations : int
        The budget.
    """

    iterations: int

    def __post_init__(self) -> None:
        _check.count(self.iterations, "max_iter", low=0)

    def __call__(self, view: View) -> Verdict | None:
        """Fire at the budget."""
        if view.iteration < self.iterations:
            return None
        return Verdict(Status.BUDGET, f"{view.iteration} iterations used up")


@dataclass(frozen=True)
class MaxTime(Stop):
    """Stop after a time spent in the solver; no sign of convergence.

    Parameters
    ----------
    seconds : float
        The budget.
    """

    seconds: float

    def __post_init__(self) -> None:
        _check.number(self.seconds, "max_time", low=0.0)

    def __call__(self, view: View) -> Verdict | None:
        """Fire at the budget."""
        if view.seconds < self.seconds:
            return None
        return Verdict(Status.BUDGET, f"{view.seconds:.3g} seconds used up")


@dataclass(frozen=True)
class Stationary(Stop):
    """Stop when the relative gradient is small: a sign of convergence.

    The gradient is measured in the geometry of the matrix, which the gauge of the factors
    does not change, relative to ``isometry |X|_F``; near a well-conditioned solution that is
    about the relative error of X against the solution.

    Parameters
    ----------
    tol : float
        Threshold; 0 never fires.
    """

    tol: float

    def __post_init__(self) -> None:
        _check.number(self.tol, "tol", low=0.0)

    def __call__(self, view: View) -> Verdict | None:
        """Fire at the threshold."""
        if self.tol == 0.0 or not view.stationarity <= self.tol:
            return None
        return Verdict(
            Status.CONVERGED, f"relative gradient {view.stationarity:.1e} <= tol {self.tol:.1e}"
        )


@dataclass(frozen=True)
class Target(Stop):
    """Stop when an observed quantity is small enough.

    Parameters
    ----------
    name : str
        An observer, for example "rel_error" or "objective".
    value : float
        Threshold.
    """

    name: str
    value: float

    def __post_init__(self) -> None:
        _check.number(self.value, "value")

    def __call__(self, view: View) -> Verdict | None:
        """Fire at the threshold."""
        now = view.observe(self.name)
        if not now <= self.value:
            return None
        return Verdict(Status.TARGET, f"{self.name} {now:.3g} <= {self.value:.3g}")


@dataclass(frozen=True)
class Unchanged(Stop):
    """Stop when the factors have stopped moving beyond rounding.

    Converged if the relative gradient is below the square root of the rounding unit, stalled
    otherwise.

    Parameters
    ----------
    patience : int
        Looks in a row at which nothing moved.
    """

    patience: int = 5

    def __post_init__(self) -> None:
        _check.count(self.patience, "patience", low=1)

    def __call__(self, view: View) -> Verdict | None:
        """Fire after `patience` looks without movement."""
        if view.idle < self.patience:
            return None
        if view.stationarity <= np.sqrt(np.finfo(view.X.dtype).eps):
            return Verdict(Status.CONVERGED, "converged to working precision: iterates stand still")
        where = view.solver.standstill(view.state)
        if where is not None:
            return Verdict(Status.STALLED, f"iterates stand still at {where}")
        return Verdict(
            Status.STALLED,
            f"iterates stand still at a relative gradient of {view.stationarity:.1e}",
        )
