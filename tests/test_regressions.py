"""What once went wrong, and what each case must do instead."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import operators, solvers
from lowrank_la.errors import InvalidInputError, InvalidTypeError


@pytest.fixture(scope="module")
def instance():
    return ll.problems.completion((60, 50), 2, cond=5, sampling=0.5, rng=0)


def test_a_result_of_another_problem_is_a_warm_start_and_no_answer(instance):
    first = ll.solve(instance.problem, "scaledgd", rank=2)
    other = instance.problem.replace(nuclear=0.02)
    second = ll.solve(other, "scaledgd", start=first, step_size="exact")
    assert second.n_iter > 0
    assert second.trace["objective"][-1] == pytest.approx(other.objective(second.factors))
    assert second.trace["objective"][0] == pytest.approx(other.objective(first.factors))


@pytest.mark.parametrize("name", ["scaledgd", "scaledgd_lambda", "precgd"])
def test_a_result_of_another_solver_gives_its_factors_only(instance, name):
    first = ll.solve(instance, "gd", max_iter=5, tol=0)
    options = {"damping": 0.3} if name != "scaledgd" else {}
    warm = ll.solve(instance, name, start=first, max_iter=6, tol=0, **options)
    direct = ll.solve(instance, name, start=first.factors, max_iter=6, tol=0, **options)
    np.testing.assert_array_equal(warm.factors.left, direct.factors.left)
    assert warm.state.damping == direct.state.damping


def test_options_changed_on_resumption_take_effect(instance):
    solver = solvers.ScaledGDLambda(damping=0.3)
    first = ll.solve(instance, solver, max_iter=5, tol=0)
    second = ll.solve(instance, "scaledgd_lambda", damping=0.1, start=first, max_iter=6, tol=0)
    assert second.state.damping == 0.1
    assert second.n_iter == 6


def test_rank_and_scale_are_checked_on_resumption_too(instance):
    first = ll.solve(instance, "gd", max_iter=2, tol=0)
    with pytest.raises(InvalidInputError, match="rank"):
        ll.solve(instance, "gd", rank=4, start=first)
    with pytest.raises(InvalidInputError, match="init_scale"):
        ll.solve(instance, "gd", init_scale=3.0, start=first)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_rates_are_predicted_in_single_precision(dtype, symmetric):
    single, double = (
        ll.problems.sensing(12, 2, measurements=300, symmetric=symmetric, dtype=kind, rng=0)
        for kind in (dtype, "float64" if dtype == "float32" else "complex128")
    )
    runs = [ll.compare(i, ["gd", "scaledgd"], budget=50).runs for i in (single, double)]
    for a, b in zip(*runs, strict=True):
        assert a.error == ""
        assert a.predicted_rate == pytest.approx(b.predicted_rate, abs=1e-3)


def test_wide_matrices_with_few_rows_start_without_a_square():
    n = 30_000
    i, j = np.tile(np.arange(2), n), np.repeat(np.arange(n), 2)
    values = np.random.default_rng(0).standard_normal(2 * n)
    start = ll.initial.spectral(ll.observed(i, j, values, (2, n)), 2)
    assert start.shape == (2, n)


@pytest.mark.parametrize("by_count", [False, True])
def test_altmin_with_a_ridge_converges_and_records_what_it_minimises(instance, by_count):
    ridge = 0.002 if by_count else 0.05
    solver = solvers.AltMin(ridge=ridge, ridge_by_count=by_count)
    result = ll.solve(instance, solver, tol=1e-8)
    assert result.converged
    objective = result.trace["objective"]
    assert np.all(np.diff(objective) <= 1e-12 * objective[0])
    X, operator = result.factors, instance.problem.operator
    counts = (operator.row_counts, operator.column_counts) if by_count else (1, 1)
    penalty = sum(
        ridge / 2 * np.sum(weight * np.sum(factor**2, axis=1))
        for weight, factor in zip(counts, (X.left, X.right), strict=True)
    )
    assert objective[-1] == pytest.approx(instance.problem.objective(X) + penalty)


def test_a_ridge_and_the_same_nuclear_weight_are_one_problem(instance):
    by_ridge = ll.solve(instance, solvers.AltMin(ridge=0.1))
    by_weight = ll.solve(instance.problem.replace(nuclear=0.1), "altmin", rank=2)
    gap = by_ridge.factors.distance(by_weight.factors) / by_weight.factors.norm()
    assert gap < 1e-6


def test_a_weight_that_shrinks_the_matrix_to_zero_is_an_answer(instance):
    result = ll.solve(instance.problem.replace(nuclear=1e3), "altmin", rank=2)
    assert result.converged
    assert result.factors.norm() == 0
    descent = ll.solve(instance.problem.replace(nuclear=1e3), "gd", rank=2, max_iter=3000)
    assert descent.status is not ll.Status.DIVERGED
    assert descent.factors.norm() < 1e-6


def test_counted_shows_its_abilities_to_static_look_ups(instance):
    counted = operators.Counted(instance.problem.operator)
    for name in ("shape", "size", "dtype", "isometry", "loss_gradient", "row_solve", "row_counts"):
        inspect.getattr_static(counted, name)
    copy = pickle.loads(pickle.dumps(counted))
    copy.as_matrix()
    assert copy.calls["as_matrix"] == 1
    assert counted.calls["as_matrix"] == 0


@pytest.mark.parametrize("rank", [0, 80])
def test_factors_of_an_impossible_rank_are_no_start(instance, rank):
    start = ll.Factors(np.zeros((60, rank)), np.zeros((50, rank)))
    with pytest.raises(InvalidInputError, match="rank"):
        ll.solve(instance, "altmin", start=start)


def test_one_factor_twice_starts_a_rectangular_problem_with_two():
    square = ll.problems.completion((20, 20), 2, sampling=0.8, rng=0)
    factor = np.random.default_rng(0).standard_normal((20, 2))
    runs = [
        ll.solve(square, "gd", start=start, max_iter=5, tol=0, step_size=0.1)
        for start in (ll.Factors(factor, factor), ll.Factors(factor, factor.copy()))
    ]
    np.testing.assert_array_equal(runs[0].factors.right, runs[1].factors.right)
    assert np.abs(runs[0].factors.left - runs[0].factors.right).max() > 1e-3


def test_a_race_takes_a_result_as_the_common_start(instance):
    start = ll.solve(instance, "gd", max_iter=5, tol=0)
    race = ll.compare(instance, ["gd", "altmin"], start=start, budget=5)
    first = [run.result.trace["rel_error"][0] for run in race.runs]
    assert first == [start.trace["rel_error"][-1]] * 2


def test_a_recipe_with_a_storage_type_is_json():
    made = ll.problems.sensing((6, 5), 1, measurements=40, storage=np.float32, rng=0)
    again = ll.problems.build(ll.Recipe.from_json(made.recipe.to_json()))
    np.testing.assert_array_equal(made.problem.data, again.problem.data)


def test_an_operator_without_an_adjoint_is_refused():
    from scipy.sparse.linalg import LinearOperator

    linear = LinearOperator((4, 6), matvec=lambda x: x[:4], dtype=float)
    with pytest.raises(InvalidTypeError, match="rmatvec"):
        operators.FromLinearOperator(linear, (3, 2))


def test_labels_used_as_indices_are_refused_before_memory_is_taken():
    with pytest.raises(InvalidInputError, match="numbered"):
        ll.observed([0, 2 * 10**9], [0, 1], [1.0, 2.0])


def test_no_measurement_at_all_is_refused(instance):
    nothing = operators.Subset(instance.problem.operator, [])
    with pytest.raises(InvalidInputError, match="no measurement"):
        ll.Problem(nothing, np.zeros(0))


def test_overparameterised_scaledgd_that_has_solved_the_problem_has_not_diverged():
    exact = ll.problems.sensing(20, 2, measurements=300, symmetric=True, cond=4, rng=0)
    result = ll.solve(exact, "scaledgd", rank=4, tol=0, max_iter=1000)
    assert result.status is not ll.Status.DIVERGED
    assert result.trace["rel_error"].min() < 1e-12


def test_empty_rows_have_no_effect_even_without_damping():
    cells = np.array([0, 1, 3]), np.array([0, 1, 3]), np.array([1.0, 2.0, 3.0])
    model = ll.complete(cells, shape=(5, 5), damping=0, rank=2)
    assert np.isfinite(model.filled).all()
    assert model.effects.rows[2] == model.effects.columns[4] == 0


def test_a_table_of_zeros_may_list_cells_twice():
    model = ll.complete(([0, 0, 1, 1], [0, 0, 1, 0], np.zeros(4)), duplicates="mean")
    assert not model.filled.any()
