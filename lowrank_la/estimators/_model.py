"""The completed table, and how well it does on cells held out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._typing import Array, Shape
from ..errors import FileFormatError
from ..factors import Factors, check_positions
from ..result import Status
from ..storage import read, save, unpacking
from ._effects import AdditiveEffects


@dataclass(frozen=True)
class Score:
    """Root mean square errors on cells that were held out.

    Attributes
    ----------
    mean, additive, low_rank : float
        Of the global mean, of mean plus row and column effects, and of the whole model.
    cells : int
        Number of cells held out.
    """

    mean: float
    additive: float
    low_rank: float
    cells: int


@dataclass(frozen=True, eq=False)
class Completion:
    """A completed table; no cell is computed before it is asked for.

    Attributes
    ----------
    factors : Factors
        The low-rank part, what is left after the effects.
    effects : AdditiveEffects
        Mean, row and column effects, fitted jointly with the low-rank part.
    bounds : tuple of float or None
        Predictions are clipped to this range.
    ridge : float
        Weight of the nuclear norm, in units of the data.
    status : Status
        CONVERGED, BUDGET (sweeps used up) or INTERRUPTED.
    reason : str
    n_iter : int
        Sweeps done.
    seconds : float
        Time of the fit.
    score : Score or None
        Held-out errors, if cells were held out; measured on a fit without them.
    row_labels, column_labels : array or None
        What the table's container calls rows and columns.
    """

    factors: Factors
    effects: AdditiveEffects
    bounds: tuple[float, float] | None
    ridge: float
    status: Status
    reason: str
    n_iter: int
    seconds: float
    score: Score | None = None
    row_labels: Array | None = None
    column_labels: Array | None = None

    @property
    def shape(self) -> Shape:
        """Shape of the table."""
        return self.factors.shape

    @property
    def rank(self) -> int:
        """Rank of the low-rank part."""
        return self.factors.rank

    @property
    def converged(self) -> bool:
        """Whether the status is a success."""
        return self.status.converged

    def predict(self, i: Any, j: Any) -> Array:
        """Values at positions; nothing of the size of the table is formed.

        Parameters
        ----------
        i, j : array of int, shape (k,)
            Row and column positions.

        Returns
        -------
        array, shape (k,)
        """
        i, j = check_positions(i, j, self.shape)
        values = self.effects.at(i, j) + self.factors.entries(i, j)
        return values if self.bounds is None else np.clip(values, *self.bounds)

    @property
    def filled(self) -> Array:
        """The whole table of predictions, dense.

        Raises
        ------
        TooLargeError
            If it has more than 10^8 cells.
        """
        dense = self.factors.to_dense()
        dense += self.effects.mean + self.effects.rows[:, None] + self.effects.columns
        return dense if self.bounds is None else np.clip(dense, *self.bounds)

    def save(self, path: Any) -> Path:
        """Write the model to an .npz file, without pickle.

        Raises
        ------
        OutputError
            If it cannot be written; no half-written file is left.
        """
        arrays = {
            "left": self.factors.left,
            "right": self.factors.right,
            "row_effects": self.effects.rows,
            "column_effects": self.effects.columns,
        }
        for name, labels in (
            ("row_labels", self.row_labels),
            ("column_labels", self.column_labels),
        ):
            if labels is not None:
                arrays[name] = labels.astype(str) if labels.dtype.kind == "O" else labels
        header = {
            "kind": "completion",
            "mean": self.effects.mean,
            "bounds": self.bounds,
            "ridge": self.ridge,
            "status": self.status.name,
            "reason": self.reason,
            "n_iter": self.n_iter,
            "seconds": self.seconds,
            "score": None if self.score is None else vars(self.score),
        }
        return save(path, header, arrays)

    def __repr__(self) -> str:
        n1, n2 = self.shape
        lines = [
            f"{self.status.name} after {self.n_iter} sweeps: {self.reason}",
            f"  table      {n1} x {n2}, mean {self.effects.mean:.4g}",
            f"  low rank   rank {self.rank}, nuclear-norm weight {self.ridge:.3g}",
        ]
        if self.score is not None:
            lines.append(
                f"  held out   RMSE {self.score.low_rank:.4g} on {self.score.cells} cells "
                f"(additive {self.score.additive:.4g}, mean {self.score.mean:.4g})"
            )
        return "\n".join(lines)

    @classmethod
    def load(cls, path: Any) -> Completion:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            If the file holds no completed table.
        """
        header, arrays = read(path)
        if header.get("kind") != "completion":
            raise FileFormatError(f"{path} holds a {header.get('kind')}, not a completed table")
        with unpacking(path):
            return cls(
                factors=Factors(arrays["left"], arrays["right"]),
                effects=AdditiveEffects(
                    header["mean"], arrays["row_effects"], arrays["column_effects"]
                ),
                bounds=tuple(header["bounds"]) if header["bounds"] else None,
                ridge=header["ridge"],
                status=Status[header["status"]],
                reason=header["reason"],
                n_iter=header["n_iter"],
                seconds=header["seconds"],
                score=Score(**header["score"]) if header["score"] else None,
                row_labels=arrays.get("row_labels"),
                column_labels=arrays.get("column_labels"),
            )
