"""How claims are drawn: curves with bands, or numbers over a parameter, with the law drawn in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from .._typing import Array
from ..analysis.cells import Outcome
from ..plotting import COLOURS, LABELS, style
from ..plotting._style import DASHES, MARKERS, legend_columns
from ._data import Data, Setting


@dataclass(frozen=True, eq=False)
class Runs:
    """All that was measured: the numbers, and the outcomes behind them.

    Attributes
    ----------
    data : Data
    outcomes : sequence of sequence of Outcome
        By point, then repeat.
    """

    data: Data
    outcomes: Sequence[Sequence[Outcome]]


class Drawing(Protocol):
    """Draws a claim into a figure."""

    def draw(self, runs: Runs) -> Any:
        """A matplotlib figure."""
        ...


def _canvas(panels: int = 1) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(layout="constrained", figsize=(5.5 if panels == 1 else 3.4 * panels, 3.6))
    axes = figure.subplots(1, panels, squeeze=False, sharey=panels > 1)[0]
    return figure, list(axes)


@dataclass(frozen=True, kw_only=True)
class Curves:
    """A column over another, one curve per grid point: median over repeats, least to largest.

    Attributes
    ----------
    y, x : str
        Columns.
    label : callable
        Legend entry of a point.
    panel : str or None
        Parameter whose values get panels of their own.
    panel_names : mapping
        Titles of the panels by value.
    law : callable or None
        ``law(setting, x)``: predicted values at x (NaN where the law says nothing).
    law_label : str
    predicted : bool or callable
        Draw the predicted contraction beside the end of the decay: where cells computed it
        (``Solve(predict=True)``), or ``predicted(outcome, setting)``.
    x_label, y_label : str or None
    log_x : bool
    """

    y: str = "rel_error"
    x: str = "iteration"
    label: Callable[[Setting], str]
    panel: str | None = None
    panel_names: Mapping[Any, str] = field(default_factory=dict)
    law: Callable[[Setting, Array], Array] | None = None
    law_label: str = "predicted"
    predicted: bool | Callable[[Outcome, Setting], float] = False
    x_label: str | None = None
    y_label: str | None = None
    log_x: bool = False

    def draw(self, runs: Runs) -> Any:
        """The figure."""
        points = list(runs.data.points)
        groups: dict[Any, list[int]] = {}
        for k, point in enumerate(points):
            groups.setdefault(getattr(point, self.panel) if self.panel else None, []).append(k)
        with style():
            figure, axes = _canvas(len(groups))
            for ax, (value, members) in zip(axes, groups.items(), strict=True):
                self._panel(ax, [(points[k], runs.outcomes[k]) for k in members])
                if self.panel:
                    ax.set_title(self.panel_names.get(value, f"{self.panel} = {value}"))
            axes[0].set_ylabel(self.y_label or LABELS.get(self.y, self.y))
            _legend(figure, axes, runs)
        return figure

    def _panel(self, ax: Any, members: list[tuple[Setting, Sequence[Outcome]]]) -> None:
        for place, (point, outcomes) in enumerate(members):
            x, low, middle, high = _band(outcomes, self.x, self.y)
            colour = COLOURS[place % len(COLOURS)]
            dashes = DASHES[place % len(DASHES)]
            ax.plot(x, middle, color=colour, linestyle=dashes, label=self.label(point))
            if len(outcomes) > 1:
                ax.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
            if self.law is not None:
                ax.plot(x, self.law(point, x), **_law_line())
            if self.predicted:
                rates = [self._rate(o, point) for o in outcomes]
                _slope(ax, x, middle, float(np.median(rates)))
        ax.set_yscale("log")
        if self.log_x:
            ax.set_xscale("log")
        ax.set_xlabel(self.x_label or LABELS.get(self.x, self.x))
        if self.law is not None or self.predicted:
            ax.plot([], [], label=self.law_label, **_law_line())

    def _rate(self, outcome: Outcome, point: Setting) -> float:
        if callable(self.predicted):
            return self.predicted(outcome, point)
        return outcome.info.get("predicted_rate") or np.nan


@dataclass(frozen=True, kw_only=True)
class Points:
    """Numbers over a parameter, with error bars from least to largest over repeats.

    Attributes
    ----------
    x : str
        Parameter.
    y : str
        Number.
    by : str or None
        Parameter that gets colours.
    law : callable or None
        ``law(setting, x)`` with x an array of values of the parameter.
    law_label : str
    x_label, y_label : str
    log : str
        "xy", "x", "y" or "".
    names : mapping
        Legend entries of the values of `by`.
    hollow : bool
        Growing hollow markers, for series that lie on each other.
    """

    x: str
    y: str
    by: str | None = None
    law: Callable[[Setting, Array], Array] | None = None
    law_label: str = "predicted"
    x_label: str
    y_label: str
    log: str = "xy"
    names: Mapping[Any, str] = field(default_factory=dict)
    hollow: bool = False

    def draw(self, runs: Runs) -> Any:
        """The figure."""
        data = runs.data
        values = list(dict.fromkeys(getattr(p, self.by) for p in data.points)) if self.by else [0]
        with style():
            figure, axes = _canvas()
            ax = axes[0]
            for place, value in enumerate(values):
                part = data.where(**{self.by: value}) if self.by else data
                self._series(ax, part, place, value)
            if "x" in self.log:
                ax.set_xscale("log")
                _few_decades(ax, np.unique(data.parameter(self.x)))
            elif data.parameter(self.x).dtype.kind == "i":
                ax.locator_params(axis="x", integer=True)
            if "y" in self.log:
                ax.set_yscale("log")
            ax.set_xlabel(self.x_label)
            ax.set_ylabel(self.y_label)
            if self.law is not None:
                ax.plot([], [], label=self.law_label, **_law_line())
            _legend(figure, axes, runs)
        return figure

    def _series(self, ax: Any, part: Data, place: int, value: Any) -> None:
        order = np.argsort(part.parameter(self.x))
        x = part.parameter(self.x)[order].astype(float)
        numbers = part.numbers[self.y][order]
        middle = np.median(numbers, axis=1)
        finite = np.isfinite(middle)
        x, numbers, middle = x[finite], numbers[finite], middle[finite]
        bars = np.abs(np.stack([middle - numbers.min(1), numbers.max(1) - middle]))
        colour = COLOURS[place % len(COLOURS)]
        label = self.names.get(value, f"{self.by} = {value}") if self.by else "measured"
        shape = {"markerfacecolor": "none", "markersize": 4 + 3 * place} if self.hollow else {}
        ax.errorbar(
            x,
            middle,
            yerr=bars if numbers.shape[1] > 1 else None,
            fmt=MARKERS[place % len(MARKERS)],
            color=colour,
            capsize=2,
            label=label,
            **shape,
        )
        if self.law is not None and x.size:
            dense = np.geomspace(x[0], x[-1], 60) if "x" in self.log else np.linspace(x[0], x[-1])
            ax.plot(dense, self.law(part.points[int(order[0])], dense), **_law_line())


@dataclass(frozen=True, kw_only=True)
class Custom:
    """A drawing function of one's own.

    Attributes
    ----------
    function : callable
        ``function(ax, runs)`` draws into axes that have the package's style.
    """

    function: Callable[[Any, Runs], None]

    def draw(self, runs: Runs) -> Any:
        """The figure."""
        with style():
            figure, axes = _canvas()
            self.function(axes[0], runs)
            _legend(figure, axes, runs)
        return figure


def _few_decades(ax: Any, values: Array) -> None:
    """Ticks at the values themselves, where powers of ten would be few."""
    if values[-1] < 30 * values[0]:
        ax.set_xticks(values, [f"{value:g}" for value in values])
        ax.set_xticks([], minor=True)


def _law_line() -> dict[str, Any]:
    return {"color": "0.1", "linewidth": 0.8, "dashes": (4, 2), "zorder": 5}


def _legend(figure: Any, axes: list[Any], runs: Runs) -> None:
    """One legend for all panels; its title names what only the truth could tell the solvers."""
    handles, labels = axes[0].get_legend_handles_labels()
    distinct = dict(zip(labels, handles, strict=True))
    oracle = {name for row in runs.outcomes for o in row for name in o.info.get("oracle", ())}
    if distinct or oracle:
        legend = figure.legend(
            distinct.values(),
            distinct.keys(),
            title=f"oracle: {', '.join(sorted(oracle))}" if oracle else None,
            loc="outside upper left",
            ncols=legend_columns(distinct, figure.get_figwidth()),
            alignment="left",
        )
        legend.get_title().set_fontsize(8)


def _band(outcomes: Sequence[Outcome], x: str, y: str) -> tuple[Array, Array, Array, Array]:
    longest = max(outcomes, key=lambda outcome: outcome[x][-1])
    across = np.asarray(longest[x], float)
    # A run that has ended says nothing of what comes after it.
    across = across[across <= np.median([outcome[x][-1] for outcome in outcomes])]
    floor = np.finfo(float).tiny
    curves = [
        np.exp(np.interp(across, o[x], np.log(np.maximum(np.abs(o[y]), floor)))) for o in outcomes
    ]
    return across, np.min(curves, 0), np.median(curves, 0), np.max(curves, 0)


def _slope(ax: Any, x: Array, curve: Array, rate: float) -> None:
    """A short line of the predicted slope, above the curve where the decay is at its end."""
    usable = np.flatnonzero(np.isfinite(curve) & (curve > 0))
    if not 0 < rate < 1 or usable.size == 0:
        return
    logs = np.log(curve[usable])
    bottom = max(float(logs.min()), float(np.log(np.finfo(float).eps)))
    anchor = usable[int(np.argmin(np.abs(logs - (0.35 * logs.max() + 0.65 * bottom))))]
    span = min(max(1.0, 0.4 * (logs.max() - bottom) / -np.log(rate)), float(x[-1]))
    along = np.array([-0.5, 0.5]) * span
    ax.plot(x[anchor] + along, 2.5 * curve[anchor] * rate**along, **_law_line())
