"""Geometric steps: the last move is the accuracy, unless they shrink too fast."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..analysis.theory import geometric_accuracy
from ._checks import between, ratio
from ._claim import Claim, register
from ._data import Setting
from ._figures import Points
from ._robust import SCALED, START_NOTES, TONG, geometric, tong_cell


def cell(p: Setting, seed: Any) -> Solve:
    """Steps lambda_0 q^t; the paper's unit of lambda_0 is the least singular value."""
    tune = partial(geometric, initial=p.initial, decay=p.decay)
    return tong_cell(p, seed, tune=tune, every=p.max_iter)


def law(p: Setting, q: Any) -> Any:
    """Length of the last move relative to |X|_F."""
    size = float(np.linalg.norm(np.linspace(p.kappa, 1, p.rank)))
    return geometric_accuracy(p.max_iter, initial=p.initial / size, decay=np.asarray(q))


def over_law(outcome: Outcome, p: Setting) -> float:
    """Final error over the last move."""
    return float(outcome.last("rel_error") / law(p, p.decay))


def best(p: Setting, q: Any) -> Any:
    """The law where it holds."""
    return np.where(np.asarray(q) >= 0.9, law(p, q), np.nan)


register(
    Claim(
        id="tong2021b-geometric",
        paper=TONG,
        source="Figure 5",
        statement="Steps lambda_0 q^t end at the length of the last one; a q too small stalls.",
        settings="ours",
        grid={
            "initial": [1, 2, 5, 10, 20],
            "decay": [0.80, 0.85, 0.88, 0.91, 0.94, 0.97],
        },
        fixed={
            "n": 50,
            "rank": 5,
            "kappa": 10,
            "share": 0.2,
            "max_iter": 200,
            "solver": SCALED,
        },
        quick={"n": 24, "rank": 2, "initial": [2, 5], "decay": [0.80, 0.94, 0.97]},
        cell=cell,
        numbers={"end": lambda o, p: o.last("rel_error"), "over law": over_law},
        checks=[
            *between("over law", 0.5, 2.0, what="error over last move, q = 0.94", decay=0.94),
            *between("over law", 0.5, 2.0, what="error over last move, q = 0.97", decay=0.97),
            ratio(
                "end",
                {"initial": 5, "decay": 0.80},
                {"initial": 5, "decay": 0.94},
                100,
                float("inf"),
                what="error at q = 0.80 over that at 0.94, lambda_0 = 5",
            ),
        ],
        drawing=Points(
            x="decay",
            y="end",
            by="initial",
            law=best,
            law_label=r"last move $\lambda_0 q^T / \|X_\star\|_F$",
            names={k: rf"$\lambda_0$ = {k}" for k in (1, 2, 5, 10, 20, 50)},
            x_label="ratio q of a step to the one before",
            y_label="relative error after all iterations",
            log="y",
        ),
        seconds=26,
        notes=START_NOTES + " The published size is n = 100, r = 10.",
    )
)
