"""ScaledGD recovers spectrally sparse signals, whatever the condition number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..problem import Recipe
from ..stopping import Target
from ._checks import between, ratio, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import iterations_to
from ._tong2021 import NAMES, PAPER, method


def cell(p: Setting, seed: Any) -> Solve:
    """Spectral start; the step of GD is eta / sigma_1."""
    return Solve(
        recipe=Recipe(
            "hankel_completion",
            {"n": p.n, "rank": p.rank, "cond": p.kappa, "sampling": p.sampling},
            seed,
        ),
        solver=method(p.solver, p.step_size),
        start="spectral",
        seed=seed,
        max_iter=p.max_iter,
        stop=Target("rel_error", 1e-12),
    )


register(
    Claim(
        id="tong2021-hankel",
        paper=PAPER,
        source="Figure 2d",
        statement="In Hankel completion ScaledGD's iteration count does not depend on kappa.",
        settings="published",
        grid={"solver": ["scaledgd", "gd"], "kappa": [1, 5, 20]},
        fixed={"n": 1000, "rank": 10, "sampling": 0.2, "step_size": 0.5, "max_iter": 250},
        quick={"n": 200, "rank": 2, "sampling": 0.4, "kappa": [1, 5]},
        cell=cell,
        numbers={"to 1e-6": iterations_to(1e-6), "to 1e-10": iterations_to(1e-10)},
        checks=[
            between("to 1e-10", 0, 80, what="ScaledGD, iterations to 1e-10", solver="scaledgd"),
            spread("to 1e-10", 1.2, what="ScaledGD, most over fewest", solver="scaledgd"),
            ratio(
                "to 1e-6",
                {"solver": "gd", "kappa": 5},
                {"solver": "gd", "kappa": 1},
                2.5,
                np.inf,
                what="GD, count at kappa 5 over count at kappa 1",
            ),
        ],
        drawing=Curves(panel="solver", panel_names=NAMES, label=lambda p: f"κ = {p.kappa}"),
        repeats=5,
        seconds=10,
    )
)
