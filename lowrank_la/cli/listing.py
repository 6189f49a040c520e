"""``lowrank-la list`` and ``lowrank-la info``: the registries."""

from __future__ import annotations

import inspect
from enum import Enum
from typing import Annotated, Any

import typer

from ..errors import unknown_name
from ..problems import available_problems, problem_info
from ..solvers import SolverInfo, available_solvers, solver_info
from ..solvers._registry import registry
from ._console import print_json, print_table, stdout


class Kind(Enum):
    """What can be listed."""

    SOLVERS = "solvers"
    PROBLEMS = "problems"


def list_(
    kind: Annotated[Kind, typer.Argument(help="what to list")] = Kind.SOLVERS,
    json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """List solvers or problem generators."""
    if kind is Kind.SOLVERS:
        rows = [_solver_row(solver_info(name)) for name in available_solvers()]
    else:
        rows = [{"name": n, "summary": problem_info(n).summary} for n in available_problems()]
    if json:
        print_json(rows)
    else:
        # A terminal has no room for more; `info NAME` has the rest.
        short = [{"name": row["name"], "summary": row["summary"]} for row in rows]
        print_table(short, left=("name", "summary"))


def _solver_row(info: SolverInfo) -> dict[str, str]:
    losses = info.takes
    kinds = [
        k for k, takes in (("symmetric", info.symmetric), ("rectangular", info.asymmetric)) if takes
    ]
    return {
        "name": info.name,
        "summary": info.summary,
        "losses": losses,
        "problems": ", ".join(kinds),
        "needs": ", ".join(info.needs),
    }


def info(
    name: Annotated[str, typer.Argument(help="a solver or a problem generator")],
    json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Print model, update, assumptions, guarantee, cost and references of NAME."""
    if name in available_solvers():
        card = solver_info(name)
        head: dict[str, Any] = _solver_row(card) | {
            "start": card.start,
            "oracle options": ", ".join(card.oracle),
            "references": list(card.references),
        }
        text = inspect.getdoc(registry[name]) or ""
    elif name in available_problems():
        generator = problem_info(name)
        head = {"name": name, "summary": generator.summary, "example": generator.example}
        text = inspect.getdoc(generator.make) or ""
    else:
        raise unknown_name("solver or problem", name, [*available_solvers(), *available_problems()])
    if json:
        print_json(head | {"description": text})
        return
    stdout.print(f"{name}: {head['summary']}\n", markup=False, style="bold", soft_wrap=True)
    stdout.print(text, markup=False, highlight=False, soft_wrap=True)
    for label in ("losses", "problems", "needs", "start", "oracle options"):
        if head.get(label):
            stdout.print(f"{label}: {head[label]}", markup=False, highlight=False, soft_wrap=True)
