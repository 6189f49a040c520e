"""``lowrank-la race``: solvers against each other on a generated problem."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from .._progress import describe
from ..analysis.compare import Budget, Comparison, Run, compare
from ..errors import InvalidInputError, OutputError, unknown_name
from ..initial import STARTS
from ..problem import Instance
from ..problems import problem_info
from ..result import Status
from ..solvers import solver_info
from ._console import FAILED, INTERRUPTED, print_json, print_table, stderr, stdout

DEFAULT_SOLVERS = "gd,scaledgd,scaledgd_lambda,altmin,convex"


def race(
    problem: Annotated[str, typer.Option(help="completion or sensing")] = "completion",
    rows: Annotated[int, typer.Option(min=1, help="rows of the matrix")] = 60,
    columns: Annotated[int, typer.Option(min=1, help="columns of the matrix")] = 50,
    rank: Annotated[int, typer.Option(min=1, help="rank of the matrix")] = 3,
    cond: Annotated[float, typer.Option(help="condition number sigma_1 / sigma_r")] = 10.0,
    spectrum: Annotated[str, typer.Option(help="linear or geometric")] = "linear",
    sampling: Annotated[
        float | None,
        typer.Option(help="completion: share of observed entries", show_default="0.5"),
    ] = None,
    measurements: Annotated[
        int | None,
        typer.Option(min=1, help="sensing: their number", show_default="5 (n1 + n2) r"),
    ] = None,
    symmetric: Annotated[bool, typer.Option(help="sensing: a symmetric PSD matrix")] = False,
    noise: Annotated[float, typer.Option(help="standard deviation per measurement")] = 0.0,
    solvers: Annotated[str, typer.Option(help="names, separated by commas")] = DEFAULT_SOLVERS,
    start: Annotated[str, typer.Option(help="spectral or small_random")] = "spectral",
    max_iter: Annotated[int, typer.Option(min=1, help="iterations per run")] = 500,
    max_time: Annotated[float | None, typer.Option(help="seconds per run")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="repeats on fresh instances")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="seed of instance and starts")] = 0,
    out: Annotated[Path, typer.Option(help="folder for figure, report and data")] = Path("race"),
    json: Annotated[bool, typer.Option("--json", help="print rows as JSON")] = False,
) -> None:
    """Race solvers on a generated problem; writes a figure, a report and the data.

    Without options: gd, scaledgd, scaledgd_lambda, altmin and the convex baseline complete a
    60 x 50 matrix of rank 3.
    """
    names = list(dict.fromkeys(name.strip() for name in solvers.split(",") if name.strip()))
    if not names:
        raise InvalidInputError("--solvers names no solver")
    for name in names:
        solver_info(name)
    if start not in STARTS:
        raise unknown_name("start", start, STARTS)
    budget = Budget(max_iter=max_iter, max_time=max_time)
    instance = _instance(
        problem,
        (rows, columns),
        rank,
        cond,
        spectrum,
        sampling,
        measurements,
        symmetric,
        noise,
        seed,
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}") from error
    stderr.print(f"{instance.recipe}", markup=False, highlight=False, soft_wrap=True)
    with _Board(names, max_iter) as board:
        comparison = compare(
            instance,
            names,
            start=start,
            budget=budget,
            repeats=repeats,
            rng=seed,
            progress=board.show,
        )
    # A race that Ctrl-C cut short has fewer runs, or a last one that was broken off.
    interrupted = len(comparison.runs) < len(names) * repeats or any(
        run.result is not None and run.result.status is Status.INTERRUPTED
        for run in comparison.runs
    )
    if comparison.runs:
        _print(comparison, json)
        _write(comparison, out, json)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if all(run.result is None for run in comparison.runs):
        raise typer.Exit(FAILED)


def _instance(
    problem: str,
    shape: tuple[int, int],
    rank: int,
    cond: float,
    spectrum: str,
    sampling: float | None,
    measurements: int | None,
    symmetric: bool,
    noise: float,
    seed: int,
) -> Instance:
    make = problem_info(problem).make
    common: dict[str, Any] = {"cond": cond, "spectrum": spectrum, "noise": noise, "rng": seed}
    if problem == "completion":
        if measurements is not None or symmetric:
            raise InvalidInputError("--measurements and --symmetric belong to --problem sensing")
        return make(shape, rank, sampling=0.5 if sampling is None else sampling, **common)
    if problem == "sensing":
        if sampling is not None:
            raise InvalidInputError("--sampling belongs to --problem completion")
        m = measurements or 5 * (shape[0] + shape[1]) * rank
        return make(shape, rank, measurements=m, symmetric=symmetric, **common)
    raise InvalidInputError(f"race knows completion and sensing, not {problem!r}; use a script")


class _Board:
    """Live progress: one line per solver, on stderr."""

    def __init__(self, names: list[str], max_iter: int) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
            console=stderr,
            transient=False,
        )
        self._tasks: dict[str, TaskID] = {
            name: self._progress.add_task(name, total=max_iter, note="waiting", start=False)
            for name in names
        }

    def __enter__(self) -> _Board:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, instance: str, solver: str, what: Any) -> None:
        task = self._tasks[solver]
        if isinstance(what, Run):
            # The reason of a failure stands below the table, where there is room.
            note = "failed" if what.result is None else what.result.status.value
            iterations = 1 if what.result is None else max(1, what.result.n_iter)
            self._progress.update(task, note=note, completed=iterations, total=iterations)
            self._progress.stop_task(task)
            return
        self._progress.start_task(task)
        self._progress.update(task, note=describe(what), completed=what.iteration)


def _print(comparison: Comparison, json: bool) -> None:
    from ..report import table_rows

    if json:
        print_json(comparison.rows())
        return
    rows = table_rows(comparison)
    reasons = {row["solver"]: row.pop("reason") for row in rows}
    print_table(rows, left=("solver", "status"))
    for row in rows:
        if row["status"] in ("failed", "diverged"):
            text = f"{row['solver']}: {reasons[row['solver']]}"
            stdout.print(text, markup=False, style="yellow", soft_wrap=True)


def _write(comparison: Comparison, out: Path, json: bool) -> None:
    from .. import plotting, report

    command = "lowrank-la " + shlex.join(sys.argv[1:])
    written = [comparison.save(out / "race.npz")]
    if any(run.result is not None for run in comparison.runs):
        axes = plotting.convergence(comparison)
        written += [
            plotting.save_figure(axes, out / f"convergence.{kind}") for kind in ("png", "pdf")
        ]
    written.append(report.race_report(comparison, out / "report.html", command=command))
    console = stderr if json else stdout
    console.print(
        "written: " + ", ".join(str(path) for path in written), markup=False, soft_wrap=True
    )
