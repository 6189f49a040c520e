"""Which methods `auto` tries, in which order, and the facts that decide it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._typing import Array
from ..factors import Factors
from ..initial import is_quadratic
from ..losses import Squared
from ..problem import Problem
from ._registry import registry

# Entries per degree of freedom from which on descent from the spectral start often works, and
# from which on it works for flat spectra, there up to AMPLE faster by Gauss-Newton steps.
PLENTY, ENOUGH, AMPLE = 1.8, 1.75, 2.4
# From here on it works but for plateaus, where it gets PATIENT iterations before it is judged.
WAITS, PATIENT = 4.0, 30
# And from which on a point of rest is the solution, and its residual noise.
SAFE = 3.0
# Ratio of the largest to the smallest singular value that counts as flat.
FLAT = 1.5
# Power iterations that sharpen the start where it matters whether the spectrum is flat.
POWERS = 2


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
    goes_on : bool
        Whether it goes on from the factors of the method before it instead.
    guarded : bool
        Whether it is given up when it is slow or ends away from the data, and the next tried.
    patience, limit : int
        Iterations before it is judged, and iterations in all that it may be expected to take.
    noisy : bool
        Whether a residual that stays where the gradient vanishes is taken for noise.
    """

    solver: str
    why: str
    options: dict[str, Any] = field(default_factory=dict)
    start: str = "spectral"
    goes_on: bool = False
    guarded: bool = False
    patience: int = 10
    limit: int = 75
    noisy: bool = False


@dataclass(frozen=True)
class Facts:
    """What is measured before a method is chosen.

    Attributes
    ----------
    oversampling : float
        Measurements over degrees of freedom.
    condition : float
        Condition number of the matrix as the spectral start shows it: sampling noise raises
        small singular values, so that it is right where it is small and too small elsewhere.
    """

    oversampling: float
    condition: float


def measure(problem: Problem, start: Factors) -> Facts:
    """The facts of a problem, from its data and from its spectral start.

    Measurements that sample a matrix X add to it, back-projected, about independent noise of
    variance ``sigma^2 = |X|_F^2 (1 - p) / m`` an entry, p the share of X that is seen. A singular
    value s of X then shows as ``sqrt((s^2 + sigma^2 n1)(s^2 + sigma^2 n2)) / s``, and not at all
    below ``sigma (n1 n2)^(1/4)`` (Benaych-Georges and Nadakuditi 2012); this is undone here.
    """
    n1, n2 = problem.shape
    oversampling = problem.informative / problem.degrees_of_freedom(start.rank)
    energy = float(np.vdot(problem.data, problem.data).real) / problem.operator.isometry
    share = min(1.0, problem.data.size / (n1 * n2))
    variance = energy * (1.0 - share) / problem.data.size
    shown = _shown(problem, start, POWERS if oversampling < AMPLE else 0)
    a, b = variance * n1, variance * n2
    # shown^2 = s^2 + a + b + a b / s^2, a quadratic in s^2.
    middle = shown**2 - a - b
    inside = np.maximum(middle**2 - 4 * a * b, 0.0)
    largest, smallest = np.sqrt(np.maximum(0.5 * (middle + np.sqrt(inside)), 0.0))
    return Facts(oversampling, float(largest / smallest) if smallest > 0 else float("inf"))


def _shown(problem: Problem, start: Factors, powers: int) -> Array:
    """Largest and smallest singular value of the back-projected data, as the start has them.

    Power iterations make up for what its own iteration was too short for.
    """
    if not powers:
        return start.singular_values()[[0, -1]].astype(float)
    operator, data = problem.operator, problem.data
    basis = np.linalg.qr(start.right)[0]
    for _ in range(powers):
        image = operator.adjoint_right(data, basis)
        basis = np.linalg.qr(operator.adjoint_left(data, np.linalg.qr(image)[0]))[0]
    image = operator.adjoint_right(data, basis)
    values = np.linalg.svd(image, compute_uv=False) / operator.isometry
    return values[[0, -1]].astype(float)


def able(problem: Problem) -> list[str]:
    """Names of the solvers that take the problem, without `auto` itself."""
    return [name for name in registry if name != "auto" and _takes(problem, name)]


def _takes(problem: Problem, name: str) -> bool:
    return registry[name].info.why_not(problem) is None


