"""The gradient of the Bures-Wasserstein loss in the layers of a deep linear network."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Call
from ..bures_wasserstein import BuresWasserstein
from ..problem import Recipe
from ..problems import build
from ..solvers.deep_linear import layer_gradients
from ._checks import between, exponent
from ._claim import Claim, register
from ._covariance import PAPER
from ._data import Setting
from ._figures import Points
from ._measure import final


def derivative_error(*, n: int, smoothing: float, distance: float, seed: Any) -> dict[str, float]:
    """Directional derivative of three layers by the chain rule, against central differences."""
    parameters = {"spectrum": "geometric", "cond": 5.0}
    target = build(Recipe("covariance", {"n": n, **parameters}, seed)).problem.data
    loss = BuresWasserstein(target.reshape(n, n), smoothing)
    rng = np.random.default_rng(seed)
    layers = rng.standard_normal((3, n, n))
    moves = rng.standard_normal((3, n, n))

    def value(t: float) -> float:
        first, second, third = layers + t * moves
        return loss.value(third @ second @ first)

    first, second, third = layers
    hidden, last = layer_gradients(layers[:2], third, loss.gradient(third @ second @ first))
    exact = float(np.sum(hidden * moves[:2]) + np.sum(last * moves[2]))
    found = (value(distance) - value(-distance)) / (2 * distance)
    return {"error": abs(found - exact) / abs(exact)}


def cell(p: Setting, seed: Any) -> Call:
    """Random layers, a random direction."""
    return Call(
        derivative_error,
        {"n": p.n, "smoothing": p.smoothing, "distance": p.distance, "seed": seed},
    )


register(
    Claim(
        id="brechet2023-gradient",
        paper=PAPER,
        source="Gradients of the loss; P9-N1",
        statement="The layer gradients are those of the loss, smoothed or not.",
        settings="ours",
        grid={"smoothing": [0.0, 0.1], "distance": [1e-2, 1e-3, 1e-4]},
        fixed={"n": 6},
        quick={},
        repeats=5,
        cell=cell,
        numbers={"error": final("error")},
        checks=[
            between("error", 0.0, 1e-6, what="relative error, distance 1e-4", distance=1e-4)[1],
            exponent(
                "error", "distance", 1.7, 2.3, what="power of the distance", law=2, smoothing=0.1
            ),
        ],
        drawing=Points(
            x="distance",
            y="error",
            by="smoothing",
            hollow=True,
            x_label="distance of the two values",
            y_label="relative error of the central difference",
            names={0.0: "no smoothing", 0.1: r"$\tau = 0.1$"},
        ),
        seconds=2,
        notes="Central differences: the error falls with the square of the distance.",
    )
)
