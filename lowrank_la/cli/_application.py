"""The application: one file per command, errors as one line, exit codes that mean something."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from typing import Any

import typer

from ..errors import LowRankError, LowRankWarning
from . import complete, doctor, listing, phase, race, reproduce, warmup
from ._console import INTERRUPTED, fail, stderr

app = typer.Typer(
    name="lowrank-la",
    help="Low-rank matrix recovery: race solvers, complete tables, check claims of the papers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(race.race)
app.command()(complete.complete)
app.command()(reproduce.reproduce)
app.command()(phase.phase)
app.command("list")(listing.list_)
app.command()(listing.info)
app.command()(doctor.doctor)
app.command()(warmup.warmup)


def run() -> None:
    """Run the application; errors of the package become one line and exit code 1."""
    warnings.showwarning = _show_warning
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except LowRankError as error:
        fail(str(error))
    except OSError as error:
        # A full disk behind a redirection. What is left in the buffer would fail again at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        fail(f"cannot write the output: {error.strerror or error}")
    except KeyboardInterrupt:
        stderr.print("interrupted")
        sys.exit(INTERRUPTED)


def _show_warning(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
    kind = "warning" if issubclass(category, LowRankWarning) else category.__name__
    text = f"{kind}: {message}"
    stderr.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)
