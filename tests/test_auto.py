"""The solver that chooses a solver."""

from __future__ import annotations

import json

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import solvers
from lowrank_la.errors import IncompatibleError, InvalidTypeError, UnknownNameError
from lowrank_la.result import pack_result, unpack_result

KINDS = ["completion", "sensing", "symmetric", "robust_sensing", "robust_pca"]


@pytest.mark.parametrize("kind", KINDS)
def test_its_iterates_are_those_of_the_method_it_names(kind, request):
    instance = request.getfixturevalue(kind)
    result = ll.solve(instance, max_iter=15, tol=0.0)
    attempt = json.loads(result.state.attempts)[result.state.current]
    assert attempt["solver"] == result.parts["solver"]
    assert attempt["why"] in result.why
    alone = ll.solve(instance, attempt["solver"], max_iter=15, tol=0.0, **attempt["options"])
    for ours, theirs in (
        (result.factors.left, alone.factors.left),
        (result.factors.right, alone.factors.right),
    ):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(result.trace["objective"], alone.trace["objective"], rtol=1e-12)


def test_it_is_a_solver_like_others(completion):
    assert "auto" in ll.available_solvers(completion)
    assert ll.solver_info("auto").takes == "any"
    race = ll.compare(completion, ["auto", "gd"], budget=5)
    assert [run.solver for run in race.runs] == ["auto", "gd"]
    assert race.runs[0].result.why


def test_a_saved_run_goes_on_with_the_same_bits(completion, tmp_path):
    whole = ll.solve(completion, max_iter=9, tol=0.0)
    part = ll.solve(completion, max_iter=4, tol=0.0)
    part.save(tmp_path / "part.npz")
    rest = ll.solve(completion, start=ll.load(tmp_path / "part.npz"), max_iter=9, tol=0.0)
    np.testing.assert_array_equal(rest.factors.left, whole.factors.left)
    assert rest.why == whole.why
    header, arrays = pack_result(part)
    assert unpack_result(header, arrays).parts == part.parts


def test_options_belong_to_a_solver_that_is_named(completion):
    with pytest.raises(UnknownNameError, match="option of auto"):
        ll.solve(completion, step_size=0.5)
    with pytest.raises(InvalidTypeError, match="keep_start must be True or False"):
        solvers.Auto(keep_start=1)


class Odd:
    smooth = False

    def value(self, residual):
        return float(np.sum(np.sqrt(np.abs(residual))))

    def slope(self, residual):
        return np.sign(residual)


def test_a_loss_that_nobody_takes(completion):
    with pytest.raises(IncompatibleError, match="auto knows no solver for the loss"):
        ll.solve(completion.problem.replace(loss=Odd()), rank=2)
