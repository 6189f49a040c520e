"""The convex baseline: right answers, right objectives, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import Status, losses, operators, solvers
from lowrank_la.errors import InvalidInputError, LowRankError, SolverBreakdownError, TooLargeError

pytest.importorskip("cvxpy")


@pytest.fixture(scope="module")
def small():
    return ll.problems.sensing((8, 7), 1, measurements=50, rng=0)


@pytest.fixture(scope="module")
def semidefinite():
    return ll.problems.sensing(8, 1, measurements=30, symmetric=True, rng=0)


def nuclear_norm(X):
    return float(X.singular_values().sum())


@pytest.mark.parametrize("backend", ["SCS", "CLARABEL"])
def test_exact_recovery(backend, small, semidefinite):
    for instance in (small, semidefinite):
        result = ll.solve(instance, "convex", backend=backend)
        assert result.status is Status.CONVERGED
        assert result.trace["rel_error"][-1] < 1e-4
        assert result.parts["residual"] < 1e-5
        assert result.parts["rank"] == 1
        assert result.parts["backend_status"] == "optimal"
        assert backend in result.reason


def test_completion():
    instance = ll.problems.completion((15, 12), 1, sampling=0.7, factors="gaussian", rng=1)
    result = ll.solve(instance, "convex")
    assert result.trace["rel_error"][-1] < 1e-3


def test_the_residual_is_computed_here(small):
    result = ll.solve(small, "convex", accuracy=1e-4)
    X = result.factors
    residual = np.linalg.norm(small.problem.residual(X)) / np.linalg.norm(small.problem.data)
    assert result.parts["residual"] == pytest.approx(residual)


def test_accuracy_matters(small):
    loose, tight = (ll.solve(small, "convex", accuracy=a) for a in (1e-2, 1e-9))
    assert tight.trace["rel_error"][-1] < loose.trace["rel_error"][-1] / 10
    assert tight.parts["backend_iterations"] > loose.parts["backend_iterations"]


def test_the_start_and_its_rank_do_not_matter(small):
    runs = [
        ll.solve(small, "convex"),
        ll.solve(small.problem, "convex"),
        ll.solve(small, "convex", rank=3, start="small_random"),
    ]
    for run in runs:
        np.testing.assert_allclose(run.factors.to_dense(), runs[0].factors.to_dense(), atol=1e-9)
    assert runs[0].oracle_used == ()


def test_several_iterations_are_one(small):
    solver = solvers.Convex()
    state = solver.init(small.problem, ll.initial.spectral(small.problem, 1))
    solver.advance(small.problem, state, 3)
    first = state.left
    solver.advance(small.problem, state, 2)
    assert state.iteration == 5
    assert state.left is first


@pytest.mark.parametrize("loss", [losses.Squared(), losses.Huber(0.05), losses.Absolute()])
@pytest.mark.parametrize("kind", ["small", "semidefinite"])
def test_the_regularised_objective_is_the_problems_own(loss, kind, request):
    instance = request.getfixturevalue(kind)
    data = instance.problem.data + 0.02 * np.random.default_rng(0).standard_normal(
        instance.problem.data.size
    )
    problem = instance.problem.replace(loss=loss, nuclear=0.1, data=data)
    X = ll.solve(problem, "convex", accuracy=1e-9).factors.balanced()
    best = problem.objective(X)
    rng = np.random.default_rng(1)
    for size in (1e-1, 1e-2):
        for _ in range(20):
            left = X.left + size * rng.standard_normal(X.left.shape)
            right = X.right + size * rng.standard_normal(X.right.shape)
            Y = ll.Factors(left, left if problem.symmetric else right)
            assert problem.objective(Y.balanced()) >= best - 1e-6


@pytest.mark.parametrize("kind", ["small", "semidefinite"])
def test_the_factored_solution_has_the_same_objective(kind, request):
    instance = request.getfixturevalue(kind)
    data = instance.problem.data + 0.02 * np.random.default_rng(0).standard_normal(
        instance.problem.data.size
    )
    problem = instance.problem.replace(nuclear=0.1, data=data)
    convex = ll.solve(problem, "convex", accuracy=1e-9).factors
    factored = ll.solve(problem, "gd", rank=4, step_size="exact", tol=0, max_iter=3000).factors
    assert problem.objective(factored) == pytest.approx(
        problem.objective(convex.balanced()), rel=1e-6
    )


def test_units_of_the_data_do_not_matter(small):
    problem = small.problem.replace(nuclear=0.1)
    larger = problem.replace(data=1e6 * problem.data, nuclear=1e5)
    a, b = (ll.solve(p, "convex").factors.to_dense() for p in (problem, larger))
    np.testing.assert_allclose(b, 1e6 * a, atol=10)


def test_noise_bound(small):
    noise = 0.1 * np.random.default_rng(0).standard_normal(small.problem.data.size)
    bound = float(np.linalg.norm(noise))
    problem = small.problem.replace(data=small.problem.data + noise)
    X = ll.solve(problem, "convex", noise_bound=bound).factors
    assert np.linalg.norm(problem.residual(X)) == pytest.approx(bound, rel=1e-3)
    assert nuclear_norm(X) < nuclear_norm(small.truth.factors) * 1.05
    exact = ll.solve(problem, "convex").factors
    assert nuclear_norm(exact) > nuclear_norm(X)


def test_complex_problems():
    for symmetric in (False, True):
        instance = ll.problems.sensing(
            6, 1, measurements=40, symmetric=symmetric, dtype=complex, rng=0
        )
        result = ll.solve(instance, "convex")
        assert result.trace["rel_error"][-1] < 1e-4
        assert result.factors.dtype == complex


def test_data_that_no_matrix_meets():
    twice = operators.FromLinearOperator(np.eye(4)[[0, 0]], (2, 2))
    problem = ll.Problem(twice, np.array([1.0, 2.0]))
    with pytest.raises(SolverBreakdownError, match="no matrix meets the data; with noise"):
        ll.solve(problem, "convex")


def test_too_large_is_refused_with_the_reason(completion, symmetric):
    with pytest.raises(TooLargeError, match=r"70 x 70 cone for this 40 x 30 matrix: 1200 unkn"):
        ll.solve(completion, "convex", max_entries=1199)
    with pytest.raises(TooLargeError, match="15 x 15 cone"):
        ll.solve(symmetric, "convex", max_entries=224)
    big = ll.problems.completion((200, 100), 1, sampling=0.3, rng=0)
    with pytest.raises(TooLargeError, match="max_entries=10000"):
        ll.solve(big, "convex")


def test_a_robust_loss_alone_needs_enough_measurements(small):
    few = small.problem.replace(loss=losses.Absolute())
    with pytest.raises(InvalidInputError, match="50 measurements do not determine 56 unknowns"):
        ll.solve(few, "convex")
    clean = ll.problems.sensing((5, 4), 1, measurements=60, rng=0)
    data = clean.problem.data.copy()
    data[::10] += 5.0
    robust = clean.problem.replace(data=data, loss=losses.Absolute())
    X = ll.solve(robust, "convex").factors
    assert X.distance(clean.truth.factors) < 1e-4 * clean.truth.factors.norm()


def test_a_loss_of_your_own_is_refused(small):
    class Quartic:
        smooth = True

        def value(self, residual):
            return float(np.sum(residual**4))

        def slope(self, residual):
            return 4 * residual**3

    with pytest.raises(LowRankError, match="convex needs the loss Squared or Absolute or Huber"):
        ll.solve(small.problem.replace(loss=Quartic()), "convex")


def test_without_cvxpy_it_says_what_to_install(small, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "cvxpy", None)
    with pytest.raises(ll.errors.MissingDependencyError, match=r"lowrank_la\[convex\]"):
        ll.solve(small, "convex")
