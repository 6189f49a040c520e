"""Imports point downwards, and importing the package is cheap."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lowrank_la

ROOT = Path(lowrank_la.__file__).parent

# A module imports from smaller numbers only, and from "_" files of its own folder.
# Longest match wins.
LAYERS = {
    "errors": 0,
    "_typing": 0,
    "_check": 0.1,
    "_lazy": 0.1,
    "_random": 0.1,
    "_registry": 0.1,
    "_interrupts": 0.1,
    "kernels.reference": 1,
    "kernels": 1.1,
    "kernels.warmup": 1.2,
    "factors": 3,
    "losses": 3,
    "bures_wasserstein": 3.1,
    "tubal": 3,
    "operators": 3.1,
    "_grid": 3.2,
    "problem": 4,
    "_orthonormal": 0.1,
    "_gram": 4.05,
    "_point": 4.05,
    "initial": 4.2,
    "steps": 4.1,
    "gauss_newton": 4.15,
    "lifting": 4.1,
    "problems": 5,
    "solvers": 5,
    "storage": 0.2,
    "trace": 6,
    "result": 6.1,
    "stopping": 6.2,
    "_progress": 6.2,
    "driver": 6.3,
    "analysis.rates": 7,
    "analysis": 7.1,
    "analysis.cells": 7.1,
    "analysis.batch": 7.2,
    "analysis.phase": 7.3,
    "testing": 8,
    "plotting": 8,
    "report": 8.1,
    "estimators": 8,
    "reproduce": 8.2,
    "cli": 9,
}
HEAVY = ("numba", "matplotlib", "sklearn", "cvxpy", "dask", "pandas", "scipy", "rich", "typer")
FILES = sorted(p for p in ROOT.rglob("*.py") if p.parent != ROOT or not p.stem.startswith("__"))


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(module):
    while module:
        if module in LAYERS:
            return LAYERS[module]
        module = module.rpartition(".")[0]
    raise KeyError("no layer is assigned")


class Imports(ast.NodeVisitor):
    """Modules of the package that a file imports at run time, wherever in the file."""

    def __init__(self, module, is_package):
        self.package = module if is_package else module.rpartition(".")[0]
        self.found = set()

    def visit_If(self, node):
        if "TYPE_CHECKING" not in ast.dump(node.test):
            self.generic_visit(node)

    def visit_ImportFrom(self, node):
        if node.level == 0:
            return
        parts = self.package.split(".") if self.package else []
        base = parts[: len(parts) - (node.level - 1)]
        base += node.module.split(".") if node.module else []
        for alias in node.names:
            name = ".".join([*base, alias.name])
            is_module = (ROOT / Path(*name.split("."))).with_suffix(".py").exists() or (
                ROOT / Path(*name.split("."))
            ).is_dir()
            target = name if is_module else ".".join(base)
            if target:
                self.found.add(target)


@pytest.mark.parametrize("path", FILES, ids=lambda p: module_name(p))
def test_imports_point_downwards(path):
    module = module_name(path)
    visitor = Imports(module, path.stem == "__init__")
    visitor.visit(ast.parse(path.read_text()))
    for target in visitor.found:
        same_folder = target.rpartition(".")[0] == visitor.package and visitor.package
        own = target == visitor.package or (
            same_folder and (target.rpartition(".")[2].startswith("_") or path.stem == "__init__")
        )
        # The command line's files form one application.
        app = module.startswith("cli") and target.startswith("cli")
        if own or app:
            continue
        assert layer(target) < layer(module), f"{module} imports {target}, which is not below it"


def test_problems_and_solvers_do_not_know_each_other():
    for folder, other in (("problems", "solvers"), ("solvers", "problems")):
        for path in (ROOT / folder).glob("*.py"):
            visitor = Imports(module_name(path), path.stem == "__init__")
            visitor.visit(ast.parse(path.read_text()))
            assert not any(target.split(".")[0] == other for target in visitor.found), path.name


def test_only_kernels_import_numba():
    for path in FILES:
        if path.parent.name != "kernels":
            names = {
                alias.name.split(".")[0]
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, (ast.Import, ast.ImportFrom))
                for alias in node.names
            } | {
                (node.module or "").split(".")[0]
                for node in ast.walk(ast.parse(path.read_text()))
                if isinstance(node, ast.ImportFrom) and node.level == 0
            }
            assert "numba" not in names, path.name


def test_no_module_shares_its_name_with_a_public_function_of_its_package():
    for folder in ("", "problems", "solvers", "operators", "analysis"):
        package = ROOT / folder
        modules = {p.stem for p in package.glob("*.py")} | {p.name for p in package.iterdir()}
        if folder in ("problems", "solvers", "operators"):
            names = set(dir(getattr(lowrank_la, folder)))
        else:
            names = set(lowrank_la.__all__) if not folder else set()
        functions = {
            n for n in names if callable(getattr(getattr(lowrank_la, folder, lowrank_la), n, None))
        }
        assert not functions & modules, (folder, functions & modules)


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


def test_importing_the_package_loads_nothing_heavy():
    loaded = run("import sys, lowrank_la; print(' '.join({m.split('.')[0] for m in sys.modules}))")
    assert not set(HEAVY) & set(loaded.split())


def test_import_takes_at_most_60_ms_more_than_numpy():
    code = (
        "import numpy, time; t = time.perf_counter(); import lowrank_la; "
        "print(time.perf_counter() - t)"
    )
    assert min(float(run(code)) for _ in range(5)) < 0.060


def test_kernels_are_not_needed_to_list_solvers():
    code = "import lowrank_la as ll; print(*ll.available_solvers())"
    assert "scaledgd" in run(code).split()
