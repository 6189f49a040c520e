"""The times at which gradient descent learns a direction grow with the logarithm of 1 / alpha."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..analysis.theory import incremental_time
from ..plotting import COLOURS
from ..plotting._style import MARKERS
from ._checks import Check
from ._claim import Claim, register
from ._data import Data
from ._figures import Custom, Runs, _law_line
from ._incremental import NOTES, PAPER, SHARED, SPECTRUM, cell, dips, in_turn

RANKS = (1, 2, 3)
# What the restricted isometry of 600 measurements may change.
SLACK = 1.15
STEP = float(SHARED["step_size"])


def law(data: Data, s: int, alpha: Any) -> Any:
    """Time to learn direction s from this scale."""
    step_size = data.points[0].step_size
    return np.array(
        [
            incremental_time(a, step_size=step_size, singular_value=SPECTRUM[s - 1])
            for a in np.atleast_1d(alpha)
        ]
    )


def per_decade(s: int, step_size: float) -> float:
    """Predicted slope of the time in -log10 alpha."""
    return float(np.log(10) / np.log1p(step_size * SPECTRUM[s - 1]))


def over_law(data: Data, s: int) -> float:
    """Slope per decade, over the predicted one of direction s."""
    return line(data, s)[0] / per_decade(s, data.points[0].step_size)


def line(data: Data, s: int) -> tuple[float, float]:
    """Slope per decade, and the squared correlation."""
    decades, times = -np.log10(data.parameter("alpha")), data.mean(f"time {s}")
    correlation = np.corrcoef(decades, times)[0, 1] ** 2
    return float(np.polyfit(decades, times, 1)[0]), float(correlation)


def straight(s: int) -> Iterable[Check]:
    """The time is linear in log(1/alpha), and the slope is as predicted.

    The iterate is closest to Z_s when direction s has been learned and s + 1 not yet, so that
    the slope is between those of the two.
    """
    yield Check(f"squared correlation, s = {s}", lambda data: line(data, s)[1], low=0.99)
    yield Check(
        f"iterations per decade over the law's, s = {s}",
        lambda data: over_law(data, s),
        1 / SLACK,
        SLACK * per_decade(s + 1, STEP) / per_decade(s, STEP),
        lambda data: 1.0,
    )


def draw(ax: Any, runs: Runs) -> None:
    """Times over 1 / alpha, with the law."""
    alpha = runs.data.parameter("alpha").astype(float)
    dense = np.geomspace(alpha.min(), alpha.max())
    for s in RANKS:
        times = runs.data.numbers[f"time {s}"]
        middle = np.median(times, axis=1)
        bars = np.stack([middle - times.min(1), times.max(1) - middle])
        style = {"fmt": MARKERS[s - 1], "color": COLOURS[s - 1], "capsize": 2}
        ax.errorbar(1 / alpha, middle, yerr=bars, label=f"s = {s}", **style)
        ax.plot(1 / dense, law(runs.data, s, dense), **_law_line())
    ax.set_xscale("log")
    ax.set_xlabel(r"$1/\alpha$")
    ax.set_ylabel(r"iteration of least distance to $Z_s$")
    ax.plot([], [], label=r"$\log(\sqrt{\sigma_s}/\alpha)\,/\,\log(1+\mu\sigma_s)$", **_law_line())


register(
    Claim(
        id="jin2023-times",
        paper=PAPER,
        source="P1-N1",
        statement="The times at which GD learns a direction are linear in log(1/alpha).",
        settings="ours",
        grid={"alpha": [1e-2, 1e-4, 1e-6, 1e-8]},
        fixed=SHARED | {"columns": 40, "max_iter": 700},
        quick={"alpha": [1e-2, 1e-4, 1e-6], "columns": 10, "max_iter": 350, "repeats": 3},
        repeats=5,
        cell=cell,
        numbers=dips(RANKS),
        checks=[in_turn(RANKS), *(straight(s) for s in RANKS)],
        drawing=Custom(function=draw),
        seconds=8,
        notes=NOTES,
    )
)
