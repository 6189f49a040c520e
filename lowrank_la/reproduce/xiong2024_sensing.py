"""The 1/t law of too many columns holds with Gaussian measurements too, up to a constant."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..analysis.theory import overparameterised_decay
from ._checks import between
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import slope
from ._xiong2024 import SPECTRUM, descent


def cell(p: Setting, seed: Any) -> Solve:
    """One factor, alpha = 0.1 unless changed."""
    return descent(p, seed, symmetric=True, alpha=p.alpha, columns=p.columns)


def law(p: Setting, t: Any) -> Any:
    """Relative error for all entries."""
    with np.errstate(divide="ignore"):
        decay = overparameterised_decay(t, step_size=p.step_size, rank=p.columns, true_rank=3)
    return np.where(t >= 100, decay / np.linalg.norm(SPECTRUM), np.nan)


register(
    Claim(
        id="xiong2024-sensing",
        paper="Xiong, Ding, Du (2024), arXiv:2310.01769",
        source="Theorem on the symmetric lower bound; P4-N2",
        statement="With Gaussian measurements and too many columns the error falls like 1/t.",
        settings="ours",
        grid={"columns": [4, 6]},
        fixed={
            "n": 40,
            "measurements": 900,
            "alpha": 0.1,
            "solver": "gd",
            "step_size": 0.2,
            "max_iter": 3000,
        },
        quick={"n": 20, "measurements": 400, "columns": [4], "max_iter": 2000},
        cell=cell,
        numbers={"power": lambda o, p: slope(500, p.max_iter, power=True)(o, p)},
        checks=[between("power", -1.1, -0.85, what="power of t from t = 500 on")],
        drawing=Curves(
            label=lambda p: f"k = {p.columns}",
            law=law,
            law_label=r"$\sqrt{k-r}/(2\eta t)$ (all entries)",
            log_x=True,
        ),
        seconds=8,
    )
)
