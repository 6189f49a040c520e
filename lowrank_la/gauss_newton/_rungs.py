"""Single ways through ranks and ridges, and which of them suit a spectrum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._random import stream
from ..errors import InvalidInputError
from ._state import PathState

KINDS = ("rank", "ridge", "logdet")


@dataclass(frozen=True)
class Rung:
    """One way through ranks and ridges.

    Attributes
    ----------
    kind : {"rank", "ridge", "logdet"}
        Column by column; at full rank under one ridge; at full rank under a ridge for each
        direction that is smaller for larger singular values.
    strength : float
        Ridge in units of the leading singular value of the residual ("rank"), of the data
        ("ridge", at the top), or of the sampling ("logdet").
    rate : float
        Factor by which the ridge is taken down.
    seed : int
        Chooses the start of power iterations.
    hasty : bool
        On to the next rank sooner, along directions that are computed more accurately: it finds
        other matrices.
    without : float
        Share of the measurements, drawn by `seed`, that is left out until the ridge is gone.
        Near the limit a path turns to another matrix for a few of them, and may for the better.
    """

    kind: str
    strength: float
    rate: float
    seed: int = 0
    hasty: bool = False
    without: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind}:{self.strength:g}:{self.rate:g}" + (
            f"#{self.seed}" if self.seed else ""
        )


RATES = {"rank": 0.3, "ridge": 0.7, "logdet": 0.95}
FIRST = "rank:0.1"
# What follows the first rung, by the spread of singular values that it saw.
LADDERS = {
    "flat": ("rank:0.5:0.6", "logdet:0.3", "rank:0.3:0.8", "ridge:0.5:0.85"),
    "mixed": ("logdet:0.3", "rank:0", "rank:0.15"),
    "steep": ("rank:0", "rank:0.01", "rank:0.03", "rank:0.003", "logdet:0.3"),
}
# Of four restarts three are paths without some of the data, in such shares; others have ridges
# drawn between these.
RESTART, WITHOUT = "logdet:0.3", (0.1, 0.05)
DRAWN = {"flat": (0.12, 0.5), "mixed": (0.04, 0.2), "steep": (1e-4, 0.02)}
# Leading singular values of the residual as columns enter: of flat spectra the second is more
# than this share of the first, or the last; of steep ones the last, or the second, is less.
FLAT, EVEN, STEEP, SUDDEN = 0.77, 0.4, 0.01, 0.2


def parse(text: Any) -> Rung:
    """A rung from ``"kind:strength"`` or ``"kind:strength:rate"``; one that is a rung already.

    Raises
    ------
    InvalidInputError
        For anything else.
    """
    if isinstance(text, Rung):
        return text
    pieces = str(text).split(":")
    try:
        kind, strength = pieces[0], float(pieces[1])
        rate = float(pieces[2]) if len(pieces) > 2 else RATES[kind]
        good = len(pieces) <= 3 and strength >= 0 and np.isfinite(strength) and 0 < rate < 1
    except (KeyError, IndexError, ValueError):
        good = False
    if not good or (kind != "rank" and strength == 0):
        raise InvalidInputError(
            f"a rung is 'kind:strength' or 'kind:strength:rate' with kind one of "
            f"{', '.join(KINDS)}, a strength of at least 0 and a rate in (0, 1), for example "
            f"'rank:0.1:0.3'; got {text!r}"
        )
    return Rung(kind, strength, rate)


def kind_of_spectrum(state: PathState) -> str:
    """By what the first try has seen so far."""
    if state.second > FLAT or state.spread > EVEN:
        return "flat"
    return "steep" if state.spread < STEEP or state.second < SUDDEN else "mixed"


def restart(number: int, kind: str, seed: int) -> Rung:
    """A further try, for a kind of spectrum."""
    if number % 4 < 3 and not (kind == "steep" and number % 2):
        share = WITHOUT[number % len(WITHOUT)]
        return replace(parse(RESTART), seed=number + 1, without=share)
    # These keep to the ridges that suit the spectrum.
    low, high = DRAWN[kind]
    draw = stream(seed, f"restart {number}").random(2)
    return Rung(
        "rank",
        strength=float(f"{low * (high / low) ** draw[0]:.3g}"),
        rate=0.3 if draw[1] < 0.5 else 0.6,
        seed=number + 1,
        hasty=number % 8 == 3,
        without=0.02,
    )
