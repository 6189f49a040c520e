"""A logistic curve fitted to counts of successes by maximum likelihood."""

from __future__ import annotations

import numpy as np

from ..._typing import Array


def chance_at(x: Array, middle: float, width: float) -> Array:
    """The curve: one half at the middle."""
    return np.asarray(1 / (1 + np.exp(np.clip(-(x - middle) / width, -500, 500))))


def logistic(x: Array, successes: Array, trials: Array) -> tuple[float, float] | None:
    """Middle and signed width of a logistic curve; None if the share does not cross one half."""
    from scipy.optimize import minimize

    share = successes / trials
    if share.size < 2 or share.min() > 0.5 or share.max() < 0.5:
        return None
    rising = np.mean(share[x.size // 2 :]) >= np.mean(share[: x.size // 2])
    sign = 1.0 if rising else -1.0
    above = share > 0.5 if rising else share <= 0.5
    place = int(np.argmax(above))
    guess = float(0.5 * (x[place] + x[max(place - 1, 0)]))
    # A transition narrower than the spacing has no width that data could show.
    narrow = float(np.min(np.diff(x))) / 4

    def cost(parameters: Array) -> float:
        width = sign * (narrow + np.exp(np.clip(parameters[1], -50, 50)))
        chance = np.clip(chance_at(x, parameters[0], width), 1e-9, 1 - 1e-9)
        losses = successes * np.log(chance) + (trials - successes) * np.log(1 - chance)
        return -float(np.sum(losses))

    fit = minimize(cost, [guess, np.log(narrow)], method="Nelder-Mead")
    return float(fit.x[0]), float(sign * (narrow + np.exp(min(fit.x[1], 50))))
