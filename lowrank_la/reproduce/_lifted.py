"""Runs of lifted problems that several claims need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._random import stream
from .._typing import Array
from ..driver import solve
from ..factors import Factors
from ..problem import Instance, Problem
from ..problems import perturbed_completion
from ..solvers import make_solver
from ._data import Setting
from ._figures import Custom, Runs

PAPER = "Ma, Molybog, Lavaei, Sojoudi (2023), arXiv:2302.07828"
SEQUEL = "Ma, Lavaei, Sojoudi (2023), arXiv:2310.15549"


def spurious(n: int, eps: float) -> tuple[Instance, Factors]:
    """Perturbed completion, and where gradient descent ends from the truth with signs flipped."""
    instance = perturbed_completion(n, eps=eps)
    z = instance.truth.factors.left
    support = np.flatnonzero(z[:, 0])
    # Of the signs on the support, half are flipped: fewer need not be spurious.
    flipped = z.copy()
    flipped[support[-(support.size // 2) :]] *= -1
    start = Factors(flipped, flipped)
    result = solve(instance.problem, "gd", start=start, step_size=0.3, tol=1e-13, max_iter=20000)
    return instance, result.factors


def unit(n: int, seed: Any, name: str) -> Array:
    """A uniformly random unit vector, shape (n, 1)."""
    draw = stream(seed, name).standard_normal((n, 1))
    return np.asarray(draw / np.linalg.norm(draw))


def backprojection(problem: Problem) -> Array:
    """``A*(b)``, shape (n, n)."""
    n = problem.shape[0]
    return np.asarray(problem.operator.adjoint_right(problem.data, np.eye(n)))


def descend(
    problem: Problem,
    x: Array,
    *,
    order: int,
    scale: float,
    step: float,
    iterations: int,
    method: str = "gd",
    lift: str = "rank_one",
    seed: int = 0,
) -> tuple[Array, Factors, float]:
    """Lifted descent with an absolute step, for the loss with 1/4.

    Returns the last tensor, its matrix, and its relative distance from rank one.
    """
    start = Factors(x, x)
    top = float(np.linalg.eigvalsh(backprojection(problem))[-1])
    options = {"order": order, "lift": lift, "lift_scale": scale, "method": method, "seed": seed}
    # The solver's units: 1 / lambda_max(A*(b))^l, and for Adam the size of a solution's entries.
    solver: Any = make_solver("lifted", options)
    entry = solver.init(problem, start).adam_unit
    unit = top**-order if method == "gd" else entry
    solver = make_solver("lifted", {**options, "step_size": step / unit})
    state = solver.init(problem, start)
    solver.advance(problem, state, iterations)
    return state.tensor, solver.factors(state), float(state.leftover)


def bars(
    x: str,
    by: str,
    *,
    x_label: str,
    name: Callable[[Any], str],
    law: Callable[[Setting], float] | None = None,
    law_label: str = "",
) -> Custom:
    """Drawing of shares: groups of bars over a parameter, with the range over the repeats."""

    def draw(ax: Any, runs: Runs) -> None:
        data = runs.data
        groups, members = (list(dict.fromkeys(data.parameter(k).tolist())) for k in (x, by))
        width = 0.8 / len(members)
        for place, member in enumerate(members):
            at = np.arange(len(groups)) + (place - (len(members) - 1) / 2) * width
            found = [data.where(**{x: group, by: member}).numbers["share"] for group in groups]
            means = np.array([np.mean(v) for v in found])
            ends = [means - [np.min(v) for v in found], [np.max(v) for v in found] - means]
            ax.bar(at, means, 0.9 * width, yerr=ends, capsize=2, label=name(member))
        if law is not None:
            expected = [law(data.where(**{x: group}).points[0]) for group in groups]
            left = np.arange(len(groups)) - 0.45
            ax.hlines(expected, left, left + 0.9, color="0.1", linestyle="--", label=law_label)
        ax.set_xticks(range(len(groups)), [f"{group:g}" for group in groups])
        ax.set_xlim(-0.6, len(groups) - 0.4)
        ax.set_ylim(0, 1.05)
        ax.set_xlabel(x_label)
        ax.set_ylabel("share of successes")

    return Custom(function=draw)


def lifted_or_not(order: int) -> str:
    """Legend entry of an order."""
    return "unlifted" if order == 1 else f"lifted to order {order}"
