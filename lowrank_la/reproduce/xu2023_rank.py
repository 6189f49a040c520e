"""More columns than the rank: ScaledGD(lambda) does not mind, PrecGD does."""

from __future__ import annotations

from typing import Any

from ..analysis.cells import Solve
from ..solvers import make_solver
from ._checks import between, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import at, iterations_to
from ._xu2023 import PAPER, instance, scaled, small_start


def cell(p: Setting, seed: Any) -> Solve:
    """ScaledGD(lambda) from a small start, PrecGD from a spectral one."""
    if p.solver == "scaledgd_lambda":
        return scaled(p, seed, alpha=small_start(p.kappa), target=1e-10)
    return Solve(
        recipe=instance(p, seed),
        solver=make_solver("precgd", {"step_size": p.step_size}),
        rank=p.search_rank,
        start="spectral",
        seed=seed,
        max_iter=p.max_iter,
    )


SCALED, PRECGD = "scaledgd_lambda", "precgd"

register(
    Claim(
        id="xu2023-rank",
        paper=PAPER,
        source="Figure 3; P5-N3",
        statement="ScaledGD(lambda) is as fast with more columns than the rank; PrecGD is not.",
        settings="ours",
        grid={"solver": [SCALED, PRECGD], "search_rank": [3, 5, 10, 20]},
        fixed={
            "n": 100,
            "kappa": 5,
            "per_row": 10,
            "step_size": 0.3,
            "damping": 1.0,
            "max_iter": 400,
        },
        quick={"n": 40, "per_row": 5, "search_rank": [3, 20]},
        cell=cell,
        numbers={"to 1e-9": iterations_to(1e-9), "at 250": at(250)},
        checks=[
            spread("to 1e-9", 1.1, what="ScaledGD(lambda), most over fewest", solver=SCALED),
            *between("at 250", 0.0, 1e-9, what="PrecGD with r = r*, error after 250",
                     solver=PRECGD, search_rank=3)[1:],
            *between("at 250", 1e-4, float("inf"), what="PrecGD with r = 20, error after 250",
                     solver=PRECGD, search_rank=20),
        ],
        drawing=Curves(
            panel="solver",
            panel_names={SCALED: "ScaledGD(λ)", PRECGD: "PrecGD"},
            label=lambda p: f"r = {p.search_rank}",
        ),
        seconds=45,
    )
)  # fmt: skip
