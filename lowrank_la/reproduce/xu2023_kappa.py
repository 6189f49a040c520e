"""ScaledGD(lambda): the local rate does not depend on the condition number."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..analysis.cells import Solve
from ._checks import between, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import iterations_to, rate
from ._xu2023 import PAPER, scaled, small_start


def cell(p: Setting, seed: Any) -> Solve:
    """A start so small that the error can fall to 1e-11."""
    return scaled(p, seed, alpha=small_start(p.kappa), target=1e-11)


small = register(
    Claim(
        id="xu2023-kappa",
        paper=PAPER,
        source="Figure 1; P5-N1",
        statement="ScaledGD(lambda) converges at a local rate free of the condition number.",
        settings="ours",
        grid={"kappa": [3, 5, 7]},
        fixed={
            "n": 100,
            "per_row": 10,
            "search_rank": 5,
            "step_size": 0.3,
            "damping": 1.0,
            "max_iter": 400,
        },
        quick={"n": 40, "kappa": [3, 7]},
        cell=cell,
        numbers={"rate": rate(below=1e-3), "iterations": iterations_to(1e-9)},
        checks=[
            spread("rate", 0.02, relative=False, what="local factors per iteration agree"),
            between("iterations", 0, 320, what="iterations to 1e-9")[1],
        ],
        drawing=Curves(label=lambda p: f"κ = {p.kappa}"),
        seconds=15,
    )
)

register(
    replace(
        small,
        id="xu2023-kappa-published",
        settings="published",
        grid={"kappa": [3, 7]},
        fixed={**small.fixed, "n": 150},
        quick=None,
        seconds=35,
        notes=(
            "Sizes, spectrum and step are the paper's; its lambda and scale of the start, which "
            "it tunes, are not stated: lambda is sigma_min(X*)^2 here, and the start so small "
            "that it leaves no floor."
        ),
    )
)
