"""The application: one file per command, errors as one line, exit codes that mean something."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import typer

from ..errors import LowRankError, LowRankWarning
from . import complete, doctor, listing, race, warmup
from ._console import INTERRUPTED, fail, stderr

app = typer.Typer(
    name="lowrank-la",
    help="Low-rank matrix recovery: race solvers, complete tables, look things up.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(race.race)
app.command()(complete.complete)
app.command("list")(listing.list_)
app.command()(listing.info)
app.command()(doctor.doctor)
app.command()(warmup.warmup)


def run() -> None:
    """Run the application; errors of the package become one line and exit code 1."""
    warnings.showwarning = _show_warning
    try:
        app()
    except LowRankError as error:
        fail(str(error))
    except KeyboardInterrupt:
        stderr.print("interrupted")
        sys.exit(INTERRUPTED)


def _show_warning(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
    kind = "warning" if issubclass(category, LowRankWarning) else category.__name__
    text = f"{kind}: {message}"
    stderr.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
