"""Which methods `auto` tries, in which order, and the facts that decide it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..factors import Factors
from ..losses import Squared
from ..problem import Problem
from ._registry import registry


@dataclass(frozen=True)
class Attempt:
    """One method of a plan.

    Attributes
    ----------
    solver : str
        Registry name.
    why : str
        The reason, as a sentence without its full stop.
    options : dict
        Options of the solver.
    start : str
        Name of its start, where it is not the first method.
    guarded : bool
        Whether it is given up when it is slow or ends away from the data, and the next tried.
    patience, limit : int
        Iterations before it is judged, and iterations in all that it may be expected to take.
    """

    solver: str
    why: str
    options: dict[str, Any] = field(default_factory=dict)
    start: str = "spectral"
    guarded: bool = False
    patience: int = 30
    limit: int = 80


@dataclass(frozen=True)
class Facts:
    """What is measured before a method is chosen.

    Attributes
    ----------
    oversampling : float
        Measurements over degrees of freedom.
    visibility : float
        The smallest of the singular values looked for, over the size at which it would vanish
        in the sampling noise of the back-projected data. Below 1 the spectral start misses it.
    condition : float
        Estimated condition number of the matrix, infinite where its end cannot be seen.
    """

    oversampling: float
    visibility: float
    condition: float


def measure(problem: Problem, start: Factors) -> Facts:
    """The facts of a problem, from its data and from its spectral start.

    Measurements that sample a matrix X add to it, back-projected, about independent noise of
    variance ``sigma^2 = |X|_F^2 (1 - p) / m`` an entry, p the share of X that is seen. A singular
    value s of X then shows as ``sqrt((s^2 + sigma^2 n1)(s^2 + sigma^2 n2)) / s``, and not at all
    below ``sigma (n1 n2)^(1/4)`` (Benaych-Georges and Nadakuditi 2012).
    """
    n1, n2 = problem.shape
    oversampling = problem.informative / problem.degrees_of_freedom(start.rank)
    energy = float(np.vdot(problem.data, problem.data).real) / problem.operator.isometry
    share = min(1.0, problem.data.size / (n1 * n2))
    variance = energy * (1.0 - share) / problem.data.size
    shown = start.singular_values().astype(float)
    a, b = variance * n1, variance * n2
    # shown^2 = s^2 + a + b + a b / s^2, a quadratic in s^2.
    middle = shown**2 - a - b
    inside = middle**2 - 4 * a * b
    square = np.where((middle > 0) & (inside >= 0), 0.5 * (middle + np.sqrt(np.abs(inside))), 0.0)
    values = np.sqrt(square)
    threshold = (a * b) ** 0.25
    if threshold == 0.0:
        return Facts(oversampling, np.inf, _ratio(shown[0], shown[-1]))
    return Facts(oversampling, float(values[-1] / threshold), _ratio(values[0], values[-1]))


def _ratio(largest: Any, smallest: Any) -> float:
    return float(largest / smallest) if smallest > 0 else float("inf")


def able(problem: Problem) -> list[str]:
    """Names of the solvers that take the problem, without `auto` itself."""
    return [
        name for name in registry if name != "auto" and registry[name].info.why_not(problem) is None
    ]


def refusal(problem: Problem) -> str | None:
    """What `auto` says of a problem that no solver takes."""
    return None if able(problem) else f"knows no solver for the loss {problem.loss} here"


def first_start(problem: Problem) -> str:
    """Name of the start that the first method of the plan is meant for."""
    if problem.loss.smooth:
        return "spectral"
    return registry[_robust(problem, able(problem)).solver].info.start


def plan(problem: Problem, start: Factors, *, keep_start: bool) -> tuple[list[Attempt], str]:
    """The methods to try in turn, and the facts behind them as text.

    Parameters
    ----------
    problem : Problem
    start : Factors
        Where the first one begins.
    keep_start : bool
        Whether methods that ignore the start are left for last.
    """
    names = able(problem)
    if not problem.loss.smooth:
        return [_robust(problem, names)], ""
    if "altmin" in names:
        return [
            Attempt("altmin", "rows can be solved for exactly: altmin has no step to choose")
        ], ""
    if "scaledgd" in names:
        kind, step = "smooth", "backtracking"
        if isinstance(problem.loss, Squared):
            kind, step = "squared", "exact"
        why = f"{kind} loss: scaledgd with {step} steps"
        return [Attempt("scaledgd", why, {"step_size": step})], ""
    return [Attempt(names[0], f"{names[0]} is the one solver that takes this problem")], ""


def _robust(problem: Problem, names: list[str]) -> Attempt:
    if "thresholded_scaledgd" in names:
        return Attempt("thresholded_scaledgd", "absolute loss on entries: outliers set aside")
    if "scaled_subgradient" in names:
        return Attempt(
            "scaled_subgradient",
            "absolute loss: scaled_subgradient need not know how many outliers there are, and is "
            "not slowed by an ill-conditioned matrix",
        )
    return Attempt(names[0], f"{names[0]} is the one solver that takes this problem")
