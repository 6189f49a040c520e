"""Instances and runs that the claims about ScaledGD(lambda) share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..problem import Recipe
from ..solvers import make_solver
from ..stopping import Target
from ._data import Setting

PAPER = "Xu, Shen, Chi, Ma (2023), arXiv:2302.01186"
TRUE_RANK = 3
# Small enough that redundant columns never grow to the size of lambda.
DECADES = {1: -12.0, 2: -14.0, 3: -16.0, 4: -20.0, 5: -24.0, 7: -30.0}


def small_start(kappa: float) -> float:
    """A scale of the start that is small enough at this condition number of the factor."""
    known = list(DECADES)
    beyond = 3.0 * max(0.0, kappa - known[-1])
    return float(10 ** (np.interp(kappa, known, list(DECADES.values())) - beyond))


def spectrum(kappa: float) -> list[float]:
    """Singular values of M*: squares of values linear from 1 to 1/kappa, those of X*."""
    return [float(v) for v in np.linspace(1, 1 / kappa, TRUE_RANK) ** 2]


def instance(p: Setting, seed: Any, **options: Any) -> Recipe:
    """Symmetric sensing with `per_row` measurements per row and unit of rank, n r* in all."""
    return Recipe(
        "sensing",
        {"shape": p.n, "rank": TRUE_RANK, "measurements": p.per_row * p.n * TRUE_RANK,
         "symmetric": True, "spectrum": spectrum(p.kappa), "storage": "float32"} | options,
        seed,
    )  # fmt: skip


def scaled(p: Setting, seed: Any, *, alpha: float, target: float = 0.0, **options: Any) -> Solve:
    """ScaledGD(lambda) with lambda in units of sigma_min(X*)^2, from a small random start."""
    return Solve(
        recipe=instance(p, seed, **options),
        solver=make_solver(
            "scaledgd_lambda", {"step_size": p.step_size, "damping": p.damping / p.kappa**2}
        ),
        rank=p.search_rank,
        start="small_random",
        start_options={"init_scale": alpha},
        seed=seed,
        max_iter=p.max_iter,
        stop=Target("rel_error", target) if target else None,
    )


def norm(p: Setting) -> float:
    """The Frobenius norm of M*."""
    return float(np.linalg.norm(spectrum(p.kappa)))


def iterations_between(high: float, low: float) -> Any:
    """A number: iterations from one relative error to a smaller one."""

    def measure(outcome: Outcome, p: Setting) -> float:
        return outcome.first("rel_error", low) - outcome.first("rel_error", high)

    return measure
