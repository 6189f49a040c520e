"""The public names: documented and keyword-only.

That each has an entry in the reference is checked by the build of the docs.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from enum import Enum

import pytest
from numpydoc.validate import validate

import lowrank_la as ll
from lowrank_la.problems._registry import registry as generators
from lowrank_la.solvers._registry import registry as solvers

MODULES = (
    "bures_wasserstein",
    "initial",
    "lifting",
    "losses",
    "operators",
    "plotting",
    "problems",
    "report",
    "reproduce",
    "solvers",
    "steps",
    "stopping",
    "testing",
    "tubal",
)
SECTIONS = ("Model", "Update", "Assumptions", "Guarantee", "Cost", "References")


def public_objects():
    found = {}
    for name in ll.__all__:
        value = getattr(ll, name)
        if callable(value):
            found[f"{value.__module__}.{value.__qualname__}"] = value
    for module in MODULES:
        space = getattr(ll, module)
        names = (
            getattr(space, "__all__", [])
            if module not in ("operators", "problems", "solvers")
            else dir(space)
        )
        for name in names:
            value = getattr(space, name)
            if callable(value) and getattr(value, "__module__", "").startswith("lowrank_la"):
                found[f"{value.__module__}.{value.__qualname__}"] = value
    return found


OBJECTS = public_objects()
# GL08 no docstring; PR01 PR02 parameters undocumented or unknown; PR10 space before the colon;
# SS01 no summary.
CODES = {"GL08", "PR01", "PR02", "PR10", "SS01"}


@pytest.mark.parametrize("path", sorted(OBJECTS))
def test_docstring_lists_the_parameters(path):
    value = OBJECTS[path]
    documented = inspect.getdoc(value) or ""
    # Protocols and enumerations have no parameters of their own, and validate() does not know
    # the sections of solvers.
    if getattr(value, "_is_protocol", False) or (
        inspect.isclass(value) and issubclass(value, Enum)
    ):
        assert documented
        return
    if dataclasses.is_dataclass(value) and ("Attributes" in documented or hasattr(value, "info")):
        for field in dataclasses.fields(value):
            if not field.name.startswith("_"):
                assert re.search(rf"\b{field.name}\b", documented), f"{field.name} is undocumented"
        return
    problems = [(code, text) for code, text in validate(path)["errors"] if code in CODES]
    assert not problems, problems


@pytest.mark.parametrize("name", list(solvers))
def test_solver_docstrings_have_their_sections(name):
    text = inspect.getdoc(solvers[name])
    places = [text.find(f"\n{section}\n{'-' * len(section)}\n") for section in SECTIONS]
    assert -1 not in places, f"missing: {SECTIONS[places.index(-1)]}"
    assert places == sorted(places)
    assert solvers[name].info.references


@pytest.mark.parametrize("path", sorted(OBJECTS))
def test_public_functions_are_keyword_only_after_the_second_argument(path):
    value = OBJECTS[path]
    if not inspect.isfunction(value):
        return
    positional = [
        p.name
        for p in inspect.signature(value).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    # observed(i, j, values, shape) takes triples as they are written everywhere; one_sided has
    # its shape as two numbers, since rows and columns play different parts.
    allowed = {ll.observed: 4, ll.problems.one_sided: 3}.get(value, 2)
    assert len(positional) <= allowed, positional


def test_generators_have_examples_that_work():
    for name in generators:
        assert generators[name].make(**generators[name].example, rng=0).recipe.name == name


def test_every_name_of_the_stub_resolves():
    for name in ll.__all__:
        assert getattr(ll, name) is not None
