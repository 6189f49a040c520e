"""Scaled subgradients at the published size: the error does not see the condition number."""

from __future__ import annotations

from ._checks import between, ratio, spread
from ._claim import Claim, register
from ._figures import Curves
from ._measure import at, iterations_to
from ._robust import NAMES, SCALED, START_NOTES, TONG, VANILLA, tong_cell

register(
    Claim(
        id="tong2021b-kappa",
        paper=TONG,
        source="Figure 1",
        statement="The rate of scaled subgradients is free of kappa, that of vanilla ones is not.",
        settings="published",
        grid={"solver": [SCALED, VANILLA], "kappa": [1, 5, 10, 20]},
        fixed={"n": 100, "rank": 10, "share": 0.2, "max_iter": 80},
        quick={"n": 30, "rank": 3, "kappa": [1, 5, 20]},
        cell=tong_cell,
        numbers={"to 1e-3": iterations_to(1e-3), "after 80": at(80)},
        checks=[
            spread("to 1e-3", 1.2, what="scaled, largest over least count", solver=SCALED),
            *between("after 80", 0.0, 1e-3, what="scaled, error after 80", solver=SCALED)[1:],
            ratio(
                "after 80",
                {"solver": VANILLA, "kappa": 5},
                {"solver": SCALED, "kappa": 5},
                5,
                float("inf"),
                what="after 80, vanilla over scaled, kappa 5",
            ),
            *between(
                "to 1e-3",
                80,
                float("inf"),
                what="vanilla, count at kappa 20",
                solver=VANILLA,
                kappa=20,
            ),
        ],
        drawing=Curves(panel="solver", panel_names=NAMES, label=lambda p: f"κ = {p.kappa}"),
        seconds=80,
        notes=START_NOTES + " Measurement matrices are stored in float32.",
    )
)
