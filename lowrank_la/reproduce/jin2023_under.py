"""Gradient descent with fewer columns than the rank ends at the minimiser of its own rank."""

from __future__ import annotations

from ._checks import between
from ._claim import Claim, register
from ._incremental import NOTES, PAPER, SHARED, Passages, cell, deepen, dips, in_turn

COLUMNS = 3

register(
    Claim(
        id="jin2023-under",
        paper=PAPER,
        source="Figure of the under-parameterised case; P1-N2",
        statement="GD with 3 columns passes the minimisers of rank 1, 2 and ends at that of 3.",
        settings="ours",
        grid={"alpha": [1e-1, 1e-4, 1e-8]},
        fixed=SHARED | {"columns": COLUMNS, "max_iter": 2600, "every": 4},
        quick={
            "alpha": [1e-1, 1e-5],
            "n": 20,
            "measurements": 400,
            "step_size": 0.2,
            "max_iter": 700,
            "every": 5,
        },
        cell=cell,
        numbers=dips((1, 2))
        | {
            "end": lambda o, p: o.last(f"to {COLUMNS}"),
            "truth": lambda o, p: float(o["rel_error"].min()) ** 2,
        },
        checks=[
            *deepen((1, 2)),
            in_turn((1, 2)),
            *between("end", 0.0, 1e-15, what="squared distance to Z_3 at the end")[1:],
            *between("truth", 5e-2, float("inf"), what="squared distance to the truth"),
        ],
        drawing=Passages(),
        seconds=9,
        notes=NOTES,
    )
)
