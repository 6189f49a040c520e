"""The ``claims`` directive: those of a paper, checked with their quick settings by the build."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import page
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lowrank_la import reproduce

DOCS = Path(__file__).parents[1]
FOLDER = DOCS / "_generated" / "reproduce"
COMMAND = [sys.executable, "-m", "lowrank_la", "reproduce", "--quick", "--json"]
TIMEOUT = 1200
_results: dict[str, dict[str, Any]] = {}


class Claims(SphinxDirective):
    """Statement, verdict, figure and checks of each claim of the paper with this arXiv number."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The nodes of the claims."""
        if not page.shown:
            return []
        paper = self.arguments[0]
        chosen = [claim for claim in reproduce.claims() if paper in claim.paper]
        if not chosen:
            raise self.error(f"no claim is of a paper with {paper!r} in its name")
        parts: list[str] = []
        for claim in chosen:
            result = quick().get(claim.id)
            picture = f"```{{figure}} /{figure_of(claim.id)}\n:alt: {claim.statement}\n```"
            parts.append(f"### `{claim.id}`")
            parts.append(f"{claim.statement} *{claim.source}; settings: {claim.settings}.*")
            if result is None:
                parts.append("Too long for the build of these pages; run it.")
            else:
                parts += [checks_of(result), picture]
            if claim.notes:
                parts.append(claim.notes)
        return self.parse_text_to_nodes("\n\n".join(parts))


def checks_of(result: dict[str, Any]) -> str:
    """The checks as a table."""
    rows = ["| check | measured | verdict |", "|---|---|---|"]
    rows += [
        f"| {c['statement'].replace('|', '/')} | {c['why'].replace('|', '/')} | {c['verdict']} |"
        for c in result["checks"]
    ]
    return "\n".join(rows)


def figure_of(name: str) -> Path:
    """Its figure, relative to the documentation."""
    return (FOLDER / name / "figure.png").relative_to(DOCS)


def quick() -> dict[str, dict[str, Any]]:
    """Results of the quick set by id; stored runs of earlier builds are used again."""
    if not _results:
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [*COMMAND, "--out", str(FOLDER), "--workers", str(os.cpu_count() or 1)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        try:
            found = json.loads(done.stdout)
        except ValueError as error:
            raise RuntimeError(f"lowrank-la reproduce --quick failed: {done.stderr}") from error
        _results.update({result["id"]: result for result in found})
    return _results


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("claims", Claims)
    return {"parallel_read_safe": False}
