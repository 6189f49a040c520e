"""Gradient descent with r* columns passes the minimisers of lower rank and ends at the truth."""

from __future__ import annotations

from ._checks import between
from ._claim import Claim, register
from ._incremental import NOTES, PAPER, SHARED, TRUE_RANK, Passages, cell, deepen, dips, in_turn

RANKS = (1, 2, 3, 4)

register(
    Claim(
        id="jin2023-exact",
        paper=PAPER,
        source="Figure of the exact case",
        statement="GD with r* columns passes the minimisers of each rank and ends at the truth.",
        settings="ours",
        grid={"alpha": [1e-1, 1e-4, 1e-8]},
        fixed=SHARED | {"columns": TRUE_RANK, "max_iter": 2600, "every": 4},
        quick={
            "alpha": [1e-1, 1e-5],
            "n": 20,
            "measurements": 400,
            "step_size": 0.2,
            "max_iter": 1000,
            "every": 5,
        },
        cell=cell,
        numbers=dips(RANKS) | {"end": lambda o, p: o.last("rel_error") ** 2},
        checks=[
            *deepen(RANKS),
            in_turn(RANKS),
            *between("end", 0.0, 1e-10, what="squared error at the end")[1:],
        ],
        drawing=Passages(),
        seconds=8,
        notes=NOTES,
    )
)
