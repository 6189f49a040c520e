"""One layer under the Bures-Wasserstein loss does not feel the condition number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Call
from ..analysis.theory import bures_wasserstein_rate
from ._checks import between, spread
from ._claim import Claim, register
from ._covariance import PAPER, losses, slope
from ._data import Setting
from ._figures import Custom, Runs


def cell(p: Setting, seed: Any) -> Call:
    """Targets of a geometric spectrum, from a close start."""
    parameters = {
        "n": p.n, "smallest": 1.0, "cond": p.cond, "depth": p.depth, "smoothing": p.smoothing,
        "rate": p.rate, "time": 3.0, "every": 1, "seed": seed,
    }  # fmt: skip
    return Call(losses, parameters)


def draw(ax: Any, runs: Runs) -> None:
    """Decay over condition number, with zero on the axis: all of it is flat."""
    x = runs.data.parameter("cond")
    ax.semilogx(x, np.median(runs.data.numbers["slope"], axis=1), "o", label="measured")
    ax.axhline(-bures_wasserstein_rate(1, 1.0), color="0.1", linewidth=0.8, label="local rate, 4")
    ax.set_ylim(0, 5)
    ax.set_xlabel("condition number of the target")
    ax.set_ylabel("decay of the log loss per unit of time")


register(
    Claim(
        id="brechet2023-shallow",
        paper=PAPER,
        source="Convergence theorem at depth 1; P9-N2",
        statement="With one layer the loss falls as exp(-4 t), whatever the condition number.",
        settings="ours",
        grid={"cond": [1.0, 1e1, 1e2, 1e3, 1e4]},
        fixed={"n": 20, "depth": 1, "smoothing": 0.0, "rate": 0.01},
        repeats=5,
        quick={"cond": [1.0, 1e4], "repeats": 3},
        cell=cell,
        numbers={"slope": slope},
        checks=[
            between("slope", 3.8, 4.2, what="decay of the log loss per unit of time"),
            spread("slope", 1.02, what="largest over least"),
        ],
        drawing=Custom(function=draw),
        seconds=4,
        notes="Each step multiplies the loss by (1 - 2 eta)^2 exactly.",
    )
)
