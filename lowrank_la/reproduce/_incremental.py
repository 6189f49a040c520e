"""What the claims on incremental learning share: the runs, the distances, the drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..analysis.incremental import rank_minimisers
from ..analysis.observers import distance_to
from ..factors import Factors
from ..plotting import COLOURS, style
from ..problem import Instance, Recipe
from ..problems import build
from ..solvers import make_solver
from ..trace import View
from ._checks import Check, increases
from ._data import Data, Setting
from ._figures import Runs, _canvas, _legend

PAPER = "Jin, Li, Lyu, Du, Lee (2023), arXiv:2301.11500"
SPECTRUM = [1.0, 0.8, 0.6, 0.4, 0.2]
TRUE_RANK = len(SPECTRUM)
SHARED = {"n": 40, "measurements": 600, "step_size": 0.1, "every": 2}
NOTES = (
    "The published figures take d = 50, about 1000 measurements and alpha from 1 to 1e-3; their "
    "step and axes are not known. Distances are to the minimisers of the measured loss: from "
    "truncations of the truth they would stay at several percent for any alpha."
)


def cell(p: Setting, seed: Any) -> Solve:
    """Symmetric gradient descent from alpha G / sqrt(d)."""
    return Solve(
        recipe=Recipe(
            "sensing",
            {"shape": p.n, "rank": TRUE_RANK, "measurements": p.measurements,
             "symmetric": True, "spectrum": SPECTRUM},
            seed,
        ),
        solver=make_solver("gd", {"step_size": p.step_size, "sigma_max": 1.0}),
        rank=p.columns,
        start="small_random",
        start_options={"init_scale": p.alpha},
        seed=seed,
        max_iter=p.max_iter,
        every=p.every,
        observe=squared_distances,
    )  # fmt: skip


@lru_cache(maxsize=2)
def _minimisers(recipe: str) -> dict[int, Factors]:
    return rank_minimisers(build(Recipe.from_json(recipe)), range(1, TRUE_RANK + 1))


def squared_distances(instance: Instance) -> dict[str, Callable[[View], float]]:
    """Squared relative distance to the minimiser of each rank."""
    assert instance.recipe is not None
    found = _minimisers(instance.recipe.to_json())
    return {f"to {s}": _squared(distance_to(X)) for s, X in found.items()}


def _squared(distance: Callable[[View], float]) -> Callable[[View], float]:
    return lambda view: distance(view) ** 2


def dip(s: int) -> Callable[[Outcome, Setting], float]:
    """Least squared distance to the minimiser of rank s."""
    return lambda outcome, p: float(outcome[f"to {s}"].min())


def dip_time(s: int) -> Callable[[Outcome, Setting], float]:
    """The iteration of least distance to the minimiser of rank s."""
    return lambda outcome, p: float(outcome["iteration"][outcome[f"to {s}"].argmin()])


def dips(ranks: tuple[int, ...]) -> dict[str, Callable[[Outcome, Setting], float]]:
    """Depths and times of the dips."""
    depths = {f"dip {s}": dip(s) for s in ranks}
    return depths | {f"time {s}": dip_time(s) for s in ranks}


def deepen(ranks: tuple[int, ...]) -> list[Check]:
    """Each dip is the deeper the smaller alpha is."""
    return [increases(f"dip {s}", "alpha", what=f"least step of dip {s} in alpha") for s in ranks]


def in_turn(ranks: tuple[int, ...]) -> Check:
    """The dips follow each other, at every alpha."""

    def least(data: Data) -> float:
        return float(np.min(np.diff([data.mean(f"time {s}") for s in ranks], axis=0)))

    return Check("least time between two dips", least, low=1.0)


@dataclass(frozen=True)
class Passages:
    """The distances to the minimisers over iterations: a panel for each alpha."""

    alphas: int = 3

    def draw(self, runs: Runs) -> Any:
        """The figure: medians over the repeats, on the instance-wide axes."""
        points = runs.data.points
        chosen = np.unique(
            np.linspace(0, len(points) - 1, min(self.alphas, len(points)), dtype=int)
        )
        with style():
            figure, axes = _canvas(len(chosen))
            bottom = 1.0
            for ax, k in zip(axes, chosen, strict=True):
                for s in range(1, TRUE_RANK + 1):
                    curves = np.array([o[f"to {s}"] for o in runs.outcomes[k]])
                    bottom = min(bottom, float(np.min(np.median(curves, axis=0))))
                    ax.plot(
                        runs.outcomes[k][0]["iteration"],
                        np.median(curves, axis=0),
                        color=COLOURS[s - 1],
                        label=f"s = {s}",
                    )
                ax.set_yscale("log")
                ax.set_xlabel("iteration")
                ax.set_title(rf"$\alpha$ = {points[k].alpha:g}")
            axes[0].set_ylabel(r"$\|UU^\top - Z_s\|_F^2 \,/\, \|Z_s\|_F^2$")
            axes[0].set_ylim(bottom=max(0.3 * bottom, 1e-12))
            _legend(figure, axes, runs)
        return figure
