"""Scaled subgradients with bounded noise beside the outliers."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..analysis.cells import Solve
from ._checks import exponent, ratio
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import at, final
from ._robust import NAMES, SCALED, START_NOTES, TONG, VANILLA, bounded_noise, tong_cell


def cell(p: Setting, seed: Any) -> Solve:
    """Uniform noise of size mean|y| / snr."""
    return tong_cell(p, seed, transform=partial(bounded_noise, snr=p.snr))


register(
    Claim(
        id="tong2021b-noise",
        paper=TONG,
        source="Figure 3",
        statement="With bounded noise scaled subgradients end at an error proportional to it.",
        settings="ours",
        grid={"solver": [SCALED, VANILLA], "snr": [1e1, 1e2, 1e3, 1e4]},
        fixed={"n": 50, "rank": 5, "kappa": 10, "share": 0.1, "max_iter": 300},
        quick={"n": 30, "rank": 3, "snr": [1e1, 1e2, 1e3]},
        cell=cell,
        numbers={"end": final(), "after 60": at(60)},
        checks=[
            exponent(
                "end",
                "snr",
                -1.1,
                -0.9,
                law=-1.0,
                what="power of the snr in the error",
                solver=SCALED,
            ),
            ratio(
                "after 60",
                {"solver": VANILLA, "snr": 1e3},
                {"solver": SCALED, "snr": 1e3},
                1.5,
                float("inf"),
                what="error after 60, vanilla over scaled, snr 1e3",
            ),
            ratio(
                "end",
                {"solver": VANILLA, "snr": 1e2},
                {"solver": SCALED, "snr": 1e2},
                0.5,
                2.0,
                what="error at the end, vanilla over scaled, snr 1e2",
            ),
        ],
        drawing=Curves(panel="solver", panel_names=NAMES, label=lambda p: f"snr {p.snr:g}"),
        seconds=10,
        notes=START_NOTES + " The published size is n = 100, r = 10; its snr are not known to us.",
    )
)
