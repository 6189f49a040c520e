"""Minimisers of each rank, and distances to them."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.factors import Factors


@pytest.fixture(scope="module")
def made():
    return ll.problems.sensing(
        10, 3, measurements=90, symmetric=True, spectrum=[3.0, 2.0, 1.0], rng=0
    )


def test_minimisers_are_stationary_and_better_than_truncations(made):
    problem = made.problem
    found = ll.rank_minimisers(made, [1, 2, 3])
    assert list(found) == [1, 2, 3]
    U, s, _ = made.truth.factors.svd()
    for rank, X in found.items():
        assert X.rank == rank
        assert np.linalg.norm(problem.evaluate(X).left) < 1e-8
        root = U[:, :rank] * np.sqrt(s[:rank])
        cut = problem.objective(Factors(root, root))
        assert problem.objective(X) < cut or rank == 3
    assert found[3].distance(made.truth.factors) < 1e-8


def test_the_truth_is_not_looked_at(made):
    of_instance = ll.rank_minimisers(made, [1])[1]
    of_problem = ll.rank_minimisers(made.problem, [1])[1]
    np.testing.assert_array_equal(of_instance.left, of_problem.left)


def test_slow_and_fast_solvers_agree(made):
    fast = ll.rank_minimisers(made, [2])[2]
    slow = ll.rank_minimisers(
        made, [2], solver=ll.solvers.GD(step_size=0.2), start="small_random", rng=3
    )[2]
    assert fast.distance(slow) < 1e-8 * fast.norm()


def test_rectangular_and_completed_matrices():
    made = ll.problems.completion((40, 30), 2, spectrum=[2.0, 1.0], sampling=0.7, rng=0)
    found = ll.rank_minimisers(made, (1, 2), tol=1e-8)
    assert found[1].shape == (40, 30)
    assert found[2].distance(made.truth.factors) < 1e-6


def test_a_gradient_that_stays_large_is_an_error(made):
    with pytest.raises(ll.errors.SolverBreakdownError, match="no minimiser of rank 2"):
        ll.rank_minimisers(made, [2], max_iter=3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: ll.rank_minimisers(made, 2), "list of ranks"),
        (lambda made: ll.rank_minimisers(made, "12"), "list of ranks"),
        (lambda made: ll.rank_minimisers(made, [11]), "rank 11"),
        (lambda made: ll.rank_minimisers(made, [0]), "rank must be at least 1"),
        (lambda made: ll.rank_minimisers(made, [1], tol=0.0), "positive"),
        (lambda made: ll.rank_minimisers(made.truth, [1]), "Problem or an Instance"),
        (lambda made: ll.distance_to(made.truth), "Factors"),
        (lambda made: ll.distance_to(Factors(np.zeros((10, 1)), np.ones((10, 1)))), "zero"),
        (lambda made: ll.distance_to(Factors(np.full((4, 1), np.nan), np.ones((4, 1)))), "finite"),
    ],
)
def test_bad_input(made, call, message):
    with pytest.raises(ll.errors.LowRankError, match=message):
        call(made)


def test_distance(made):
    truth = made.truth.factors
    twice = Factors(np.sqrt(2) * truth.left, truth.right)
    views = ll.iterate(made, "gd", start=Factors(truth.left, truth.left), max_iter=0)
    view = next(iter(views))
    assert ll.distance_to(truth)(view) < 1e-14
    assert ll.distance_to(twice)(view) == pytest.approx(1 - np.sqrt(0.5))
    with pytest.raises(ll.errors.InvalidInputError, match="shapes differ"):
        ll.distance_to(Factors(np.ones((4, 1)), np.ones((4, 1))))(view)
