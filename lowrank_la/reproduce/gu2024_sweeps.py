"""Alternating minimisation takes as many sweeps for ill-conditioned matrices as for others."""

from __future__ import annotations

from typing import Any

from ..analysis.cells import Solve
from ..solvers import make_solver
from ._checks import between, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._gu2024 import PAPER, completion
from ._measure import iterations_to


def cell(p: Setting, seed: Any) -> Solve:
    """Spectral start, all entries in every half sweep."""
    return Solve(
        recipe=completion(p, seed),
        solver=make_solver(p.solver, {"relaxation": 1.0} if p.solver == "altmin" else None),
        start="spectral",
        seed=seed,
        max_iter=p.max_iter,
    )


register(
    Claim(
        id="gu2024-sweeps",
        paper=PAPER,
        source="Convergence theorem; P6-N1",
        statement="Sweeps of alternating minimisation hardly depend on the condition number.",
        settings="ours",
        grid={"solver": ["robust_altmin", "altmin"], "kappa": [1.0, 3.0, 10.0]},
        fixed={"n": 300, "rank": 5, "sampling": 0.15, "max_iter": 40},
        repeats=5,
        quick={"kappa": [1.0, 10.0], "repeats": 3, "max_iter": 25},
        cell=cell,
        numbers={"to 1e-6": iterations_to(1e-6)},
        checks=[
            between("to 1e-6", 12, 22, what="sweeps to 1e-6"),
            spread("to 1e-6", 1.5, what="largest over least"),
        ],
        drawing=Curves(
            panel="solver",
            panel_names={"altmin": "exact solves", "robust_altmin": "sketched, inexact solves"},
            label=lambda p: f"κ = {p.kappa:g}",
            x_label="sweeps",
        ),
        seconds=5,
        notes=(
            "There are no experiments in the paper. Fresh entries for each half sweep, which its "
            "analysis needs, are far too few at this size and are not used."
        ),
    )
)
