"""Pages do not disturb each other: a folder for each, and no trace of it in the registry."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from sphinx.application import Sphinx

from lowrank_la.solvers._registry import registry

_folders: dict[str, tempfile.TemporaryDirectory[str]] = {}
_before: dict[str, Any] = {}
# Commands and examples are for pages that people read.
shown = True


def folder(name: str) -> str:
    """The folder of a page, gone when the build ends."""
    if name not in _folders:
        _folders[name] = tempfile.TemporaryDirectory()
    return _folders[name].name


def begin() -> None:
    """Before the doctests of a page."""
    _before.update(cwd=os.getcwd(), solvers={name: registry[name] for name in registry})
    os.chdir(folder("doctest"))


def end() -> None:
    """After them."""
    os.chdir(_before["cwd"])
    registry._entries = _before["solvers"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Learn what is being built."""

    def on_builder(app: Sphinx) -> None:
        global shown
        shown = app.builder.name != "doctest"

    app.connect("builder-inited", on_builder)
    return {"parallel_read_safe": True}
