"""Runs that the claims about alternating minimisation share."""

from __future__ import annotations

from typing import Any

from ..problem import Recipe
from ._data import Setting

PAPER = "Gu, Song, Yin, Zhang (2024), arXiv:2302.11068"


def completion(p: Setting, seed: Any) -> Recipe:
    """Square matrices with Gaussian factors, entries drawn with a chance of `sampling`."""
    parameters = {"shape": [p.n, p.n], "rank": p.rank, "cond": p.kappa, "sampling": p.sampling}
    return Recipe("completion", parameters | {"factors": "gaussian"}, seed)
