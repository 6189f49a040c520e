"""Tubal tensors: how many columns beyond the rank hardly matters."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..errors import InvalidInputError
from ..stopping import Target
from ._checks import Check, ratio
from ._claim import Claim, register
from ._data import Data, Setting
from ._figures import Curves
from ._karnik2025 import PAPER, SCRIPTS, STEP, TEXT, descent
from ._measure import iterations_to


def cell(p: Setting, seed: Any) -> Solve:
    """Until the error is 1e-3."""
    return descent(p, seed, stop=Target("rel_error", 1e-3), every=4)


def many(number: str) -> Any:
    """Largest over least count among numbers of columns of 50 or more."""

    def statistic(data: Data) -> float:
        values = data.mean(number)[data.parameter("columns") >= 50]
        if values.size < 2:
            raise InvalidInputError("fewer than two grid points have 50 columns or more")
        return float(np.max(values) / np.min(values))

    return statistic


def claim(name: str, settings: str, measurements: int, notes: str, quick: Any = None) -> Claim:
    """The claim in the text's or in the scripts' settings."""
    return Claim(
        id=name,
        paper=PAPER,
        source="Figure 3; P8-N2",
        statement="From R = 3 r on, more columns neither slow the descent down nor speed it up.",
        settings=settings,
        grid={"columns": [10, 50, 100, 200, 400]},
        fixed={
            "n": 10,
            "k": 4,
            "rank": 3,
            "measurements": measurements,
            "noise": 0.0,
            "alpha": 1e-7,
            "normalised": True,
            "step_size": STEP,
            "max_iter": 12000,
        },
        quick=quick,
        cell=cell,
        numbers={"to 0.1": iterations_to(0.1), "to 1e-3": iterations_to(1e-3)},
        checks=[
            Check("R >= 50: counts to 0.1, largest over least", many("to 0.1"), high=1.02),
            ratio(
                "to 0.1", {"columns": 10}, {"columns": 200}, 0.95, 1.05,
                what="iterations to 0.1, R = 10 over R = 200",
            ),
            Check("R >= 50: counts to 1e-3, largest over least", many("to 1e-3"), high=1.03),
        ],
        drawing=Curves(label=lambda p: f"R = {p.columns}"),
        seconds=18,
        notes=notes,
    )  # fmt: skip


register(claim("karnik2025-columns", "published", 254, f"{TEXT} {SCRIPTS}"))
register(
    claim(
        "karnik2025-columns-scripts",
        "as released",
        285,
        f"The released scripts have 285 measurements where the text has 254. {SCRIPTS}",
        quick={"columns": [10, 50, 200], "step_size": 4 * STEP, "max_iter": 3000},
    )
)
