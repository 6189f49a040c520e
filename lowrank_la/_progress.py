"""One line of progress on stderr, for those who ask for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ._lazy import require

if TYPE_CHECKING:
    from .trace import View


def describe(view: View) -> str:
    """Iteration and error (or objective) of a view, in a few characters."""
    if view.truth is not None:
        return f"iteration {view.iteration}, relative error {view.rel_error:.1e}"
    return f"iteration {view.iteration}, objective {view.objective:.6g}"


@contextlib.contextmanager
def progress_line(wanted: bool, label: str) -> Iterator[Callable[[View], None]]:
    """A function that shows a view, or one that does nothing."""
    if not wanted:
        yield lambda view: None
        return
    console = require("rich.console", extra="cli", purpose="progress=True")
    with console.Console(stderr=True).status(label) as line:
        yield lambda view: line.update(f"{label}: {describe(view)}")
