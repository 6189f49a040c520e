"""Networks with a bottleneck reach the closed-form optimum."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._random import stream
from ..analysis.cells import Call
from ..driver import solve
from ..factors import Factors
from ..problems import covariance
from ..solvers import make_solver
from ._checks import between
from ._claim import Claim, register
from ._covariance import PAPER
from ._data import Setting
from ._figures import Curves
from ._measure import final


def gap(
    *, n: int, spectrum: list[float], columns: int, depth: int, smoothing: float, scale: float,
    rate: float, max_iter: int, seed: Any,
) -> dict[str, Any]:  # fmt: skip
    """Loss above the optimum, from a small random start."""
    instance = covariance(n, spectrum=spectrum, rng=seed)
    top = instance.truth.singular_values
    draw = stream(seed, "bottleneck start").standard_normal((n, columns))
    start = scale / np.sqrt(n) * draw
    solver: Any = make_solver(
        "deep_linear",
        {"depth": depth, "smoothing": smoothing,
         "step_size": rate * 2 * depth * top[0] ** ((depth - 1) / depth)},
    )  # fmt: skip
    result = solve(
        instance.problem, solver, start=Factors(start, start), max_iter=max_iter, tol=0.0, every=20
    )
    best, _ = solver.loss(instance.problem).optimum(columns)
    values = result.factors.singular_values()[:columns]
    above = result.trace["objective"] - best
    return {
        "iteration": result.trace["iteration"],
        # Below the digits of the loss the difference is rounding of either sign.
        "gap": np.maximum(above, 1e-12),
        "values": np.max(np.abs(values - (top[:columns] - smoothing))),
    }


def cell(p: Setting, seed: Any) -> Call:
    """A target of 20 eigenvalues from 9 to 1, learned with fewer columns."""
    spectrum = (np.linspace(9, 1, p.n)).tolist()
    names = ("n", "columns", "depth", "smoothing", "scale", "rate", "max_iter")
    parameters = {name: getattr(p, name) for name in names}
    return Call(gap, parameters | {"spectrum": spectrum, "seed": seed})


register(
    Claim(
        id="brechet2023-bottleneck",
        paper=PAPER,
        source="Theorem on critical points; P9-N4",
        statement="With a bottleneck of k columns descent finds the top k eigenvalues, minus tau.",
        settings="ours",
        grid={"columns": [1, 3, 8], "smoothing": [0.0, 0.1]},
        fixed={"n": 20, "depth": 2, "scale": 0.3, "rate": 5e-3, "max_iter": 6000},
        quick={"smoothing": [0.0], "n": 10, "max_iter": 3000},
        cell=cell,
        numbers={
            "gap": final("gap"),
            "values": final("values"),
        },
        checks=[
            between("gap", 0.0, 1e-4, what="loss above the closed form, k = 1", columns=1)[1],
            between("gap", 0.0, 1e-4, what="loss above the closed form, k = 3", columns=3)[1],
            between("gap", 0.0, 1e-4, what="loss above the closed form, k = 8", columns=8)[1],
            between("values", 0.0, 1e-2, what="error of the eigenvalues")[1],
        ],
        drawing=Curves(
            y="gap",
            panel="smoothing",
            panel_names={0.0: "no smoothing", 0.1: r"$\tau = 0.1$"},
            label=lambda p: f"k = {p.columns}",
            y_label="loss above the optimum",
        ),
        seconds=15,
        notes=(
            "The spectrum is evenly spaced, since the gap behind the last eigenvalue that is "
            "learned sets the speed, and a random one may be tiny."
        ),
    )
)
