"""With noise, ScaledGD and GD end at the same error, ScaledGD sooner."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..analysis.theory import noise_floor
from ..problem import Recipe
from ._checks import between, follows
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._tong2021 import NAMES, PAPER, method


def deviation(p: Setting) -> float:
    """Standard deviation on each entry: |X*|_F / (n snr)."""
    return float(np.linalg.norm(np.linspace(1, 1 / p.kappa, p.rank)) / (p.n * p.snr))


def cell(p: Setting, seed: Any) -> Solve:
    """Completion with noise on the observed entries."""
    return Solve(
        recipe=Recipe(
            "completion",
            {"shape": [p.n, p.n], "rank": p.rank, "cond": p.kappa, "sampling": p.sampling,
             "noise": deviation(p)},
            seed,
        ),
        solver=method(p.solver, p.step_size),
        start="spectral",
        seed=seed,
        max_iter=p.max_iter,
        every=5,
    )  # fmt: skip


def law(p: Setting) -> float:
    """Least squares on r (2 n - r) degrees of freedom; entries scaled by 1 / sqrt(p)."""
    floor = noise_floor(
        1.0 / p.snr,
        measurements=int(p.sampling * p.n**2),
        degrees_of_freedom=p.rank * (2 * p.n - p.rank),
        finite_sample=True,
    )
    return floor


def settled(outcome: Outcome, p: Setting) -> float:
    """Iterations to within a tenth of the law."""
    return outcome.first("rel_error", 1.1 * law(p))


register(
    Claim(
        id="tong2021-noise",
        paper=PAPER,
        source="Figure 3",
        statement="With noise ScaledGD ends at the error of least squares, sooner than GD.",
        settings="published",
        grid={"solver": ["scaledgd", "gd"], "snr": [1e2, 1e3, 1e4]},
        fixed={"n": 1000, "rank": 10, "kappa": 10, "sampling": 0.2, "step_size": 0.5,
               "max_iter": 300},
        quick={"n": 300, "rank": 3, "max_iter": 200},
        cell=cell,
        numbers={"error": lambda o, p: o.last("rel_error"), "settled": settled},
        checks=[
            follows("error", law, 1.1, what="ScaledGD, final error over the law",
                    solver="scaledgd"),
            *between("settled", 0, 60, what="ScaledGD, iterations to 1.1 times the law",
                     solver="scaledgd")[1:],
            *between("settled", 120, np.inf, what="GD, iterations to 1.1 times the law",
                     solver="gd"),
        ],
        drawing=Curves(
            panel="solver",
            panel_names=NAMES,
            label=lambda p: f"signal to noise {20 * np.log10(p.snr):.0f} dB",
            law=lambda p, t: np.full(t.shape, law(p)),
            law_label="least squares",
        ),
        seconds=20,
    )
)  # fmt: skip
