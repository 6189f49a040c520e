"""Registries: one new file is one new name, from this distribution or another."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass

import pytest

import lowrank_la as ll
from lowrank_la import operators, problems, solvers
from lowrank_la._lazy import require
from lowrank_la._registry import Registry
from lowrank_la.errors import (
    InvalidTypeError,
    LowRankError,
    MissingDependencyError,
    UnknownNameError,
    unknown_name,
)
from lowrank_la.solvers import SolverInfo


def test_what_is_there():
    wanted = {"gd", "scaledgd", "scaledgd_lambda", "precgd", "altmin", "convex"}
    assert wanted <= set(ll.available_solvers())
    assert ll.available_solvers() == sorted(ll.available_solvers())
    assert {"completion", "sensing"} <= set(problems.available_problems())


def test_names_in_the_namespace_are_those_of_the_files():
    assert solvers.ScaledGD is type(solvers.make_solver("scaledgd"))
    assert operators.EntrySampling.__module__ == "lowrank_la.operators.entries"
    assert {"GD", "ScaledGD", "AltMin"} <= set(dir(solvers))
    with pytest.raises(
        AttributeError, match=r"module 'lowrank_la.solvers' has no attribute 'Nope'"
    ):
        _ = solvers.Nope


def test_a_card_tells_what_a_solver_needs():
    card = ll.solver_info("altmin")
    assert (card.name, card.needs, card.symmetric) == ("altmin", ("row_solve",), False)
    assert ll.solver_info("gd").oracle == ("sigma_max",)
    assert ll.solver_info("convex").one_shot
    assert ll.solver_info("scaledgd_lambda").start == "small_random"


def test_why_not(completion, sensing, symmetric):
    card = ll.solver_info("altmin")
    assert card.why_not(completion.problem) is None
    assert card.why_not(sensing.problem) == (
        "altmin needs operator.row_solve, which GaussianSensing does not offer"
    )
    huber = completion.problem.replace(loss=ll.losses.Huber())
    assert card.why_not(huber) == "altmin needs the loss Squared, got Huber"
    absolute = completion.problem.replace(loss=ll.losses.Absolute())
    assert "smooth loss, got Absolute" in ll.solver_info("gd").why_not(absolute)
    square = ll.observed([0, 0, 1, 1], [0, 1, 0, 1], [1.0, 2, 3, 4])
    assert "rectangular problems only" in card.why_not(square.replace(symmetric=True))


@pytest.mark.parametrize(
    ("changes", "problem", "reason"),
    [
        ({"asymmetric": False}, "completion", "x takes symmetric problems only"),
        ({"asymmetric": False}, "symmetric", None),
        ({"complex": False}, "complex", "x takes real problems only, this one is complex128"),
        ({"complex": False}, "completion", None),
        ({"refuses": lambda problem: "is out of office"}, "completion", "x is out of office"),
        ({"refuses": lambda problem: None}, "completion", None),
    ],
)
def test_other_grounds_to_refuse(changes, problem, reason, request):
    if problem == "complex":
        instance = ll.problems.sensing((5, 4), 1, measurements=40, dtype=complex, rng=0)
    else:
        instance = request.getfixturevalue(problem)
    assert SolverInfo(name="x", summary="", **changes).why_not(instance.problem) == reason


def test_make_solver():
    made = solvers.make_solver("scaledgd", {"step_size": 0.3})
    assert made == solvers.ScaledGD(step_size=0.3)
    assert solvers.make_solver(made, {"step_size": 0.4}) == solvers.ScaledGD(step_size=0.4)
    assert made.step_size == 0.3
    assert solvers.make_solver(solvers.GD) == solvers.GD()
    with pytest.raises(UnknownNameError, match=r"no option of scaledgd named 'step'; did you mean"):
        solvers.make_solver(made, {"step": 0.4})
    for wrong in (3, None, object(), dict):
        with pytest.raises(InvalidTypeError, match="solver must be a name or a solver"):
            solvers.make_solver(wrong)


def test_options_are_checked_when_the_solver_is_made():
    with pytest.raises(LowRankError, match="sigma_max must lie in"):
        solvers.GD(sigma_max=0.0)
    with pytest.raises(LowRankError, match="damping must be a positive number or 'auto'"):
        solvers.ScaledGDLambda(damping="aut")
    with pytest.raises(LowRankError, match="damping must lie in"):
        solvers.ScaledGDLambda(damping=0.0)
    with pytest.raises(LowRankError, match="damping must lie in"):
        solvers.PrecGD(damping=-1.0)
    with pytest.raises(LowRankError, match="ridge must lie in"):
        solvers.AltMin(ridge=-1.0)
    with pytest.raises(LowRankError, match="ridge must be finite"):
        solvers.AltMin(ridge=float("inf"))
    with pytest.raises(LowRankError, match="'clarabel'; did you mean 'CLARABEL'"):
        solvers.Convex(backend="clarabel")
    with pytest.raises(LowRankError, match="accuracy must lie in"):
        solvers.Convex(accuracy=1.0)
    with pytest.raises(LowRankError, match="noise_bound must lie in"):
        solvers.Convex(noise_bound=-1.0)


def test_options_are_frozen():
    with pytest.raises(AttributeError):
        solvers.GD().step_size = 0.1


def test_the_nearest_name_is_offered():
    text = str(unknown_name("fruit", "aple", ["apple", "pear"]))
    assert text == "no fruit named 'aple'; did you mean 'apple'? (available: apple, pear)"
    assert "did you mean 'SCS'" in str(unknown_name("backend", "scs", ["CLARABEL", "SCS"]))
    assert "did you mean" not in str(unknown_name("fruit", "stone", ["apple", "pear"]))


def test_a_name_is_taken_once():
    registry = Registry("thing", "lowrank_la.problems")
    registry.add("a", 1)
    with pytest.raises(LowRankError, match="two things are named 'a'"):
        registry.add("a", 2)
    assert registry["a"] == 1


def test_a_registry_that_failed_to_fill_fails_again(tmp_path, monkeypatch):
    package = tmp_path / "half_of_it"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "broken.py").write_text("import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", "half_of_it")
    for _ in range(2):
        with pytest.raises(ImportError, match="nothing_of_this_name"):
            list(registry)


def test_private_files_are_no_names(tmp_path, monkeypatch):
    package = tmp_path / "with_private"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "_broken.py").write_text("raise RuntimeError\n")
    (package / "fine.py").write_text("__all__ = []\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(Registry("thing", "with_private")) == []


def test_another_distribution_adds_a_solver(tmp_path):
    """A module and an entry point are enough; nothing of this package is edited."""
    (tmp_path / "newcomer.py").write_text(
        textwrap.dedent(
            """
            from dataclasses import dataclass
            from lowrank_la.solvers import SolverInfo, register
            from lowrank_la.solvers._descent import Descent

            @register(SolverInfo(name="newcomer", summary="plain descent with a short step"))
            @dataclass(frozen=True, kw_only=True)
            class Newcomer(Descent):
                step_size: float = 0.1
            """
        )
    )
    info = tmp_path / "newcomer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: newcomer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lowrank_la.solvers]\nnewcomer = newcomer\n")
    script = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
import lowrank_la as ll
assert "newcomer" in ll.available_solvers()
i = ll.problems.sensing((8, 7), 1, measurements=120, rng=0)
r = ll.solve(i, "newcomer", max_iter=300)
assert r.trace["rel_error"][-1] < r.trace["rel_error"][0] / 2, r
r.save({str(tmp_path / "run.npz")!r})
assert ll.load({str(tmp_path / "run.npz")!r}).solver == r.solver
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_an_unregistered_solver_can_be_passed_as_a_value(sensing):
    @dataclass(frozen=True, kw_only=True)
    class Mine(solvers.GD):
        info = SolverInfo(name="mine", summary="not in the registry")

    result = ll.solve(sensing, Mine(step_size=0.3), max_iter=5)
    assert result.solver.info.name == "mine"
    assert "mine" not in ll.available_solvers()


def test_a_missing_package_says_what_to_install():
    with pytest.raises(MissingDependencyError, match=r'pip install "lowrank_la\[plot\]"') as seen:
        require("no_such_package.sub", extra="plot", purpose="drawing")
    assert str(seen.value).startswith("drawing needs no_such_package:")
    assert isinstance(seen.value, ImportError)


def test_every_error_is_of_the_one_tree_and_of_the_built_in_kind():
    kinds = {
        "InvalidInputError": ValueError,
        "InvalidTypeError": TypeError,
        "UnknownNameError": LookupError,
        "IncompatibleError": ValueError,
        "TooLargeError": ValueError,
        "SolverBreakdownError": ArithmeticError,
        "FileFormatError": ValueError,
        "OutputError": OSError,
        "MissingDependencyError": ImportError,
    }
    for name, builtin in kinds.items():
        kind = getattr(ll.errors, name)
        assert issubclass(kind, LowRankError)
        assert issubclass(kind, builtin)
    named = {n for n in ll.errors.__all__ if n.endswith("Error")} - {"LowRankError"}
    assert named == set(kinds)
