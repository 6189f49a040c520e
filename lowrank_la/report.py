"""Self-contained HTML reports."""

from __future__ import annotations

import base64
import io
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from . import plotting
from ._lazy import require
from .analysis.compare import Comparison
from .storage import whole_file

__all__ = ["claims_report", "race_report", "versions"]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in ("lowrank_la", "numpy", "scipy", "numba", "cvxpy", "matplotlib"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def race_report(
    comparison: Comparison, path: Any, *, title: str = "Race", command: str = ""
) -> Path:
    """Write a race as one HTML file: table, figures, recipes and versions.

    Parameters
    ----------
    comparison : Comparison
        From `lowrank_la.compare`.
    path : str or path
        Where to.
    title : str
        Heading.
    command : str
        What makes the race again, shown in the report.

    Returns
    -------
    Path

    Raises
    ------
    MissingDependencyError
        Without jinja2 or matplotlib.
    OutputError
        If it cannot be written; no half-written file is left.
    """
    drawable = any(run.result is not None for run in comparison.runs)
    axes = ("iteration", "seconds") if drawable else ()
    figures = [_embedded(plotting.convergence(comparison, x=x).figure) for x in axes]
    return _write(
        path,
        "race.html.j2",
        title=title,
        rows=table_rows(comparison),
        figures=figures,
        recipes=comparison.recipes,
        solvers=sorted(
            {(run.solver, repr(run.result.solver)) for run in comparison.runs if run.result}
        ),
        command=command,
    )


def claims_report(results: Any, path: Any, *, title: str = "Claims of the papers") -> Path:
    """Write claims that were checked as one HTML file: verdicts, figures, tables.

    Parameters
    ----------
    results : sequence of ClaimResult
        From `lowrank_la.reproduce.run_many`.
    path : str or path
        Where to.
    title : str
        Heading.

    Returns
    -------
    Path

    Raises
    ------
    MissingDependencyError
        Without jinja2 or matplotlib.
    OutputError
        If it cannot be written; no half-written file is left.
    """
    entries = [
        {
            "claim": result.claim,
            "verdict": result.verdict.value,
            "why": result.why,
            "findings": [finding.as_dict() for finding in result.findings],
            "table": [{k: _cell(v) for k, v in row.items()} for row in result.table],
            "figure": None if result.figure is None else _embedded(result.figure),
            "seconds": result.seconds,
        }
        for result in results
    ]
    return _write(path, "claims.html.j2", title=title, entries=entries, text=_cell)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _write(path: Any, template: str, **content: Any) -> Path:
    """Render a template into a file that appears whole or not at all."""
    jinja2 = require("jinja2", extra="report", purpose="the HTML report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lowrank_la"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(template).render(
        versions=versions(),
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        machine=f"{platform.machine()}, {platform.system()} {platform.release()}",
        **content,
    )
    with whole_file(path, "w") as file:
        file.write(text)
    return Path(path)


def _embedded(figure: Any) -> str:
    """A figure as a data URI."""
    buffer = io.BytesIO()
    with plotting.style():
        figure.savefig(buffer, format="png", dpi=160)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


COLUMNS = (
    "solver",
    "status",
    "iter",
    "seconds",
    "rel. error",
    "rate (95 %)",
    "predicted",
)


def table_rows(comparison: Comparison) -> list[dict[str, str]]:
    """The rows of a race as text, for tables that people read."""
    several = len({run.instance for run in comparison.runs}) > 1
    rows = []
    for entry in comparison.rows():
        label = entry["solver"] + (f", {entry['instance']}" if several else "")
        label += f" #{entry['repeat']}" if entry["repeat"] else ""
        final = entry["rel_error"] if entry["rel_error"] is not None else entry["objective"]
        interval = (
            f"{entry['rate']:.3f} ({entry['rate_low']:.3f}-{entry['rate_high']:.3f})"
            if entry["rate"] is not None
            else ""
        )
        cells = (
            label,
            entry["status"],
            _text(entry["n_iter"], "d"),
            _text(entry["seconds"], ".3f"),
            _text(final, ".1e"),
            interval,
            _text(entry["predicted_rate"], ".3f"),
        )
        rows.append(dict(zip(COLUMNS, cells, strict=True)) | {"reason": entry["reason"]})
    return rows


def _text(value: Any, form: str) -> str:
    return "" if value is None else format(value, form)
