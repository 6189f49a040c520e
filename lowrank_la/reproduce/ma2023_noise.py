"""Gaussian noise costs the subgradient method what the true rank costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..analysis.theory import noise_floor
from ..solvers import make_solver
from ..steps import Geometric
from ._checks import between, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Points
from ._robust import MA, MA_SHARED, MA_SPECTRUM, absolute, ma_recipe

NORM = float(np.linalg.norm(MA_SPECTRUM))
SIGMAS = [0.05, 0.1, 0.2, 0.5]


def cell(p: Setting, seed: Any) -> Solve:
    """Noise of the paper's measurements, which are sqrt(m) times ours."""
    return Solve(
        recipe=ma_recipe(p, seed, noise=p.sigma / float(np.sqrt(p.measurements))),
        transform=absolute,
        solver=make_solver(
            "subgradient", {"step_size": Geometric(p.initial, p.decay, "frobenius")}
        ),
        rank=p.columns,
        start="sign_spectral",
        start_options={"init_scale": p.alpha},
        seed=seed,
        max_iter=p.max_iter,
        every=p.max_iter,
    )


def law(p: Setting, sigma: Any) -> Any:
    """``sigma sqrt(d r / m)`` with the true rank."""
    floor = noise_floor(1.0, measurements=p.measurements, degrees_of_freedom=2 * p.n)
    return np.asarray(sigma) * floor


def over_law(outcome: Outcome, p: Setting) -> float:
    """Error at the end over the law."""
    return float(NORM * outcome.last("rel_error") / law(p, p.sigma))


register(
    Claim(
        id="ma2023-noise",
        paper=MA,
        source="Gaussian noise; P2-N3",
        statement="Gaussian noise leaves an error sigma sqrt(d r / m), with the true rank r.",
        settings="ours",
        grid={"columns": [2, 30], "sigma": SIGMAS},
        fixed=MA_SHARED | {"alpha": 1e-6, "initial": 0.3, "decay": 0.99, "max_iter": 1000},
        quick={"columns": [2, 16], "n": 16, "measurements": 700, "sigma": [0.1, 0.5]},
        cell=cell,
        numbers={"error": lambda o, p: NORM * o.last("rel_error"), "over law": over_law},
        checks=[
            *between("over law", 0.5, 2.0, what="error over the law"),
            *(
                spread("error", 1.1, what=f"errors of the ranks, sigma = {sigma:g}", sigma=sigma)
                for sigma in (0.1, 0.5)
            ),
        ],
        drawing=Points(
            x="sigma",
            y="error",
            by="columns",
            hollow=True,
            law=law,
            law_label=r"$\sigma\sqrt{dr/m}$",
            names={2: "r' = 2", 16: "r' = 16 = d", 30: "r' = 30 = d"},
            x_label=r"standard deviation $\sigma$ of the noise",
            y_label=r"$\|UU^\top - X_\star\|_F$ at the end",
        ),
        seconds=13,
    )
)
