"""The measurement of a plane: a coarse grid first, then what is near the border."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..._random import seed_of, stream
from ..._typing import Array
from ...errors import InvalidInputError, LowRankError, unknown_name
from ...problem import Recipe
from ...problems import problem_info
from ...solvers import Solver
from ...stopping import Target
from ..batch import Batch
from ..cells import Outcome, Solve
from ._diagram import PhaseDiagram
from ._grid import every, mixed_cells, near

SEARCH_RANK = "search_rank"
INIT_SCALE = "init_scale"
# What an axis or a fixed parameter can change besides the generator's own parameters.
RUN_PARAMETERS = (SEARCH_RANK, INIT_SCALE)


@dataclass(eq=False)
class Plane:
    """The runs of a plane, and what came out of them so far."""

    problem: str
    solver: Solver
    x: tuple[str, Array]
    y: tuple[str, Array]
    fixed: dict[str, Any]
    derive: Callable[[dict[str, Any]], dict[str, Any]] | None
    start: str | None
    target: float
    max_iter: int
    repeats: int
    seed: Any
    batch: Batch
    trials: Array = field(init=False)
    successes: Array = field(init=False)
    possible: Array = field(init=False)

    def __post_init__(self) -> None:
        shape = self.y[1].size, self.x[1].size
        self.trials, self.successes = np.zeros(shape, int), np.zeros(shape, int)
        self.possible = np.ones(shape, bool)
        if self.x[0] == self.y[0]:
            raise InvalidInputError(f"both axes are {self.x[0]}")
        known = {*inspect.signature(problem_info(self.problem).make).parameters, *RUN_PARAMETERS}
        for name in (self.x[0], self.y[0], *self.fixed):
            if self.derive is None and name not in known:
                raise unknown_name(f"parameter of {self.problem}", name, known)

    def cell(self, row: int, column: int, repeat: int) -> Solve:
        """The run of a cell; a repeat has its own seed, shared by the plane."""
        values = {self.y[0]: _plain(self.y[1][row]), self.x[0]: _plain(self.x[1][column])}
        parameters = self.fixed | values
        if self.derive is not None:
            parameters = self.derive(parameters)
        rank = parameters.pop(SEARCH_RANK, None)
        scale = parameters.pop(INIT_SCALE, None)
        start, options = self.start, {}
        if scale is not None:
            start, options = "small_random", {"init_scale": scale}
        seed = seed_of(stream(self.seed, f"repeat {repeat}"))
        return Solve(
            recipe=Recipe(self.problem, parameters, seed),
            solver=self.solver,
            rank=rank,
            start=start,
            start_options=options,
            seed=seed,
            max_iter=self.max_iter,
            stop=Target("rel_error", self.target),
        )

    def measure(
        self,
        budget: float | None,
        progress: Callable[[int, int], None] | None,
        *,
        adaptive: bool = True,
    ) -> PhaseDiagram:
        end = None if budget is None else time.monotonic() + budget
        if not adaptive:
            whole = self.run(np.full(self.trials.shape, self.repeats), end, progress)
            return replace(self.diagram(), complete=whole)
        few = max(1, self.repeats // 3)
        step = 1
        while 4 * step < max(self.trials.shape):
            step *= 2
        wanted = np.zeros(self.trials.shape, int)
        wanted[np.ix_(every(self.y[1].size, step), every(self.x[1].size, step))] = few
        whole = self.run(wanted, end, progress)
        while whole and step > 1:
            step //= 2
            rows, columns = every(self.y[1].size, step), every(self.x[1].size, step)
            mixed = mixed_cells(self.diagram().share)
            fine = np.zeros_like(wanted)
            fine[np.ix_(rows, columns)] = few
            # Blocks twice the new step wide that hold a border are looked at more closely.
            wanted = np.maximum(wanted, np.where(near(mixed, step), fine, 0))
            whole = self.run(wanted, end, progress)
        if whole:
            border = near(mixed_cells(self.diagram().share), 1)
            wanted = np.where(border, self.repeats, wanted)
            whole = self.run(wanted, end, progress)
        return replace(self.diagram(), complete=whole)

    def run(
        self, wanted: Array, end: float | None, progress: Callable[[int, int], None] | None
    ) -> bool:
        cells = {
            (row, column, repeat): self.cell(row, column, repeat)
            for row, column in np.argwhere(wanted > 0).tolist()
            for repeat in range(wanted[row, column])
        }
        ended = 0

        def count(key: str) -> None:
            nonlocal ended
            ended += 1
            if progress is not None:
                progress(ended, len(cells))

        left = None if end is None else end - time.monotonic()
        whole = self.batch.run(cells.values(), budget=left, done=count)
        self.trials[...], self.successes[...] = 0, 0
        reason = ""
        for (row, column, _), cell in cells.items():
            outcome = self.batch.outcomes.get(self.batch.key(cell))
            if isinstance(outcome, Outcome):
                self.trials[row, column] += 1
                self.successes[row, column] += outcome.last("rel_error") <= self.target
            elif outcome is not None:
                if not outcome.startswith(InvalidInputError.__name__):
                    raise LowRankError(f"{cell.recipe}: {outcome}")
                self.possible[row, column] = False
                reason = outcome
        if cells and not self.possible[wanted > 0].any():
            raise InvalidInputError(f"no instance is possible on this grid: {reason}")
        return whole

    def diagram(self) -> PhaseDiagram:
        return PhaseDiagram(
            x_name=self.x[0],
            y_name=self.y[0],
            x=self.x[1],
            y=self.y[1],
            successes=self.successes.copy(),
            trials=self.trials.copy(),
            possible=self.possible.copy(),
            label=f"{self.solver.info.name} on {self.problem}",
            target=self.target,
        )


def _plain(value: Any) -> Any:
    # Ranks and counts are integers, however the axis was written.
    return int(value) if float(value).is_integer() else float(value)
