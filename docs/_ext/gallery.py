"""The ``example`` directive: a script of ``examples/``, run when its figure is out of date."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import page
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import lowrank_la

DOCS = Path(__file__).parents[1]
EXAMPLES = DOCS.parent / "examples"
FIGURES = DOCS / "_generated" / "figures"
TIMEOUT = 120


class Example(SphinxDirective):
    """The figure of an example; with ``:full:`` its claim, output and code as well."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"full": directives.flag}

    def run(self) -> list[nodes.Node]:
        """Run the script if need be, and show it."""
        if not page.shown:
            return []
        script = EXAMPLES / self.arguments[0]
        self.env.note_dependency(str(script))
        figure, printed = made(script)
        title, _, text = ast.get_docstring(ast.parse(script.read_text())).partition("\n")
        picture = f"```{{figure}} /{figure.relative_to(DOCS)}\n:alt: {title}\n```"
        if "full" not in self.options:
            return self.parse_text_to_nodes(picture)
        parts = (
            f"**{title}** {text}",
            picture,
            f"```text\n{printed}\n```",
            f"```{{literalinclude}} /../examples/{script.name}\n:lines: {code_from(script)}-\n```",
        )
        return self.parse_text_to_nodes("\n\n".join(parts))


def code_from(script: Path) -> int:
    """The first line after the docstring, which is shown as text."""
    body = ast.parse(script.read_text()).body
    return body[1].lineno


def made(script: Path) -> tuple[Path, str]:
    """The figure of a script and what it prints, made again if the code is newer."""
    FIGURES.mkdir(parents=True, exist_ok=True)
    figure = FIGURES / f"{script.stem.removeprefix('plot_')}.png"
    printed = figure.with_suffix(".txt")
    sources = [script, *Path(lowrank_la.__file__).parent.rglob("*.py")]
    newest = max(path.stat().st_mtime for path in sources)
    if not printed.exists() or printed.stat().st_mtime < newest:
        done = subprocess.run(
            [sys.executable, str(script), str(FIGURES)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=True,
        )
        printed.write_text(done.stdout)
    return figure, printed.read_text().rstrip()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("example", Example)
    return {"parallel_read_safe": True}
