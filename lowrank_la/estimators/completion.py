"""Completion of a table: additive effects plus a low rank, with a held-out score."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import _check
from .._interrupts import interrupts
from .._random import seed_of, stream
from .._typing import Array, Shape
from ..driver import solve
from ..errors import FileFormatError, InvalidInputError, InvalidTypeError
from ..factors import Factors, check_positions
from ..operators.entries import EntrySampling
from ..problem import Problem, averaged
from ..result import Status
from ..storage import read, save, unpacking
from ._effects import AdditiveEffects
from ._table import Triples, triples_from

__all__ = ["Completion", "Score", "complete"]

EFFECTS = ("additive", "mean", "none")
RANK = 10


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


def complete(
    table: Any,
    *,
    shape: Any = None,
    missing: float = np.nan,
    rank: int | None = None,
    ridge: float = 0.8,
    effects: str = "additive",
    damping: float = 5.0,
    bounds: str | tuple[float, float] | None = None,
    holdout: float = 0.0,
    duplicates: str = "raise",
    max_iter: int = 20,
    tol: float = 1e-3,
    rng: Any = 0,
    progress: Any = None,
) -> Completion:
    """Complete a table with holes.

    The model is ``mean + row effect + column effect + low rank``, fitted by alternating
    between the effects and a sweep of regularised alternating minimisation over the factors:
    ``1/2 sum of squares + w |X|_* + damping/2 (|rows|^2 + |columns|^2)``.

    Parameters
    ----------
    table : array, masked array, scipy.sparse array, DataFrame or tuple (i, j, values)
        In dense tables NaN marks a hole. In sparse ones stored entries are observed, stored
        zeros included; the rest is missing.
    shape : tuple of int, optional
        For triples; default: just large enough.
    missing : float
        Another value that marks a hole in dense tables.
    rank : int, optional
        Largest rank of the low-rank part; default: 10, or what a smaller table allows.
    ridge : float
        Weight w of the nuclear norm, in units of the spectral norm that noise of the size of
        the additive model's residuals s has on the observed cells,
        ``s (sqrt(m / n1) + sqrt(m / n2))``, so that it has no unit; about 1.
    effects : {"additive", "mean", "none"}
        What is fitted besides the low rank: row and column effects, the mean only, or nothing.
    damping : float
        Effects are shrunk as if by this many further entries at zero.
    bounds : "observed", tuple of float, or None
        Clip predictions to the range of the observed values, or to a range of yours.
    holdout : float
        Share of the cells held out at random to measure the error; the table is then fitted
        again on all cells.
    duplicates : {"raise", "mean"}
        What to do about a cell that is listed more than once.
    max_iter : int
        Sweeps at most.
    tol : float
        Relative change of the fitted values per sweep at which to stop.
    rng : int, Generator or None
        Source of randomness of the hold-out and of the start.
    progress : callable, optional
        Called as ``progress(sweep, objective)`` after every sweep.

    Returns
    -------
    Completion
        Ctrl-C ends the fit with status INTERRUPTED and what there is.

    Raises
    ------
    InvalidInputError, InvalidTypeError
        For data that are not finite numbers, duplicates, or arguments out of range.

    Examples
    --------
    >>> import numpy as np, lowrank_la as ll
    >>> table = np.add.outer(np.arange(6.0), np.arange(5.0))
    >>> table[2, 3] = np.nan
    >>> model = ll.complete(table, rank=1, damping=0)
    >>> model.predict([2], [3]).round(1)
    array([5.])
    """
    cells = triples_from(table, shape, missing=missing)
    if duplicates == "mean":
        merged = averaged(cells.i, cells.j, cells.values)
        cells = Triples(*merged, cells.shape, cells.row_labels, cells.column_labels)
    elif duplicates != "raise":
        raise InvalidInputError(f"duplicates must be 'raise' or 'mean', got {duplicates!r}")
    else:
        _refuse_duplicates(cells)
    if effects not in EFFECTS:
        raise InvalidInputError(f"effects must be one of {', '.join(EFFECTS)}, got {effects!r}")
    seed = seed_of(rng)
    fitter = _Fitter(
        rank=min(RANK, *cells.shape) if rank is None else _check.rank_of(rank, cells.shape),
        ridge=_check.number(ridge, "ridge", low=0.0, high=1e6),
        effects=effects,
        damping=_check.number(damping, "damping", low=0.0),
        bounds=_bounds(bounds, cells.values),
        max_iter=_check.count(max_iter, "max_iter", low=1),
        tol=_check.number(tol, "tol", low=0.0),
        seed=seed,
        progress=progress,
    )
    holdout = _check.number(holdout, "holdout", low=0.0, high=0.9)
    if not holdout:
        return fitter.fit(cells)
    held = np.zeros(cells.values.size, bool)
    count = round(holdout * held.size)
    if not 0 < count < held.size:
        raise InvalidInputError(
            f"holdout={holdout:g} of {held.size} cells leaves nothing to fit or to measure"
        )
    held[stream(seed, "holdout").permutation(held.size)[:count]] = True
    with interrupts() as interrupted:
        trial = fitter.fit(cells.take(~held))
        score = _score(trial, cells.take(~held), cells.take(held), fitter)
        if interrupted():
            reason = f"interrupted in the fit without the hold-out: {trial.reason}"
            return replace(trial, status=Status.INTERRUPTED, reason=reason, score=score)
        return replace(fitter.fit(cells), score=score)


def _refuse_duplicates(cells: Triples) -> None:
    """Before anything is held out, which could hide them, and in the user's own labels."""
    key = np.sort(cells.i * cells.shape[1] + cells.j)
    again = key[1:][key[1:] == key[:-1]]
    if again.size:
        i, j = divmod(int(again[0]), cells.shape[1])
        row = i if cells.row_labels is None else cells.row_labels[i]
        column = j if cells.column_labels is None else cells.column_labels[j]
        raise InvalidInputError(
            f"{np.unique(again).size} cell{'s' if np.unique(again).size > 1 else ''} listed more "
            f"than once, for example row {row}, column {column}; to average their values choose "
            f"duplicates='mean' (--duplicates mean)"
        )


