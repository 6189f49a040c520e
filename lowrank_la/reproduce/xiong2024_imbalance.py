"""Two factors of unequal scales: linear, at a rate proportional to the square of the scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..analysis.theory import asymmetric_mean_rate, asymmetric_rate
from ..problem import Instance
from ..trace import View
from ._checks import between, exponent, ratio
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import Number
from ._xiong2024 import descent


def watch(instance: Instance) -> Mapping[str, Any]:
    """Both ends of the law, per unit of time, at each iterate; what counts is the start."""

    def slowest(view: View) -> float:
        return asymmetric_rate(view.X.left, view.X.right, step_size=1.0)

    def fastest(view: View) -> float:
        return asymmetric_rate(view.X.left, view.X.right, step_size=1.0, fastest=True)

    return {"slowest": slowest, "fastest": fastest}


def cell(p: Setting, seed: Any) -> Solve:
    """All entries; scales alpha and alpha / 3, independent draws."""
    return descent(p, seed, symmetric=False, alpha=p.alpha, columns=p.columns, observe=watch)


def decay(outcome: Outcome, p: Setting) -> float:
    """Slope of the logarithm of the error, with the sign turned, from 1e-2 down to 1e-10."""
    t, y = outcome["iteration"], outcome["rel_error"]
    kept = (y < 1e-2) & (y > 1e-10)
    if np.count_nonzero(kept) < 3:
        return float("nan") if np.isfinite(y).all() else float("inf")
    return -float(np.polyfit(t[kept], np.log(y[kept]), 1)[0])


def relative(end: str) -> Number:
    """The rate relative to one end of the law, from the factors at the start."""
    return lambda outcome, p: -decay(outcome, p) / (p.step_size * float(np.log(outcome[end][0])))


def mean_law(outcome: Outcome, p: Setting) -> float:
    """Factor per iteration for the mean direction."""
    return asymmetric_mean_rate(p.alpha, p.n, step_size=p.step_size, ratio=1 / 3)


register(
    Claim(
        id="xiong2024-imbalance",
        paper="Xiong, Ding, Du (2024), arXiv:2310.01769",
        source="Figure 2b; P4-N3",
        statement="With two factors and too many columns GD is linear at a rate of alpha squared.",
        settings="ours",
        grid={"alpha": [0.02, 0.04, 0.08]},
        fixed={
            "n": 40,
            "measurements": None,
            "columns": 4,
            "solver": "gd",
            "step_size": 0.2,
            "max_iter": 8000,
        },
        quick={"alpha": [0.04, 0.08], "max_iter": 2500},
        repeats=5,
        cell=cell,
        numbers={
            "decay": decay,
            "over slowest": relative("slowest"),
            "over fastest": relative("fastest"),
        },
        checks=[
            ratio(
                "decay", {"alpha": 0.08}, {"alpha": 0.04}, 3.3, 4.7,
                what="rate at alpha = 0.08 over that at 0.04",
            ),
            exponent(
                "decay", "alpha", 1.72, 2.23, law=2.0, what="power of alpha in the rate"
            ),
            # The imbalance is conserved to first order only.
            between("over slowest", 0.9, np.inf, what="rate over the smallest of the law"),
            between("over fastest", 0.0, 1.1, what="rate over the largest of the law")[1],
        ],
        drawing=Curves(
            label=lambda p: f"α = {p.alpha:g}",
            predicted=mean_law,
            law_label=r"$\exp(-(8/9)\,\eta\,\alpha^2 n\,t)$",
        ),
        notes=(
            "The redundant direction need not be that of the smallest eigenvalue of the "
            "imbalance: over five draws the rate was 1.7 to 2.5 times eta lambda_min, and near "
            "eta times the mean eigenvalue, which is drawn."
        ),
        seconds=4,
    )
)  # fmt: skip
