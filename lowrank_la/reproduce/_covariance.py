"""Runs of deep linear networks that several claims need."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._random import stream
from .._typing import Array
from ..analysis.cells import Outcome
from ..bures_wasserstein import BuresWasserstein
from ..driver import solve
from ..errors import SolverBreakdownError
from ..factors import Factors
from ..problem import Instance
from ..problems import covariance
from ..result import Status
from ..solvers import make_solver
from ._data import Setting

PAPER = "Brechet, Papagiannouli, An, Montufar (2023), arXiv:2303.03027"
# Share of the first loss below which nothing is measured.
FLOOR = 1e-20


def close_start(instance: Instance, smoothing: float, seed: Any) -> Factors:
    """A factor of Sigma - tau I + Q D Q^T, D small enough for a margin of full rank."""
    n = instance.problem.shape[0]
    sigma = instance.problem.data.reshape(n, n)
    loss = BuresWasserstein(sigma, smoothing)
    least = float(instance.truth.singular_values[-1])
    rotation = np.linalg.qr(stream(seed, "close start").standard_normal((n, n)))[0]
    shift = least * (2 - np.arange(1, n + 1) / n)
    scale = 1.0
    while True:
        moved = sigma - smoothing * np.eye(n) + scale * (rotation * shift) @ rotation.T
        factor = np.linalg.cholesky(moved)
        if loss.value(factor) < least:
            return Factors(factor, factor)
        scale *= 0.95


def losses(
    *, n: int, smallest: float, depth: int, smoothing: float, rate: float, time: float,
    every: int, seed: Any, cond: float | None = None,
) -> dict[str, Array]:  # fmt: skip
    """Loss over time, the product of learning rate and iterations, from a close start."""
    shape = {} if cond is None else {"spectrum": "geometric", "cond": cond}
    instance = covariance(n, smallest=smallest, rng=seed, **shape)
    top, least = instance.truth.singular_values[[0, -1]]
    start = close_start(instance, smoothing, seed)
    solver: Any = make_solver(
        "deep_linear",
        # The solver's unit of length is 1 / (2 N lambda_1^((N-1)/N)).
        {"depth": depth, "smoothing": smoothing,
         "step_size": rate * 2 * depth * top ** ((depth - 1) / depth)},
    )  # fmt: skip
    try:
        result = solve(
            instance.problem, solver, start=start, max_iter=round(time / rate), tol=0.0, every=every
        )
        ended = result.status is not Status.DIVERGED
    except SolverBreakdownError:
        # What has lost rank has no gradient.
        ended = False
    if not ended:
        # Too long a step.
        ends = np.array([0.0, time])
        return {"iteration": ends / rate, "time": ends, "loss": np.array([1.0, np.inf])}
    iteration, loss = result.trace["iteration"], result.trace["objective"]
    # What follows is rounding.
    low = np.flatnonzero(loss < FLOOR * loss[0])
    end = low[0] if low.size else loss.size
    return {
        "iteration": iteration[:end],
        "time": rate * iteration[:end],
        "loss": loss[:end],
        "weakest": least,
        "trace": instance.truth.singular_values.sum(),
    }


def slope(outcome: Outcome, p: Setting) -> float:
    """Slope of minus the log loss over time, from a thousandth of the first loss on."""
    time, loss = outcome["time"], outcome["loss"]
    if not np.isfinite(loss).all():
        return float("inf")
    late = loss < 1e-3 * loss[0]
    if np.count_nonzero(late) < 5:
        return 0.0
    return float(-np.polyfit(time[late], np.log(loss[late]), 1)[0])
