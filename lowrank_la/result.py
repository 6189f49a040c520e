"""What a run returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from . import steps
from ._typing import Array
from .errors import FileFormatError, InvalidTypeError
from .factors import Factors
from .solvers import Solver, make_solver
from .storage import read, save, unpacking
from .trace import Trace

__all__ = ["Result", "Status", "load"]

# Parts that do not come from the state of the solver.
UNDETERMINED = ("undetermined_rows", "undetermined_columns")


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
        What the method found besides the factors. After success with an operator that can tell
        (of entries, not with a ridge or nuclear-norm weight), "undetermined_rows" and
        "undetermined_columns" hold the numbers of those that the data leave open.
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
        header, arrays = pack_result(self)
        save(path, {"kind": "result", **header}, arrays)

    @classmethod
    def load(cls, path: Any) -> Result:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            If the file holds no result.
        """
        header, arrays = read(path)
        if header.get("kind") != "result":
            raise FileFormatError(f"{path} holds a {header.get('kind')}, not a result")
        with unpacking(path):
            return unpack_result(header, arrays)

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
        lines += [f"  {name:<10} {_short(value)}" for name, value in self.parts.items()]
        return "\n".join(lines)


def _short(value: Any) -> Any:
    """Arrays, sparse ones too, by their shape."""
    shape = getattr(value, "shape", ())
    if isinstance(value, Factors) or not shape:
        return value
    return f"<{' x '.join(str(n) for n in shape)} {type(value).__name__}>"


def pack_options(value: Any) -> dict[str, Any]:
    """The fields of a frozen dataclass of options as JSON-able values."""
    out: dict[str, Any] = {}
    for f in dataclasses.fields(value):
        option = getattr(value, f.name)
        if isinstance(option, steps.Step):
            option = {"rule": type(option).__name__, **pack_options(option)}
        elif isinstance(option, np.generic):
            option = option.item()
        elif not isinstance(option, (bool, int, float, str, type(None))):
            raise InvalidTypeError(f"option {f.name}={option!r} cannot be written to a file")
        out[f.name] = option
    return out


def unpack_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `pack_options` packed."""
    out = dict(options)
    for name, option in out.items():
        if isinstance(option, dict):
            fields = dict(option)
            out[name] = getattr(steps, fields.pop("rule"))(**fields)
    return out


def _pack_state(state: Any, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """The fields that are no arrays; arrays are put into `arrays`. A state may hold another."""
    scalars: dict[str, Any] = {}
    for f in dataclasses.fields(state):
        value = getattr(state, f.name)
        if isinstance(value, np.ndarray):
            arrays[prefix + f.name] = value
        elif dataclasses.is_dataclass(value):
            scalars[f.name] = _pack_state(value, f"{prefix}{f.name}.", arrays)
        else:
            scalars[f.name] = value.item() if isinstance(value, np.generic) else value
    return scalars


def _unpack_state(
    scalars: Mapping[str, Any], prefix: str, arrays: Mapping[str, Array]
) -> dict[str, Any]:
    fields = {
        name: _unpack_state(value, f"{prefix}{name}.", arrays) if isinstance(value, dict) else value
        for name, value in scalars.items()
    }
    for name, array in arrays.items():
        field_ = name.removeprefix(prefix)
        if name.startswith(prefix) and "." not in field_:
            fields[field_] = array
    return fields


def pack_result(result: Result, prefix: str = "") -> tuple[dict[str, Any], dict[str, Array]]:
    """A result as header and arrays, array names behind `prefix`."""
    single = result.factors.symmetric
    arrays = {f"{prefix}left": result.factors.left}
    if not single:
        arrays[f"{prefix}right"] = result.factors.right
    for name in result.trace:
        arrays[f"{prefix}trace.{name}"] = result.trace[name]
    for name in result.parts.keys() & set(UNDETERMINED):
        arrays[f"{prefix}{name}"] = result.parts[name]
    scalars = None
    if result.state is not None:
        scalars = _pack_state(result.state, f"{prefix}state.", arrays)
    header = {
        "solver": result.solver.info.name,
        "options": pack_options(result.solver),
        "status": result.status.name,
        "reason": result.reason,
        "n_iter": result.n_iter,
        "why": result.why,
        "oracle_used": list(result.oracle_used),
        "init_seconds": result.trace.init_seconds,
        "trace": list(result.trace),
        "state": scalars,
        "symmetric": single,
    }
    return header, arrays


def unpack_result(
    header: Mapping[str, Any], arrays: Mapping[str, Array], prefix: str = ""
) -> Result:
    """What `pack_result` packed."""
    solver = make_solver(header["solver"], unpack_options(header["options"]))
    left = arrays[f"{prefix}left"]
    factors = Factors(left, left if header["symmetric"] else arrays[f"{prefix}right"])
    columns = {name: arrays[f"{prefix}trace.{name}"] for name in header["trace"]}
    state = None
    if header["state"] is not None:
        state = solver.state_type(**_unpack_state(header["state"], f"{prefix}state.", arrays))
    found = {name: arrays[prefix + name] for name in UNDETERMINED if prefix + name in arrays}
    return Result(
        factors=factors,
        status=Status[header["status"]],
        reason=header["reason"],
        n_iter=header["n_iter"],
        trace=Trace.from_columns(columns, header["init_seconds"]),
        solver=solver,
        why=header["why"],
        oracle_used=tuple(header["oracle_used"]),
        parts={**(solver.parts(state) if state is not None else {}), **found},
        state=state,
    )


def load(path: Any) -> Result:
    """Read a result from a file that `Result.save` wrote.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Result
        With its state: pass it as `start` to go on.

    Raises
    ------
    FileFormatError
        If the file holds none.
    """
    return Result.load(path)
