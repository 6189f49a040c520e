"""Which step sizes work does not depend on the condition number for ScaledGD."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..plotting import COLOURS
from ..plotting._style import DASHES, MARKERS
from ._checks import Check, between
from ._claim import Claim, register
from ._data import Data, Setting
from ._figures import Custom, Runs
from ._tong2021 import NAMES, PAPER, completion, method

CAP = 1e2


def cell(p: Setting, seed: Any) -> Solve:
    """Completion; the step of GD is eta / sigma_1."""
    return Solve(
        recipe=completion(p, seed),
        solver=method(p.solver, p.step_size),
        start="spectral",
        seed=seed,
        max_iter=p.max_iter,
        every=p.max_iter,
    )


def error(outcome: Outcome, p: Setting) -> float:
    """The error at the end, at most the cap of the figure."""
    last = outcome.last("rel_error")
    return min(last, CAP) if np.isfinite(last) else CAP


def best_of_gd(data: Data) -> float:
    """GD's least error over step sizes at the largest kappa."""
    worst = max(p.kappa for p in data.points)
    return float(data.where(solver="gd", kappa=worst).mean("error").min())


def draw(ax: Any, runs: Runs) -> None:
    """Final error over the step: colours for methods, dashes for condition numbers."""
    data = runs.data
    solvers = list(dict.fromkeys(p.solver for p in data.points))
    kappas = list(dict.fromkeys(p.kappa for p in data.points))
    for k, solver in enumerate(solvers):
        for j, kappa in enumerate(kappas):
            part = data.where(solver=solver, kappa=kappa)
            order = np.argsort(part.parameter("step_size"))
            ax.plot(
                part.parameter("step_size")[order],
                np.median(part.numbers["error"], axis=1)[order],
                color=COLOURS[k],
                linestyle=DASHES[j],
                marker=MARKERS[k],
                label=f"{NAMES[solver]}, κ = {kappa}",
            )
    ax.axvline(
        2 / 3, color="0.1", linewidth=0.8, dashes=(4, 2), label="largest step of the theorem"
    )
    ax.set_yscale("log")
    ax.set_xlabel("step size η")
    ax.set_ylabel(f"relative error after {data.points[0].max_iter} iterations")


register(
    Claim(
        id="tong2021-steps",
        paper=PAPER,
        source="Figure 4",
        statement="Steps of 0.4 to 2/3 serve ScaledGD at every kappa; none serves GD at kappa 20.",
        settings="published",
        grid={
            "solver": ["scaledgd", "gd"],
            "kappa": [1, 20],
            "step_size": [0.1, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2],
        },
        fixed={"n": 1000, "rank": 10, "sampling": 0.2, "max_iter": 80},
        quick={"n": 250, "rank": 2, "sampling": 0.4},
        cell=cell,
        numbers={"error": error},
        checks=[
            *(
                check
                for eta in (0.4, 0.5, 0.6)
                for check in between(
                    "error",
                    -np.inf,
                    1e-6,
                    what=f"ScaledGD, final error with step {eta}",
                    solver="scaledgd",
                    step_size=eta,
                )
            ),
            Check(
                "GD, final error with the best of the steps, largest kappa", best_of_gd, low=1e-3
            ),
        ],
        drawing=Custom(function=draw),
        seconds=30,
    )
)
