"""Robust PCA by thresholded ScaledGD, whatever the condition number."""

from __future__ import annotations

from typing import Any

from ..analysis.cells import Solve
from ..problem import Recipe
from ..solvers import make_solver
from ..stopping import Target
from ._checks import between, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import iterations_to
from ._tong2021 import PAPER


def cell(p: Setting, seed: Any) -> Solve:
    """The paper's rule with the true share alpha, or the library's, which does not know it."""
    paper = p.threshold == "paper"
    options: dict[str, Any] = {"step_size": p.step_size}
    if paper:
        options |= {"corruption": p.corruption, "visible": 0.0}
    return Solve(
        recipe=Recipe(
            "robust_pca",
            {"shape": [p.n, p.n], "rank": p.rank, "cond": p.kappa, "corruption": p.corruption},
            seed,
        ),
        solver=make_solver("thresholded_scaledgd", options),
        start="thresholded",
        start_options={"corruption": p.corruption} if paper else {},
        seed=seed,
        max_iter=p.max_iter,
        stop=Target("rel_error", 1e-7),
    )


register(
    Claim(
        id="tong2021-robust-pca",
        paper=PAPER,
        source="Figure 2b; P5a-N2",
        statement="In robust PCA the iteration count of ScaledGD does not depend on kappa.",
        settings="published",
        grid={"threshold": ["paper", "library"], "kappa": [1, 5, 20]},
        fixed={"n": 1000, "rank": 10, "corruption": 0.1, "step_size": 0.5, "max_iter": 100},
        repeats=5,
        quick=None,
        cell=cell,
        numbers={"to 1e-6": iterations_to(1e-6)},
        checks=[
            between("to 1e-6", 50, 65, what="the paper's rule, iterations to 1e-6",
                    threshold="paper"),
            spread("to 1e-6", 1.3, what="the paper's rule, most over fewest", threshold="paper"),
            spread("to 1e-6", 1.3, what="the library's, most over fewest", threshold="library"),
        ],
        drawing=Curves(
            panel="threshold",
            panel_names={"paper": "threshold of the paper", "library": "that of the library"},
            label=lambda p: f"κ = {p.kappa}",
        ),
        seconds=25,
        notes=(
            "The library's rule sets aside what stands out from the median residual and does not "
            "know the share of outliers. Left and right singular vectors are independent, which "
            "they are not in the released script."
        ),
    )
)  # fmt: skip