def _bounds(bounds: Any, values: Array) -> tuple[float, float] | None:
    if bounds is None:
        return None
    if isinstance(bounds, str):
        if bounds != "observed":
            raise InvalidInputError(f"bounds must be 'observed', a pair or None, got {bounds!r}")
        return float(values.min()), float(values.max())
    try:
        low, high = (float(b) for b in bounds)
    except (TypeError, ValueError) as error:
        raise InvalidTypeError(f"bounds must be a pair (low, high), got {bounds!r}") from error
    if not low < high:
        raise InvalidInputError(f"bounds must be low < high, got ({low:g}, {high:g})")
    return low, high


def _score(model: Completion, seen: Triples, held: Triples, fitter: _Fitter) -> Score:
    def rmse(predicted: Array) -> float:
        if fitter.bounds is not None:
            predicted = np.clip(predicted, *fitter.bounds)
        return float(np.sqrt(np.mean((predicted - held.values) ** 2)))

    additive = AdditiveEffects.fit(seen.i, seen.j, seen.values, seen.shape, damping=fitter.damping)
    return Score(
        mean=rmse(np.full(held.values.size, seen.values.mean())),
        additive=rmse(additive.at(held.i, held.j)),
        low_rank=rmse(model.predict(held.i, held.j)),
        cells=held.values.size,
    )


@dataclass(frozen=True)
class _Fitter:
    rank: int
    ridge: float
    effects: str
    damping: float
    bounds: tuple[float, float] | None
    max_iter: int
    tol: float
    seed: Any
    progress: Any

    def fit(self, cells: Triples) -> Completion:
        with interrupts() as interrupted:
            return self._fit(cells, interrupted)

    def _fit(self, cells: Triples, interrupted: Callable[[], bool]) -> Completion:
        begun = time.perf_counter()
        # Effects and ridge say something about empty rows, so they are allowed.
        operator = EntrySampling(cells.i, cells.j, cells.shape, empty="allow")
        effects = self._effects(cells, cells.values)
        weight = self._weight(cells, effects)
        fitted = np.zeros(cells.values.size)
        factors: Factors | None = None
        verdict = (Status.BUDGET, f"{self.max_iter} sweeps used up")
        sweep = 0
        for sweep in range(1, self.max_iter + 1):
            residual = cells.values - effects.at(cells.i, cells.j)
            if not residual.any():
                verdict = (Status.CONVERGED, "the effects alone fit all cells")
                break
            problem = Problem(operator, residual, nuclear=weight)
            result = solve(
                problem,
                "altmin",
                rank=self.rank if factors is None else None,
                start="spectral" if factors is None else factors,
                max_iter=1,
                tol=0.0,
                rng=self.seed,
            )
            factors = result.factors
            before, fitted = fitted, operator.forward(factors)
            if self.progress is not None:
                objective = float(result.trace["objective"][-1])
                self.progress(sweep, objective + effects.penalty(self.damping))
            if interrupted():
                verdict = (Status.INTERRUPTED, f"interrupted after {sweep} sweeps")
                break
            moved = float(np.linalg.norm(fitted - before))
            effects = self._effects(cells, cells.values - fitted, effects.mean)
            if moved <= self.tol * float(np.linalg.norm(cells.values - effects.mean)):
                verdict = (Status.CONVERGED, f"fitted values moved by less than {self.tol:g}")
                break
        n1, n2 = cells.shape
        return Completion(
            factors=factors or Factors(np.zeros((n1, self.rank)), np.zeros((n2, self.rank))),
            effects=effects,
            bounds=self.bounds,
            ridge=weight,
            status=verdict[0],
            reason=verdict[1],
            n_iter=sweep,
            seconds=time.perf_counter() - begun,
            row_labels=cells.row_labels,
            column_labels=cells.column_labels,
        )

    def _effects(self, cells: Triples, values: Array, mean: float | None = None) -> AdditiveEffects:
        if self.effects == "none":
            return AdditiveEffects.constant(0.0, cells.shape)
        if mean is None:
            mean = float(values.mean())
        if self.effects == "mean":
            return AdditiveEffects.constant(mean, cells.shape)
        return AdditiveEffects.fit(
            cells.i, cells.j, values, cells.shape, mean=mean, damping=self.damping
        )

    def _weight(self, cells: Triples, effects: AdditiveEffects) -> float:
        spread = float(np.std(cells.values - effects.at(cells.i, cells.j)))
        n1, n2 = cells.shape
        size = cells.values.size
        return self.ridge * spread * float(np.sqrt(size / n1) + np.sqrt(size / n2))
