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
    # The last iterates; of a run that ends before it is done auto returns the best.
    ours, theirs = result.solver.factors(result.state), alone.factors
    np.testing.assert_array_equal(ours.left, theirs.left)
    np.testing.assert_array_equal(ours.right, theirs.right)
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


def hard(oversampling, cond, seed=0, **more):
    return ll.problems.completion(
        (120, 120),
        4,
        cond=cond,
        spectrum="geometric",
        factors="gaussian",
        least=5,
        oversampling=oversampling,
        rng=seed,
        **more,
    )


def test_a_slow_descent_gives_way_to_the_rank_path():
    result = ll.solve(hard(2.0, 300, seed=1))
    assert "altmin would take" in result.why
    assert result.parts["solver"] == "rank_path"
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-8


def test_near_the_limit_it_begins_with_the_rank_path():
    result = ll.solve(hard(1.4, 20))
    assert result.why.startswith("1.4 entries per degree of freedom; rank_path")
    assert result.trace["rel_error"][-1] < 1e-8


def test_a_given_start_is_where_it_begins():
    instance = hard(1.4, 20)
    start = ll.initial.near(instance, distance=1e-3, rng=0)
    result = ll.solve(instance, start=start)
    assert result.trace["rel_error"][0] == pytest.approx(1e-3, rel=0.2)
    assert result.parts["solver"] == "altmin"
    assert result.trace["rel_error"][-1] < 1e-8


def test_noise_is_no_failure():
    result = ll.solve(hard(4.0, 2, noise=1e-5))
    assert result.converged
    assert result.parts["solver"] == "altmin"


def test_a_plan_under_way_is_saved_whole(tmp_path):
    """Also after the first method was given up."""
    instance = hard(2.0, 300)
    whole = ll.solve(instance, max_iter=60, tol=0.0)
    part = ll.solve(instance, max_iter=45, tol=0.0)
    assert part.state.current == whole.state.current == 1
    part.save(tmp_path / "part.npz")
    rest = ll.solve(instance, start=ll.load(tmp_path / "part.npz"), max_iter=60, tol=0.0)
    np.testing.assert_array_equal(rest.factors.left, whole.factors.left)
    assert rest.why == whole.why


@pytest.mark.slow
@pytest.mark.parametrize("cond", [1, 10, 1000])
@pytest.mark.parametrize("oversampling", [1.5, 2, 3, 5])
def test_it_never_fails_where_another_succeeds(oversampling, cond):
    for seed in range(3):
        result = ll.solve(hard(oversampling, cond, seed))
        assert result.trace["rel_error"][-1] < 1e-8, result


# Of two of them the entries leave a column open, at which no error of size is made.
@pytest.mark.filterwarnings("ignore:the data leave:lowrank_la.errors.UnderdeterminedWarning")
@pytest.mark.parametrize(("seed", "tol"), [(5, 1e-4), (2, 1e-3), (3, 1e-3)])
def test_a_loose_tolerance_makes_no_wrong_matrix_right(seed, tol):
    """Sweeps that crawl have a small gradient far from the data."""
    instance = ll.problems.completion((100, 100), 4, oversampling=2, cond=20, least=6, rng=seed)
    result = ll.solve(instance, tol=tol)
    assert result.converged
    assert result.trace["rel_error"][-1] < 0.1


def test_huber_and_small_weights_are_solved_in_few_iterations():
    instance = hard(4.0, 3, noise=1e-5)
    huber = ll.solve(instance.problem.replace(loss=ll.losses.Huber(1e-4)), rank=4)
    assert huber.converged
    assert huber.n_iter < 100
    weighted = ll.solve(instance.problem.replace(nuclear=1e-7), rank=4)
    assert weighted.converged
    assert weighted.n_iter < 200
