"""Measurements left out of a problem, and what a residual looks like."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from .._random import stream
from .._typing import Array
from ..factors import Factors
from ..operators import HasPositions, MeasurementOperator
from ..operators.combine import Subset
from ..operators.entries import EntrySampling
from ..problem import Problem
from ._rungs import Rung
from ._step import evaluate, step

# Share of the measurements that is held out.
HELD_OUT = 0.05
# Steps without them, each with so accurate inner solves, until one takes less than a share off.
STEPS, TOL, LIMIT, SLOW = 8, 0.1, 200, 0.03

_THINNED: WeakKeyDictionary[Problem, tuple[tuple[float, int, int], Problem]] = WeakKeyDictionary()


def thinned(problem: Problem, rung: Rung | None, seed: int) -> Problem:
    """The problem without the share of measurements that a rung leaves out."""
    if rung is None or not rung.without:
        return problem
    key = rung.without, rung.seed, seed
    known = _THINNED.get(problem)
    if known is None or known[0] != key:
        rest = split(problem, seed, name=f"left out {rung.seed}", share=rung.without)[0]
        # Kept from step to step of a try.
        _THINNED[problem] = known = (key, rest)
    return known[1]


def forget_thinned(problem: Problem) -> None:
    """Let go of the copy of the data that a try went without."""
    _THINNED.pop(problem, None)


def split(
    problem: Problem, seed: int, *, name: str = "held out", share: float = HELD_OUT
) -> tuple[Problem, MeasurementOperator, Array]:
    """The problem without some measurements; the operator and the data of those."""
    m, operator = problem.data.size, problem.operator
    out = np.zeros(m, bool)
    out[stream(seed, name).permutation(m)[: max(1, int(share * m))]] = True
    if isinstance(operator, HasPositions):
        i, j = operator.positions
        parts: list[Any] = [
            EntrySampling(i[k], j[k], problem.shape, empty="allow") for k in (~out, out)
        ]
    else:
        parts = [Subset(operator, np.flatnonzero(k)) for k in (~out, out)]
    data = problem.data[~out]
    rest = problem.replace(operator=parts[0], data=data)
    return rest, parts[1], problem.data[out]


def error_on(operator: MeasurementOperator, data: Array, X: Factors) -> float:
    """Relative error of the predicted data; infinite if there is nothing to predict."""
    size = float(np.linalg.norm(data))
    return float(np.linalg.norm(operator.forward(X) - data)) / size if size else float("inf")


def held_out_error(problem: Problem, X: Factors, seed: int) -> float:
    """Relative error on measurements left out, after a few steps on the others from X."""
    rest, test, data = split(problem, seed)
    at = evaluate(rest, X)
    for _ in range(STEPS):
        before = at.value
        move = step(rest, X, at, tol=TOL, limit=LIMIT)
        X, at = move.X, move.at
        if move.length == 0.0 or at.value > (1 - SLOW) * before:
            break
    return error_on(test, data, X)


def concentration(residual: Array) -> float:
    """Mean fourth power of the moduli, over the square of the mean second one."""
    squares = np.abs(residual.astype(np.result_type(residual, np.float64))) ** 2
    mean = float(np.mean(squares))
    return float(np.mean((squares / mean) ** 2)) if mean > 0 else 0.0
