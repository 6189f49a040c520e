"""One-sided completion: the error falls with the square root of the number of rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..analysis.theory import one_sided_error
from ._cao2023 import completion
from ._checks import exponent
from ._claim import Claim, register
from ._data import Setting
from ._figures import Points
from ._measure import final


def law(p: Setting, n: Any) -> Any:
    """The law over numbers of rows."""
    return np.array([one_sided_error(int(one), p.d, p.rank) for one in np.atleast_1d(n)])


register(
    Claim(
        id="cao2023-rows",
        paper="Cao, Liang, Valiant (2023), arXiv:2306.04049",
        source="Theorem on n = O(r^2 d log d) rows; P7-N3",
        statement="The error of one-sided completion falls like one over the root of the rows.",
        settings="ours",
        grid={"n": [3000, 10000, 30000, 100000]},
        fixed={"d": 60, "rank": 3, "per_row": 2, "noise": 0.0, "weights": "count"},
        quick={"n": [3000, 10000, 30000]},
        repeats=5,
        cell=completion,
        numbers={"error": final("gram_error"), "subspace": final("subspace_error")},
        checks=[
            exponent("error", "n", -0.6, -0.4, law=-0.5, what="power of n, Gram matrix"),
            exponent("subspace", "n", -0.6, -0.4, law=-0.5, what="power of n, subspace"),
        ],
        drawing=Points(
            x="n",
            y="error",
            law=law,
            law_label=r"$r\sqrt{d/n}$",
            x_label="rows n, two entries each",
            y_label=r"relative error of $X^T X$",
        ),
        seconds=4,
    )
)
