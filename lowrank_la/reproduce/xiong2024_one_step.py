"""One rescaling near the optimum: the rate no longer depends on the scale of the start."""

from __future__ import annotations

from typing import Any

from ..analysis.cells import Solve
from ._checks import between, spread
from ._claim import Claim, register
from ._data import Setting
from ._figures import Curves
from ._measure import final, slope
from ._xiong2024 import descent


def cell(p: Setting, seed: Any) -> Solve:
    """Two factors with one column too many; the step is taken after `switch_at` iterations."""
    own = {} if p.solver == "gd" else {"switch_at": p.switch_at, "beta": p.beta}
    return descent(p, seed, symmetric=False, alpha=p.alpha, columns=4, options=own)


def decay(outcome: Any, p: Setting) -> float:
    """Slope of log error, with the sign turned, after the step has settled."""
    return -slope(p.switch_at + 50, p.max_iter)(outcome, p)


register(
    Claim(
        id="xiong2024-one-step",
        paper="Xiong, Ding, Du (2024), arXiv:2310.01769",
        source="Accelerated method, equation 5.1; P4-N4",
        statement="After one rescaling step the rate of GD does not depend on alpha.",
        settings="ours",
        grid={"solver": ["gd_one_step", "gd"], "alpha": [0.02, 0.04]},
        fixed={
            "n": 40,
            "measurements": 900,
            "step_size": 0.2,
            "switch_at": 250,
            "beta": 1.0,
            "max_iter": 600,
        },
        quick={"n": 20, "measurements": 350, "switch_at": 400, "max_iter": 700},
        cell=cell,
        numbers={"error": final(), "decay": decay},
        checks=[
            spread(
                "decay", 1.05, what="with the step, faster over slower rate", solver="gd_one_step"
            ),
            between("decay", 0.03, 1.0, what="with the step, rate", solver="gd_one_step")[0],
            between(
                "error", 1e-3, 1.0, what="without it, alpha = 0.02, error", solver="gd", alpha=0.02
            )[0],
        ],
        drawing=Curves(
            panel="alpha",
            panel_names={0.02: "α = 0.02", 0.04: "α = 0.04"},
            label=lambda p: "with the step" if p.solver == "gd_one_step" else "without",
        ),
        seconds=8,
        notes=(
            "The paper's switching test and its choice of the scale after the step are not "
            "known to us: the left factor becomes beta times orthonormal columns, and the "
            "product is kept."
        ),
    )
)
