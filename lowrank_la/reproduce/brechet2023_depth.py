"""The local rate of deep linear networks under the Bures-Wasserstein loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Call
from ..analysis.theory import bures_wasserstein_rate
from ._checks import follows
from ._claim import Claim, register
from ._covariance import PAPER, losses, slope
from ._data import Setting
from ._figures import Points


def predicted(p: Setting) -> float:
    """Decay of the log loss per unit of time."""
    return -bures_wasserstein_rate(p.depth, p.smallest, smoothing=p.smoothing)


def cell(p: Setting, seed: Any) -> Call:
    """A time in which the loss falls by about exp(-16)."""
    parameters = {
        "n": p.n, "smallest": p.smallest, "depth": p.depth, "smoothing": p.smoothing,
        "rate": p.rate, "time": 16 / predicted(p), "every": 1, "seed": seed,
    }  # fmt: skip
    return Call(losses, parameters)


def law(p: Setting, depths: Any) -> Any:
    """The law at whole depths, and between them by interpolation."""
    whole = np.arange(1, round(float(np.max(depths))) + 1)
    rates = [-bures_wasserstein_rate(int(N), p.smallest, smoothing=p.smoothing) for N in whole]
    return np.interp(depths, whole, rates)


register(
    Claim(
        id="brechet2023-depth",
        paper=PAPER,
        source="Convergence theorem, rate at the optimum; P9-N3",
        statement="Near the optimum the log loss falls by 4 N lambda_min^((N-1)/N) per unit time.",
        settings="ours",
        grid={"smoothing": [0.0, 0.1], "depth": [1, 2, 3, 5, 10]},
        fixed={"n": 20, "smallest": 1.05, "rate": 1e-3},
        quick={"smoothing": [0.0], "depth": [2, 3, 10], "rate": 4e-3, "n": 12},
        cell=cell,
        numbers={"slope": slope},
        checks=[
            follows("slope", predicted, 1.3, what="decay over the law, largest deviation"),
        ],
        drawing=Points(
            x="depth",
            y="slope",
            by="smoothing",
            names={0.0: r"$\tau = 0$", 0.1: r"$\tau = 0.1$"},
            law=law,
            law_label=r"$4N\mu^{(N-1)/N}\mu/\lambda$, $\mu = \lambda - \tau$",
            x_label="number N of layers",
            y_label="decay of the log loss per unit of time",
            log="",
        ),
        seconds=15,
        notes=(
            "The bound of the paper is smaller by orders of magnitude. With smoothing tau the "
            "optimum has the eigenvalues lambda - tau, and the rate follows these."
        ),
    )
)
