"""How many measurements ScaledGD needs: a multiple of the degrees of freedom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._typing import Array
from ..analysis.cells import Call, Outcome
from ..analysis.phase import phase_transition
from ..solvers import make_solver
from ._checks import between
from ._claim import Claim, register
from ._data import Setting
from ._figures import Custom
from ._phase import columns, shares
from ._tong2021 import PAPER


def freedom(n: int, rank: Any) -> Any:
    """Degrees of freedom of n x n matrices of a rank."""
    return rank * (2 * n - rank)


def counted(parameters: dict[str, Any]) -> dict[str, Any]:
    """Measurements from their number per degree of freedom."""
    n, rank = parameters["shape"][0], parameters["rank"]
    per_freedom = parameters.pop("per_freedom")
    return parameters | {"measurements": int(np.ceil(per_freedom * freedom(n, rank)))}


def diagram(
    *, n: int, ranks: Sequence[int], runs: int, step_size: float, max_iter: int, seed: Any
) -> Mapping[str, Array]:
    """Successes of ScaledGD over rank and measurements."""
    return columns(
        phase_transition(
            "sensing",
            make_solver("scaledgd", {"step_size": step_size}),
            x={"per_freedom": np.arange(1.0, 4.26, 0.25).tolist()},
            y={"rank": list(ranks)},
            fixed={"shape": (n, n)},
            derive=counted,
            max_iter=max_iter,
            repeats=runs,
            rng=seed,
        )
    )


def cell(p: Setting, seed: Any) -> Call:
    """One diagram."""
    return Call(
        diagram,
        {"n": p.n, "ranks": p.ranks, "runs": p.runs, "step_size": p.step_size,
         "max_iter": p.max_iter, "seed": seed},
    )  # fmt: skip


def exponent(outcome: Outcome, p: Setting) -> float:
    """The power of the degrees of freedom with which the needed measurements grow."""
    border, free = outcome["border"], freedom(p.n, outcome["y"])
    if not np.isfinite(border).all():
        return float("inf") if np.isinf(border).any() else float("nan")
    return float(np.polyfit(np.log(free), np.log(border * free), 1)[0])


register(
    Claim(
        id="tong2021-samples",
        paper=PAPER,
        source="sample complexity of sensing; phase transition of ours",
        statement="ScaledGD needs measurements in proportion to the degrees of freedom.",
        settings="ours",
        grid={"n": [24]},
        fixed={"ranks": [1, 2, 3, 4], "runs": 9, "step_size": 0.5, "max_iter": 500},
        quick=None,
        cell=cell,
        numbers={
            "exponent": exponent,
            "per degree of freedom": lambda o, p: float(np.mean(o["border"])),
        },
        checks=[
            *between("exponent", 0.75, 1.25, what="power of the degrees of freedom"),
            *between("per degree of freedom", 1.0, 3.5, what="measurements per degree of freedom"),
        ],
        drawing=Custom(
            function=shares(
                "measurements per degree of freedom",
                "rank r",
                law=lambda p, y: np.ones(y.size),
                law_label="degrees of freedom",
            )
        ),
        seconds=40,
        notes=(
            "The theorem asks for n r^2 kappa^2 measurements; in practice a fixed number per "
            "degree of freedom nearly does. Ranks have to be small against n: for 1 to 4 at "
            "n = 12 the power is 1.3."
        ),
    )
)
