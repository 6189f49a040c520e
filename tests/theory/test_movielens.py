"""MovieLens 100K: the table command's defaults against what peers reach."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import lowrank_la as ll

DATA = Path(__file__).parents[3] / "shared" / "data" / "ml-100k.npz"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the MovieLens file is not there")


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_held_out_error(seed):
    """10 % held out at random: at most 0.91, and better than row and column effects."""
    with np.load(DATA) as file:
        cells = file["user"], file["item"], file["rating"]
    model = ll.complete(cells, bounds="observed", holdout=0.1, rng=seed)
    assert model.score.low_rank <= 0.91
    assert model.score.low_rank < model.score.additive - 0.02
    assert model.score.additive < model.score.mean
    assert model.seconds < 3
