"""Gradient descent with the one-step fix: when it is taken, and what it leaves."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import (
    ConvergenceWarning,
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
    UnderdeterminedWarning,
)
from lowrank_la.solvers import GDOneStep


def run(instance, **options):
    options = {"start": "spectral", "rank": 4, "max_iter": 300, "tol": 0} | options
    return ll.solve(instance, "gd_one_step", **options)


def test_it_switches_at_the_first_iterate_with_a_small_residual(sensing):
    result = run(sensing, switch_below=0.05)
    residuals = np.sqrt(2 * result.trace["objective"]) / np.linalg.norm(sensing.problem.data)
    assert result.parts["switched_at"] == np.flatnonzero(residuals <= 0.05)[0]
    assert result.parts["switched_at"] > 0
    earlier = run(sensing, switch_below=0.1)
    assert earlier.parts["switched_at"] < result.parts["switched_at"]
    never = run(sensing, switch_below=0.0, max_iter=20)
    assert never.parts["switched_at"] is None
    assert never.parts["beta"] == 0
    assert not never.parts["stagnant"]
    assert never.parts["residual"] == pytest.approx(residuals[20], rel=1e-3)
    constant = ll.solvers.GD(step_size=0.5)
    plain = ll.solve(sensing, constant, start="spectral", rank=4, max_iter=20, tol=0)
    assert np.array_equal(never.factors.left, plain.factors.left)


def test_it_switches_at_the_iteration_asked_for(sensing):
    result = run(sensing, switch_at=3, max_iter=3)
    assert result.parts["switched_at"] is None
    assert run(sensing, switch_at=3, max_iter=4).parts["switched_at"] == 3


def test_the_step_keeps_the_product_and_separates_the_factors(sensing):
    problem = sensing.problem
    start = ll.initial.spectral(problem, 4)
    solver = GDOneStep(step_size=1e-12, switch_at=0, beta=0.7, sigma_max=1.0)
    state = solver.init(problem, start)
    solver.advance(problem, state, 1)
    X = solver.factors(state)
    assert X.distance(start) < 1e-10
    np.testing.assert_allclose(X.left.T @ X.left, 0.49 * np.eye(4), atol=1e-10)
    default = GDOneStep(step_size=1e-12, switch_at=0)
    state = default.init(problem, start)
    default.advance(problem, state, 1)
    assert state.beta == pytest.approx(np.sqrt(start.singular_values()[0]))


def test_the_step_helps_with_too_many_columns_only(sensing):
    errors = {
        (rank, at): run(sensing, rank=rank, switch_at=at).trace["rel_error"][-1]
        for rank in (2, 4)
        for at in (20, 1000)
    }
    assert errors[4, 20] < 1e-4 * errors[4, 1000]
    assert errors[2, 1000] < 1e-6


def test_other_step_rules(sensing):
    result = run(sensing, step_size="exact")
    assert result.parts["switched_at"] is not None
    assert result.trace["rel_error"][-1] < 1e-8


def test_a_complex_matrix():
    instance = ll.problems.sensing((12, 10), 2, measurements=400, dtype="complex128", rng=0)
    result = run(instance)
    assert result.parts["switched_at"] is not None
    assert result.trace["rel_error"][-1] < 1e-8


def test_a_continued_run_does_not_take_the_step_twice(sensing):
    options = {"switch_below": 0.1}
    first = run(sensing, max_iter=60, **options)
    rest = run(sensing, start=first, rank=None, max_iter=90, **options)
    assert rest.parts["switched_at"] == first.parts["switched_at"] is not None
    whole = run(sensing, max_iter=90, **options)
    assert np.array_equal(rest.factors.left, whole.factors.left)
    # Other data are another descent, in which it is due again.
    moved = sensing.problem.replace(data=1.5 * sensing.problem.data)
    other = run(moved, start=first, rank=None, max_iter=200, **options)
    assert other.parts["switched_at"] != first.parts["switched_at"]


def test_an_unstable_beta_is_refused_before_the_run(sensing):
    with pytest.raises(InvalidInputError, match=r"must be below 1. Lower step_size, or leave beta"):
        run(sensing, beta=3.0)
    with pytest.raises(InvalidInputError, match="is too long after the rescaling"):
        run(sensing, beta=0.3)
    run(sensing, beta=3.0, step_size="exact", max_iter=2)
    run(sensing, beta=3.0, step_size=0.05, max_iter=2)


def test_a_wrong_sigma_max_shows_at_the_step(sensing):
    with pytest.warns(ConvergenceWarning, match="is too long after the rescaling"):
        result = run(sensing, sigma_max=0.4, switch_at=0)
    assert result.status is ll.Status.DIVERGED


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"switch_below": -1.0}, InvalidInputError),
        ({"switch_at": -1}, InvalidInputError),
        ({"switch_at": 2.5}, InvalidTypeError),
        ({"beta": 0.0}, InvalidInputError),
        ({"sigma_max": 0.0}, InvalidInputError),
        ({"step_size": "long"}, LookupError),
    ],
)
def test_bad_options(options, error):
    with pytest.raises(error, match=next(iter(options)).replace("step_size", "step rule")):
        GDOneStep(**options)


def test_problems_that_it_does_not_take(symmetric, sensing):
    with pytest.raises(IncompatibleError, match="two factors need measurements of more than"):
        run(symmetric)
    entries = ll.problems.completion((9, 9), 1, sampling=0.9, rng=0).problem
    with pytest.raises(IncompatibleError, match=r"problem.replace\(symmetric=False\) looks for"):
        run(entries.replace(symmetric=True))
    with pytest.raises(IncompatibleError, match="to which a nuclear-norm weight objects"):
        run(sensing.problem.replace(nuclear=0.1))


def test_two_factors_with_measurements_of_the_symmetric_part_are_warned_of(symmetric):
    """The antisymmetric part is free: the data are fitted by another matrix."""
    problem = symmetric.problem.replace(symmetric=False)
    with pytest.warns(UnderdeterminedWarning, match="sees only the symmetric part"):
        result = ll.solve(
            problem, "gd", rank=2, step_size=0.5, start="small_random", init_scale=0.1, tol=0
        )
    X = result.factors.to_dense()
    truth = symmetric.truth.factors.to_dense()
    assert np.linalg.norm(X - truth) > 0.05
    assert np.linalg.norm(X - X.T) > 0.05


def test_unequal_scales_from_the_library_start():
    """A symmetric matrix seen through entries, with two factors from `small_random`."""
    rng = np.random.default_rng(0)
    F = np.linalg.qr(rng.standard_normal((30, 2)))[0]
    operator = ll.operators.FullObservation(30)
    X = ll.Factors(F, F)
    problem = ll.Problem(operator, operator.forward(X), symmetric=True).replace(symmetric=False)
    start = ll.initial.small_random(problem, 4, init_scale=0.3, ratio=1 / 3, rng=1)
    assert np.linalg.norm(start.right) < 0.5 * np.linalg.norm(start.left)
    result = ll.solve(problem, "gd", start=start, max_iter=4000)
    assert result.converged
    assert result.factors.distance(X) < 1e-10


def test_noise_above_the_bound_is_waited_for_in_vain_and_told():
    noisy = ll.problems.sensing((15, 15), 2, measurements=400, noise=0.02, rng=0)
    result = run(noisy)
    assert result.parts["switched_at"] is None
    assert result.parts["stagnant"]
    assert 0.2 < result.parts["residual"] < 0.25
    # Taken all the same it does harm: the objective is higher in the end.
    taken = run(noisy, switch_at=60)
    assert not taken.parts["stagnant"]
    assert taken.trace["objective"][-1] > result.trace["objective"][-1]
    # The slow beginning near zero is no stagnation, and a run goes on with its count.
    small = run(noisy, start="small_random", init_scale=1e-9, max_iter=12)
    assert not small.parts["stagnant"]
    half = run(noisy, max_iter=150)
    assert run(noisy, start=half).parts == result.parts
