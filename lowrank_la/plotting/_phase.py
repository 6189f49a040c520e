"""Phase diagrams."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.phase import PhaseDiagram
from ._style import COLOURS, style

NAMES = {
    "rank": "rank",
    "oversampling": "entries / degrees of freedom",
    "sampling": "share of observed entries",
    "measurements": "measurements",
    "outliers": "outlier share",
    "corruption": "outlier share",
    "cond": r"condition number $\sigma_1 / \sigma_r$",
    "search_rank": "columns of the factors",
    "init_scale": "scale of the start",
}


def phase_diagram(
    diagram: PhaseDiagram,
    *,
    fit: str | None = None,
    log: str = "",
    labels: tuple[str, str] | None = None,
    ax: Any = None,
) -> Any:
    """Share of successes over the plane, with the border where it is one half.

    The border is drawn with its 95 % interval. Hatched cells have no instances.

    Parameters
    ----------
    diagram : PhaseDiagram
        From `lowrank_la.phase_transition`.
    fit : {"power", "linear"}, optional
        Draw the border's fit over y too.
    log : str
        Axes with logarithmic scale: "x", "y" or "xy".
    labels : tuple of str, optional
        Axis labels.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    with style():
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(layout="constrained").subplots()
        ax.grid(False)
        share = np.ma.masked_invalid(diagram.share)
        mesh = ax.pcolormesh(
            _edges(diagram.x, "x" in log),
            _edges(diagram.y, "y" in log),
            share,
            cmap="cividis",
            vmin=0,
            vmax=1,
            # Vector cells show hairlines between them in many viewers.
            rasterized=True,
        )
        ax.set_facecolor("0.85")
        border, low, high = diagram.border()
        known = np.isfinite(border)
        ax.errorbar(
            border[known],
            diagram.y[known],
            xerr=np.abs(np.stack([border - low, high - border]))[:, known],
            fmt="o",
            color="white",
            markeredgecolor="black",
            ecolor="black",
            elinewidth=0.8,
            capsize=2,
            label="half succeed (95 %)",
        )
        if fit is not None:
            a, b = diagram.fit(fit)
            dense = np.linspace(diagram.y[known].min(), diagram.y[known].max(), 200)
            power = fit == "power"
            name = f"${a:.2g}\\, y^{{{b:.2f}}}$" if power else f"${a:.2g} {b:+.2g}\\, y$"
            line = a * dense**b if power else a + b * dense
            ax.plot(line, dense, color=COLOURS[1], linewidth=1.2, label=f"fit {name}")
        for axis in log:
            getattr(ax, f"set_{axis}scale")("log")
        ax.set_xlim(_edges(diagram.x, "x" in log)[[0, -1]])
        ax.set_ylim(_edges(diagram.y, "y" in log)[[0, -1]])
        x_label, y_label = labels or (diagram.x_name, diagram.y_name)
        ax.set_xlabel(NAMES.get(x_label, x_label))
        ax.set_ylabel(NAMES.get(y_label, y_label))
        ax.figure.colorbar(mesh, ax=ax, label="share of successes")
        ax.legend(
            loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, facecolor="0.75", frameon=True
        )
    return ax


def _edges(values: Any, log: bool) -> Any:
    """Borders of the cells around the values."""
    x = np.log(values) if log else np.asarray(values, float)
    inner = 0.5 * (x[1:] + x[:-1])
    edges = np.concatenate(([2 * x[0] - inner[0]], inner, [2 * x[-1] - inner[-1]]))
    return np.exp(edges) if log else edges
