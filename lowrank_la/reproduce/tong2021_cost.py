"""What an accurate completion costs: in iterations, in work, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..plotting import COLOURS, LABELS, style
from ..plotting._style import DASHES
from ..problem import Instance
from ..solvers import make_solver
from ..stopping import Target
from ..trace import View
from ._checks import between, ratio, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Runs, _canvas, _legend
from ._measure import iterations_to
from ._tong2021 import NAMES, PAPER, completion, method

SECONDS = "solver seconds"


def clock(instance: Instance) -> Mapping[str, Callable[[View], float]]:
    """The time spent in the solver, as a column of its own."""
    return {SECONDS: lambda view: view.seconds}


def cell(p: Setting, seed: Any) -> Solve:
    """Gradient methods with the paper's steps, or alternating least squares."""
    return Solve(
        recipe=completion(p, seed),
        solver=(
            make_solver("altmin", {"relaxation": 1.0})
            if p.solver == "altmin"
            else method(p.solver, p.step_size)
        ),
        start="spectral",
        seed=seed,
        max_iter=p.max_iter,
        stop=Target("rel_error", 1e-7),
        observe=clock,
    )


def evaluations(p: Setting) -> float:
    """Work of an iteration in gradients.

    A gradient takes 3 m r multiplications, a sweep m r (r + 1) for the normal equations of
    both factors and 2 m r for their right-hand sides.
    """
    return (p.rank + 3) / 3 if p.solver == "altmin" else 1.0


def gradients(outcome: Outcome, p: Setting) -> float:
    """Gradient evaluations to 1e-6."""
    return evaluations(p) * outcome.first("rel_error", 1e-6)


def seconds(outcome: Outcome, p: Setting) -> float:
    """Seconds to 1e-6 on this machine."""
    hits = np.flatnonzero(outcome["rel_error"] <= 1e-6)
    return float(outcome[SECONDS][hits[0]]) if hits.size else float("inf")


@dataclass(frozen=True)
class ThreeAxes:
    """The error of the first repeat over iterations, work and time; kappa by dashes."""

    def draw(self, runs: Runs) -> Any:
        """The figure."""
        points = runs.data.points
        solvers = list(dict.fromkeys(p.solver for p in points))
        kappas = list(dict.fromkeys(p.kappa for p in points))
        axes_of = [("iteration", "iterations"), ("work", "gradient evaluations"),
                   (SECONDS, LABELS["seconds"])]  # fmt: skip
        with style():
            figure, axes = _canvas(3)
            for ax, (column, label) in zip(axes, axes_of, strict=True):
                for p, outcomes in zip(points, runs.outcomes, strict=True):
                    name = "iteration" if column == "work" else column
                    one = outcomes[0]
                    ax.plot(
                        one[name] * (evaluations(p) if column == "work" else 1.0),
                        one["rel_error"],
                        color=COLOURS[solvers.index(p.solver)],
                        linestyle=DASHES[kappas.index(p.kappa)],
                        label=f"{NAMES[p.solver]}, κ = {p.kappa}",
                    )
                ax.set_xscale("log")
                ax.set_yscale("log")
                ax.set_xlabel(label)
            axes[0].set_ylabel(LABELS["rel_error"])
            _legend(figure, axes, runs)
        return figure


register(
    Claim(
        id="tong2021-cost",
        paper=PAPER,
        source="Figures 5 and 6",
        statement="Counted in work too, ScaledGD's cost does not depend on kappa; GD's does.",
        settings="ours",
        grid={"solver": ["scaledgd", "altmin", "gd"], "kappa": [1, 5, 20]},
        fixed={"n": 1000, "rank": 10, "sampling": 0.2, "step_size": 0.5, "max_iter": 250},
        quick={"n": 300, "rank": 3, "sampling": 0.3, "kappa": [1, 5]},
        cell=cell,
        numbers={
            "iterations": iterations_to(1e-6),
            "gradient evaluations": gradients,
            "seconds to 1e-6": seconds,
        },
        checks=[
            between(
                "gradient evaluations",
                0,
                50,
                what="ScaledGD, gradient evaluations to 1e-6",
                solver="scaledgd",
            )[1],
            spread(
                "gradient evaluations",
                1.08,
                what="ScaledGD, most over fewest gradient evaluations",
                solver="scaledgd",
            ),
            ratio(
                "gradient evaluations",
                {"solver": "gd", "kappa": 5},
                {"solver": "scaledgd", "kappa": 5},
                2.5,
                np.inf,
                what="GD's gradient evaluations over ScaledGD's, kappa 5",
            ),
        ],
        drawing=ThreeAxes(),
        seconds=12,
        notes=(
            "Seconds depend on the machine and on how well each method is written, and are not "
            "judged. A sweep of alternating least squares counts as (r + 3) / 3 gradients."
        ),
    )
)
