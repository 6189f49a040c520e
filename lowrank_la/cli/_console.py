"""What commands share: consoles, tables, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

FAILED = 1
INTERRUPTED = 130

stdout = Console()
stderr = Console(stderr=True)


def fail(message: str) -> NoReturn:
    """One line on stderr, and a failing exit code."""
    stderr.print(f"error: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(FAILED)


def print_json(value: Any) -> None:
    """A value as JSON on stdout; NaN becomes null."""
    sys.stdout.write(json.dumps(_finite(value), indent=1) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not (value == value and abs(value) != float("inf")):
        return None
    return value


def print_table(rows: Iterable[Mapping[str, str]], *, left: tuple[str, ...] = ()) -> None:
    """Rows of text as a table; columns in `left` are aligned left, others right."""
    rows = list(rows)
    table = Table(
        box=None, pad_edge=False, collapse_padding=True, padding=(0, 1, 0, 0), header_style="bold"
    )
    for name in rows[0]:
        table.add_column(
            name,
            justify="left" if name in left else "right",
            no_wrap=name in left[:1],
            overflow="fold",
        )
    for row in rows:
        table.add_row(*(_escaped(cell) for cell in row.values()))
    stdout.print(table)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
