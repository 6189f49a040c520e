"""The floor of the subgradient method is a power of alpha, whatever the number of columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..analysis.theory import subgradient_floor_exponent
from ..solvers import make_solver
from ..steps import LossProportional
from ._checks import exponent, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Points
from ._robust import MA, MA_SHARED, MA_SPECTRUM, absolute, ma_recipe

NORM = float(np.linalg.norm(MA_SPECTRUM))


def cell(p: Setting, seed: Any) -> Solve:
    """Steps proportional to the loss, from a spectral start of scale alpha."""
    return Solve(
        recipe=ma_recipe(p, seed),
        transform=absolute,
        solver=make_solver(
            "subgradient", {"step_size": LossProportional(p.step_size), "sigma_max": 1.0}
        ),
        rank=p.columns,
        start="sign_spectral",
        start_options={"init_scale": p.alpha},
        seed=seed,
        max_iter=p.max_iter,
        every=10,
    )


def law(p: Setting, alpha: Any) -> Any:
    """What a perfect isometry would leave, but for a constant."""
    return NORM * np.asarray(alpha) ** subgradient_floor_exponent()


register(
    Claim(
        id="ma2023-floor",
        paper=MA,
        source="Noiseless case; P2-N1",
        statement="The error falls to a power of alpha that does not depend on the search rank.",
        settings="ours",
        grid={"columns": [10, 30], "alpha": [1e-2, 1e-4, 1e-6]},
        fixed=MA_SHARED | {"step_size": 0.3, "max_iter": 500},
        quick={"alpha": [1e-2, 1e-4], "max_iter": 250},
        cell=cell,
        numbers={"floor": lambda o, p: NORM * o.last("rel_error")},
        checks=[
            exponent(
                "floor",
                "alpha",
                1.2,
                subgradient_floor_exponent(),
                what="power of alpha, r' = 10",
                columns=10,
            ),
            exponent(
                "floor",
                "alpha",
                1.2,
                subgradient_floor_exponent(),
                what="power of alpha, r' = 30",
                columns=30,
            ),
            *(
                spread("floor", 2.0, what=f"floors of the ranks, alpha = {alpha:g}", alpha=alpha)
                for alpha in (1e-2, 1e-4)
            ),
        ],
        drawing=Points(
            x="alpha",
            y="floor",
            by="columns",
            hollow=True,
            law=law,
            law_label=r"$\alpha^2 \|X_\star\|_F$",
            names={10: "r' = 10", 30: "r' = 30 = d"},
            x_label=r"scale $\alpha$ of the start",
            y_label=r"$\|UU^\top - X_\star\|_F$ at the end",
        ),
        seconds=4,
        notes=(
            "The constant differs between instances: floors of ours span a factor of five at "
            "alpha = 1e-6."
        ),
    )
)
