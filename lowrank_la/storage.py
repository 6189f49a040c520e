"""Files: .npz with a JSON header, no pickle, written whole or not at all."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from . import steps
from ._typing import Array
from .errors import FileFormatError, InvalidTypeError, OutputError
from .factors import Factors
from .result import Result, Status
from .solvers import make_solver
from .trace import Trace

FORMAT = "lowrank_la"
VERSION = 1


@contextlib.contextmanager
def whole_file(path: Any, mode: str = "wb") -> Iterator[IO[Any]]:
    """A file that appears at `path` only once all is written.

    Raises
    ------
    OutputError
        If anything fails, a full disk included; the old file, if any, stays as it was.
    """
    target = Path(path)
    encoding = None if "b" in mode else "utf-8"
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent or ".")
        with os.fdopen(handle, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        cause = error.strerror or str(error)
        raise OutputError(f"cannot write {target}: {cause}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save(path: Any, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Path:
    """Write a header and arrays to an .npz file; returns its path."""
    target = Path(path)
    if not target.suffix:
        target = target.with_suffix(".npz")
    text = json.dumps({"format": FORMAT, "version": VERSION, **header})
    with whole_file(target) as file:
        np.savez(file, allow_pickle=False, header=np.array(text), **arrays)  # type: ignore[arg-type]
    return target


def read(path: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header and the arrays of a file that `save` wrote.

    Raises
    ------
    FileFormatError
        If there is no such file, or it is none of ours.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays.pop("header")))
    except FileNotFoundError as error:
        raise FileFormatError(f"no file {path}") from error
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise FileFormatError(f"{path} was not written by lowrank_la: {error}") from error
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise FileFormatError(
            f"{path} has format {header.get('format')!r} version {header.get('version')!r}; "
            f"this release reads {FORMAT!r} version {VERSION}"
        )
    return header, arrays


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


def pack_result(result: Result, prefix: str = "") -> tuple[dict[str, Any], dict[str, Array]]:
    """A result as header and arrays, array names behind `prefix`."""
    single = result.factors.symmetric
    arrays = {f"{prefix}left": result.factors.left}
    if not single:
        arrays[f"{prefix}right"] = result.factors.right
    for name in result.trace:
        arrays[f"{prefix}trace.{name}"] = result.trace[name]
    scalars: dict[str, Any] = {}
    if result.state is not None:
        for f in dataclasses.fields(result.state):
            value = getattr(result.state, f.name)
            if isinstance(value, np.ndarray):
                arrays[f"{prefix}state.{f.name}"] = value
            else:
                scalars[f.name] = value.item() if isinstance(value, np.generic) else value
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
        "state": scalars if result.state is not None else None,
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
        start = f"{prefix}state."
        kept = {name[len(start) :]: a for name, a in arrays.items() if name.startswith(start)}
        state = solver.state_type(**header["state"], **kept)
    return Result(
        factors=factors,
        status=Status[header["status"]],
        reason=header["reason"],
        n_iter=header["n_iter"],
        trace=Trace.from_columns(columns, header["init_seconds"]),
        solver=solver,
        why=header["why"],
        oracle_used=tuple(header["oracle_used"]),
        parts=solver.parts(state) if state is not None else {},
        state=state,
    )


def save_result(result: Result, path: Any) -> Path:
    """Write a result; returns the path."""
    header, arrays = pack_result(result)
    return save(path, {"kind": "result", **header}, arrays)


def load(path: Any) -> Result:
    """Read a result.

    Raises
    ------
    FileFormatError
        If the file holds none.
    """
    header, arrays = read(path)
    if header.get("kind") != "result":
        raise FileFormatError(f"{path} holds a {header.get('kind')}, not a result")
    return unpack_result(header, arrays)
