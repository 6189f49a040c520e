"""What a run returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from .factors import Factors

if TYPE_CHECKING:
    from .solvers._protocol import Solver
    from .trace import Trace

__all__ = ["Result", "Status"]


class Status(Enum):
    """How a run ended."""

    CONVERGED = "converged"
    TARGET = "target"
    BUDGET = "budget"
    STALLED = "stalled"
    DIVERGED = "diverged"
    CALLBACK = "callback"
    INTERRUPTED = "interrupted"

    @property
    def converged(self) -> bool:
        """Whether this is success; the one place where that is decided."""
        return self in (Status.CONVERGED, Status.TARGET)


@dataclass(frozen=True, eq=False)
class Result:
    """The outcome of a run.

    Attributes
    ----------
    factors : Factors
        The last iterate; after DIVERGED or INTERRUPTED the one with the smallest objective.
    status : Status
    reason : str
        Why the run ended, in words.
    n_iter : int
        Iterations done in all, those before a resumption included.
    trace : Trace
    solver : Solver
        The solver with its options.
    why : str
        Why this solver, if it was chosen automatically.
    oracle_used : tuple of str
        Quantities that only the truth knows and that the run used.
    parts : mapping
        What the method found besides the factors.
    state : object
        Pass it (or the result) as `start` to go on.
    """

    factors: Factors
    status: Status
    reason: str
    n_iter: int
    trace: Trace
    solver: Solver
    why: str = ""
    oracle_used: tuple[str, ...] = ()
    parts: Mapping[str, Any] = field(default_factory=dict)
    state: Any = None

    @property
    def converged(self) -> bool:
        """Whether the status is a success."""
        return self.status.converged

    def save(self, path: Any) -> None:
        """Write the result to an .npz file, without pickle; `lowrank_la.load` reads it.

        Parameters
        ----------
        path : str or path
            Where to; ``.npz`` is added if it has no suffix.

        Raises
        ------
        OutputError
            If it cannot be written; no half-written file is left.
        """
        from .storage import save_result

        save_result(self, path)

    def __repr__(self) -> str:
        lines = [
            f"{self.status.name} after {self.n_iter} iterations: {self.reason}",
            f"  solver     {self.solver}" + (f" ({self.why})" if self.why else ""),
            f"  factors    {self.factors}",
        ]
        last = {name: column[-1] for name, column in self.trace.items() if column.size}
        shown = [f"{k} {last[k]:.3g}" for k in ("objective", "rel_error", "seconds") if k in last]
        lines.append(f"  last       {', '.join(shown)}")
        if self.oracle_used:
            lines.append(f"  oracle     {', '.join(self.oracle_used)}")
        lines += [f"  {name:<10} {value}" for name, value in self.parts.items()]
        return "\n".join(lines)
