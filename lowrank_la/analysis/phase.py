"""Phase transitions: where in a plane of two parameters a solver succeeds."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._typing import Array
from ..errors import (
    FileFormatError,
    InvalidInputError,
    InvalidTypeError,
    LowRankError,
    unknown_name,
)
from ..initial import STARTS
from ..problem import Recipe
from ..problems import problem_info
from ..solvers import Solver, make_solver
from ..stopping import Target
from ..storage import read, save, unpacking
from .batch import Batch
from .cells import Outcome, Solve

__all__ = ["PhaseDiagram", "phase_transition"]

SEARCH_RANK = "search_rank"
INIT_SCALE = "init_scale"
# What an axis or a fixed parameter can change besides the generator's own parameters.
RUN_PARAMETERS = (SEARCH_RANK, INIT_SCALE)


@dataclass(frozen=True, eq=False)
class PhaseDiagram:
    """Share of successes over a plane.

    Attributes
    ----------
    x_name, y_name : str
        Parameters.
    x, y : array, shape (nx,), (ny,)
        Their values, ascending.
    successes, trials : array of int, shape (ny, nx)
        Runs that reached the target, and runs made; cells far from the border have none.
    possible : array of bool, shape (ny, nx)
        Whether the generator can make instances there: not with more entries than there are.
    label : str
        Solver and problem.
    target : float
        Relative error that counts as success.
    complete : bool
        False if Ctrl-C or the budget ended the measurement.
    """

    x_name: str
    y_name: str
    x: Array
    y: Array
    successes: Array
    trials: Array
    possible: Array
    label: str
    target: float
    complete: bool = True

    @property
    def share(self) -> Array:
        """Share of successes, shape (ny, nx).

        A cell without runs lies inside a block whose corners all agree; it has their share.
        NaN where no instance is possible.
        """
        with np.errstate(invalid="ignore"):
            share = self.successes / np.where(self.trials > 0, self.trials, np.nan)
        known = np.isfinite(share) | ~self.possible
        return _from_nearest(share, known)

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Wilson's binomial interval of the share, each shape (ny, nx); NaN without runs.

        Parameters
        ----------
        level : float
            Coverage.
        """
        from scipy import stats

        z = stats.norm.ppf(0.5 + _check.number(level, "level", low=0.0, high=1.0) / 2)
        n = np.where(self.trials > 0, self.trials, np.nan)
        p = self.successes / n
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return middle - half, middle + half

    def border(self, level: float = 0.95, *, draws: int = 200) -> tuple[Array, Array, Array]:
        """Where along x the share crosses one half, for each y, with an interval.

        A logistic curve in x is fitted to each row by maximum likelihood; the interval comes
        from redrawing the successes (parametric bootstrap).

        Parameters
        ----------
        level : float
            Coverage of the interval.
        draws : int
            Number of redraws.

        Returns
        -------
        middle, low, high : array, shape (ny,)
            NaN for rows in which the share does not cross one half.
        """
        generator = np.random.default_rng(0)
        tail = 50 * (1 - level)
        out = np.full((3, self.y.size), np.nan)
        for row in range(self.y.size):
            tried = self.trials[row] > 0
            x, n = self.x[tried], self.trials[row, tried]
            fit = _logistic(x, self.successes[row, tried], n)
            if fit is None:
                continue
            out[0, row] = fit[0]
            chance = _chance(x, *fit)
            again = [_logistic(x, generator.binomial(n, chance), n) for _ in range(draws)]
            found = [f[0] for f in again if f is not None]
            if len(found) > draws // 2:
                out[1:, row] = np.percentile(found, [tail, 100 - tail])
        return out[0], out[1], out[2]

    def fit(self, model: str = "power") -> tuple[float, float]:
        """Fit the border x as a function of y.

        Parameters
        ----------
        model : {"power", "linear"}
            ``x = a y^b`` or ``x = a + b y``.

        Returns
        -------
        a, b : float

        Raises
        ------
        InvalidInputError
            If fewer than three rows have a border.
        """
        if model not in ("power", "linear"):
            raise InvalidInputError(f"model must be 'power' or 'linear', got {model!r}")
        border = self.border(draws=2)[0]
        known = np.isfinite(border)
        if known.sum() < 3:
            raise InvalidInputError(
                f"{known.sum()} rows have a border; a fit needs three. Widen the range of "
                f"{self.x_name}"
            )
        if model == "power":
            slope, level = np.polyfit(np.log(self.y[known]), np.log(border[known]), 1)
            return float(np.exp(level)), float(slope)
        slope, level = np.polyfit(self.y[known], border[known], 1)
        return float(level), float(slope)

    def save(self, path: Any) -> Path:
        """Write the diagram to an .npz file, without pickle; `load` reads it."""
        header = {
            "kind": "phase diagram",
            "names": [self.x_name, self.y_name],
            "label": self.label,
            "target": self.target,
            "complete": self.complete,
        }
        arrays = {n: getattr(self, n) for n in ("x", "y", "successes", "trials", "possible")}
        return save(path, header, arrays)

    @classmethod
    def load(cls, path: Any) -> PhaseDiagram:
        """Read what `save` wrote.

        Raises
        ------
        FileFormatError
            If the file holds no phase diagram.
        """
        header, arrays = read(path)
        if header.get("kind") != "phase diagram":
            raise FileFormatError(f"{path} holds a {header.get('kind')}, not a phase diagram")
        with unpacking(path):
            x_name, y_name = header["names"]
            return cls(
                x_name,
                y_name,
                **arrays,
                label=header["label"],
                target=header["target"],
                complete=header["complete"],
            )

    def __repr__(self) -> str:
        return (
            f"<PhaseDiagram of {self.label} over {self.x_name} x {self.y_name}: "
            f"{int(self.trials.sum())} runs in {int((self.trials > 0).sum())} of "
            f"{self.trials.size} cells>"
        )


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
    folder: Any = None,
    workers: int = 1,
    budget: float | None = None,
    progress: Callable[[int, int], None] | None = None,
    rng: Any = 0,
) -> PhaseDiagram:
    """Measure the share of successes over a plane of two parameters.

    A coarse grid comes first; blocks whose corners disagree on which side of one half they
    lie are refined, and cells at the border get all repeats. Cells inside a block of one
    outcome are not run.

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
    plane = _Plane(
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
    return plane.measure(budget, progress)


def _axis(axis: Any, name: str) -> tuple[str, Array]:
    if not isinstance(axis, Mapping) or len(axis) != 1:
        raise InvalidTypeError(f"{name} must be a mapping from one name to values, got {axis!r}")
    ((parameter, values),) = axis.items()
    array = np.unique(_check.vector(np.asarray(values), name))
    if array.size < 2:
        raise InvalidInputError(f"{name} needs at least two values of {parameter}")
    return str(parameter), array


@dataclass(eq=False)
class _Plane:
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
        self, budget: float | None, progress: Callable[[int, int], None] | None
    ) -> PhaseDiagram:
        end = None if budget is None else time.monotonic() + budget
        few = max(1, self.repeats // 3)
        step = 1
        while 4 * step < max(self.trials.shape):
            step *= 2
        wanted = np.zeros(self.trials.shape, int)
        wanted[np.ix_(_every(self.y[1].size, step), _every(self.x[1].size, step))] = few
        whole = self.run(wanted, end, progress)
        while whole and step > 1:
            step //= 2
            rows, columns = _every(self.y[1].size, step), _every(self.x[1].size, step)
            mixed = _mixed(self.diagram().share)
            fine = np.zeros_like(wanted)
            fine[np.ix_(rows, columns)] = few
            # Blocks twice the new step wide that hold a border are looked at more closely.
            wanted = np.maximum(wanted, np.where(_near(mixed, step), fine, 0))
            whole = self.run(wanted, end, progress)
        if whole:
            border = _near(_mixed(self.diagram().share), 1)
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


def _every(size: int, step: int) -> Array:
    """Every `step`-th index, and the last."""
    return np.unique(np.append(np.arange(0, size, step), size - 1))


def _from_nearest(values: Array, known: Array) -> Array:
    """The values, with that of the nearest known cell in each unknown one."""
    places, out = np.argwhere(known), values.copy()
    if places.size:
        for row, column in np.argwhere(~known):
            distance = np.abs(places - [row, column]).sum(axis=1)
            out[row, column] = values[tuple(places[np.argmin(distance)])]
    return out


def _mixed(share: Array) -> Array:
    """Cells that are not sure, or whose neighbour lies on the other side of one half."""
    share = _from_nearest(share, np.isfinite(share))
    above = share > 0.5
    mixed = (share > 0) & (share < 1)
    for axis in (0, 1):
        change = np.diff(above.astype(int), axis=axis) != 0
        first = [slice(None), slice(None)]
        second = [slice(None), slice(None)]
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        mixed[tuple(first)] |= change
        mixed[tuple(second)] |= change
    return np.asarray(mixed)


def _near(mask: Array, distance: int) -> Array:
    """Cells within a distance (in both directions) of one of the mask."""
    from scipy.ndimage import binary_dilation

    window = np.ones((2 * distance + 1, 2 * distance + 1), bool)
    return np.asarray(binary_dilation(mask, window))


def _chance(x: Array, middle: float, width: float) -> Array:
    return np.asarray(1 / (1 + np.exp(np.clip(-(x - middle) / width, -500, 500))))


def _logistic(x: Array, successes: Array, trials: Array) -> tuple[float, float] | None:
    """Middle and signed width of a logistic curve; None if the share does not cross one half."""
    from scipy.optimize import minimize

    share = successes / trials
    if share.size < 2 or share.min() > 0.5 or share.max() < 0.5:
        return None
    rising = np.mean(share[x.size // 2 :]) >= np.mean(share[: x.size // 2])
    sign = 1.0 if rising else -1.0
    above = share > 0.5 if rising else share <= 0.5
    place = int(np.argmax(above))
    guess = float(0.5 * (x[place] + x[max(place - 1, 0)]))
    # A transition narrower than the spacing has no width that data could show.
    narrow = float(np.min(np.diff(x))) / 4

    def cost(parameters: Array) -> float:
        width = sign * (narrow + np.exp(np.clip(parameters[1], -50, 50)))
        chance = np.clip(_chance(x, parameters[0], width), 1e-9, 1 - 1e-9)
        losses = successes * np.log(chance) + (trials - successes) * np.log(1 - chance)
        return -float(np.sum(losses))

    fit = minimize(cost, [guess, np.log(narrow)], method="Nelder-Mead")
    return float(fit.x[0]), float(sign * (narrow + np.exp(min(fit.x[1], 50))))
