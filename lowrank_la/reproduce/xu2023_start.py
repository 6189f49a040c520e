"""The scale of the start: what it costs in iterations, and what it leaves as an error."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Outcome, Solve
from ..analysis.theory import small_start_exponent, small_start_iterations
from ._checks import Check, exponent, increases
from ._claim import Claim, register
from ._data import Data, Setting
from ._figures import Points
from ._measure import final
from ._xu2023 import PAPER, norm, scaled, spectrum

POWER = small_start_exponent()


def cell(p: Setting, seed: Any) -> Solve:
    """A fixed number of iterations from a start of scale alpha."""
    return scaled(p, seed, alpha=p.alpha)


def learned(outcome: Outcome, p: Setting) -> float:
    """Iterations until half of the weakest direction has been learned."""
    return outcome.first("rel_error", 0.5 * spectrum(p.kappa)[-1] / norm(p))


def law(p: Setting, alpha: Any) -> Any:
    """Iterations of growth at the weakest direction."""
    weakest = spectrum(p.kappa)[-1]
    return np.array(
        [
            small_start_iterations(
                float(a), step_size=p.step_size, damping=p.damping * weakest, weakest=weakest
            )
            for a in np.atleast_1d(alpha)
        ]
    )


def slope_over_law(data: Data) -> float:
    """Iterations gained per decade of alpha, over those of the law."""
    alphas = data.parameter("alpha")
    predicted = np.array([law(p, p.alpha)[0] for p in data.points])
    slope = np.polyfit(np.log(alphas), data.mean("learned"), 1)[0]
    return float(slope / np.polyfit(np.log(alphas), predicted, 1)[0])


FIXED = {
    "n": 60,
    "kappa": 3,
    "per_row": 10,
    "search_rank": 5,
    "step_size": 0.3,
    "damping": 1.0,
    "max_iter": 400,
}
ALPHA = "scale α of the start"

register(
    Claim(
        id="xu2023-start",
        paper=PAPER,
        source="Theorem 2: the first phase",
        statement="ScaledGD(lambda) needs log(1/alpha) iterations to leave a start of scale alpha.",
        settings="ours",
        grid={"alpha": [1e-4, 1e-8, 1e-12, 1e-16, 1e-20]},
        fixed={**FIXED, "n": 40, "per_row": 40},
        quick={"alpha": [1e-6, 1e-18], "max_iter": 180},
        cell=cell,
        numbers={"learned": learned},
        checks=[Check("iterations per decade of alpha, over the law's", slope_over_law, 0.9, 1.1,
                      lambda data: 1.0)],
        drawing=Points(
            x="alpha",
            y="learned",
            law=law,
            law_label=r"$\log(1/\alpha)\,/\,\log(1+\eta\sigma_{\min}^2/\lambda)$",
            x_label=ALPHA,
            y_label="iterations to learn the weakest direction",
            log="x",
        ),
        seconds=20,
        notes=(
            "The law is that of the mean; few measurements raise the singular values of the "
            "back-projection, and growth is faster: by a fifth at 10 per row and rank."
        ),
    )
)  # fmt: skip

register(
    Claim(
        id="xu2023-alpha",
        paper=PAPER,
        source="Figure 2",
        statement="The final error of ScaledGD(lambda) falls with a power of the start's scale.",
        settings="ours",
        grid={"alpha": [1e-4, 1e-6, 1e-8, 1e-10, 1e-12]},
        fixed=FIXED,
        quick={"n": 40, "max_iter": 300},
        cell=cell,
        numbers={"error": final()},
        checks=[
            increases("error", "alpha", what="least step of the final error from alpha to alpha"),
            exponent("error", "alpha", POWER, np.inf, what="power of alpha", law=POWER),
        ],
        drawing=Points(
            x="alpha",
            y="error",
            law=lambda p, x: x**POWER,
            law_label=r"$\alpha^{1/3}$",
            x_label=ALPHA,
            y_label="relative error at the end",
        ),
        seconds=20,
    )
)  # fmt: skip
