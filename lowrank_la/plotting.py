"""Figures fit for a paper; all take and return matplotlib objects."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._lazy import require
from ._typing import Array
from .analysis.compare import Comparison, Run
from .errors import InvalidInputError
from .storage import whole_file

__all__ = ["COLOURS", "LABELS", "convergence", "save_figure", "style"]

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


def convergence(
    comparison: Comparison,
    *,
    x: str = "iteration",
    y: str | None = None,
    predicted: bool = True,
    ax: Any = None,
) -> Any:
    """Convergence curves of a race, with predicted slopes drawn in.

    Each solver is one curve: the median over instances' repeats with a band from the smallest
    to the largest. A solver without iterations is a marker at its final value. The legend
    names oracle quantities that a solver used.

    Parameters
    ----------
    comparison : Comparison
        From `lowrank_la.compare`.
    x : {"iteration", "seconds"}
        Horizontal axis; seconds on a logarithmic scale.
    y : str, optional
        Trace column; default "rel_error" where the truth is known, else "objective".
    predicted : bool
        Draw the predicted contraction of each solver as a thin dashed line beside its curve;
        over iterations only.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: axes of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InvalidInputError
        If no run has the column, or `x` is unknown.
    MissingDependencyError
        Without matplotlib.
    """
    if x not in ("iteration", "seconds"):
        raise InvalidInputError(f"x must be 'iteration' or 'seconds', got {x!r}")
    done = [run for run in comparison.runs if run.result is not None]
    if y is None:
        y = "rel_error" if all(run.measure == "rel_error" for run in done) else "objective"
    done = [run for run in done if run.result is not None and y in run.result.trace]
    if not done:
        raise InvalidInputError(f"no finished run has the column {y!r}")
    with style():
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(layout="constrained").subplots()
        # A convex baseline needs no oracle; the legend of the others must not suffer from that.
        used = [set(run.result.oracle_used) for run in done if run.result is not None]
        shared = set.intersection(*filter(None, used)) if any(used) else set()
        ends = [_draw(ax, curve, x, y, predicted, shared) for curve in _curves(done)]
        ax.set_yscale("log")
        _limit(ax, done, y)
        ax.set_xlabel(LABELS[x])
        ax.set_ylabel(LABELS.get(y, y))
        if x == "seconds":
            # Solvers differ by orders of magnitude in time. (A run of one look took none.)
            if max(ends) > 0:
                ax.set_xscale("log")
        else:
            ax.set_xlim(0, max(1.0, 1.02 * max(ends)))
        if any(line.get_label() == "_predicted" for line in ax.get_lines()):
            ax.plot([], [], color="0.3", linewidth=0.9, dashes=(4, 2), label="predicted rate")
        # Above the axes: inside, it would lie on a curve sooner or later.
        legend = ax.legend(
            title=f"oracle: {', '.join(sorted(shared))}" if shared else None,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=3,
            alignment="left",
        )
        legend.get_title().set_fontsize(8)
    return ax


@dataclass(frozen=True)
class _Curve:
    """The repeats of a solver on an instance, and how they are drawn."""

    label: str
    runs: list[Run]
    colour: str
    dashes: Any
    marker: str


def _curves(runs: list[Run]) -> list[_Curve]:
    """A colour for each solver; dashes for each instance, or for each solver if there is one."""
    solvers = list(dict.fromkeys(run.solver for run in runs))
    instances = list(dict.fromkeys(run.instance for run in runs))
    several = len(instances) > 1
    curves = []
    for place, solver in enumerate(solvers):
        for other, instance in enumerate(instances):
            mine = [run for run in runs if (run.solver, run.instance) == (solver, instance)]
            if mine:
                curves.append(
                    _Curve(
                        label=f"{solver}, {instance}" if several else solver,
                        runs=mine,
                        colour=COLOURS[place % len(COLOURS)],
                        dashes=DASHES[(other if several else place) % len(DASHES)],
                        marker=MARKERS[place % len(MARKERS)],
                    )
                )
    return curves


def _draw(ax: Any, curve: _Curve, x: str, y: str, predicted: bool, shared: set[str]) -> float:
    label, runs, colour = curve.label, curve.runs, curve.colour
    results = [run.result for run in runs if run.result is not None]
    oracle = sorted(set().union(*(result.oracle_used for result in results)) - shared)
    if oracle:
        label += f" (oracle: {', '.join(oracle)})"
    if results[0].solver.info.one_shot:
        across = [
            run.seconds if x == "seconds" else run.result.n_iter for run in runs if run.result
        ]
        value = float(np.median([result.trace[y][-1] for result in results]))
        ax.axhline(value, color=colour, linewidth=0.8, linestyle=":")
        ax.plot(
            [float(np.median(across))],
            [value],
            curve.marker,
            color=colour,
            markersize=5,
            label=label,
            clip_on=x == "seconds",
        )
        return across[0]
    abscissa, low, middle, high = _band(results, x, y)
    ax.plot(abscissa, middle, color=colour, linestyle=curve.dashes, label=label)
    if len(results) > 1:
        ax.fill_between(abscissa, low, high, color=colour, alpha=0.15, linewidth=0)
    # As the curve is the middle one of the repeats, so is the slope.
    rates = [run.predicted_rate for run in runs if run.predicted_rate is not None]
    rate = float(np.median(rates)) if rates else 0.0
    if predicted and x == "iteration" and 0 < rate < 1:
        _draw_prediction(ax, abscissa, middle, rate, colour)
    return float(abscissa[-1])


def _band(results: list[Any], x: str, y: str) -> tuple[Array, Array, Array, Array]:
    """Smallest, middle and largest of the curves on the abscissa of the longest."""
    longest = max(results, key=lambda result: result.trace[x][-1])
    abscissa = longest.trace[x]
    floor = np.finfo(float).tiny
    curves = [
        np.exp(np.interp(abscissa, r.trace[x], np.log(np.maximum(r.trace[y], floor))))
        for r in results
    ]
    return abscissa, np.min(curves, 0), np.median(curves, 0), np.max(curves, 0)


def _draw_prediction(ax: Any, abscissa: Array, curve: Array, rate: float, colour: str) -> None:
    # The prediction is that of the end of the decay: anchored at three quarters of it (on a
    # log scale), a little above the curve.
    usable = np.flatnonzero(np.isfinite(curve) & (curve > 0))
    logs = np.log(curve[usable])
    bottom = max(logs.min(), np.log(np.finfo(float).eps))
    anchor = usable[int(np.argmin(np.abs(logs - (0.25 * logs[0] + 0.75 * bottom))))]
    span = max(1.0, 0.3 * (logs[0] - bottom) / -np.log(rate))
    along = np.array([-0.5, 0.5]) * min(span, abscissa[-1])
    ax.plot(
        abscissa[anchor] + along,
        2.0 * curve[anchor] * rate**along,
        color=colour,
        linewidth=0.9,
        dashes=(4, 2),
        label="_predicted",
    )


def _limit(ax: Any, runs: list[Run], y: str) -> None:
    # A diverged run must not squeeze the others into a line.
    tops = [run.result.trace[y][0] for run in runs if run.result is not None]
    low, high = ax.get_ylim()
    ax.set_ylim(low, min(high, 100 * max(tops)))


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
