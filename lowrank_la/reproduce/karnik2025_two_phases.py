"""Tubal tensors: first towards the subspace of A*A(T), then from there to that of the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..problem import Instance
from ..trace import View
from ..tubal import fold, leading_subspace, subspace_distance
from ._checks import between
from ._claim import Claim, register
from ._data import Setting
from ._figures import Custom, Runs, _band
from ._karnik2025 import PAPER, STEP, TEXT, descent
from ._measure import final

CURVES = {
    "rel_error": "relative error",
    "to_spectral": r"sine of the angle to $A^*A(T)$",
    "to_truth": "sine of the angle to the truth",
}


def watch(instance: Instance) -> Mapping[str, Any]:
    """Angles between the leading subspace of the iterate and those of A*A(T) and of T."""
    operator: Any = instance.problem.operator
    truth = instance.truth.factors.left
    n, _, k = operator.tensor_shape
    rank = truth.shape[1]
    back = operator.adjoint_right(instance.problem.data, np.eye(n * k, n))

    def angle(to: Any) -> Any:
        def sine(view: View) -> float:
            return subspace_distance(to, leading_subspace(fold(view.X.left, k), rank))

        return sine

    return {
        "to_spectral": angle(leading_subspace(fold(back, k), rank)),
        "to_truth": angle(fold(truth, k)),
    }


def cell(p: Setting, seed: Any) -> Solve:
    """One long run, looked at every so often."""
    return descent(p, seed, observe=watch, every=20)


def closest(column: str) -> Any:
    """A column where the iterate is closest to the subspace of A*A(T)."""

    def number(outcome: Outcome, p: Setting) -> float:
        return float(outcome[column][int(np.argmin(outcome["to_spectral"]))])

    return number


def draw(ax: Any, runs: Runs) -> None:
    """The error and both angles; median and range over the repeats."""
    for (column, label), dashes in zip(CURVES.items(), ("-", "--", "-."), strict=True):
        x, low, middle, high = _band(runs.outcomes[0], "iteration", column)
        (line,) = ax.plot(x, middle, linestyle=dashes, label=label)
        ax.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    ax.set_yscale("log")
    ax.set_xlabel("iteration")
    ax.set_ylabel("error, sines of angles")


def claim(
    name: str, settings: str, rank: int, measurements: int, notes: str, seconds: float, **run: Any
) -> Claim:
    """The claim in the text's or in the scripts' settings."""
    return Claim(
        id=name,
        paper=PAPER,
        source="Figure 2; P8-N3",
        statement="A small start is drawn to the subspace of A*A(T) first, to the truth later.",
        settings=settings,
        grid={"rank": [rank]},
        fixed={
            "n": 10,
            "k": 4,
            "measurements": measurements,
            "noise": 0.0,
            "columns": 100,
            "alpha": 1e-7,
        }
        | run,
        quick={"step_size": 4 * STEP, "max_iter": 800, "columns": 40},
        cell=cell,
        numbers={
            "least angle": closest("to_spectral"),
            "error there": closest("rel_error"),
            "angle at the end": final("to_spectral"),
            "to the truth there": closest("to_truth"),
            "to the truth at the end": final("to_truth"),
        },
        checks=[
            between("least angle", 0, 0.05, what="least angle to A*A(T)")[1],
            between("error there", 0.9, np.inf, what="relative error at that time"),
            between("to the truth there", 0.3, np.inf, what="angle to the truth at that time"),
            between("angle at the end", 0.3, np.inf, what="angle to A*A(T) at the end"),
            between("to the truth at the end", 0, 0.02, what="angle to the truth at the end")[1],
        ],
        drawing=Custom(function=draw),
        seconds=seconds,
        notes=notes,
    )


register(
    claim("karnik2025-two-phases", "published", 3, 254, TEXT, 6, step_size=STEP, max_iter=4000)
)
register(
    claim(
        "karnik2025-two-phases-scripts",
        "as released",
        2,
        254,
        "The released scripts of this figure have rank 2 where the text has 3, 100 columns, and "
        "a quarter of the step of the other figures.",
        12,
        step_size=5.1e-3,
        max_iter=10000,
    )
)