def _first(problem: Problem, *reasons: tuple[str, str]) -> Attempt:
    """The first solver of a list that takes the problem; failing these, any that does."""
    for name, why in reasons:
        if _takes(problem, name):
            return Attempt(name, why)
    name = able(problem)[0]
    return Attempt(name, f"{name} is the one solver that takes this problem")


def refusal(problem: Problem) -> str | None:
    """What `auto` says of a problem that no solver takes."""
    return None if able(problem) else f"knows no solver for the loss {problem.loss} here"


def first_start(problem: Problem) -> str:
    """Name of the start that the first method of the plan is meant for."""
    if not problem.loss.smooth:
        return registry[_robust(problem).solver].info.start
    return "weighted_spectral" if is_quadratic(problem) else "spectral"


def plan(problem: Problem, start: Factors, *, keep_start: bool) -> tuple[list[Attempt], str]:
    """The methods to try in turn, and the facts behind them as text.

    Parameters
    ----------
    problem : Problem
    start : Factors
        Where the first one begins.
    keep_start : bool
        Whether a method that goes on from the start comes first.
    """
    if not problem.loss.smooth:
        return [_robust(problem)], ""
    if not isinstance(problem.loss, Squared):
        return [_smooth(problem)], ""
    if problem.nuclear > 0:
        return _regularised(problem), ""
    if _takes(problem, "altmin"):
        return _entries(problem, start, keep_start=keep_start)
    return [_linear(problem)], ""


def _entries(problem: Problem, start: Factors, *, keep_start: bool) -> tuple[list[Attempt], str]:
    facts = measure(problem, start)
    ratio = facts.oversampling
    flat = facts.condition <= FLAT
    text = f"{ratio:.3g} entries per degree of freedom"
    sweeps = Attempt(
        "altmin",
        "altmin from the spectral start, the fastest where it converges",
        guarded=True,
        # Who gives a start means it.
        limit=300 if keep_start else Attempt.limit,
        noisy=ratio >= SAFE,
        patience=PATIENT if ratio >= WAITS else Attempt.patience,
    )
    if ratio < 1 or not _takes(problem, "rank_path"):
        return [replace(sweeps, guarded=False)], text
    path = Attempt(
        "rank_path",
        "rank_path, which recovers where descent from the spectral start fails",
        start="small_random",
    )
    if not keep_start and flat and ENOUGH <= ratio < AMPLE:
        newton = Attempt("gauss_newton", "a flat spectrum: gauss_newton", guarded=True, limit=25)
        return [newton, path], f"{text}, singular values of like size"
    if keep_start or ratio >= PLENTY:
        return [sweeps, path], text
    return [path], text


def _linear(problem: Problem) -> Attempt:
    return _first(
        problem,
        (
            "quadratic_cg",
            "quadratic measurements: quadratic_cg, weighted at first, with exact steps",
        ),
        ("gauss_newton", "linear measurements: gauss_newton, few steps that converge fast"),
        ("nonlinear_cg", "squared loss: nonlinear_cg with exact steps"),
        ("scaledgd", "squared loss: scaledgd with exact steps"),
    )


def _regularised(problem: Problem) -> list[Attempt]:
    newton = _first(
        problem,
        ("gauss_newton", "a nuclear-norm weight: gauss_newton"),
        ("nonlinear_cg", "a nuclear-norm weight: nonlinear_cg with exact steps"),
        ("scaledgd", "a nuclear-norm weight: scaledgd with exact steps"),
    )
    if not _takes(problem, "altmin"):
        return [newton]
    why = "a nuclear-norm weight: altmin solves for rows exactly"
    return [Attempt("altmin", why, guarded=True, noisy=True), replace(newton, goes_on=True)]


def _smooth(problem: Problem) -> Attempt:
    return _first(
        problem,
        ("reweighted", "a robust loss: reweighted Gauss-Newton, in few iterations"),
        ("scaledgd", "smooth loss: scaledgd with backtracking"),
    )


def _robust(problem: Problem) -> Attempt:
    return _first(
        problem,
        ("altproj", "single entries with outliers: altproj sets them aside"),
        (
            "reweighted",
            "outliers: reweighted Gauss-Newton, which need not know how many there are",
        ),
    )
