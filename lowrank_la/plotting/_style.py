"""The one style of all figures, and writing them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .._lazy import require
from ..errors import InvalidInputError
from ..storage import whole_file

# Okabe and Ito's colours, told apart by colour-blind readers; black last. Yellow is left out,
# since thin yellow lines do not show on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (6, 1.5)), (0, (3, 1)), (0, (6, 1, 1, 1)), (0, (1, 1)))
MARKERS = "osD^vPX"

STYLE: dict[str, Any] = {
    "figure.figsize": (5.5, 3.6),
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
}

LABELS = {
    "iteration": "iteration",
    "seconds": "seconds in the solver",
    "rel_error": r"relative error $\|X - X_\star\|_F \,/\, \|X_\star\|_F$",
    "objective": "objective",
    "stationarity": "relative gradient",
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The package's figure style, for the duration of a ``with`` block."""
    mpl: Any = require("matplotlib", extra="plot", purpose="plotting")

    with mpl.rc_context(STYLE | {"axes.prop_cycle": mpl.cycler(color=COLOURS)}):
        yield


# What takes no room in formulas: all of a command but one letter, and signs.
_TEX = re.compile(r"\\[a-z]*(?=[a-z])|[\\${}_^]")


def legend_columns(labels: Iterable[str], width: float) -> int:
    """How many columns of a legend fit into a width in inches; three at most."""
    # At 8 points a character is about 0.062 inches wide, the line and the gaps half an inch.
    longest = max((len(_TEX.sub("", label)) for label in labels), default=1)
    return max(1, min(3, int(width / (0.062 * longest + 0.5))))


def save_figure(figure: Any, path: Any) -> Path:
    """Write a figure (or the figure of some axes) whole or not at all.

    Parameters
    ----------
    figure : matplotlib Figure or Axes
    path : str or path
        With a suffix that matplotlib knows, such as ``.png`` or ``.pdf``.

    Raises
    ------
    InvalidInputError
        For a suffix that matplotlib does not know.
    OutputError
        If it cannot be written.
    """
    target = Path(path)
    figure = getattr(figure, "figure", figure)
    kinds = figure.canvas.get_supported_filetypes()
    if target.suffix.lstrip(".") not in kinds:
        raise InvalidInputError(f"cannot write {target.name}; use .{', .'.join(kinds)}")
    # Without dates, the same figure is the same file.
    dates = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    with style(), whole_file(target) as file:
        figure.savefig(file, format=target.suffix.lstrip("."), metadata=dates.get(target.suffix))
    return target
