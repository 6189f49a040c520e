"""Two entries per row: the error of the Gram matrix is r sqrt(d / n)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.cells import Outcome
from ..analysis.theory import one_sided_error
from ._cao2023 import completion
from ._checks import between
from ._claim import Claim, register
from ._data import Setting
from ._figures import Points
from ._measure import final


def law(p: Setting, n: Any) -> Any:
    """The law over numbers of rows."""
    return np.array([one_sided_error(int(one), p.d, p.rank) for one in np.atleast_1d(n)])


def over_law(outcome: Outcome, p: Setting) -> float:
    """Measured over predicted error."""
    return outcome.last("gram_error") / one_sided_error(p.n, p.d, p.rank)


register(
    Claim(
        id="cao2023-error",
        paper="Cao, Liang, Valiant (2023), arXiv:2306.04049",
        source="Theorem on n = O(r^2 d log d) rows; P7-N1",
        statement="From two entries per row X^T X is found up to about r sqrt(d/n).",
        settings="ours",
        grid={"rank": [1, 2, 4, 8], "n": [5000, 20000]},
        fixed={"d": 60, "per_row": 2, "noise": 0.0, "weights": "count"},
        quick={"rank": [2, 8], "repeats": 5},
        repeats=15,
        cell=completion,
        numbers={"error": final("gram_error"), "over law": over_law},
        checks=[between("over law", 0.9, 1.4, what="error over r sqrt(d/n)")],
        drawing=Points(
            x="n",
            y="error",
            by="rank",
            names={rank: f"r = {rank}" for rank in (1, 2, 4, 8)},
            law=law,
            law_label=r"$r\sqrt{d/n}$",
            x_label="rows n, two entries each",
            y_label=r"relative error of $X^T X$",
        ),
        seconds=6,
        notes=(
            "The runs start at the leading eigenvectors of the averaged products; from those of "
            "the zero-filled matrix itself some end in a local minimum at rank 1."
        ),
    )
)
