"""The ``api`` directive: a table of public names of a module, and an entry for each.

The content names them, in the order of reading. With ``:rest:`` follow the public names that the
page does not list, so that a new solver needs no edit; the build warns of any that has no entry.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from types import ModuleType
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from numpydoc.docscrape import NumpyDocString
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import lowrank_la
from lowrank_la.solvers import Solver

logger = logging.getLogger(__name__)

# Sections of a solver's docstring that numpydoc does not know.
SECTIONS = ("Model", "Update", "Assumptions", "Guarantee", "Cost")
HEADING = re.compile(rf"^({'|'.join(SECTIONS)})$")


class Api(SphinxDirective):
    """Document public names of a module: a table, then each of them."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"rest": directives.flag}

    def run(self) -> list[nodes.Node]:
        """The nodes of the table and of the entries."""
        path = self.arguments[0]
        module = importlib.import_module(path)
        names = " ".join(self.content).split()
        listed = entries_by_page(self.env).setdefault(self.env.docname, set())
        listed |= {f"{path}.{name}" for name in names}
        if "rest" in self.options:
            more = [name for name in public_names(module) if f"{path}.{name}" not in listed]
            names += more
            listed |= {f"{path}.{name}" for name in more}
        table = ["```{eval-rst}", ".. autosummary::", "   :nosignatures:", ""]
        table += [f"   {path}.{name}" for name in names] + ["```", ""]
        entries = [line for name in names for line in entry(path, name, getattr(module, name))]
        return self.parse_text_to_nodes("\n".join([*table, *entries]))


def entries_by_page(env: Any) -> dict[str, set[str]]:
    """Full names with an entry, by the page that has it."""
    if not hasattr(env, "api_entries"):
        env.api_entries = {}
    return env.api_entries


def forget_page(app: Sphinx, env: Any, docname: str) -> None:
    """A page is about to be read again."""
    entries_by_page(env).pop(docname, None)


def public_names(module: ModuleType) -> list[str]:
    """Functions, then classes; modules and plain data are left out."""
    named = {*module.__all__, *dir(module)} if "__getattr__" in vars(module) else module.__all__
    values = {name: getattr(module, name) for name in named if not name.startswith("_")}
    functions = sorted(name for name, value in values.items() if inspect.isfunction(value))
    return functions + sorted(name for name, value in values.items() if inspect.isclass(value))


def entry(path: str, name: str, value: Any) -> list[str]:
    """The directive that documents one name."""
    if not inspect.isclass(value):
        kind, options = "function", []
    elif issubclass(value, Exception):
        kind, options = "exception", []
    elif is_solver(value):
        # The methods of a solver are those of the protocol.
        kind, options = "class", []
    elif issubclass(value, enum.Enum):
        kind, options = "class", ["   :members:", "   :undoc-members:"]
    else:
        kind, options = "class", ["   :members:"]
    return ["```{eval-rst}", f".. auto{kind}:: {path}.{name}", *options, "```", ""]


def is_solver(value: Any) -> bool:
    """Whether this is a solver that users can name."""
    return inspect.isclass(value) and Solver in value.__mro__ and value is not Solver


def solver_sections(
    app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Turn the sections of a solver's docstring into subheadings of numpydoc's Notes."""
    if not is_solver(value):
        return
    out: list[str] = []
    notes = False
    for place, line in enumerate(lines):
        after = lines[place + 1] if place + 1 < len(lines) else ""
        before = lines[place - 1] if place else ""
        if HEADING.match(line) and set(after) == {"-"}:
            out += [] if notes else ["Notes", "-----"]
            out += [f".. rubric:: {line}", ""]
            notes = True
        elif not (HEADING.match(before) and set(line) == {"-"}):
            out.append(line)
    lines[:] = out


def without_notes(
    app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Drop the heading of the section that `solver_sections` borrowed."""
    if is_solver(value):
        lines[:] = [line for line in lines if line.strip() != ".. rubric:: Notes"]


def check_complete(app: Sphinx, env: Any) -> None:
    """Warn about public names without an entry."""
    documented = set().union(*entries_by_page(env).values())
    for name in lowrank_la.__all__:
        value = getattr(lowrank_la, name)
        if inspect.ismodule(value):
            missing = [
                f"{value.__name__}.{inner}"
                for inner in (public_names(value) if hasattr(value, "__all__") else [])
                if f"{value.__name__}.{inner}" not in documented
            ]
        else:
            missing = [] if f"lowrank_la.{name}" in documented else [f"lowrank_la.{name}"]
        for path in missing:
            logger.warning("%s is public but has no entry in reference/", path)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and the hooks."""
    app.add_directive("api", Api)
    # numpydoc also parses the unprocessed text, in search of a signature, and would complain.
    NumpyDocString.sections |= {name: [] for name in SECTIONS}
    # Before numpydoc, which connects with the default priority of 500.
    app.connect("autodoc-process-docstring", solver_sections, priority=400)
    app.connect("autodoc-process-docstring", without_notes, priority=600)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-check-consistency", check_complete)
    return {"parallel_read_safe": False}
