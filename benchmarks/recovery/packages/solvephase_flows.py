"""solvephase: flows for phase retrieval."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import PhaseRetrieval

SETTINGS = tuple(
    {"method": method, "power": power} for power in (20, 100) for method in ("taf", "raf", "lbfgs")
)


@contender("solvephase", "phase_retrieval", requires=["solvephase"], settings=SETTINGS)
def flows(task: PhaseRetrieval, run: Run, *, method: str, power: int) -> Any:
    """`solvephase` on a `MatrixOperator` with the start that belongs to the method: truncated or
    reweighted amplitude flow, or L-BFGS on amplitudes, after 100 power iterations (its default) or
    20, whichever is fastest."""
    from solvephase.algorithms.wirtinger import wirtinger
    from solvephase.operators import MatrixOperator

    with run.preparing():
        operator = MatrixOperator(task.vectors.conj())

    def look(iteration: int, x: Any, residual: float) -> bool:
        x = np.asarray(x)[:, None]
        return run.reached((x, x))

    found = wirtinger(
        operator,
        task.values,
        method=method,
        iterations=10**5,
        tol=1e-15,
        check_every=5,
        power_iterations=power,
        seed=0,
        callback=look,
    )
    x = np.asarray(found.x)[:, None]
    return x, x
