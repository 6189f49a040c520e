"""Scaled subgradients for several shares of outliers."""

from __future__ import annotations

from ..stopping import Target
from ._checks import between, increases, ratio
from ._claim import Claim, register
from ._figures import Curves
from ._measure import iterations_to
from ._robust import NAMES, SCALED, START_NOTES, TONG, VANILLA, tong_cell

register(
    Claim(
        id="tong2021b-outliers",
        paper=TONG,
        source="Figure 3",
        statement="Scaled subgradients are exact with 10 to 30 % of outliers, vanilla ones slower.",
        settings="ours",
        grid={"solver": [SCALED, VANILLA], "share": [0.1, 0.2, 0.3]},
        fixed={"n": 50, "rank": 5, "kappa": 10, "max_iter": 600},
        quick={"n": 30, "rank": 2},
        cell=lambda p, seed: tong_cell(p, seed, stop=Target("rel_error", 1e-8)),
        numbers={"to 1e-6": iterations_to(1e-6), "to 1e-8": iterations_to(1e-8)},
        checks=[
            *between("to 1e-8", 0, 600, what="scaled, count to 1e-8", solver=SCALED)[1:],
            increases(
                "to 1e-8", "share", what="scaled, step of the count in the share", solver=SCALED
            ),
            *(
                ratio(
                    "to 1e-6",
                    {"solver": VANILLA, "share": share},
                    {"solver": SCALED, "share": share},
                    1.5,
                    float("inf"),
                    what=f"to 1e-6, vanilla over scaled, share {share}",
                )
                for share in (0.1, 0.2, 0.3)
            ),
        ],
        drawing=Curves(
            panel="solver", panel_names=NAMES, label=lambda p: f"{100 * p.share:.0f} % outliers"
        ),
        seconds=11,
        notes=START_NOTES + " The published size is n = 100, r = 10.",
    )
)
