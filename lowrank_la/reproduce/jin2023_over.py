"""Gradient descent with many columns passes the minimisers of rank 1, 2, ... in turn."""

from __future__ import annotations

from ._claim import Claim, register
from ._incremental import NOTES, PAPER, SHARED, Passages, cell, deepen, dips, in_turn

RANKS = (1, 2, 3, 4)

register(
    Claim(
        id="jin2023-over",
        paper=PAPER,
        source="Figure of the over-parameterised case; P1-N1",
        statement="Over-parameterised GD passes the minimisers of each rank in turn.",
        settings="ours",
        grid={"alpha": [1e-1, 1e-2, 1e-4, 1e-6, 1e-8]},
        fixed=SHARED | {"columns": 40, "max_iter": 700},
        quick={
            "alpha": [1e-1, 1e-4],
            "n": 30,
            "measurements": 450,
            "columns": 30,
            "max_iter": 300,
            "every": 4,
        },
        cell=cell,
        numbers=dips(RANKS),
        checks=[*deepen(RANKS), in_turn(RANKS)],
        drawing=Passages(),
        seconds=7,
        notes=NOTES,
    )
)
