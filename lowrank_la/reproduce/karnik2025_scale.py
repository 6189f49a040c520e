"""Tubal tensors: the error falls with the scale of the start, the time grows with its logarithm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..analysis.cells import Solve
from ..analysis.theory import tubal_exponent
from ..errors import InvalidInputError
from ._checks import Check, exponent
from ._claim import Claim, register
from ._data import Data, Setting
from ._figures import Points
from ._karnik2025 import PAPER, SCRIPTS, STEP, TEXT, descent
from ._measure import final, iterations_to


def cell(p: Setting, seed: Any) -> Solve:
    """All iterations."""
    return descent(p, seed, every=10)


def linearity(data: Data) -> float:
    """R^2 of a line through the iterations to 0.1 over log alpha."""
    times = data.mean("to 0.1")
    if times.size < 3:
        raise InvalidInputError("a line through fewer than three scales shows nothing")
    return float(np.corrcoef(np.log(data.parameter("alpha")), times)[0, 1] ** 2)


def law(p: Setting, alpha: Any) -> Any:
    """The proven power, which bounds the error from above up to a constant; here 1."""
    return alpha ** tubal_exponent()


def claim(
    name: str,
    settings: str,
    measurements: int,
    notes: str,
    *,
    statement: str = "The error of tubal factorisation falls like the scale of the start to 21/32.",
    power: tuple[float, float] = (0.55, 0.80),
    columns: int = 200,
    quick: Mapping[str, Any] | None = None,
    seconds: float = 30,
    **run: Any,
) -> Claim:
    """The claim with so many measurements."""
    return Claim(
        id=name,
        paper=PAPER,
        source="Figure 4; P8-N1",
        statement=statement,
        settings=settings,
        grid={"alpha": [1e-2, 1e-4, 1e-6, 1e-8]},
        fixed={
            "n": 10,
            "k": 4,
            "rank": 3,
            "measurements": measurements,
            "noise": 0.0,
            "columns": columns,
        }
        | run,
        quick=quick,
        repeats=5,
        cell=cell,
        numbers={"error": final(), "to 0.1": iterations_to(0.1)},
        checks=[
            exponent(
                "error", "alpha", *power, law=tubal_exponent(), what="power of alpha in the error"
            ),
            Check("iterations to 0.1 over log alpha: R^2 of a line", linearity, low=0.99),
        ],
        drawing=Points(
            x="alpha",
            y="error",
            law=law,
            law_label=r"$\alpha^{21/32}$",
            x_label=r"scale of the start $\alpha$",
            y_label="relative error of the tensor",
        ),
        seconds=seconds,
        notes=notes,
    )


FEW = (
    "The theorem bounds the error from above, and needs more measurements than the figure has: "
    "the power depends on their number, and with few of them on the instance."
)

register(
    claim(
        "karnik2025-scale",
        "published",
        254,
        f"{TEXT} {SCRIPTS} {FEW}",
        step_size=STEP,
        max_iter=4000,
    )
)
register(
    claim(
        "karnik2025-scale-scripts",
        "as released",
        285,
        "The released scripts have 285 measurements where the text has 254, and look at each "
        f"alpha after another number of iterations. {SCRIPTS} {FEW}",
        step_size=STEP,
        max_iter=4000,
    )
)
register(
    claim(
        "karnik2025-scale-many",
        "ours",
        1000,
        FEW,
        statement="With enough measurements the error falls at least as alpha to the power 21/32.",
        power=(tubal_exponent(), np.inf),
        columns=40,
        quick={"alpha": [1e-2, 1e-4, 1e-6], "step_size": 8 * STEP, "max_iter": 350, "repeats": 3},
        seconds=8,
        step_size=4 * STEP,
        max_iter=1000,
    )
)
