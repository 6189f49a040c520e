"""The least value of a quartic, which the squared loss is along a line."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence


def positive_minimiser(quartic: Sequence[float]) -> float:
    """The t > 0 at which a quartic that falls at 0 is least, 0.0 if there is none.

    Between its turning points the derivative is monotone: each root is bracketed and found by
    Newton's method, in a small part of the time of `numpy.roots`.

    Parameters
    ----------
    quartic : sequence of float
        Coefficients, constant first, shape (5,); the last not negative.

    Returns
    -------
    float
    """
    _, d, c, b, a = (k * value for k, value in enumerate(quartic))
    borders = [0.0]
    if a > 0:
        square = b * b - 3 * a * c
        if square > 0:
            # Vieta's formula instead of the difference of like numbers.
            q = -(b + math.copysign(math.sqrt(square), b))
            turns = (q / (3 * a), c / q if q else 0.0)
            borders += sorted(t for t in turns if t > 0)
    elif b == 0:
        return -d / c if c > 0 > d else 0.0
    elif b < 0 < -c / (2 * b):
        # A quartic whose leading coefficients are lost to rounding.
        borders.append(-c / (2 * b))

    def derivative(t: float) -> float:
        return ((a * t + b) * t + c) * t + d

    if a > 0 or b > 0:
        last = max(2 * borders[-1], abs(d / (a or b)) ** (1 / 3 if a else 1 / 2), 1e-150)
        while derivative(last) <= 0 and last < 1e150:
            last *= 4
        borders.append(last)
    # A local minimum is where the derivative changes from negative to positive.
    pairs = [
        (low, high)
        for low, high in itertools.pairwise(borders)
        if derivative(low) < 0 < derivative(high)
    ]
    minima = [_root(a, b, c, d, low, high) for low, high in pairs]
    # Without the constant, which would hide small differences.
    return min(minima, key=lambda t: t * (d + t * (c / 2 + t * (b / 3 + t * a / 4))), default=0.0)


def _root(a: float, b: float, c: float, d: float, low: float, high: float) -> float:
    """The root of a cubic that rises through zero between two points: Newton and bisection."""
    t = min(-d / c, high) if c > 0 > d and low == 0.0 else 0.5 * (low + high)
    for _ in range(200):
        value = ((a * t + b) * t + c) * t + d
        if value < 0:
            low = t
        else:
            high = t
        slope = (3 * a * t + 2 * b) * t + c
        new = t - value / slope if slope > 0 else high
        if low < new < high:
            # Newton squares the relative error.
            if abs(new - t) <= 1e-8 * t:
                return new
        else:
            # Halves the exponent where the bracket spans orders of magnitude.
            new = 0.5 * (low + high) if high < 16 * low else math.sqrt(low * high)
            if low == 0.0:
                new = high / 16
            if abs(new - t) <= 4e-16 * t:
                return new
        t = new
    return t
