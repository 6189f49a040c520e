"""rpca (PyPI): accelerated alternating projections."""

from __future__ import annotations

from typing import Any

from ..clock import Run
from ..registry import contender
from ..tasks import RobustPCA

SETTINGS = tuple(
    {"gamma": gamma, "tol": tol}
    for gamma in (0.5, 0.6, 0.7, 0.8, 0.95)
    for tol in (3e-6, 1e-6, 3e-7, 1e-7)
)


@contender("rpca AccAltProj", "robust_pca", requires=["rpca"], settings=SETTINGS)
def altproj(task: RobustPCA, run: Run, *, gamma: float, tol: float) -> Any:
    """`rpca.RobustPCA` with one component more than the rank, since it subtracts column means
    (with the rank itself its error stays at a per cent); decays 0.5 to 0.95, tolerances 3e-6 to
    1e-7."""
    from rpca import RobustPCA as Model

    model = Model(task.rank + 1, max_iter=400, tol=tol, gamma=gamma, verbose=False, copy=False)
    # A copy of our own: it is told not to make one, and the data are needed again.
    model.fit(task.matrix.copy())
    return model.low_rank_ + model.mean_
