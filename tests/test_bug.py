"""BUG: its options, symmetric problems, and the cost of an iteration."""

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
from lowrank_la.solvers import BUG
from lowrank_la.solvers.bug import safe_rank


def test_step_size(sensing):
    errors = [
        ll.solve(sensing, "bug", step_size=s, max_iter=10, tol=0).trace["rel_error"][-1]
        for s in (0.0, 0.1, 0.5)
    ]
    assert errors[2] < 0.3 * errors[1] < 0.3 * errors[0]
    for every in (1, 1000):
        with pytest.warns(ConvergenceWarning, match="bug diverged"):
            ll.solve(sensing, "bug", step_size=6.0, rank=4, max_iter=3000, every=every)


def test_the_units_of_the_operator_do_not_matter(sensing):
    problem = sensing.problem
    weights = np.full(problem.data.size, 7.0)
    heavy = problem.replace(
        operator=ll.operators.Weighted(problem.operator, weights), data=weights * problem.data
    )
    a, b = (ll.solve(p, "bug", rank=2, max_iter=10, tol=0).factors for p in (problem, heavy))
    assert a.distance(b) < 1e-9


def test_the_gradient_is_that_of_the_factors(sensing, symmetric, completion):
    """The hook gives what the problem would, without a pass over the data."""
    for instance in (sensing, symmetric, completion):
        problem = instance.problem
        solver = BUG(adaptive=True, tolerance=1e-3)
        state = solver.init(problem, ll.initial.spectral(problem, 2))
        for _ in range(3):
            found = solver.evaluation(problem, state)
            expected = problem.evaluate(solver.factors(state))
            assert found.value == pytest.approx(expected.value, rel=1e-12)
            np.testing.assert_allclose(found.left, expected.left, atol=1e-12)
            np.testing.assert_allclose(found.right, expected.right, atol=1e-12)
            solver.advance(problem, state, 1)


def test_two_residuals_and_three_adjoints_an_iteration(sensing):
    counted = ll.operators.Counted(sensing.problem.operator)
    problem = sensing.problem.replace(operator=counted)
    start = ll.initial.spectral(sensing.problem, 2)
    ll.solve(problem, "bug", start=start, max_iter=10)
    assert counted.calls == {"forward": 21, "adjoint_right": 21, "adjoint_left": 11}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_adaptive_rank_for_every_kind_of_matrix(symmetric, dtype):
    instance = ll.problems.sensing(
        14, 2, cond=5, measurements=800, symmetric=symmetric, dtype=dtype, rng=0
    )
    for rank in (1, 4):
        result = ll.solve(instance, "bug", adaptive=True, rank=rank, start="spectral")
        assert result.converged
        assert result.parts == {"rank": 2}
        assert result.factors.rank == 2
        assert result.factors.symmetric == symmetric
        assert result.trace["rel_error"][-1] < 1e-10


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_best_matrix_of_too_low_a_rank_is_not_convergence(rank):
    """There the gradient vanishes on both bases, so that a step brings no new direction."""
    instance = ll.problems.factorization((60, 50), 3, cond=3, rng=0)
    result = ll.solve(instance, "bug", adaptive=True, rank=rank)
    assert result.converged
    assert result.parts == {"rank": 3}
    assert result.trace["rel_error"][-1] < 1e-12
    if rank < 3:
        limited = ll.solve(instance, "bug", adaptive=True, rank=1, max_rank=rank)
        assert limited.status is ll.Status.STALLED
        assert f"the largest rank allowed, {rank}, while the gradient calls" in limited.reason
        assert limited.factors.rank == rank


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_columns_are_added_one_by_one(symmetric, dtype):
    """A flat spectrum, more columns than the power iteration has, and a start with one."""
    instance = ll.problems.sensing(12, 5, measurements=700, symmetric=symmetric, dtype=dtype, rng=0)
    result = ll.solve(instance, "bug", adaptive=True, rank=1)
    assert result.converged
    assert result.factors.dtype == dtype
    assert result.parts == {"rank": 5}
    assert result.trace["rel_error"][-1] < (1e-4 if dtype == "float32" else 1e-11)


def test_a_matrix_that_is_not_positive_gets_no_columns_for_its_negative_part():
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((8, 8)))[0]
    target = (vectors * np.array([3.0, 2, -1, -2, 0, 0, 0, 0])) @ vectors.T
    operator = ll.operators.FullObservation((8, 8))
    problem = ll.Problem(operator, target.ravel(), symmetric=True)
    result = ll.solve(problem, "bug", adaptive=True, rank=1, max_rank=5)
    assert result.converged
    np.testing.assert_allclose(result.factors.singular_values(), [3, 2], atol=1e-10)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_early_errors_of_completion_get_no_columns(seed):
    options = {"cond": 10, "spectrum": "geometric", "rng": seed}
    for shape, sampling in (((60, 50), 0.6), ((60, 50), 0.9), ((200, 150), 0.4)):
        instance = ll.problems.completion(shape, 3, sampling=sampling, **options)
        for rank in (1, 3, 6):
            result = ll.solve(instance, "bug", adaptive=True, rank=rank)
            assert result.converged
            assert result.parts["rank"] == 3
            assert result.trace["rel_error"][-1] < 1e-11


