"""Scaled subgradients, small instances to high accuracy."""

from __future__ import annotations

from ..stopping import Target
from ._checks import between, spread
from ._claim import Claim, register
from ._figures import Curves
from ._measure import iterations_to
from ._robust import NAMES, SCALED, START_NOTES, TONG, VANILLA, tong_cell

register(
    Claim(
        id="tong2021b-counts",
        paper=TONG,
        source="P5b-N1",
        statement="Scaled subgradients reach 1e-6 as fast at any kappa; vanilla ones do not.",
        settings="ours",
        grid={"solver": [SCALED, VANILLA], "kappa": [1, 5, 20]},
        fixed={"n": 50, "rank": 5, "share": 0.2, "max_iter": 600},
        quick={"n": 24, "rank": 2},
        cell=lambda p, seed: tong_cell(p, seed, stop=Target("rel_error", 1e-6)),
        numbers={"to 1e-6": iterations_to(1e-6)},
        checks=[
            spread("to 1e-6", 1.2, what="scaled, largest over least count", solver=SCALED),
            *between("to 1e-6", 0, 200, what="scaled, count", solver=SCALED)[1:],
            *between(
                "to 1e-6",
                600,
                float("inf"),
                what="vanilla, count at kappa 20",
                solver=VANILLA,
                kappa=20,
            ),
        ],
        drawing=Curves(panel="solver", panel_names=NAMES, label=lambda p: f"κ = {p.kappa}"),
        seconds=8,
        notes=START_NOTES,
    )
)
