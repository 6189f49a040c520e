"""ScaledGD completes matrices in a number of iterations free of the condition number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..analysis.cells import Solve
from ._checks import between, ratio, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import iterations_to
from ._tong2021 import NAMES, PAPER, SAME_SIDES, completion, method, same_sides


def cell(p: Setting, seed: Any) -> Solve:
    """Spectral start; the step of GD is eta / sigma_1, as in the paper."""
    return Solve(
        recipe=completion(p, seed),
        solver=method(p.solver, p.step_size),
        start="spectral",
        seed=seed,
        max_iter=p.max_iter,
        predict=True,
    )


def released(p: Setting, seed: Any) -> Solve:
    """With the right singular vectors of the released script."""
    return replace(cell(p, seed), transform=same_sides)


published = register(
    Claim(
        id="tong2021-completion",
        paper=PAPER,
        source="Figure 2c; P5a-N1",
        statement="In completion ScaledGD's iteration count does not depend on kappa; GD's does.",
        settings="published",
        grid={"solver": ["scaledgd", "gd"], "kappa": [1, 5, 20]},
        fixed={"n": 1000, "rank": 10, "sampling": 0.2, "step_size": 0.5, "max_iter": 200},
        quick={"n": 300, "rank": 5, "sampling": 0.4, "kappa": [1, 5]},
        cell=cell,
        numbers={"to 1e-6": iterations_to(1e-6)},
        checks=[
            between("to 1e-6", 30, 50, what="ScaledGD, iterations to 1e-6", solver="scaledgd"),
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
        drawing=Curves(
            panel="solver",
            panel_names=NAMES,
            label=lambda p: f"κ = {p.kappa}",
            predicted=True,
            law_label="predicted rate",
        ),
        seconds=35,
        notes=(
            "The released scripts of the sensing, completion and robust PCA figures draw V with "
            "the seed of U, so that their truth is symmetric up to signs; here left and right "
            "singular vectors are independent."
        ),
    )
)

register(
    replace(
        published,
        id="tong2021-completion-released",
        settings="as released",
        grid={**published.grid, "kappa": [1, 5]},
        cell=released,
        seconds=25,
        notes=SAME_SIDES,
    )
)
