"""Phase transitions: where in a plane of two parameters a solver succeeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ... import _check
from ..._random import seed_of
from ..._typing import Array
from ...errors import InvalidInputError, InvalidTypeError, unknown_name
from ...initial import STARTS
from ...solvers import Solver, make_solver
from ..batch import Batch
from ._diagram import PhaseDiagram
from ._plane import Plane

__all__ = ["PhaseDiagram", "phase_transition"]


def phase_transition(
    problem: str,
    solver: str | Solver,
    *,
    x: Mapping[str, Sequence[float]],
    y: Mapping[str, Sequence[float]],
    fixed: Mapping[str, Any] | None = None,
    derive: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    start: str | None = None,
    target: float = 1e-3,
    max_iter: int = 500,
    repeats: int = 10,
    adaptive: bool = True,
    folder: Any = None,
    workers: int = 1,
    budget: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    rng: Any = 0,
) -> PhaseDiagram:
    """Measure the share of successes over a plane of two parameters.

    A coarse grid comes first; blocks whose corners disagree on which side of one half they
    lie are refined, and cells at the border get all repeats. Cells inside a block of one
    outcome are not run. With ``adaptive=False`` all cells get all repeats.

    Parameters
    ----------
    problem : str
        Name of a generator.
    solver : str or Solver
        The solver.
    x, y : mapping from one name to values
        The axes: a parameter of the generator, "search_rank" (columns of the factors) or
        "init_scale" (of the small random start).
    fixed : mapping
        Other parameters.
    derive : callable, optional
        From all parameters of a cell to those of the generator, where they are not the same.
    start : str, optional
        Name of a start; default: what the solver is meant for.
    target : float
        Relative error that counts as success.
    max_iter : int
        Iterations after which a run has failed.
    repeats : int
        Runs of each cell at the border; a third of them elsewhere.
    adaptive : bool
        Whether runs are spent where the border is; False measures every cell.
    folder : str or path, optional
        Where finished runs are kept and reused.
    workers : int
        Processes; with more than one, a script needs the usual main guard.
    budget : float, optional
        Seconds after which no further run is begun.
    progress : callable, optional
        Called as ``progress(done, planned)``.
    rng : int, Generator or None
        Source of the seeds.

    Returns
    -------
    PhaseDiagram
        With what was run so far, after Ctrl-C or the end of the budget.

    Raises
    ------
    UnknownNameError
        For a problem, solver or parameter that does not exist.
    InvalidInputError
        For axes that are not one name and at least two values each.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> diagram = ll.phase_transition(
    ...     "completion", "altmin", x={"oversampling": [1.5, 3, 6]}, y={"rank": [1, 2]},
    ...     fixed={"shape": (40, 40)}, repeats=3, max_iter=60)
    >>> diagram.share.shape
    (2, 3)
    """
    if start is not None and start not in STARTS:
        raise unknown_name("start", start, STARTS)
    if not isinstance(adaptive, bool):
        raise InvalidTypeError(f"adaptive must be True or False, got {adaptive!r}")
    plane = Plane(
        problem=problem,
        solver=make_solver(solver),
        x=_axis(x, "x"),
        y=_axis(y, "y"),
        fixed=dict(fixed or {}),
        derive=derive,
        start=start,
        target=_check.number(target, "target", low=0.0),
        max_iter=_check.count(max_iter, "max_iter", low=1),
        repeats=_check.count(repeats, "repeats", low=1),
        seed=seed_of(rng),
        batch=Batch(folder, workers=workers),
    )
    return plane.measure(budget, progress, adaptive=adaptive)


def _axis(axis: Any, name: str) -> tuple[str, Array]:
    if not isinstance(axis, Mapping) or len(axis) != 1:
        raise InvalidTypeError(f"{name} must be a mapping from one name to values, got {axis!r}")
    ((parameter, values),) = axis.items()
    array = np.unique(_check.vector(np.asarray(values), name))
    if array.size < 2:
        raise InvalidInputError(f"{name} needs at least two values of {parameter}")
    return str(parameter), array
