"""Reference points of incremental learning: the minimisers of each rank."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import _check
from ..driver import solve
from ..errors import InvalidInputError, InvalidTypeError, SolverBreakdownError
from ..factors import Factors
from ..problem import Instance, Problem
from ..solvers._protocol import Solver
from ..stopping import Stationary

__all__ = ["rank_minimisers"]


def rank_minimisers(
    problem: Problem | Instance,
    ranks: Iterable[int],
    *,
    solver: str | Solver = "auto",
    start: Any = "spectral",
    tol: float = 1e-10,
    max_iter: int = 10_000,
    rng: Any = None,
) -> dict[int, Factors]:
    """The minimisers of the loss over matrices of rank at most s, for each s.

    Gradient descent from a small start passes near them in turn (Jin, Li, Lyu, Du, Lee 2023),
    whatever the number of its columns; `distance_to` one of them shows it. They are not the
    truncated singular value decompositions of the truth: the loss is measured, and below the
    true rank its minimiser differs from them by the error of the restricted isometry, which
    would be left as a floor.

    The problem is not convex: what is found is a stationary point reached from `start`, and
    that it is the best one of its rank is the statement of the theory under restricted
    isometry.

    Parameters
    ----------
    problem : Problem or Instance
        Of an Instance only the problem is used.
    ranks : iterable of int
        The ranks s.
    solver : str or Solver
        What minimises; any that is fast.
    start : str, Factors or callable
        As in `solve`.
    tol : float
        Relative gradient that must be reached.
    max_iter : int
        Iterations allowed for each rank.
    rng : int, Generator or None
        As in `solve`.

    Returns
    -------
    dict of int to Factors

    Raises
    ------
    InvalidInputError, InvalidTypeError
        For ranks that do not fit the shape.
    SolverBreakdownError
        If the gradient does not become that small.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.sensing(
    ...     12, 2, measurements=120, symmetric=True, spectrum=[2.0, 1.0], rng=0
    ... )
    >>> best = ll.rank_minimisers(instance, [1, 2])
    >>> bool(best[2].distance(instance.truth.factors) < 1e-8)
    True
    >>> round(best[1].norm(), 1)
    1.8
    """
    if isinstance(problem, Instance):
        problem = problem.problem
    if not isinstance(problem, Problem):
        raise InvalidTypeError(
            f"problem must be a Problem or an Instance, got {type(problem).__name__}"
        )
    if isinstance(ranks, (str, bytes)) or not isinstance(ranks, Iterable):
        raise InvalidTypeError(f"ranks must be a list of ranks, got {ranks!r}")
    if not _check.number(tol, "tol", low=0.0) > 0:
        raise InvalidInputError("tol must be positive: a gradient is never exactly zero")
    found: dict[int, Factors] = {}
    for rank in ranks:
        result = solve(
            problem,
            solver,
            rank=_check.rank_of(rank, problem.shape),
            start=start,
            stop=Stationary(tol),
            max_iter=max_iter,
            rng=rng,
        )
        if not result.converged:
            raise SolverBreakdownError(
                f"no minimiser of rank {rank}: {result.solver.info.name} ended with "
                f"{result.status.name} ({result.reason}) above the relative gradient {tol:g}. "
                f"Raise max_iter or tol, or name another solver or start"
            )
        found[int(rank)] = result.factors
    return found
