"""The order at which spurious minima become strict saddles grows like 1 / eps^2."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Call
from ..lifting import strict_saddle_order
from ._checks import Check, exponent
from ._claim import Claim, register
from ._data import Data, Setting
from ._figures import Points
from ._lifted import PAPER, spurious
from ._measure import final

EXPECTED = {0.3: 3, 0.2: 7, 0.1: 23, 0.05: 89}


def first_order(*, n: int, eps: float, max_order: int) -> dict[str, float]:
    """The first odd order with negative curvature at the spurious minimum."""
    instance, X = spurious(n, eps)
    found = strict_saddle_order(instance.problem, X, max_order=max_order)
    return {"order": np.inf if found is None else found}


def cell(p: Setting, seed: Any) -> Call:
    """Nothing in it is random."""
    return Call(first_order, {"n": p.n, "eps": p.eps, "max_order": p.max_order})


def deviation(data: Data) -> float:
    """The largest difference from the expected orders."""
    return max(abs(data.at("order", eps=eps) - v) for eps, v in EXPECTED.items())


register(
    Claim(
        id="ma2023-lifted-order",
        paper=PAPER,
        source="Theorem on strict saddles (its order, not its bound); P3-N1",
        statement="Some odd order makes the spurious minimum a strict saddle, of order 1/eps^2.",
        settings="ours",
        grid={"eps": [0.3, 0.2, 0.1, 0.05, 0.03]},
        fixed={"n": 5, "max_order": 399},
        quick={},
        deterministic=True,
        repeats=1,
        cell=cell,
        numbers={"order": final("order")},
        checks=[
            Check("largest difference from 3, 7, 23 and 89", deviation, high=0.5),
            exponent("order", "eps", -2.1, -1.8, what="power of eps", law=-2.0),
        ],
        drawing=Points(
            x="eps",
            y="order",
            law=lambda p, x: 89 * 0.05**2 / x**2,
            law_label=r"proportional to $1/\epsilon^2$",
            x_label=r"weight $\epsilon$ of the weak entries",
            y_label="first odd order with a strict saddle",
        ),
        seconds=2,
        notes=(
            "A tensor of order 23 over 5 unknowns holds 1e16 numbers: beyond eps = 0.3 lifting "
            "certifies, but cannot be run."
        ),
    )
)
