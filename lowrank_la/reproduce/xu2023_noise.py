"""With noise, the error of ScaledGD(lambda) is that of the true rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..analysis.theory import noise_floor
from ._checks import Check, follows
from ._claim import Claim, register
from ._data import Data, Setting
from ._figures import Points
from ._measure import final
from ._xu2023 import PAPER, TRUE_RANK, norm, scaled, small_start


def cell(p: Setting, seed: Any) -> Solve:
    """Noise of standard deviation sigma / sqrt(m) on each measurement."""
    m = p.per_row * p.n * TRUE_RANK
    return scaled(p, seed, alpha=small_start(p.kappa), noise=p.noise / np.sqrt(m))


def law(p: Setting, noise: float) -> float:
    """Least squares at the true rank, of which r* (r* - 1) / 2 degrees are gauge."""
    freedom = p.n * TRUE_RANK - TRUE_RANK * (TRUE_RANK - 1) // 2
    m = p.per_row * p.n * TRUE_RANK
    floor = noise_floor(noise, measurements=m, degrees_of_freedom=freedom, finite_sample=True)
    return floor / norm(p)


def over_ranks(data: Data) -> float:
    """The largest over the least error with different numbers of columns and the same noise."""
    worst = 1.0
    for noise in {p.noise for p in data.points}:
        errors = data.where(noise=noise).mean("error")
        worst = max(worst, float(errors.max() / errors.min()))
    return worst


register(
    Claim(
        id="xu2023-noise",
        paper=PAPER,
        source="Figure 4; P5-N4",
        statement="With noise, ScaledGD(lambda) errs as the true rank does, whatever the columns.",
        settings="ours",
        grid={"search_rank": [3, 20], "noise": [1e-2, 1e-3, 1e-4]},
        fixed={
            "n": 60,
            "kappa": 5,
            "per_row": 10,
            "step_size": 0.3,
            "damping": 1.0,
            "max_iter": 300,
        },
        repeats=8,
        quick={"n": 40, "search_rank": [3, 12], "noise": [1e-2], "repeats": 5},
        cell=cell,
        numbers={"error": final()},
        checks=[
            follows("error", lambda p: law(p, p.noise), 1.1, what="error over that of the law"),
            Check("over numbers of columns, largest over least error", over_ranks, high=1.01),
        ],
        drawing=Points(
            x="noise",
            y="error",
            by="search_rank",
            law=lambda p, x: np.array([law(p, float(s)) for s in x]),
            law_label=r"$\sigma \sqrt{d / (m - d - 1)}$, d at the true rank",
            x_label="noise σ",
            y_label="relative error at the end",
            names={r: f"r = {r}" for r in range(1, 100)},
        ),
        seconds=25,
        notes=(
            "The paper's rate sigma sqrt(n r* / m) is held to with its finite-sample constant, "
            "which least squares at the true rank has."
        ),
    )
)
