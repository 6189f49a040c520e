"""A lambda far below the smallest singular value leaves a floor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..analysis.theory import damping_floor
from ._checks import follows
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import final
from ._xu2023 import PAPER, TRUE_RANK, norm, scaled


def cell(p: Setting, seed: Any) -> Solve:
    """A fixed number of iterations."""
    return scaled(p, seed, alpha=p.alpha)


def law(p: Setting, t: Any) -> Any:
    """Relative error left by the redundant columns after t iterations."""
    with np.errstate(divide="ignore"):
        floor = damping_floor(
            t,
            step_size=p.step_size,
            damping=p.damping / p.kappa**2,
            rank=p.search_rank,
            true_rank=TRUE_RANK,
        )
    return floor / norm(p)


def drawn(p: Setting, t: Any) -> Any:
    """The law where it holds: when the redundant columns have grown."""
    return np.where(t >= 60, law(p, t), np.nan)


register(
    Claim(
        id="xu2023-damping",
        paper=PAPER,
        source="the update; P5-N5",
        statement="A lambda far below sigma_min^2 leaves a floor that lambda sets, not the start.",
        settings="ours",
        grid={"alpha": [1e-6, 1e-9]},
        fixed={
            "n": 60,
            "kappa": 3,
            "per_row": 10,
            "search_rank": 5,
            "step_size": 0.3,
            "damping": 0.1,
            "max_iter": 260,
        },
        repeats=5,
        quick={"n": 40, "repeats": 3},
        cell=cell,
        numbers={"floor": final()},
        checks=[follows("floor", lambda p: law(p, p.max_iter), 3.0, what="floor over the law")],
        drawing=Curves(
            label=lambda p: rf"$\alpha$ = {p.alpha:g}",
            law=drawn,
            law_label=r"$\sqrt{r-r_\star}\,\lambda/(2\eta t)$",
        ),
        seconds=12,
        notes="From starts so small that redundant columns do not grow in time the floor is lower.",
    )
)
