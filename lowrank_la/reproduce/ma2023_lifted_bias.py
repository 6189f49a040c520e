"""Lifted gradient descent ends near rank one if it starts small enough."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .._random import seed_of, stream
from ..analysis.cells import Call
from ..problems import perturbed_completion
from ._checks import Check, increases
from ._claim import Claim, register
from ._data import Data, Setting
from ._figures import Custom, Runs
from ._lifted import SEQUEL, descend, unit
from ._measure import final


def residuals(
    *, n: int, eps: float, order: int, norm: float, trials: int, step: float, iterations: int,
    lift: str, seed: Any,
) -> dict[str, Any]:  # fmt: skip
    """Relative distances from rank one at the end, and how many runs found the truth."""
    instance = perturbed_completion(n, eps=eps)
    left, hits = [], 0
    for trial in range(trials):
        _, X, residual = descend(
            instance.problem, unit(n, seed, f"start {trial}"), order=order, scale=norm, step=step,
            iterations=iterations, lift=lift,
            seed=int(stream(seed_of(seed), f"tensor {trial}").integers(2**31)),
        )  # fmt: skip
        left.append(residual)
        hits += X.distance(instance.truth.factors) < 0.1
    return {"median": np.median(left), "mean": np.mean(left), "share": hits / trials}


def cell(p: Setting, seed: Any) -> Call:
    """Several trials in one cell."""
    names = ("n", "eps", "order", "norm", "trials", "step", "iterations", "lift")
    return Call(residuals, {name: getattr(p, name) for name in names} | {"seed": seed})


def small(data: Data) -> float:
    """Mean residual of the starts of norm 1e-2 or less, the largest."""
    return max(mean(data, p.norm) for p in data.points if p.norm <= 1e-2)


def mean(data: Data, norm: float) -> float:
    """Mean residual over the trials of all repeats."""
    return float(np.mean(data.where(norm=norm).numbers["mean"]))


def draw(ax: Any, runs: Runs) -> None:
    """Mean and median over the trials of all repeats, over the norm of the start."""
    x = runs.data.parameter("norm")
    for name, marker in (("mean", "o"), ("median", "s")):
        values = runs.data.numbers[name]
        middle = np.median(values, axis=1)
        ends = [middle - values.min(axis=1), values.max(axis=1) - middle]
        ax.errorbar(x, middle, yerr=ends, fmt=marker, capsize=2, label=f"{name} of the trials")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlabel("norm of the first tensor")
    ax.set_ylabel("relative distance from rank one")


def claim(name: str, statement: str, checks: list[Check], **options: Any) -> Claim:
    """The same runs, for two statements."""
    return Claim(
        id=name,
        paper=SEQUEL,
        source="Theorem on approximate rank one; P3b-N1",
        statement=statement,
        settings="ours",
        grid={"norm": [1.0, 1e-2, 1e-4]},
        fixed={
            "n": 5,
            "eps": 0.3,
            "order": 3,
            "trials": 20,
            "step": 0.04,
            "iterations": 400,
            "lift": "random",
        },
        repeats=5,
        cell=cell,
        numbers={number: final(number) for number in ("mean", "median", "share")},
        checks=checks,
        drawing=Custom(function=draw),
        seconds=30,
        **options,
    )


LARGE = Check("mean residual, norm 1", partial(mean, norm=1.0), low=0.1)

register(
    claim(
        "ma2023-lifted-bias",
        "Lifted GD ends within 1e-2 of rank one from small random tensors, not from large ones.",
        [Check("largest mean residual, norms of at most 1e-2", small, high=1e-2), LARGE],
        notes=(
            "The mean fails since some of the small starts too are caught at stationary tensors "
            "that are not of rank one; the median of the small starts is far below 1e-2, but so is "
            "that of norm 1. Starts of rank one are caught as well."
        ),
    )
)
register(
    claim(
        "ma2023-lifted-trend",
        "The smaller the first tensor, the nearer to rank one lifted GD ends on average.",
        [increases("mean", "norm", what="least growth of the mean residual with the norm"), LARGE],
        quick={"norm": [1.0, 1e-4], "trials": 5, "repeats": 3, "iterations": 300},
    )
)
