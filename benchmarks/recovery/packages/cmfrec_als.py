"""cmfrec: compiled alternating least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import Completion

# Ill-determined rows need some; the error that it leaves is below 1e-7.
WEIGHT = 1e-9
SWEEPS = (8, 12, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 48, 60)
SETTINGS = tuple({"niter": niter} for niter in SWEEPS)


@contender("cmfrec ALS", "completion", requires=["cmfrec"], settings=SETTINGS)
def als(task: Completion, run: Run, *, niter: int) -> Any:
    """`cmfrec.CMF`: ALS in C without biases and centring, weight 1e-9, exact solves (its conjugate
    gradient takes more sweeps and more time in all cases here); the least of several numbers of
    sweeps that is enough. It takes triples as a COO matrix and sorts them itself."""
    from cmfrec import CMF
    from scipy.sparse import coo_matrix

    with run.preparing():
        triples = coo_matrix((task.values, (task.rows, task.cols)), shape=task.shape)
    model = CMF(
        k=task.rank,
        method="als",
        lambda_=WEIGHT,
        niter=niter,
        use_cg=False,
        user_bias=False,
        item_bias=False,
        center=False,
        nthreads=run.threads,
        use_float=False,
        precompute_for_predictions=False,
        verbose=False,
        random_state=1,
    )
    model.fit(triples)
    return np.asarray(model.A_), np.asarray(model.B_)
