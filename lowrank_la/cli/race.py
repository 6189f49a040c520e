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
from ..errors import OutputError, unknown_name
from ..initial import STARTS
from ..result import Status
from ._choices import make_instance, make_solvers
from ._console import FAILED, INTERRUPTED, print_json, print_table, stderr, stdout


def race(
    problem: Annotated[str, typer.Option(help="its name, see: list problems")] = "completion",
    rows: Annotated[
        int | None, typer.Option(min=1, help="rows of the matrix", show_default="60")
    ] = None,
    columns: Annotated[
        int | None, typer.Option(min=1, help="columns of the matrix", show_default="50")
    ] = None,
    rank: Annotated[
        int | None, typer.Option(min=1, help="rank of the matrix", show_default="3")
    ] = None,
    cond: Annotated[
        float | None, typer.Option(help="condition number sigma_1 / sigma_r", show_default="10")
    ] = None,
    spectrum: Annotated[
        str | None, typer.Option(help="linear or geometric", show_default="linear")
    ] = None,
    sampling: Annotated[
        float | None, typer.Option(help="share of observed entries", show_default="0.5")
    ] = None,
    measurements: Annotated[
        int | None, typer.Option(min=1, help="their number", show_default="5 (n1 + n2) r")
    ] = None,
    symmetric: Annotated[bool, typer.Option(help="a symmetric PSD matrix")] = False,
    noise: Annotated[
        float | None, typer.Option(help="standard deviation per measurement", show_default="0")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="a parameter of the problem, NAME=VALUE (repeatable)"),
    ] = None,
    solvers: Annotated[
        str | None,
        typer.Option(
            help="names, separated by commas",
            show_default="five for completion, else all that take the problem",
        ),
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", help="an option of a solver, SOLVER.NAME=VALUE (repeatable)"),
    ] = None,
    search_rank: Annotated[
        int | None, typer.Option(min=1, help="columns of the factors", show_default="the rank")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="name of a start", show_default="spectral, or what suits the solver"),
    ] = None,
    init_scale: Annotated[float | None, typer.Option(help="scale of a small start")] = None,
    max_iter: Annotated[int, typer.Option(min=1, help="iterations per run")] = 500,
    max_time: Annotated[float | None, typer.Option(help="seconds per run")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="repeats on fresh instances")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="seed of instance and starts")] = 0,
    out: Annotated[Path, typer.Option(help="folder for figure, report and data")] = Path("race"),
    json: Annotated[bool, typer.Option("--json", help="print rows as JSON")] = False,
) -> None:
    """Race solvers on a generated problem; writes a figure, a report and the data.

    Without options: gd, scaledgd and scaledgd_lambda with the constant steps of their papers,
    altmin and the convex baseline complete a 60 x 50 matrix of rank 3. Other problems begin with
    the parameters of their example, which `info NAME` prints.
    """
    if start is not None and start not in STARTS:
        raise unknown_name("start", start, STARTS)
    given: dict[str, Any] = {
        "rank": rank,
        "cond": cond,
        "spectrum": spectrum,
        "sampling": sampling,
        "measurements": measurements,
        "symmetric": symmetric,
        "noise": noise,
        "rng": seed,
    }
    instance = make_instance(problem, rows, columns, given, settings or [])
    contenders = make_solvers(solvers, options or [], instance)
    names = list(contenders)
    budget = Budget(max_iter=max_iter, max_time=max_time)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {out}: {error.strerror}") from error
    stderr.print(f"{instance.recipe}", markup=False, highlight=False, soft_wrap=True)
    with _Board(names, max_iter) as board:
        comparison = compare(
            instance,
            contenders,
            rank=search_rank,
            start=start,
            init_scale=init_scale,
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
