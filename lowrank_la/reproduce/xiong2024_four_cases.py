"""One factor or two, as many columns as the rank or more: only one case of four is slow."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..analysis.theory import overparameterised_decay
from ._checks import between
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import final, slope
from ._xiong2024 import SPECTRUM, descent


def cell(p: Setting, seed: Any) -> Solve:
    """Gaussian measurements of a positive semidefinite matrix, or of one with two factors."""
    return descent(p, seed, symmetric=p.factors == "one", alpha=p.alpha, columns=p.columns)


def law(p: Setting, t: Any) -> Any:
    """Relative error with one factor and too many columns, for all entries."""
    if p.factors == "two" or p.columns == 3:
        return np.full(t.shape, np.nan)
    with np.errstate(divide="ignore"):
        decay = overparameterised_decay(t, step_size=p.step_size, rank=p.columns, true_rank=3)
    return np.where(t >= 100, decay / np.linalg.norm(SPECTRUM), np.nan)


register(
    Claim(
        id="xiong2024-four-cases",
        paper="Xiong, Ding, Du (2024), arXiv:2310.01769",
        source="Figure 1",
        statement="GD is sublinear with one factor and too many columns, and linear otherwise.",
        settings="ours",
        grid={"factors": ["one", "two"], "columns": [3, 4]},
        fixed={
            "n": 50,
            "measurements": 1000,
            "alpha": 0.1,
            "solver": "gd",
            "step_size": 0.2,
            "max_iter": 1500,
        },
        quick={"n": 20, "measurements": 400, "alpha": 0.15, "max_iter": 900},
        cell=cell,
        numbers={
            "error": final(),
            # Over the last two thirds: slope of log error on log t.
            "power": lambda o, p: slope(p.max_iter / 3, p.max_iter, power=True)(o, p),
        },
        checks=[
            between(
                "power", -1.1, -0.85, what="one factor, k = 4: power of t", factors="one", columns=4
            ),
            between("error", 1e-3, np.inf, what="the same: error", factors="one", columns=4),
            between("error", 0, 1e-9, what="one factor, k = 3: error", factors="one", columns=3)[1],
            between("error", 0, 1e-9, what="two factors: error", factors="two")[1],
        ],
        drawing=Curves(
            panel="factors",
            panel_names={"one": "one factor", "two": "two factors"},
            label=lambda p: f"k = {p.columns}",
            law=law,
            law_label=r"$\sqrt{k-r}/(2\eta t)$ (all entries)",
        ),
        seconds=12,
        notes=(
            "The figure's shape (50 x 50, rank 3, k = 3 and 4, start scales alpha and alpha/3) is "
            "known; the number of measurements, step and alpha are ours."
        ),
    )
)
