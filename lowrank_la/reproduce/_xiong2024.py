"""What the claims on gradient descent with too many columns run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..problem import Recipe
from ..solvers import make_solver
from ..stopping import Target
from ._data import Setting

SPECTRUM = [1.0, 0.9, 0.8]


def descent(
    p: Setting,
    seed: Any,
    *,
    symmetric: bool,
    alpha: float,
    columns: int,
    options: Mapping[str, Any] | None = None,
    every: int = 10,
    **changes: Any,
) -> Solve:
    """Descent from factors with entries alpha N(0, 1), and alpha / 3 N(0, 1) on the right.

    The setting holds n, measurements (None for all entries), solver, step_size and max_iter.
    """
    parameters = {"shape": p.n, "rank": 3, "symmetric": symmetric, "spectrum": SPECTRUM}
    kind = "factorization"
    if p.measurements is not None:
        kind, parameters = "sensing", parameters | {"measurements": p.measurements}
    known = {"sigma_max": 1.0} if p.solver.startswith("gd") else {}
    return Solve(
        recipe=Recipe(kind, parameters, seed),
        solver=make_solver(p.solver, {"step_size": p.step_size} | known | dict(options or {})),
        rank=columns,
        start="small_random",
        start_options={"init_scale": alpha * np.sqrt(p.n), "ratio": 1 / 3},
        seed=seed,
        max_iter=p.max_iter,
        # Rounding would end the straight parts anyway.
        stop=Target("rel_error", 1e-13),
        every=every,
        **changes,
    )
