"""More columns than the rank: a start that is small enough recovers the matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .._typing import Array
from ..analysis.cells import Call
from ..analysis.phase import phase_transition
from ..solvers import make_solver
from ._checks import between
from ._claim import Claim, register
from ._data import Setting
from ._figures import Custom
from ._phase import columns, shares
from ._xu2023 import PAPER

TRUE_RANK = 2


def scaled_down(parameters: dict[str, Any]) -> dict[str, Any]:
    """The scale of the start from its number of decades."""
    return parameters | {"init_scale": 10.0 ** -parameters.pop("decades")}


def diagram(
    *, n: int, ranks: Sequence[int], runs: int, step_size: float, damping: float, seed: Any
) -> Mapping[str, Array]:
    """Successes of ScaledGD(lambda) over columns and scale of the start."""
    return columns(
        phase_transition(
            "sensing",
            make_solver("scaledgd_lambda", {"step_size": step_size, "damping": damping}),
            x={"decades": [0, 1, 2, 4, 6, 9, 12]},
            y={"search_rank": list(ranks)},
            fixed={
                "shape": n,
                "rank": TRUE_RANK,
                "symmetric": True,
                "measurements": 4 * n * TRUE_RANK,
            },
            derive=scaled_down,
            max_iter=260,
            repeats=runs,
            rng=seed,
        )
    )


def cell(p: Setting, seed: Any) -> Call:
    """One diagram."""
    return Call(
        diagram,
        {"n": p.n, "ranks": p.ranks, "runs": p.runs, "step_size": p.step_size,
         "damping": p.damping, "seed": seed},
    )  # fmt: skip


register(
    Claim(
        id="xu2023-columns",
        paper=PAPER,
        source="small random starts; phase transition of ours",
        statement="With more columns than the rank, small starts recover and large ones do not.",
        settings="ours",
        grid={"n": [24]},
        fixed={"ranks": [2, 4, 8, 16], "runs": 6, "step_size": 0.3, "damping": 1.0},
        quick={"ranks": [2, 8], "runs": 1},
        cell=cell,
        numbers={
            "small": lambda o, p: float(np.min(o["share"][:, -1])),
            "large": lambda o, p: float(np.max(o["share"][-1, 0])),
        },
        checks=[
            *between("small", 0.9, np.inf, what="share of successes from alpha = 1e-12"),
            *between("large", -np.inf, 0.1, what="share from alpha = 1, most columns"),
        ],
        drawing=Custom(
            function=shares(r"$-\log_{10}\alpha$, α the scale of the start", "columns r")
        ),
        seconds=25,
    )
)
