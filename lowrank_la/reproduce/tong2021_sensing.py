"""ScaledGD recovers matrices from Gaussian measurements, whatever the condition number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..analysis.cells import Solve
from ..problem import Recipe
from ._checks import between, ratio, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import at, iterations_to
from ._tong2021 import NAMES, PAPER, SAME_SIDES, method, same_sides


def cell(p: Setting, seed: Any) -> Solve:
    """5 n r measurements, spectral start; the step of GD is eta / sigma_1."""
    return Solve(
        recipe=Recipe(
            "sensing",
            {"shape": [p.n, p.n], "rank": p.rank, "cond": p.kappa, "factors": "sign",
             "measurements": 5 * p.n * p.rank, "storage": "float32"},
            seed,
        ),
        solver=method(p.solver, p.step_size),
        start="spectral",
        seed=seed,
        max_iter=p.max_iter,
    )  # fmt: skip


def released(p: Setting, seed: Any) -> Solve:
    """With the right singular vectors of the released script."""
    return replace(cell(p, seed), transform=same_sides)


DRAWING = Curves(panel="solver", panel_names=NAMES, label=lambda p: f"κ = {p.kappa}")

small = register(
    Claim(
        id="tong2021-sensing",
        paper=PAPER,
        source="Figure 2a; P5a-N3",
        statement="In sensing ScaledGD's iteration count does not depend on kappa; GD's does.",
        settings="ours",
        grid={"solver": ["scaledgd", "gd"], "kappa": [1, 5, 20]},
        fixed={"n": 60, "rank": 5, "step_size": 0.5, "max_iter": 700},
        quick={"n": 30, "rank": 2, "kappa": [1, 5], "max_iter": 700},
        cell=cell,
        numbers={"to 1e-6": iterations_to(1e-6)},
        checks=[
            between("to 1e-6", 116, 158, what="ScaledGD, iterations to 1e-6", solver="scaledgd"),
            spread("to 1e-6", 1.08, what="ScaledGD, largest over least count", solver="scaledgd"),
            ratio(
                "to 1e-6",
                {"solver": "gd", "kappa": 5},
                {"solver": "gd", "kappa": 1},
                2.5,
                6.0,
                what="GD, count at kappa 5 over count at kappa 1",
            ),
        ],
        drawing=DRAWING,
        seconds=30,
        notes="A smaller size than the paper's, which takes gigabytes.",
    )
)

register(
    replace(
        small,
        id="tong2021-sensing-released",
        settings="as released",
        grid={**small.grid, "kappa": [1, 5]},
        cell=released,
        seconds=20,
        notes=SAME_SIDES + " The size is not that of the script either.",
    )
)

register(
    replace(
        small,
        id="tong2021-sensing-published",
        settings="published",
        statement="At n = 200 ScaledGD's error after 69 iterations does not depend on kappa.",
        grid={"solver": ["scaledgd"], "kappa": [1, 20]},
        fixed={**small.fixed, "n": 200, "rank": 10, "max_iter": 69},
        quick=None,
        numbers={"error": at(69)},
        checks=[
            between("error", 2e-4, 1e-3, what="error after 69 iterations"),
            ratio(
                "error",
                {"kappa": 20},
                {"kappa": 1},
                2 / 3,
                1.5,
                what="error, kappa 20 over kappa 1",
            ),
        ],
        seconds=150,
        notes="Measurement matrices are kept in float32, 1.6 GB for each process.",
    )
)
