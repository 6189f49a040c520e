"""Files: .npz with a JSON header, no pickle, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from ._lazy import require
from ._typing import Array
from .errors import (
    FileFormatError,
    InvalidInputError,
    InvalidTypeError,
    LowRankError,
    OutputError,
)

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


def check_folder(path: Any) -> None:
    """Refuse early a path that nothing can be written to.

    Raises
    ------
    OutputError
        If its folder is not there or not writable.
    InvalidTypeError
        If it is no path.
    """
    try:
        folder = Path(path).parent
    except TypeError as error:
        raise InvalidTypeError(f"expected a path, got {path!r}") from error
    if not folder.is_dir():
        raise OutputError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write {path}: the folder {folder} is not writable")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_table(path: Any, columns: Mapping[str, Any]) -> Path:
    """Write columns of one length to a CSV, JSON, Parquet or NPZ file, by suffix.

    Parameters
    ----------
    path : str or path
        Where to; the suffix is ``.csv``, ``.json``, ``.parquet`` or ``.npz``.
    columns : mapping from str to array
        The columns.

    Returns
    -------
    Path

    Raises
    ------
    InvalidInputError
        For another suffix.
    OutputError
        If it cannot be written; no half-written file is left.
    """
    target = Path(path)
    writers: dict[str, tuple[str, Callable[[Any, IO[Any]], Any]]] = {
        ".csv": ("w", lambda frame, file: frame.to_csv(file, index=False)),
        ".json": ("w", lambda frame, file: frame.to_json(file, orient="records", indent=1)),
        ".parquet": ("wb", lambda frame, file: frame.to_parquet(file, index=False)),
    }
    if target.suffix == ".npz":
        with whole_file(target) as file:
            _write_npz(file, columns)
        return target
    if target.suffix not in writers:
        raise InvalidInputError(f"cannot write {target.name}; use .npz, {', '.join(writers)}")
    pandas = require("pandas", extra="tables", purpose=f"writing {target.suffix}")
    mode, write = writers[target.suffix]
    with whole_file(target, mode) as file:
        write(pandas.DataFrame(columns), file)
    return target


def save(path: Any, header: Mapping[str, Any], arrays: Mapping[str, Array]) -> Path:
    """Write a header and arrays to an .npz file; returns its path."""
    check_folder(path)
    target = Path(path)
    if target.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder")
    if not target.suffix:
        target = target.with_suffix(".npz")
    text = json.dumps({"format": FORMAT, "version": VERSION, **header})
    with whole_file(target) as file:
        _write_npz(file, {"header": np.array(text), **arrays})
    return target


def _write_npz(file: IO[bytes], arrays: Mapping[str, Any]) -> None:
    # Unlike numpy.savez, without names that arrays cannot have.
    with zipfile.ZipFile(file, "w") as archive:
        for name, values in arrays.items():
            array = np.asarray(values)
            if array.dtype.kind == "O":
                array = array.astype(str)
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def read(path: Any) -> tuple[dict[str, Any], dict[str, Array]]:
    """The header and the arrays of a file that `save` wrote.

    Raises
    ------
    FileFormatError
        If there is no such file, or it is none of ours.
    """
    try:
        # Opened here, since NumPy leaves a file open that turns out to be none of its own.
        with open(Path(path), "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = dict(json.loads(str(arrays.pop("header"))))
    except FileNotFoundError as error:
        raise FileFormatError(f"no file {path}") from error
    except Exception as error:
        # A damaged archive raises classes of zipfile, zlib and json.
        raise FileFormatError(f"{path} was not written by lowrank_la: {error}") from error
    if header.get("format") != FORMAT or header.get("version") != VERSION:
        raise FileFormatError(
            f"{path} has format {header.get('format')!r} version {header.get('version')!r}; "
            f"this release reads {FORMAT!r} version {VERSION}"
        )
    return header, arrays


@contextlib.contextmanager
def unpacking(path: Any) -> Iterator[None]:
    """Turn what goes wrong while the parts of a file are put together into one clear error.

    Raises
    ------
    FileFormatError
        If a part is missing or does not fit.
    """
    try:
        yield
    except LowRankError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise FileFormatError(f"{path} is incomplete or damaged: {error!r}") from error
