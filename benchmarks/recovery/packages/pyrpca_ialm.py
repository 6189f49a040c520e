"""pyrpca: principal component pursuit by the inexact augmented Lagrangian."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import RobustPCA

SETTINGS = tuple({"tol": tol, "rho": rho} for rho in (2.0, 1.6, 1.5) for tol in (1e-6, 1e-7))


@contender("pyrpca IALM", "robust_pca", requires=["pyrpca"], settings=SETTINGS)
def ialm(task: RobustPCA, run: Run, *, tol: float, rho: float) -> Any:
    """`pyrpca.rpca_pcp_ialm` with weight 1 / sqrt(n); tolerance 1e-6 or 1e-7, growth of the penalty
    1.5 (its default) to 2."""
    from pyrpca import rpca_pcp_ialm

    weight = 1.0 / np.sqrt(max(task.shape))
    low, _ = rpca_pcp_ialm(task.matrix, weight, tol=tol, rho=rho, verbose=False)
    return low
