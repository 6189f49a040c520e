"""What the claims on tubal tensors run, and whose settings they have."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..problem import Recipe
from ..solvers import make_solver
from ._data import Setting

PAPER = "Karnik, Veselovska, Iwen, Krahmer (2025), arXiv:2410.16247"

# The released scripts, in units in which A*A is the identity in the mean.
STEP = 2.28e-2

TEXT = (
    "With measurement tensors N(0, 1/m) the step of the text, 1e-5, would need more than a "
    "million iterations; the step is that of the released scripts, whose tensors are N(0, 1)."
)
SCRIPTS = (
    "The released scripts draw the start once for each value and not for each trial, so that "
    "later trials go on from the answers of earlier ones; here every run has a fresh start."
)


def descent(p: Setting, seed: Any, **changes: Any) -> Solve:
    """Gradient descent from U_0 with entries N(0, alpha^2 / R).

    The setting holds n, k, rank, measurements, noise, columns, alpha, step_size, max_iter;
    without `normalised` the entries are N(0, alpha^2).
    """
    columns = p.columns if getattr(p, "normalised", True) else 1
    return Solve(
        recipe=Recipe(
            "tubal_sensing",
            {
                "shape": [p.n, p.k],
                "rank": p.rank,
                "measurements": p.measurements,
                "noise": p.noise,
            },
            seed,
        ),
        solver=make_solver("gd", {"step_size": p.step_size, "sigma_max": 1.0}),
        rank=p.columns,
        start="small_random",
        start_options={"init_scale": p.alpha * np.sqrt(p.n * p.k / columns)},
        seed=seed,
        max_iter=p.max_iter,
        **changes,
    )
