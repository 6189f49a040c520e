"""Scaled subgradients on quadratic measurements with outliers."""

from __future__ import annotations

from typing import Any

from ..analysis.cells import Solve
from ..problem import Recipe
from ..stopping import Target
from ._checks import between, ratio, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import iterations_to
from ._robust import NAMES, SCALED, START_NOTES, TONG, VANILLA, tong_cell


def cell(p: Setting, seed: Any) -> Solve:
    """8 n r forms a_i^T X a_i."""
    recipe = Recipe(
        "quadratic_sensing",
        {"n": p.n, "rank": p.rank, "measurements": 8 * p.n * p.rank, "cond": p.kappa,
         "outliers": p.share, "outlier_scale": 10.0},
        seed,
    )  # fmt: skip
    return tong_cell(p, seed, recipe=recipe, stop=Target("rel_error", 1e-10))


register(
    Claim(
        id="tong2021b-quadratic",
        paper=TONG,
        source="Figure 2",
        statement="On quadratic forms too the rate of scaled subgradients is free of kappa.",
        settings="published",
        grid={"solver": [SCALED, VANILLA], "kappa": [1, 5, 10, 20]},
        fixed={"n": 100, "rank": 5, "share": 0.2, "max_iter": 300},
        quick={"n": 50, "rank": 3, "kappa": [1, 5, 20]},
        cell=cell,
        numbers={"to 1e-6": iterations_to(1e-6), "to 1e-10": iterations_to(1e-10)},
        checks=[
            spread("to 1e-6", 1.2, what="scaled, largest over least count", solver=SCALED),
            *between("to 1e-10", 0, 300, what="scaled, count to 1e-10", solver=SCALED)[1:],
            ratio(
                "to 1e-6",
                {"solver": VANILLA, "kappa": 5},
                {"solver": SCALED, "kappa": 5},
                2,
                float("inf"),
                what="to 1e-6, vanilla over scaled, kappa 5",
            ),
            *between(
                "to 1e-6",
                300,
                float("inf"),
                what="vanilla, count at kappa 20",
                solver=VANILLA,
                kappa=20,
            ),
        ],
        drawing=Curves(panel="solver", panel_names=NAMES, label=lambda p: f"κ = {p.kappa}"),
        seconds=4,
        notes=START_NOTES + " One factor is moved where the released code moves two.",
    )
)
