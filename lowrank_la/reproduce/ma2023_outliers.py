"""Outliers and as many columns as there can be: subgradients succeed where squares fail."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..solvers import make_solver
from ..steps import Geometric
from ._checks import between
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._robust import MA, MA_SHARED, MA_SPECTRUM, ma_recipe, squared

NORM = float(np.linalg.norm(MA_SPECTRUM))
SIZE = 10.0
SUBGRADIENT, GD = "subgradient", "gd"


def cell(p: Setting, seed: Any) -> Solve:
    """Outliers N(0, 10^2) where measurements have standard deviation |X*|_F."""
    robust = p.solver == SUBGRADIENT
    rule = Geometric(p.initial, p.decay, "frobenius")
    options = {"step_size": rule} if robust else {"step_size": p.step_size, "sigma_max": 1.0}
    return Solve(
        recipe=ma_recipe(
            p, seed, outliers=p.share, outlier_scale=SIZE / NORM, outlier_model="gaussian"
        ),
        transform=None if robust else squared,
        solver=make_solver(p.solver, options),
        rank=p.columns,
        start="sign_spectral" if robust else "small_random",
        start_options={"init_scale": p.alpha},
        seed=seed,
        max_iter=p.max_iter if robust else p.max_iter // 2,
        every=5,
    )


def end(outcome: Outcome, p: Setting) -> float:
    """Absolute error at the end."""
    return NORM * outcome.last("rel_error")


def least(outcome: Outcome, p: Setting) -> float:
    """Least absolute error on the way."""
    return NORM * float(np.nanmin(outcome["rel_error"]))


register(
    Claim(
        id="ma2023-outliers",
        paper=MA,
        source="Outliers; P2-N2",
        statement="With outliers and r' = d subgradients recover the matrix; least squares fails.",
        settings="ours",
        grid={"solver": [SUBGRADIENT, GD], "share": [0.1, 0.3]},
        fixed=MA_SHARED
        | {
            "columns": 30,
            "alpha": 1e-6,
            "initial": 0.3,
            "decay": 0.99,
            "step_size": 0.05,
            "max_iter": 1200,
        },
        quick={"n": 20, "measurements": 1000, "columns": 20, "share": [0.1]},
        cell=cell,
        numbers={"end": end, "least": least},
        checks=[
            *between("end", 0.0, 1e-5, what="subgradients, error at the end", solver=SUBGRADIENT)[
                1:
            ],
            *between(
                "least", 0.3, float("inf"), what="gradient descent, error on the way", solver=GD
            ),
        ],
        drawing=Curves(
            panel="solver",
            panel_names={SUBGRADIENT: "subgradients", GD: "gradient descent on squares"},
            label=lambda p: f"{100 * p.share:.0f} % outliers",
        ),
        seconds=6,
    )
)