def test_noise_gets_no_columns_by_default():
    noisy = ll.problems.sensing((15, 12), 2, measurements=400, noise=0.02, rng=0)
    result = ll.solve(noisy, "bug", adaptive=True, rank=1)
    assert result.converged
    assert result.parts == {"rank": 2}
    options = {"adaptive": True, "rank": 1, "tolerance": 1e-6}
    ran_up = ll.solve(noisy, "bug", **options, max_iter=2000)
    assert ran_up.parts["rank"] == safe_rank(noisy.problem)
    # With few data that many columns fit most of them: the default cap is not vouched for.
    few = ll.problems.sensing((15, 12), 2, measurements=160, noise=0.03, rng=0)
    capped = ll.solve(few, "bug", **options, max_iter=2000)
    assert capped.parts["rank"] == safe_rank(few.problem) == 3
    assert not capped.converged
    assert ll.solve(few, "bug", adaptive=True, rank=1, max_rank=2, max_iter=2000).converged


def test_adaptive_runs_go_on_bit_for_bit():
    instance = ll.problems.factorization((20, 15), 3, cond=3, rng=0)
    whole = ll.solve(instance, "bug", adaptive=True, rank=1, max_iter=30, tol=0)
    for cut in (1, 2, 13):
        part = ll.solve(instance, "bug", adaptive=True, rank=1, max_iter=cut, tol=0)
        rest = ll.solve(instance, "bug", adaptive=True, start=part, max_iter=30, tol=0)
        assert np.array_equal(rest.factors.left, whole.factors.left)


def test_a_symmetric_iterate_stays_positive_semidefinite(symmetric):
    """The data of a negative matrix: the nearest answer is zero, not a fit of the wrong sign."""
    problem = symmetric.problem.replace(data=-symmetric.problem.data)
    start = ll.initial.small_random(symmetric.problem, 2, init_scale=0.1, rng=0)
    result = ll.solve(problem, "bug", start=start, max_iter=50, tol=0)
    assert result.factors.symmetric
    assert result.factors.norm() < 1e-3


def test_a_zero_start_moves(sensing):
    start = ll.Factors(np.zeros((15, 2)), np.zeros((12, 2)))
    result = ll.solve(sensing, "bug", start=start)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-10


def test_more_columns_than_half_the_rows():
    """The bases of an adaptive step have at most as many columns as rows."""
    instance = ll.problems.sensing((6, 5), 2, measurements=300, rng=0)
    result = ll.solve(instance, "bug", adaptive=True, tolerance=0.0, rank=3, max_iter=200, tol=0)
    assert result.trace["rel_error"][-1] < 1e-8


def test_max_rank(sensing):
    assert safe_rank(sensing.problem) == 12
    few = ll.problems.sensing((15, 12), 2, measurements=160, noise=0.03, rng=0)
    # 3 (27 - 3) = 72 degrees of freedom, 4 (27 - 4) = 92.
    assert safe_rank(few.problem) == 3
    options = {"adaptive": True, "tolerance": 1e-6, "rank": 1, "max_iter": 20, "tol": 0}
    assert ll.solve(few, "bug", **options).parts["rank"] == 3
    assert ll.solve(few, "bug", max_rank=2, **options).parts["rank"] == 2
    with pytest.warns(UnderdeterminedWarning, match="max_rank=6 has more than half as many"):
        result = ll.solve(few, "bug", max_rank=6, **options)
    assert result.parts["rank"] == 6
    with pytest.raises(InvalidInputError, match="the start has 5 columns and max_rank is 3"):
        ll.solve(few, "bug", **(options | {"rank": 5}))


def test_other_data_are_not_taken_for_those_of_before(sensing):
    first = ll.solve(sensing, "bug", max_iter=10, tol=0)
    moved = sensing.problem.replace(data=1.5 * sensing.problem.data)
    again = ll.solve(moved, "bug", start=first)
    assert again.converged
    scaled = sensing.truth.factors
    expected = ll.Factors(1.5 * scaled.left, scaled.right)
    assert again.factors.distance(expected) < 1e-9


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"step_size": "exact"}, InvalidTypeError, "step_size must be a number"),
        ({"step_size": -1.0}, InvalidInputError, "step_size"),
        ({"tolerance": 1.5}, InvalidInputError, "tolerance"),
        ({"adaptive": "yes"}, InvalidTypeError, "adaptive must be True or False"),
        ({"adaptive": True, "max_rank": 0}, InvalidInputError, "max_rank"),
        ({"max_rank": 3}, InvalidInputError, r"max_rank belongs to adaptive=True"),
    ],
)
def test_bad_options(options, error, message):
    with pytest.raises(error, match=message):
        BUG(**options)


def test_a_nuclear_norm_weight_is_refused(sensing):
    with pytest.raises(IncompatibleError, match="no nuclear-norm weight: scaledgd does"):
        ll.solve(sensing.problem.replace(nuclear=0.1), "bug", rank=2)
