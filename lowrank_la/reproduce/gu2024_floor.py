"""Alternating minimisation with inexact solves ends at an error of their size."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .._random import stream
from .._typing import Array
from ..analysis.cells import Solve
from ..analysis.theory import alternating_floor
from ..operators.entries import EntrySampling
from ..problem import Instance
from ..solvers import make_solver
from ._checks import between, exponent
from ._claim import Claim, register
from ._data import Setting
from ._figures import Custom, Runs
from ._gu2024 import PAPER, completion
from ._measure import final


class PerturbedSolves(EntrySampling):
    """Exact row solves, to which Gaussian noise of a relative Frobenius norm is added."""

    def __init__(self, base: EntrySampling, size: float, seed: Any) -> None:
        super().__init__(*base.positions, base.shape)
        self.size_of_errors, self.noise = size, stream(seed, "inexact solves")

    def row_solve(self, *args: Any, **options: Any) -> Array:
        """The rows, perturbed."""
        rows = super().row_solve(*args, **options)
        error = self.noise.standard_normal(rows.shape)
        scale = self.size_of_errors * np.linalg.norm(rows) / np.linalg.norm(error)
        return np.asarray(rows + scale * error)


def perturbed(instance: Instance, *, size: float, seed: Any) -> Instance:
    """The same data behind an operator with inexact row solves."""
    base: Any = instance.problem.operator
    problem = instance.problem.replace(operator=PerturbedSolves(base, size, seed))
    return Instance.of(problem, instance.truth.factors)


def cell(p: Setting, seed: Any) -> Solve:
    """Errors added to exact solves, or solves stopped at a relative accuracy."""
    if p.solves == "perturbed":
        solver = make_solver("altmin", {"relaxation": 1.0})
        change: Any = partial(perturbed, size=p.inexactness, seed=seed)
    else:
        options = {"inexact_tol": p.inexactness, "forcing": 0.0}
        solver, change = make_solver("robust_altmin", options), None
    return Solve(
        recipe=completion(p, seed),
        solver=solver,
        start="spectral",
        seed=seed,
        max_iter=p.max_iter,
        every=5,
        transform=change,
    )


def over_inexactness(outcome: Any, p: Setting) -> float:
    """The floor over the law."""
    return float(outcome.last("rel_error") / alternating_floor(p.inexactness))


def draw(ax: Any, runs: Runs) -> None:
    """Floors over the inexactness, one line of markers per kind of solve and sampling."""
    names = {"perturbed": "error added", "stopped": "stopped at eps"}
    markers = iter("osD^")
    for solves, name in names.items():
        for sampling in sorted({p.sampling for p in runs.data.points}):
            part = runs.data.where(solves=solves, sampling=sampling)
            ax.loglog(
                part.parameter("inexactness"),
                part.mean("floor"),
                next(markers),
                label=f"{name}, p = {sampling:g}",
            )
    x = np.sort(runs.data.parameter("inexactness"))
    law = [alternating_floor(eps) for eps in x]
    ax.plot(x, law, color="0.1", linewidth=0.8, label="error = eps")
    ax.set_xlabel("relative error eps of a solve")
    ax.set_ylabel("relative error at the end")


register(
    Claim(
        id="gu2024-floor",
        paper=PAPER,
        source="Robustness to inexact solves; P6-N2",
        statement="Solves with a relative error eps leave an error of order eps.",
        settings="ours",
        grid={
            "solves": ["perturbed", "stopped"],
            "sampling": [0.15, 0.3],
            "inexactness": [1e-2, 1e-3, 1e-4],
        },
        fixed={"n": 300, "rank": 5, "kappa": 10.0, "max_iter": 30},
        quick={"sampling": [0.3], "inexactness": [1e-2, 1e-4], "max_iter": 20},
        cell=cell,
        numbers={
            "floor": final("rel_error"),
            "over eps": over_inexactness,
        },
        checks=[
            between("over eps", 1.0, 3.0, what="perturbed: floor over eps", solves="perturbed"),
            exponent(
                "floor", "inexactness", 0.8, 1.2, what="stopped: power of eps", law=1.0,
                solves="stopped",
            ),
            between("over eps", 0.0, 3.0, what="stopped: floor over eps", solves="stopped")[1],
        ],
        drawing=Custom(function=draw),
        seconds=5,
        notes="There are no experiments in the paper.",
    )
)  # fmt: skip
