"""One-sided completion: weights by counts against uniform ones."""

from __future__ import annotations

from ._cao2023 import completion
from ._checks import Check
from ._claim import Claim, register
from ._data import Data
from ._figures import Points
from ._measure import final


def worst(data: Data) -> float:
    """The largest ratio over the numbers of rows: with count weights over uniform."""
    ratios = data.where(weights="count").mean("error") / data.where(weights="uniform").mean("error")
    return float(ratios.max())


register(
    Claim(
        id="cao2023-weights",
        paper="Cao, Liang, Valiant (2023), arXiv:2306.04049",
        source="P7-N2",
        statement="Weighting the entries of X^T X by their counts beats uniform weights.",
        settings="ours",
        grid={"weights": ["count", "uniform"], "n": [1000, 3000, 10000, 30000, 100000]},
        fixed={"d": 60, "rank": 3, "per_row": 2, "noise": 0.0},
        quick={"n": [3000, 10000]},
        repeats=5,
        cell=completion,
        numbers={"error": final("gram_error")},
        checks=[Check("error over that with uniform weights, at most", worst, high=0.9)],
        drawing=Points(
            x="n",
            y="error",
            by="weights",
            names={"count": "weights: counts", "uniform": "uniform"},
            x_label="rows n, two entries each",
            y_label=r"relative error of $X^T X$",
        ),
        seconds=5,
        notes=(
            "Which weights the authors used is not known to us. The diagonal, which every "
            "observed entry informs, is among the entries that are weighted."
        ),
    )
)
