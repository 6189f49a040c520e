"""Convergence curves of a race."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Array
from ..analysis.compare import Comparison, Run
from ..errors import InvalidInputError
from ._style import COLOURS, DASHES, LABELS, MARKERS, legend_columns, style


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
        labels = ax.get_legend_handles_labels()[1]
        legend = ax.legend(
            title=f"oracle: {', '.join(sorted(shared))}" if shared else None,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            ncols=legend_columns(labels, ax.figure.get_figwidth() - 0.7),
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
