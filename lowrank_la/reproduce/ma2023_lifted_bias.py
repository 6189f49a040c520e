"""Lifted gradient descent ends near rank one if it starts small enough."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._random import seed_of, stream
from ..analysis.cells import Call
from ..problems import perturbed_completion
from ._checks import Check
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
    """Median residual of the small starts, the larger one if there are two."""
    medians = [m for p, m in zip(data.points, data.mean("median"), strict=True) if p.norm <= 1e-2]
    return float(max(medians))


def large(data: Data) -> float:
    """Mean residual of the start of norm 1, over all trials."""
    return float(np.mean(data.where(norm=1.0).numbers["mean"]))


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


register(
    Claim(
        id="ma2023-lifted-bias",
        paper=SEQUEL,
        source="Theorem on approximate rank one; P3b-N1",
        statement="From small random tensors lifted GD ends near rank one, from large ones not.",
        settings="ours",
        grid={"norm": [1.0, 1e-2, 1e-4]},
        fixed={
            "n": 5, "eps": 0.3, "order": 3, "trials": 20, "step": 0.04, "iterations": 400,
            "lift": "random",
        },
        repeats=5,
        quick={"norm": [1.0, 1e-4], "trials": 8, "repeats": 3},
        cell=cell,
        numbers={name: final(name) for name in ("median", "mean", "share")},
        checks=[
            Check("largest median residual, norms of at most 1e-2", small, high=1e-2),
            Check("mean residual, norm 1", large, low=0.1),
        ],
        drawing=Custom(function=draw),
        seconds=60,
        notes=(
            "Some small starts too are caught at stationary tensors that are not of rank one, so "
            "that the statement holds of the median and not of the mean."
        ),
    )
)  # fmt: skip
