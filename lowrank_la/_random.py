"""Seeds and named streams.

One seed per instance; every ingredient (left factor, mask, noise, ...) has a stream of
its own name, so that adding noise does not move the mask.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .errors import InvalidTypeError

Seed = int | list[int]


def seed_of(rng: Any) -> Seed:
    """A JSON-able seed for anything that `numpy.random.default_rng` takes.

    A generator gives a seed drawn from it; None gives fresh entropy.
    """
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return int(rng)
    if isinstance(rng, (list, tuple)) and all(
        isinstance(v, (int, np.integer)) and v >= 0 for v in rng
    ):
        return [int(v) for v in rng]
    try:
        generator = np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(
            f"rng must be what numpy.random.default_rng takes (None, a non-negative int, a "
            f"Generator, ...), got {rng!r}"
        ) from error
    return [int(v) for v in generator.integers(0, 2**32, size=4)]


def stream(seed: Seed, name: str) -> np.random.Generator:
    """The random stream called `name` of `seed`, independent of all other names."""
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),))
    )
