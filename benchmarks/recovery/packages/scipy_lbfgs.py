"""SciPy: L-BFGS on the factors, the package that everybody has."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import Array, Completion, PhaseRetrieval, Sensing
from ._entries import Entries

HISTORIES = ({"maxcor": 10}, {"maxcor": 30})


def _minimise(task: Any, run: Any, left: Array, right: Array, value: Any, maxcor: int) -> Any:
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


# Losses, and corrections.
PHASES = tuple(
    {"loss": loss, "maxcor": maxcor} for loss in ("amplitude", "intensity") for maxcor in (10, 30)
)


@contender(
    "SciPy L-BFGS-B, phase retrieval", "phase_retrieval", requires=["scipy"], settings=PHASES
)
def phase_retrieval(task: PhaseRetrieval, run: Run, *, loss: str, maxcor: int) -> Any:
    """The same for squared moduli, on real and imaginary part; least squares of amplitudes or of
    intensities, from the leading eigenvector (`eigsh`) with the weights 1 - 1 / y."""
    from scipy.sparse.linalg import LinearOperator, eigsh

    matrix, y = task.vectors.conj(), task.values
    (m, n), mean = matrix.shape, float(task.values.mean())
    transposed, root = matrix.T, np.sqrt(task.values)

    def adjoint(z: Array) -> Array:
        # One array in its own order, conjugating vectors only.
        return (transposed @ z.conj()).conj()

    def value(x: Array, _: Array) -> tuple[float, Array, Array]:
        z = matrix @ (x[:, 0] + 1j * x[:, 1])
        if loss == "amplitude":
            size = np.maximum(np.abs(z), 1e-300)
            e = size - root
            slope = adjoint(z * (e / size)) / m
            f = 0.5 * float(e @ e) / m
        else:
            e = np.abs(z) ** 2 - y
            slope = adjoint(z * e) / (m * mean)
            f = 0.25 * float(e @ e) / (m * mean)
        return f, np.stack((slope.real, slope.imag), axis=1), np.empty((0, 2))

    # Weights that are bounded keep the large values from leading.
    weights = np.maximum(1.0 - mean / np.maximum(y, 1e-300), -1.0)
    spectral = LinearOperator(
        (n, n), matvec=lambda v: adjoint(weights * (matrix @ v)), dtype=complex
    )
    v = eigsh(spectral, 1, which="LA", tol=0.1, v0=np.ones(n, complex))[1][:, 0]
    x = v * np.sqrt(mean * m * n / np.vdot(matrix, matrix).real)
    on_vectors = _OnVectors(run)
    pair = _minimise(
        task, on_vectors, np.stack((x.real, x.imag), axis=1), np.empty((0, 2)), value, maxcor
    )
    return _vector(pair)


def _vector(pair: Any) -> Any:
    x = (pair[0][:, 0] + 1j * pair[0][:, 1])[:, None]
    return x, x


class _OnVectors:
    """A run that is shown real and imaginary parts."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def stop_if_reached(self, answer: Any) -> None:
        self.run.stop_if_reached(lambda: _vector(answer()))
