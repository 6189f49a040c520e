"""Gradient descent with more columns than the rank: the error falls like 1 / (2 eta t)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..analysis.theory import overparameterised_decay
from ..problem import Recipe
from ..solvers import make_solver
from ._checks import between
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves

SPECTRUM = [1.0, 0.9, 0.8]


def cell(p: Setting, seed: Any) -> Solve:
    """Symmetric gradient descent on all entries; entries of X_0 are alpha N(0, 1)."""
    return Solve(
        recipe=Recipe(
            "factorization",
            {"shape": p.n, "rank": 3, "symmetric": True, "spectrum": SPECTRUM},
            seed,
        ),
        solver=make_solver("gd", {"step_size": p.step_size, "sigma_max": 1.0}),
        rank=p.columns,
        start="small_random",
        start_options={"init_scale": p.alpha * np.sqrt(p.n)},
        seed=seed,
        max_iter=p.max_iter,
        every=10,
    )


def law(p: Setting, t: Any) -> Any:
    """Relative error; of exact parameterisation it says nothing."""
    if p.columns == 3:
        return np.full(t.shape, np.nan)
    with np.errstate(divide="ignore"):
        decay = overparameterised_decay(t, step_size=p.step_size, rank=p.columns, true_rank=3)
    return np.where(t >= 30, decay / np.linalg.norm(SPECTRUM), np.nan)


def ratio_to_law(outcome: Outcome, p: Setting) -> float:
    """Measured over predicted error at the end."""
    return float(outcome.last("rel_error") / law(p, outcome["iteration"][-1:])[0])


register(
    Claim(
        id="xiong2024-symmetric",
        paper="Xiong, Ding, Du (2024), arXiv:2310.01769",
        source="Figure 2a; P4-N1",
        statement="With more columns than the rank, symmetric GD slows down to 1/(2 eta t).",
        settings="ours",
        grid={"columns": [3, 4, 6, 10]},
        fixed={"n": 40, "alpha": 0.1, "step_size": 0.2, "max_iter": 3000},
        quick={"columns": [3, 4, 6], "max_iter": 2000},
        cell=cell,
        numbers={"error": lambda o, p: o.last("rel_error"), "ratio": ratio_to_law},
        checks=[
            between("ratio", 0.97, 1.005, what="error over the law, k = 4", columns=4),
            between("ratio", 0.97, 1.005, what="error over the law, k = 6", columns=6),
            between("error", 0.0, 1e-12, what="with exact rank the error is", columns=3)[1],
        ],
        drawing=Curves(
            label=lambda p: f"k = {p.columns}",
            law=law,
            law_label=r"$\sqrt{k-r}/(2\eta t)$",
            log_x=True,
        ),
        seconds=8,
    )
)
