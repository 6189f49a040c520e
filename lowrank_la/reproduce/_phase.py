"""What the claims about phase transitions share: from diagrams to columns, and their figure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._typing import Array
from ..analysis.phase import PhaseDiagram
from ._data import Setting
from ._figures import Runs, _law_line


def columns(diagram: PhaseDiagram) -> dict[str, Array]:
    """Axes, share of successes, and the border in each row.

    Where no cell of a row reaches one half the border is infinite: what is asked for is more
    than was tried.
    """
    if not diagram.complete:
        raise KeyboardInterrupt
    border = diagram.border(draws=2)[0]
    share = diagram.share
    border[np.nanmax(share, axis=1) < 0.5] = np.inf
    return {"x": diagram.x, "y": diagram.y, "share": share, "border": border}


def shares(
    x_label: str,
    y_label: str,
    law: Callable[[Setting, Array], Array] | None = None,
    law_label: str = "predicted",
) -> Callable[[Any, Runs], None]:
    """A drawing function: mean share over the plane at the last grid point, and the borders."""

    def draw(ax: Any, runs: Runs) -> None:
        outcomes = runs.outcomes[-1]
        x, y = outcomes[0]["x"], outcomes[0]["y"]
        share = np.mean([o["share"] for o in outcomes], axis=0)
        rows = np.arange(y.size)
        mesh = ax.pcolormesh(x, rows, share, cmap="Greys_r", vmin=0, vmax=1, shading="nearest")
        # Successes are white, and so is the page.
        ax.spines[["top", "right"]].set_visible(True)
        ax.grid(False)
        borders = np.median([o["border"] for o in outcomes], axis=0)
        known = np.isfinite(borders)
        ax.plot(
            borders[known], rows[known], "o-", color="#D55E00", label="half of the runs succeed"
        )
        if law is not None:
            ax.plot(
                law(runs.data.points[-1], y),
                rows,
                label=law_label,
                **_law_line() | {"color": "0.6"},
            )
        ax.set_yticks(rows, [f"{value:g}" for value in y])
        ax.set_xlabel(x_label)
        ax.set_ylabel(y_label)
        ax.figure.colorbar(mesh, ax=ax, label="share of successes")

    return draw
