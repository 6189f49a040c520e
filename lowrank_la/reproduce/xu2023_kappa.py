"""ScaledGD(lambda): the local rate does not depend on the condition number."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..problem import Recipe
from ..solvers import make_solver
from ..stopping import Target
from ._checks import between, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import iterations_to, rate

# Small enough that redundant columns never grow to the size of lambda.
ALPHA = {3: 1e-16, 5: 1e-24, 7: 1e-30}


def cell(p: Setting, seed: Any) -> Solve:
    """ScaledGD(lambda) with lambda in units of sigma_min(X*)^2, from a small random start."""
    spectrum = np.linspace(1, 1 / p.kappa, 3) ** 2
    recipe = Recipe(
        "sensing",
        {"shape": p.n, "rank": 3, "measurements": 10 * p.n * 3, "symmetric": True,
         "spectrum": spectrum.tolist()},
        seed,
    )  # fmt: skip
    return Solve(
        recipe=recipe,
        solver=make_solver(
            "scaledgd_lambda", {"step_size": p.step_size, "damping": p.damping / p.kappa**2}
        ),
        rank=p.search_rank,
        start="small_random",
        start_options={"init_scale": ALPHA[p.kappa]},
        seed=seed,
        max_iter=p.max_iter,
        stop=Target("rel_error", 1e-11),
    )


register(
    Claim(
        id="xu2023-kappa",
        paper="Xu, Shen, Chi, Ma (2023), arXiv:2302.01186",
        source="Figure 1",
        statement="ScaledGD(lambda) converges at a local rate free of the condition number.",
        settings="ours",
        grid={"kappa": [3, 5, 7]},
        fixed={"n": 100, "search_rank": 5, "step_size": 0.3, "damping": 1.0, "max_iter": 400},
        quick={"n": 60, "kappa": [3, 7]},
        cell=cell,
        numbers={"rate": rate(below=1e-3), "iterations": iterations_to(1e-9)},
        checks=[
            spread("rate", 0.02, relative=False, what="local factors per iteration agree"),
            between("iterations", 0, 320, what="iterations to 1e-9")[1],
        ],
        drawing=Curves(label=lambda p: f"κ = {p.kappa}"),
        seconds=20,
    )
)
