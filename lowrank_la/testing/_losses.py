"""Value against slope of a loss."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from ..losses import Loss
from ._values import draw


def check_loss(loss: Loss, *, rng: Any = 0) -> None:
    """Check value against slope.

    Smooth losses: the Taylor remainder shrinks with the square of the distance. All: the
    (sub)gradient inequality of convexity, zero at zero, and the residual's type kept.

    Parameters
    ----------
    loss : Loss
        The loss.
    rng : int, Generator or None
        Source of the random residuals.

    Raises
    ------
    AssertionError
    """
    generator = np.random.default_rng(rng)
    for kind in (float, complex):
        e = draw(generator, 200, kind)
        slope = loss.slope(e)
        # Partly along the slope, so that an error in its length shows.
        d = draw(generator, 200, kind) + slope
        assert slope.dtype == e.dtype, f"slope turned {e.dtype} into {slope.dtype}"
        along = np.vdot(slope, d).real
        gap = loss.value(e + d) - loss.value(e) - along
        assert gap >= -1e-10, f"the slope violates the subgradient inequality by {-gap:.1e}"
        if loss.smooth:
            _check_taylor(loss, e, d, along)
        single = e.astype(np.float32 if kind is float else np.complex64)
        assert loss.slope(single).dtype == single.dtype, "slope does not keep single precision"
    assert loss.value(np.zeros(3)) == 0.0, "the loss of a zero residual is not zero"


def _check_taylor(loss: Loss, e: Array, d: Array, along: float) -> None:
    steps = np.geomspace(1e-3, 1e-5, 5)
    remainders = [abs(loss.value(e + t * d) - loss.value(e) - t * along) for t in steps]
    order = np.polyfit(np.log(steps), np.log(remainders), 1)[0]
    assert 1.8 < order < 2.2, f"the Taylor remainder shrinks with power {order:.2f}, not 2"
