"""Files and commands that are shown as they are and run when the page is read.

``file`` writes its content into a folder of the page's own; ``console`` runs each line that
starts with "$ " there and shows what it prints. A command that fails fails the build, unless
``:exit:`` gives the code that it is meant to have.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import page
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)
TIMEOUT = 120


class File(SphinxDirective):
    """A file of the page's folder."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write the file and show it under its name."""
        name, text = self.arguments[0], "\n".join(self.content)
        (Path(page.folder(self.env.docname)) / name).write_text(text + "\n", encoding="utf-8")
        language = {".py": "python", ".toml": "toml"}.get(Path(name).suffix, "text")
        return self.parse_text_to_nodes(
            f"```{{code-block}} {language}\n:caption: {name}\n\n{text}\n```"
        )


class Console(SphinxDirective):
    """Commands with their output."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"exit": directives.nonnegative_int}

    def run(self) -> list[nodes.Node]:
        """Run the commands; their output follows each of them."""
        if not page.shown:
            return []
        lines: list[str] = []
        for line in self.content:
            if line.startswith("$ "):
                lines += [line, *self._output(line[2:])]
        text = "\n".join(lines)
        block = nodes.literal_block(text, text, language="console")
        self.set_source_info(block)
        return [block]

    def _output(self, command: str) -> list[str]:
        binaries = str(Path(sys.executable).parent)
        environment = os.environ | {
            "COLUMNS": "88",
            "NO_COLOR": "1",
            "PATH": binaries + os.pathsep + os.environ.get("PATH", ""),
        }
        done = subprocess.run(
            command,
            shell=True,
            cwd=page.folder(self.env.docname),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode != self.options.get("exit", 0):
            logger.warning(
                "%r exited with %d:\n%s",
                command,
                done.returncode,
                done.stdout,
                location=self.get_location(),
            )
        return [line.rstrip() for line in done.stdout.rstrip().splitlines()]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("file", File)
    app.add_directive("console", Console)
    return {"parallel_read_safe": True}
