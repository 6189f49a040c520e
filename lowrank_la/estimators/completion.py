"""Completion of a table: additive effects plus a low rank, with a held-out score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import _check
from .._interrupts import interrupts
from .._random import seed_of, stream
from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError
from ..problem import averaged
from ..result import Status
from ._effects import AdditiveEffects
from ._fitter import EFFECTS, Fitter
from ._model import Completion, Score
from ._table import Triples, triples_from

__all__ = ["Completion", "Score", "complete"]

RANK = 10


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
    fitter = Fitter(
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


def _score(model: Completion, seen: Triples, held: Triples, fitter: Fitter) -> Score:
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
