"""SciPy: L-BFGS on the factors, the package that everybody has."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import Array, Completion, Sensing
from ._entries import Entries

HISTORIES = ({"maxcor": 10}, {"maxcor": 30})


def _minimise(task: Any, run: Run, left: Array, right: Array, value: Any, maxcor: int) -> Any:
    from scipy.optimize import minimize

    cut, shapes = left.size, (left.shape, right.shape)

    def split(z: Array) -> tuple[Array, Array]:
        return z[:cut].reshape(shapes[0]), z[cut:].reshape(shapes[1])

    def objective(z: Array) -> tuple[float, Array]:
        f, a, b = value(*split(z))
        return f, np.concatenate((a.ravel(), b.ravel()))

    found = minimize(
        objective,
        np.concatenate((left.ravel(), right.ravel())),
        jac=True,
        method="L-BFGS-B",
        callback=lambda z: run.stop_if_reached(lambda: split(z)),
        options={"maxcor": maxcor, "maxiter": 10**6, "maxfun": 10**7, "ftol": 0.0, "gtol": 0.0},
    )
    return split(found.x)


@contender("SciPy L-BFGS-B", "completion", requires=["scipy"], settings=HISTORIES)
def completion(task: Completion, run: Run, *, maxcor: int) -> Any:
    """`scipy.optimize.minimize` on both factors from the spectral start (`svds`); gradients by
    chunked `einsum` and two sparse products; 10 or 30 corrections."""
    with run.preparing():
        entries = Entries(task)
    return _minimise(task, run, *entries.balanced(), entries.value_and_gradients, maxcor)


@contender("SciPy L-BFGS-B, sensing", "sensing", requires=["scipy"], settings=HISTORIES)
def sensing(task: Sensing, run: Run, *, maxcor: int) -> Any:
    """The same for dense measurement matrices: two BLAS passes over them for each gradient."""
    m = len(task.values)
    matrix = task.matrices.reshape(m, -1)
    scale = float(np.mean(np.einsum("ij,ij->i", matrix, matrix))) * m / matrix.shape[1]

    def value(a: Array, b: Array) -> tuple[float, Array, Array]:
        e = matrix @ (a @ b.T).ravel() - task.values
        slope = (e @ matrix).reshape(task.shape)
        return 0.5 * float(e @ e), slope @ b, slope.T @ a

    u, s, vt = np.linalg.svd((task.values @ matrix).reshape(task.shape) / scale)
    root, r = np.sqrt(s[: task.rank]), task.rank
    return _minimise(task, run, u[:, :r] * root, vt[:r].T * root, value, maxcor)
