"""cmfrec: compiled alternating least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import Completion

SWEEPS = (8, 12, 16, 18, 20, 22, 24, 26, 28, 30, 32, 36, 40, 48, 60)


def _settings(task: Any) -> Sequence[dict[str, Any]]:
    # No penalty is the fastest when it works; a tiny one saves ill-determined rows.
    return [
        {"niter": niter, "use_cg": cg, "lambda_": weight}
        for niter in SWEEPS
        for cg, weight in ((False, 1e-9), (True, 1e-9))
    ]


@contender("cmfrec ALS", "completion", requires=["cmfrec"], settings=_settings)
def als(task: Completion, run: Run, *, niter: int, use_cg: bool, lambda_: float) -> Any:
    """`cmfrec.CMF`: ALS in C, without biases and centring, exact solves or its conjugate gradient,
    weight 1e-9; the least of several numbers of sweeps that is enough. It takes triples as a COO
    matrix and sorts them itself."""
    from cmfrec import CMF
    from scipy.sparse import coo_matrix

    with run.preparing():
        triples = coo_matrix((task.values, (task.rows, task.cols)), shape=task.shape)
    model = CMF(
        k=task.rank,
        method="als",
        lambda_=lambda_,
        niter=niter,
        use_cg=use_cg,
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
