"""The one loop: it owns the clock, stopping, tracing, interrupts and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .._interrupts import interrupts
from .._progress import progress_line
from ..problem import Instance, Problem
from ..result import Result
from ..solvers._protocol import Solver
from ..stopping import Stop
from ..trace import View
from ._prepare import prepare, underdetermined

__all__ = ["iterate", "solve", "underdetermined"]


def solve(
    problem: Problem | Instance,
    solver: str | Solver = "auto",
    *,
    rank: int | None = None,
    start: Any = None,
    init_scale: float | None = None,
    stop: Stop | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    max_time: float | None = None,
    observe: Any = None,
    callback: Callable[[View], Any] | None = None,
    every: int = 1,
    rng: Any = None,
    progress: bool = False,
    checkpoint: Any = None,
    checkpoint_every: float = 60.0,
    **options: Any,
) -> Result:
    """Solve a problem.

    Parameters
    ----------
    problem : Problem or Instance
        What to solve. Given an Instance, the solver sees its problem only; observers see the
        truth too, and the true rank is the default rank.
    solver : str or Solver
        A name (`available_solvers`), a configured solver, or "auto".
    rank : int, optional
        Rank searched for. Needed unless the start or an Instance has it.
    start : str, Factors, callable, Result or state, optional
        A name ("spectral", "small_random", "truncated" and others of `lowrank_la.initial`),
        factors, a function ``(problem, rank, *, rng)``, or a result (or its state). With the
        same solver, options and problem a result is continued bit for bit; otherwise the run
        begins at its factors. Default: what the solver is meant for.
    init_scale : float, optional
        Scale of the starts "small_random" and "sign_spectral".
    stop : Stop, optional
        Criteria of your own from `lowrank_la.stopping`, joined by ``|`` and ``&``; they replace
        the default tolerance.
    tol : float, optional
        Relative gradient at which to stop as CONVERGED (`stopping.Stationary`). Default: 256
        rounding units of the data's precision. 0 turns off stopping before the budget.
    max_iter : int, optional
        Budget of iterations, counted from iteration 0; by default that of the solver, which is
        1000 but for methods that try more than once.
    max_time : float, optional
        Budget of seconds in the solver.
    observe : str, callable, sequence or mapping, optional
        What to record besides "objective" (and "rel_error" given an Instance).
    callback : callable, optional
        Called with a `View` at every look; a true return value or StopIteration stops.
    every : int
        Iterations between looks.
    rng : int, Generator or None
        Source of randomness of the start; None means 0, so that runs repeat.
    progress : bool
        Show one line on stderr.
    checkpoint : path, optional
        File to which the run is saved every `checkpoint_every` seconds and at its end.
    checkpoint_every : float
        Seconds between checkpoints.
    **options
        Options of the solver, for example ``step_size=0.5``.

    Returns
    -------
    Result
        Ctrl-C ends the run with status INTERRUPTED and the best iterate so far.

    Raises
    ------
    UnknownNameError
        For a solver, start, observer or option that does not exist.
    IncompatibleError
        If the solver cannot take the problem; the message says who can.
    InvalidInputError, InvalidTypeError
        For arguments that make no sense.

    Warns
    -----
    UnderdeterminedWarning
        If there are fewer measurements than degrees of freedom, or a matrix was found of which
        they leave rows and columns open (its other rows are right), or which is far larger than
        they suggest.
    ConvergenceWarning
        If the run diverged, or a `tol` that was asked for was not met.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.completion((60, 50), 2, sampling=0.5, rng=0)
    >>> result = ll.solve(instance, "scaledgd", max_iter=200)
    >>> result.converged
    True
    """
    loop = prepare(**locals())
    with interrupts() as interrupted, progress_line(progress, loop.label) as show:
        loop.interrupted = interrupted
        for view in loop.views():
            show(view)
    result = loop.result()
    if checkpoint is not None:
        result.save(checkpoint)
    loop.warn(result)
    return result


def iterate(
    problem: Problem | Instance,
    solver: str | Solver = "auto",
    *,
    rank: int | None = None,
    start: Any = None,
    init_scale: float | None = None,
    stop: Stop | None = None,
    tol: float | None = None,
    max_iter: int | None = None,
    max_time: float | None = None,
    observe: Any = None,
    every: int = 1,
    rng: Any = None,
    **options: Any,
) -> Iterator[View]:
    """The loop of `solve`, for people who like ``for``: yields a `View` at every look.

    Parameters
    ----------
    problem, solver, rank, start, init_scale, stop, tol, max_iter, max_time, observe, every, rng
        As in `solve`.
    **options
        Options of the solver.

    Yields
    ------
    View
        The iterate, its number, time, objective, and more on request.
    """
    arguments = dict(locals(), callback=None, checkpoint=None, checkpoint_every=np.inf)
    yield from prepare(**arguments).views()
