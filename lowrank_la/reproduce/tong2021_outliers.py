"""How many outliers thresholded ScaledGD bears: fewer at higher rank."""

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


def diagram(
    *, n: int, ranks: Sequence[int], runs: int, step_size: float, share: float, seed: Any
) -> Mapping[str, Array]:
    """Successes over rank and share of outliers."""
    return columns(
        phase_transition(
            "robust_pca",
            make_solver("thresholded_scaledgd", {"step_size": step_size, "corruption": share}),
            x={"corruption": np.arange(0.05, 0.46, 0.05).tolist()},
            y={"rank": list(ranks)},
            fixed={"shape": (n, n)},
            max_iter=200,
            repeats=runs,
            rng=seed,
        )
    )


def cell(p: Setting, seed: Any) -> Call:
    """One diagram."""
    return Call(
        diagram,
        {"n": p.n, "ranks": p.ranks, "runs": p.runs, "step_size": p.step_size, "share": p.share,
         "seed": seed},
    )  # fmt: skip


def exponent(outcome: Outcome, p: Setting) -> float:
    """The power of the rank with which the share that is borne falls."""
    border = outcome["border"]
    if not np.isfinite(border).all():
        return float("inf") if np.isinf(border).any() else float("nan")
    return float(np.polyfit(np.log(outcome["y"]), np.log(border), 1)[0])


register(
    Claim(
        id="tong2021-outliers",
        paper=PAPER,
        source="Theorem 11; phase transition of ours",
        statement="The share of outliers borne falls with the rank, no faster than r^(-3/2).",
        settings="ours",
        grid={"n": [80]},
        fixed={"ranks": [2, 4, 8, 16], "runs": 6, "step_size": 0.5, "share": 0.3},
        quick=None,
        cell=cell,
        numbers={"exponent": exponent, "least": lambda o, p: float(np.min(o["border"]))},
        checks=between("exponent", -1.5, -0.05, what="power of the rank"),
        drawing=Custom(function=shares("share of outliers α", "rank r")),
        seconds=30,
        notes=(
            "The solver is told one bound on the share for all, which limits what it bears at low "
            "ranks; with so large a bound some runs with few outliers fail too."
        ),
    )
)
