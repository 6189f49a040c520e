"""Triples from and to CSV, Parquet and NPZ files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._lazy import require
from .._typing import Array
from ..errors import FileFormatError, unknown_name
from ..storage import write_table
from ._table import Triples

__all__ = ["read_positions", "read_triples", "write_table"]


def read_triples(path: Any, *, row: str, column: str, value: str) -> Triples:
    """A ratings table: one observed cell per record.

    Parameters
    ----------
    path : str or path
        ``.csv`` (also ``.tsv``, ``.txt``, and compressed ones), ``.parquet`` or ``.npz``.
    row, column, value : str
        Names of the columns (arrays, for NPZ) that hold row label, column label and value.

    Returns
    -------
    Triples
        Labels are kept; positions count the distinct labels in sorted order.

    Raises
    ------
    FileFormatError
        If the file is missing, unreadable or malformed; with the line number where there is
        one.
    UnknownNameError
        If there is no such column; the message holds the nearest name.
    """
    columns = _read_columns(Path(path), [row, column, value])
    numbers = _as_numbers(columns[value], path, value)
    i, row_labels = _index(columns[row], path, row)
    j, column_labels = _index(columns[column], path, column)
    if numbers.size == 0:
        raise FileFormatError(f"{path} holds no records")
    shape = (row_labels.size, column_labels.size)
    return Triples(i, j, numbers, shape, row_labels, column_labels)


def read_positions(path: Any, table: Any, *, row: str, column: str) -> tuple[Array, Array]:
    """Positions in a table (its triples, or the completed one), from a file of labels.

    Raises
    ------
    FileFormatError
        As in `read_triples`, and for a label that the table does not have.
    """
    columns = _read_columns(Path(path), [row, column])
    found = []
    for name, labels in ((row, table.row_labels), (column, table.column_labels)):
        given = np.asarray(columns[name])
        order = np.argsort(labels)
        try:
            place = np.searchsorted(labels, given, sorter=order)
        except TypeError as error:
            raise FileFormatError(f"{path}: labels in {name!r} are of another kind") from error
        index = order[np.minimum(place, labels.size - 1)]
        bad = np.flatnonzero(labels[index] != given)
        if bad.size:
            raise FileFormatError(
                f"{path}{_line(path, bad[0])}: {name} {_shown(given[bad[0]])} is not in the table"
            )
        found.append(index)
    return found[0], found[1]


def _line(path: Any, record: int) -> str:
    """Where a record stands; the header is line 1 of a text file."""
    if Path(path).suffix in (".npz", ".parquet"):
        return f", record {record}"
    return f", line {record + 2}"


def _shown(value: Any) -> str:
    value = value.item() if isinstance(value, np.generic) else value
    return "empty" if value is None or value != value else repr(value)


def _read_columns(path: Path, names: list[str]) -> dict[str, Any]:
    readers: dict[str, Callable[[Path], dict[str, Any]]] = {
        ".npz": _read_npz,
        ".parquet": _read_parquet,
    }
    kind = path.suffix.lower()
    text = {".csv", ".tsv", ".txt", ".gz", ".bz2", ".xz", ".zst"}
    if kind not in readers and kind not in text:
        raise FileFormatError(f"{path} is neither CSV, Parquet nor NPZ, judging by its suffix")
    if not path.exists():
        raise FileFormatError(f"no file {path}")
    table = readers.get(kind, _read_csv)(path)
    for name in names:
        if name not in table:
            raise unknown_name(f"column in {path.name}", name, table)
        if np.ndim(table[name]) != 1:
            raise FileFormatError(f"{path}: {name} has {np.ndim(table[name])} dimensions, not one")
    lengths = {name: len(table[name]) for name in names}
    if len(set(lengths.values())) != 1:
        raise FileFormatError(f"{path}: columns differ in length: {lengths}")
    return {name: table[name] for name in names}


def _read_npz(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:
        # zipfile and zlib raise their own classes for a damaged archive.
        raise FileFormatError(f"cannot read {path} as NPZ: {error}") from error


def _read_parquet(path: Path) -> dict[str, Any]:
    pandas = require("pandas", extra="tables", purpose="reading Parquet")
    require("pyarrow", extra="tables", purpose="reading Parquet")
    try:
        frame = pandas.read_parquet(path)
    except Exception as error:
        # pyarrow has an error tree of its own.
        raise FileFormatError(f"cannot read {path}: {error}") from error
    return {str(name): frame[name].to_numpy() for name in frame.columns}


def _read_csv(path: Path) -> dict[str, Any]:
    pandas = require("pandas", extra="tables", purpose="reading CSV")
    separator = "\t" if ".tsv" in path.suffixes else ","
    try:
        # Blank lines are kept, so that a record's place gives its line.
        frame = pandas.read_csv(path, sep=separator, skip_blank_lines=False)
    except pandas.errors.EmptyDataError as error:
        raise FileFormatError(f"{path} is empty") from error
    except (pandas.errors.ParserError, UnicodeDecodeError, OSError, ValueError, EOFError) as error:
        # The parser's message holds the line number.
        raise FileFormatError(f"cannot read {path}: {str(error).strip()}") from error
    return {str(name): frame[name].to_numpy() for name in frame.columns}


def _as_numbers(column: Any, path: Any, name: str) -> Array:
    values = np.asarray(column)
    if values.dtype.kind not in "fiu":
        pandas = require("pandas", extra="tables", purpose="reading text")
        numbers = pandas.to_numeric(pandas.Series(values), errors="coerce").to_numpy(float)
        bad = np.flatnonzero(np.isnan(numbers))
    else:
        numbers = values.astype(float)
        bad = np.flatnonzero(~np.isfinite(numbers))
    if bad.size:
        raise FileFormatError(
            f"{path}{_line(path, bad[0])}: {name} is {_shown(values[bad[0]])}, not a finite number "
            f"({bad.size} such record{'s' if bad.size > 1 else ''})"
        )
    return numbers


def _index(column: Any, path: Any, name: str) -> tuple[Array, Array]:
    values = np.asarray(column)
    if values.dtype.kind == "f":
        bad = np.flatnonzero(~np.isfinite(values))
    elif values.dtype.kind == "O":
        bad = np.flatnonzero(np.array([v is None or v != v for v in values], bool))
        values = values.astype(str)
    else:
        bad = np.empty(0, int)
    if bad.size:
        raise FileFormatError(f"{path}{_line(path, bad[0])}: {name} is empty")
    labels, index = np.unique(values, return_inverse=True)
    return index.ravel(), labels
