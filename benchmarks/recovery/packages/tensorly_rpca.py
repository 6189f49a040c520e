"""TensorLy: robust PCA by the augmented Lagrangian."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import RobustPCA

SETTINGS = (
    {"learning_rate": 1.5, "start": 1.0},
    {"learning_rate": 1.3, "start": 1.0},
    {"learning_rate": 1.2, "start": 1.0},
)


@contender("TensorLy robust PCA", "robust_pca", requires=["tensorly"], settings=SETTINGS)
def robust_pca(task: RobustPCA, run: Run, *, learning_rate: float, start: float) -> Any:
    """`tensorly.decomposition.robust_pca` with the weight of principal component pursuit set by
    hand (2 / sqrt(n): a matrix has two unfoldings; the default recovers nothing), and the penalty
    from the inverse of the largest singular value, growing by 1.2 to 1.5."""
    import tensorly
    from tensorly.decomposition import robust_pca as solve

    size = float(np.linalg.norm(task.matrix, 2))
    bound = float(np.linalg.norm(task.matrix))
    low, _ = solve(
        tensorly.tensor(task.matrix),
        reg_E=2.0 / np.sqrt(max(task.shape)),
        reg_J=1.0,
        mu_init=start / size,
        mu_max=1e7 / size,
        learning_rate=learning_rate,
        # Absolute; the answer is judged by its true error anyway.
        tol=2e-7 * bound,
        n_iter_max=500,
        verbose=0,
    )
    return np.asarray(low)
