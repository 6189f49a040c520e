"""``lowrank-la reproduce``: claims of the papers, each with a verdict."""

from __future__ import annotations

import json as json_module
import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..errors import InvalidInputError
from ..reproduce import Claim, ClaimResult, Verdict, claims, run_many
from ..reproduce._claim import registry
from ..reproduce._engine import to_json
from ._choices import assignment, duration
from ._console import FAILED, INTERRUPTED, print_json, print_table, stderr, stdout


def reproduce(
    ids: Annotated[list[str] | None, typer.Argument(help="ids of claims", metavar="ID...")] = None,
    list_: Annotated[bool, typer.Option("--list", help="list the claims and stop")] = False,
    all_: Annotated[bool, typer.Option("--all", help="all claims")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="the quick set, smaller settings; all unless named")
    ] = False,
    budget: Annotated[
        str | None, typer.Option(help="begin nothing new after this time, such as 90s or 20m")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="a parameter of the claim, NAME=VALUE (repeatable)"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="processes", show_default="one per core")
    ] = None,
    out: Annotated[Path, typer.Option(help="folder for results and finished cells")] = Path(
        "reproduce"
    ),
    strict: Annotated[
        bool, typer.Option("--strict", help="exit with 1 unless all are consistent")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Check claims of the papers: run them, and print what was measured and a verdict.

    Each claim gets a folder with figure, table and result.json; report.html holds all of them.
    Finished cells are kept and used again, so that a run that was broken off goes on.
    """
    if list_:
        _list(out, json)
        return
    chosen = _chosen(ids or [], all_, quick, settings or [])
    seconds = None if budget is None else duration(budget)
    results: list[ClaimResult] = []
    with Progress(
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=stderr,
    ) as progress:
        tasks: dict[str, Any] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total, note="")
            progress.update(tasks[name], completed=done)

        def finished(result: ClaimResult) -> None:
            # Written at once: a later crash takes nothing away.
            result.save(out / result.claim.id)
            if result.claim.id in tasks:
                progress.update(tasks[result.claim.id], note=result.verdict.value)

        results = run_many(
            chosen,
            folder=out,
            workers=workers or os.cpu_count() or 1,
            budget=seconds,
            progress=show,
            finished=finished,
        )
    _print(results, json)
    from ..report import claims_report

    path = claims_report(results, out / "report.html")
    (stderr if json else stdout).print(f"written: {path}", markup=False, soft_wrap=True)
    if any(result.runs is None and "not made" in result.why for result in results):
        raise typer.Exit(INTERRUPTED)
    if any(result.runs is None for result in results):
        raise typer.Exit(FAILED)
    if strict and any(result.verdict is not Verdict.CONSISTENT for result in results):
        raise typer.Exit(FAILED)


def _chosen(ids: list[str], all_: bool, quick: bool, settings: list[str]) -> list[Claim]:
    if bool(ids) == (all_ or (quick and not ids)):
        raise InvalidInputError(
            "name claims, or pass --all or --quick; lowrank-la reproduce --list shows them"
        )
    chosen = [registry[name] for name in ids] if ids else claims()
    if quick:
        if not ids:
            chosen = [claim for claim in chosen if claim.quick is not None]
        chosen = [claim.changed(**(claim.quick or {})) for claim in chosen]
    changes = dict(map(assignment, settings))
    return [claim.changed(**changes) for claim in chosen]


def _list(out: Path, json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {
            "id": claim.id,
            "paper": claim.paper,
            "source": claim.source,
            "statement": claim.statement,
            "settings": claim.settings,
            "cost": claim.cost,
            "quick": claim.quick is not None,
            "verdict": _last(out / claim.id / "result.json"),
        }
        for claim in claims()
    ]
    if json:
        print_json(rows)
        return
    short = [
        {
            "id": row["id"],
            "statement": f"{row['statement']} [{row['paper'].split(',')[0]}]",
            "cost": row["cost"],
            "last verdict": row["verdict"] or "",
        }
        for row in rows
    ]
    print_table(short, left=("id", "statement", "cost", "last verdict"))


def _last(path: Path) -> str | None:
    """The verdict in a result file, if there is one."""
    try:
        return str(json_module.loads(path.read_text(encoding="utf-8"))["verdict"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _print(results: list[ClaimResult], json: bool) -> None:
    if json:
        print_json([to_json(result.as_dict()) for result in results])
        return
    colours = {
        Verdict.CONSISTENT: "green",
        Verdict.NOT_CONSISTENT: "red",
        Verdict.NOT_DECIDED: "yellow",
    }
    for result in results:
        stdout.print(f"\n{result.claim.id}: {result.claim.statement}", markup=False, style="bold")
        stdout.print(f"  {result.verdict.value}", style=colours[result.verdict], highlight=False)
        if not result.findings:
            stdout.print(f"  {result.why}", markup=False, highlight=False, soft_wrap=True)
        for finding in result.findings:
            text = f"  {finding.check.statement}: {finding.why}"
            stdout.print(text, markup=False, highlight=False, soft_wrap=True)
