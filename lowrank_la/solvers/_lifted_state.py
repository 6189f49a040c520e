"""A tensor on the way down the lifted loss, and the way off a saddle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Array
from ..lifting import Lifting

# Relative distance from rank one of a tensor that is worth replacing by its fit.
NEAR = 1e-3
# The way off a saddle: the first trial length relative to the iterate, its shrinkage and the number
# of trials.
TRIAL, SHRINK, TRIALS = 0.1, 0.5, 30


@dataclass
class LiftedState:
    """The tensor, the loss there, and the lifted problem.

    Attributes
    ----------
    tensor : array, shape (d, ..., d)
        The iterate w.
    value : float
        Lifted loss.
    gradient : array, shape (d, ..., d)
        Its gradient.
    rows, target, excess, order, rank
        The fields of `lowrank_la.lifting.Lifting`.
    unit, adam_unit : float
        Natural lengths of the steps of the two methods.
    root : float
        Factors of the problem over those of the tensor, a power of two: 1 unless powers of the
        data would leave the range of the floating-point type.
    first, second : array or None
        Moments of Adam.
    moments : int
        Steps that they hold.
    quiet : int
        Iterations in a row with a small gradient.
    escapes : int
        Saddles left.
    dropped : array, shape (n, r), or None
        Factor of the best rank-one fit of w; None while not known.
    leftover : float
        Relative distance of w to that fit.
    iteration : int
        Iterations done.
    """

    tensor: Array
    value: float
    gradient: Array
    rows: Array
    target: Array
    excess: float
    order: int
    rank: int
    unit: float
    adam_unit: float
    root: float = 1.0
    first: Array | None = None
    second: Array | None = None
    moments: int = 0
    quiet: int = 0
    escapes: int = 0
    dropped: Array | None = None
    leftover: float = float("nan")
    iteration: int = 0

    @property
    def lifting(self) -> Lifting:
        """The lifted problem."""
        return Lifting(self.rows, self.target, self.excess, self.order, self.rank)

    @property
    def relative_gradient(self) -> float:
        """``|gradient| / |w|`` in units of the method."""
        size = float(np.linalg.norm(self.tensor))
        slope = float(np.linalg.norm(self.gradient)) * self.unit
        return slope / size if size > 0 else float("inf")


def escaped(state: LiftedState) -> Array | None:
    """The rank-one fit, moved off if it is a saddle; None if w is at rank one and no saddle."""
    lifting = state.lifting
    X, leftover = lifting.drop(state.tensor)
    fit = lifting.lift(X)
    alone = fit if leftover > NEAR else None
    _, N, C = lifting.matrices(X)
    u = np.linalg.eigh(N - C)[1][:, 0]
    scale = float(np.abs(np.linalg.eigvalsh(C)).max()) ** state.order
    if not lifting.curvature(X, u) < -1e-8 * scale:
        return alone
    value, direction = lifting.objective(fit), lifting.power(u)
    length = TRIAL * float(np.linalg.norm(fit))
    for _ in range(TRIALS):
        for sign in (1.0, -1.0):
            w = fit + fit.dtype.type(sign * length) * direction
            if lifting.objective(w) < value:
                return w
        length *= SHRINK
    return alone
