"""Unlifted gradient descent on the instances of the quadratic networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._random import seed_of, stream
from ..analysis.cells import Call
from ..driver import solve
from ..problems import sensing
from ..stopping import Target
from ._checks import Check
from ._claim import Claim, register
from ._data import Data, Setting
from ._lifted import SEQUEL, bars
from ._measure import final


def share(
    *, n: int, measurements: int, columns: int, trials: int, norm: float, step_size: float,
    max_iter: int, seed: Any,
) -> dict[str, float]:  # fmt: skip
    """Share of instances that gradient descent from a small random start solves."""
    hits = 0
    for trial in range(trials):
        draw = int(stream(seed_of(seed), f"instance {trial}").integers(2**31))
        instance = sensing(n, 1, measurements=measurements, symmetric=True, rng=draw)
        result = solve(
            instance, "gd", rank=columns, start="small_random", init_scale=norm, rng=draw,
            step_size=step_size, sigma_max=1.0, stop=Target("rel_error", 0.05), tol=0.0,
            max_iter=max_iter, every=20,
        )  # fmt: skip
        hits += result.trace["rel_error"][-1] <= 0.05
    return {"share": hits / trials}


def cell(p: Setting, seed: Any) -> Call:
    """Several instances in one cell."""
    names = (
        "n", "measurements", "columns", "trials", "norm", "step_size", "max_iter",
    )  # fmt: skip
    return Call(share, {name: getattr(p, name) for name in names} | {"seed": seed})


def overall(data: Data) -> float:
    """Share of successes over all sizes and numbers of measurements."""
    return float(np.mean(data.numbers["share"]))


register(
    Claim(
        id="ma2023-quadratic-network",
        paper=SEQUEL,
        source="Table of success rates, quadratic networks",
        statement="Unlifted descent from small starts solves the instances of quadratic networks.",
        settings="ours",
        grid={"measurements": [20, 30, 40], "n": [8, 10, 12]},
        fixed={"columns": 1, "trials": 10, "norm": 1e-4, "step_size": 0.05, "max_iter": 4000},
        repeats=5,
        quick={"n": [8], "trials": 5, "repeats": 3, "max_iter": 1500},
        cell=cell,
        numbers={"share": final("share")},
        checks=[Check("share of successes", overall, low=0.85)],
        drawing=bars("measurements", "n", x_label="measurements", name=lambda n: f"n = {n}"),
        seconds=35,
        notes=(
            "The loss of the released unlifted baseline does not contain its variable, so that it "
            "stops at once and its success rate is 0 whatever the instance. Matrices here have "
            "the scale A* A ~ I instead of norm 1, which changes the unit of the step only."
        ),
    )
)
