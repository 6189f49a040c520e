"""What the claims on one-sided completion run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..analysis.cells import Solve
from ..analysis.observers import gram_error, subspace_error
from ..problem import Instance, Recipe
from ..solvers import make_solver
from ..stopping import Stationary
from ._data import Setting


def watch(instance: Instance) -> Mapping[str, Any]:
    """What concerns the right side; of the left one two entries per row tell nothing."""
    return {"gram_error": gram_error, "subspace_error": subspace_error}


def completion(p: Setting, seed: Any) -> Solve:
    """The setting holds n, d, rank, per_row, noise (standard deviation) and weights."""
    return Solve(
        recipe=Recipe(
            "one_sided",
            {
                "n_rows": p.n,
                "n_cols": p.d,
                "rank": p.rank,
                "per_row": p.per_row,
                "noise": p.noise,
            },
            seed,
        ),
        solver=make_solver("one_sided", {"weights": p.weights}),
        seed=seed,
        max_iter=400,
        # Far below the sampling error, which is what is left.
        stop=Stationary(1e-4),
        every=50,
        observe=watch,
    )
