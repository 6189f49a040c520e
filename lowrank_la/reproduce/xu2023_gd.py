"""Gradient descent slows down with the square of the factor's condition number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..analysis.theory import gd_rate
from ..solvers import make_solver
from ._checks import Check, exponent
from ._claim import Claim, register
from ._data import Data, Setting
from ._figures import Points
from ._measure import iterations_to
from ._xu2023 import PAPER, iterations_between, scaled, small_start

GD_ALPHA = 1e-10


def cell(p: Setting, seed: Any) -> Solve:
    """ScaledGD(lambda), or GD with the step eta / sigma_1 from a start as small."""
    if p.solver == "scaledgd_lambda":
        return scaled(p, seed, alpha=small_start(p.kappa), target=1e-5)
    gd = make_solver("gd", {"step_size": p.step_size, "sigma_max": 1.0})
    return replace(scaled(p, seed, alpha=GD_ALPHA, target=1e-5), solver=gd)


def law(p: Setting, kappa: Any) -> Any:
    """Iterations from 1e-2 to 1e-5 of GD that sees all entries."""
    if p.solver != "gd":
        return np.full(kappa.shape, np.nan)
    rates = [gd_rate(k**2, step_size=p.step_size) for k in kappa]
    return np.log(1e-3) / np.log(rates)


def advantage(data: Data) -> float:
    """GD's total count over that of ScaledGD(lambda) at the largest kappa."""
    worst = max(p.kappa for p in data.points)
    gd, scaled_gd = (data.at("total", solver=s, kappa=worst) for s in ("gd", "scaledgd_lambda"))
    return gd / scaled_gd


register(
    Claim(
        id="xu2023-gd",
        paper=PAPER,
        source="Figure 1; P5-N2",
        statement="GD slows down with the square of the factor's kappa; ScaledGD(lambda) does not.",
        settings="ours",
        grid={"solver": ["gd", "scaledgd_lambda"], "kappa": [2, 3, 5, 7]},
        fixed={
            "n": 60,
            "per_row": 5,
            "search_rank": 5,
            "step_size": 0.3,
            "damping": 1.0,
            "max_iter": 8000,
        },
        quick={"n": 30, "per_row": 8, "kappa": [2, 5]},
        cell=cell,
        numbers={"1e-2 to 1e-5": iterations_between(1e-2, 1e-5), "total": iterations_to(1e-5)},
        checks=[
            exponent(
                "1e-2 to 1e-5", "kappa", 1.7, 2.3, what="GD, power of kappa", law=2.0, solver="gd"
            ),
            exponent(
                "1e-2 to 1e-5",
                "kappa",
                -0.25,
                0.25,
                what="ScaledGD(lambda), power of kappa",
                law=0.0,
                solver="scaledgd_lambda",
            ),
            Check("GD's total over that of ScaledGD(lambda), largest kappa", advantage, low=10.0),
        ],
        drawing=Points(
            x="kappa",
            y="1e-2 to 1e-5",
            by="solver",
            law=law,
            law_label=r"GD with all entries: $\log(10^3)\, \kappa^2 / \eta$",
            x_label="condition number κ of the factor",
            y_label="iterations from 1e-2 to 1e-5",
            names={"gd": "GD", "scaledgd_lambda": "ScaledGD(λ)"},
        ),
        seconds=30,
        notes="GD's step is eta / sigma_1, not tuned for each kappa.",
    )
)
