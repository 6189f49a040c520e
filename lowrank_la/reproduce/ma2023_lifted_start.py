"""Completion with weights of 0.01 from random starts: their signs decide, lifted or not."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Call
from ..analysis.theory import sign_share
from ..problems import perturbed_completion
from ._checks import Check
from ._claim import Claim, register
from ._data import Data, Setting
from ._lifted import SEQUEL, bars, descend, lifted_or_not, unit
from ._measure import final


def share(
    *, n: int, eps: float, order: int, trials: int, norm: float, step: float, iterations: int,
    seed: Any,
) -> dict[str, float]:  # fmt: skip
    """Share of runs from small random starts that end within 0.05 of the truth."""
    instance = perturbed_completion(n, eps=eps)
    hits = 0
    for trial in range(trials):
        _, X, _ = descend(
            instance.problem, unit(n, seed, f"start {trial}"), order=order, scale=norm, step=step,
            iterations=iterations,
        )  # fmt: skip
        hits += X.distance(instance.truth.factors) <= 0.05
    return {"share": hits / trials}


def cell(p: Setting, seed: Any) -> Call:
    """Several trials in one cell; lifted and unlifted runs have the same starts."""
    names = ("n", "eps", "order", "trials", "norm", "step", "iterations")
    return Call(share, {name: getattr(p, name) for name in names} | {"seed": seed})


def gain(data: Data) -> float:
    """Success rate with lifting minus that without."""
    rates = [np.mean(data.where(order=order).numbers["share"]) for order in (3, 1)]
    return float(rates[0] - rates[1])


def deviation(data: Data) -> float:
    """The largest difference from the predicted share."""
    expected = [sign_share(p.n) for p in data.points]
    return float(np.max(np.abs(np.mean(data.numbers["share"], axis=1) - expected)))


register(
    Claim(
        id="ma2023-lifted-start",
        paper=SEQUEL,
        source="Table of success rates, perturbed completion (random starts)",
        statement="With eps = 0.01 the signs of the start decide; lifting to order 3 is no help.",
        settings="ours",
        grid={"n": [3, 5], "order": [1, 3]},
        fixed={"eps": 0.01, "trials": 40, "norm": 1e-3, "step": 0.3, "iterations": 150},
        quick={"n": [3], "trials": 25},
        repeats=5,
        cell=cell,
        numbers={"share": final("share")},
        checks=[
            Check("largest distance from the share of right signs", deviation, high=0.15),
            Check("gain by lifting", gain, low=-0.1, high=0.1, predicted=lambda d: 0.0),
        ],
        drawing=bars(
            "n",
            "order",
            x_label="size n",
            name=lifted_or_not,
            law=lambda p: sign_share(p.n),
            law_label="starts with the right signs",
        ),
        seconds=12,
        notes=(
            "The order from which lifting removes these spurious minima is above 2000. Sizes of "
            "odd n only: the truth of n + 1 has as many signs."
        ),
    )
)
