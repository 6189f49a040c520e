"""``lowrank-la phase``: where a solver succeeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from ..analysis.batch import made
from ..analysis.phase import PhaseDiagram, phase_transition
from ..errors import InvalidInputError
from ..solvers import make_solver
from ._choices import DEFAULTS, assignment, duration
from ._console import print_json, print_table, stderr, stdout


def phase(
    problem: Annotated[str, typer.Option(help="its name, see: list problems")] = "completion",
    solver: Annotated[str, typer.Option(help="its name, see: list solvers")] = "altmin",
    x: Annotated[
        str, typer.Option(help="NAME=FIRST:LAST:COUNT (or log:FIRST:LAST:COUNT, or a,b,c)")
    ] = "oversampling=1:4:13",
    y: Annotated[str, typer.Option(help="as --x")] = "rank=1:8:8",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="a parameter of the problem, NAME=VALUE (repeatable)"),
    ] = None,
    options: Annotated[
        list[str] | None, typer.Option("--option", help="an option of the solver, NAME=VALUE")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="name of a start", show_default="what suits the solver")
    ] = None,
    target: Annotated[float, typer.Option(help="relative error that counts as success")] = 1e-3,
    max_iter: Annotated[int, typer.Option(min=1, help="iterations per run")] = 300,
    repeats: Annotated[int, typer.Option(min=1, help="runs of each cell at the border")] = 10,
    adaptive: Annotated[
        bool, typer.Option("--adaptive/--every-cell", help="spend runs where the border is")
    ] = True,
    budget: Annotated[
        str | None, typer.Option(help="begin nothing new after this time, such as 90s or 20m")
    ] = None,
    fit: Annotated[str | None, typer.Option(help="draw the border's fit: power or linear")] = None,
    workers: Annotated[int, typer.Option(min=1, help="processes")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="seed of all runs")] = 0,
    out: Annotated[Path, typer.Option(help="folder for figure, data and finished runs")] = Path(
        "phase"
    ),
    json: Annotated[bool, typer.Option("--json", help="print the border as JSON")] = False,
) -> None:
    """Measure the share of successes over a plane of two parameters.

    Finished runs are kept and used again, so that a measurement that was broken off goes on.
    """
    if fit not in (None, "power", "linear"):
        raise InvalidInputError(f"--fit must be power or linear, got {fit!r}")
    (x_name, x_values), (y_name, y_values) = axis(x), axis(y)
    fixed = {k: v for k, v in DEFAULTS.get(problem, {}).items() if k not in ("rank", "sampling")}
    if problem == "completion":
        # Near the limit some row may well have no entry.
        fixed |= {"shape": [60, 60], "empty": "allow"}
    fixed = {k: v for k, v in fixed.items() if k not in (x_name, y_name)}
    fixed |= dict(map(assignment, settings or []))
    made(out)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
    ) as progress:
        # Without a task yet, an error that comes first is one line.
        tasks: list[TaskID] = []

        def show(done: int, planned: int) -> None:
            if not tasks:
                tasks.append(progress.add_task(f"{solver} on {problem}"))
            progress.update(tasks[0], completed=done, total=planned)

        diagram = phase_transition(
            problem,
            make_solver(solver, dict(map(assignment, options or []))),
            x={x_name: x_values},
            y={y_name: y_values},
            fixed=fixed,
            start=start,
            target=target,
            max_iter=max_iter,
            repeats=repeats,
            adaptive=adaptive,
            folder=out,
            workers=workers,
            budget=None if budget is None else duration(budget),
            progress=show,
            rng=seed,
        )
    _print(diagram, json)
    _write(diagram, out, fit, json)


def axis(text: str) -> tuple[str, Any]:
    """A name and its values from ``NAME=FIRST:LAST:COUNT``, ``NAME=log:...`` or ``NAME=a,b``.

    Raises
    ------
    InvalidInputError
        For anything else.
    """
    name, _, values = text.partition("=")
    parts = values.split(":")
    space: Any = np.linspace
    if parts[0] == "log":
        space, parts = np.geomspace, parts[1:]
    try:
        if len(parts) == 3:
            return name, space(float(parts[0]), float(parts[1]), int(parts[2]))
        if len(parts) == 1 and name:
            return name, [float(v) for v in values.split(",")]
    except ValueError:
        pass
    raise InvalidInputError(
        f"expected NAME=FIRST:LAST:COUNT, NAME=log:FIRST:LAST:COUNT or NAME=a,b,c, got {text!r}"
    )


def _print(diagram: PhaseDiagram, json: bool) -> None:
    middle, low, high = diagram.border()
    columns = (diagram.y_name, f"{diagram.x_name} at one half", "low", "high")
    rows = [
        dict(zip(columns, map(float, row), strict=True))
        for row in zip(diagram.y, middle, low, high, strict=True)
    ]
    if json:
        print_json(rows)
    else:
        text = [{k: "" if v != v else f"{v:.4g}" for k, v in row.items()} for row in rows]
        print_table(text)


def _write(diagram: PhaseDiagram, out: Path, fit: str | None, json: bool) -> None:
    from .. import plotting

    axes = plotting.phase_diagram(diagram, fit=fit)
    written = [diagram.save(out / "phase.npz")]
    written += [plotting.save_figure(axes, out / f"phase.{kind}") for kind in ("png", "pdf")]
    console = stderr if json else stdout
    console.print("written: " + ", ".join(map(str, written)), markup=False, soft_wrap=True)
