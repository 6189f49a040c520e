"""Options of solvers, each in a run in which it matters."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import solvers
from lowrank_la.errors import InvalidInputError
from lowrank_la.initial import spectral_values


def steps_of(instance, solver, **options):
    options = {"max_iter": 3, "tol": 0, "observe": "step", "start": "spectral"} | options
    return ll.solve(instance, solver, **options).trace["step"][1:]


def same(a, b):
    return np.array_equal(a.left, b.left) and np.array_equal(a.right, b.right)


# --- gradient descent and its relatives ---


@pytest.mark.parametrize("name", ["gd", "scaledgd", "scaledgd_lambda", "precgd"])
def test_step_sizes_are_in_units_of_the_method(name, sensing):
    unit = 1.0 / sensing.problem.operator.isometry
    if name == "gd":
        unit /= spectral_values(sensing.problem, 1)[0]
    assert steps_of(sensing, name, step_size=0.2) == pytest.approx(0.2 * unit)


@pytest.mark.parametrize("name", ["gd", "scaledgd", "scaledgd_lambda", "precgd", "agn"])
def test_the_default_is_a_search_along_the_line(name, sensing):
    exact = steps_of(sensing, name, step_size="exact")
    assert np.array_equal(steps_of(sensing, name), exact)
    huber = sensing.problem.replace(loss=ll.losses.Huber(0.1))
    found = steps_of(huber, name, rank=2)
    assert np.array_equal(found, steps_of(huber, name, rank=2, step_size="backtracking"))


@pytest.mark.parametrize(("name", "small"), [("gd", 0.5), ("scaledgd_lambda", 0.3)])
def test_the_default_step_is_constant_near_zero(name, small, symmetric):
    unit = 1.0 / symmetric.problem.operator.isometry
    if name == "gd":
        unit /= spectral_values(symmetric.problem, 1)[0]
    options = {"start": "small_random", "init_scale": 1e-8, "max_iter": 200, "rank": 4}
    result = ll.solve(symmetric, name, observe=["step", "rel_error"], **options)
    steps, errors = result.trace["step"][1:], result.trace["rel_error"]
    first = int(np.flatnonzero(~np.isclose(steps, small * unit))[0])
    np.testing.assert_allclose(steps[:first], small * unit)
    assert first > 5
    assert errors[first] > 0.5
    # More columns than the rank do not keep what the first steps have left.
    assert errors[-1] < 1e-6
    at_once = ll.solve(symmetric, name, step_size="exact", **options)
    assert at_once.trace["rel_error"][-1] > 100 * errors[-1]


def test_the_default_does_not_diverge_where_the_constant_does():
    instance = ll.problems.completion(
        (200, 150), 5, cond=5, oversampling=2.5, factors="gaussian", rng=1
    )
    with pytest.warns(ll.errors.ConvergenceWarning, match="diverged"):
        ll.solve(instance, "scaledgd", step_size=0.5)
    result = ll.solve(instance, "scaledgd", max_iter=3000, tol=1e-9)
    assert result.converged
    assert np.all(np.diff(result.trace["objective"]) <= 0)
    assert result.trace["rel_error"][-1] < 1e-6


@pytest.mark.parametrize("name", ["gd", "scaledgd", "scaledgd_lambda", "precgd", "altmin"])
def test_neither_units_of_data_nor_of_the_operator_matter(name, completion, sensing):
    """Ten iterations give the same matrix if data and measurements are in other units."""
    instance = completion if name == "altmin" else sensing
    problem = instance.problem
    weights = np.full(problem.data.size, 7.0)
    heavy = ll.operators.Weighted(problem.operator, weights)
    others = [problem.replace(data=1000 * problem.data)]
    if name != "altmin":
        others.append(problem.replace(operator=heavy, data=weights * problem.data))
    options = {"rank": 2, "start": "spectral", "max_iter": 10, "tol": 0}
    base = ll.solve(problem, name, **options).factors.to_dense()
    for other, factor in zip(others, (1000, 1), strict=False):
        found = ll.solve(other, name, **options).factors.to_dense()
        np.testing.assert_allclose(found, factor * base, rtol=1e-6, atol=1e-9 * factor)


def test_sigma_max_sets_the_step_of_gradient_descent(sensing):
    known = steps_of(sensing, "gd", sigma_max=4.0, step_size=0.5)
    assert known == pytest.approx(0.5 / (4.0 * sensing.problem.operator.isometry))
    options = {"step_size": 0.5, "max_iter": 20, "tol": 0}
    runs = [ll.solve(sensing, "gd", sigma_max=s, **options) for s in (1.0, 4.0)]
    assert runs[0].trace["rel_error"][-1] < runs[1].trace["rel_error"][-1]


def test_fixed_damping(sensing):
    start = ll.initial.spectral(sensing.problem, 2)
    options = {"step_size": 0.3, "start": start, "max_iter": 10, "tol": 0}
    runs = {
        d: ll.solve(sensing, "scaledgd_lambda", damping=d, **options) for d in (1e-12, 0.1, 10.0)
    }
    plain = ll.solve(sensing, "scaledgd", **options)
    np.testing.assert_allclose(
        runs[1e-12].factors.to_dense(), plain.factors.to_dense(), rtol=1e-6, atol=1e-9
    )
    errors = [run.trace["rel_error"][-1] for run in runs.values()]
    assert errors == sorted(errors)
    assert runs[0.1].state.damping == 0.1


def test_automatic_damping_is_the_last_singular_value(sensing):
    run = ll.solve(sensing, "scaledgd_lambda", rank=2, max_iter=2, tol=0)
    expected = spectral_values(sensing.problem, 2)[1]
    assert run.state.damping == pytest.approx(expected)
    assert expected == pytest.approx(sensing.truth.singular_values[1], rel=0.5)


def test_automatic_damping_needs_something_to_go_by():
    operator = ll.operators.FullObservation((5, 5))
    problem = ll.Problem(operator, -np.eye(5).ravel(), symmetric=True)
    with pytest.raises(InvalidInputError, match="damping='auto' finds no positive singular value"):
        ll.solve(problem, "scaledgd_lambda", start=ll.Factors(*[np.ones((5, 2))] * 2))


def test_damping_by_the_residual(sensing):
    start = ll.initial.spectral(sensing.problem, 2)
    options = {"step_size": 0.3, "start": start, "max_iter": 10, "tol": 0}
    plain = ll.solve(sensing, "scaledgd", **options)
    none = ll.solve(sensing, "precgd", damping=0.0, **options)
    assert same(none.factors, plain.factors)
    errors = [
        ll.solve(sensing, "precgd", damping=d, **options).trace["rel_error"][-1]
        for d in (0.0, 1.0, 10.0)
    ]
    assert errors == sorted(errors)
    # It vanishes with the objective.
    end = ll.solve(sensing, "precgd", start=start, max_iter=300)
    assert end.state.damping < 1e-9


def test_precgd_with_columns_to_spare_keeps_errors_small_from_a_small_start():
    """An exact first step lifts errors as much as the matrix, and data of entries keep them."""
    instance = ll.problems.completion(
        (60, 60), 3, cond=50, oversampling=5, least=6, factors="gaussian", rng=2
    )
    options = {"rank": 5, "start": "small_random", "max_iter": 200}
    default, exact = (
        ll.solve(instance, "precgd", step_size=rule, **options).trace["rel_error"][-1]
        for rule in ("auto", "exact")
    )
    assert default < 1e-3
    assert exact > 1e-2


def test_small_steps_of_every_method_follow_one_flow(sensing):
    # The matrix metric of scaledgd is the identity where both factors have orthonormal columns.
    u = np.linalg.qr(np.random.default_rng(0).standard_normal((15, 2)))[0]
    v = np.linalg.qr(np.random.default_rng(1).standard_normal((12, 2)))[0]
    start = ll.Factors(u, v)
    options = {"start": start, "max_iter": 1, "tol": 0, "step_size": 1e-3}
    a = ll.solve(sensing, "scaledgd", **options).factors
    b = ll.solve(sensing, "gd", sigma_max=1.0, **options).factors
    np.testing.assert_allclose(a.left, b.left, atol=1e-12)


# --- alternating minimisation ---


def ridge_solution(problem, left, weights):
    """Rows of the right factor by ridge least squares, one by one."""
    i, j = problem.operator.positions
    rows = []
    for column in range(problem.shape[1]):
        mine = j == column
        matrix = left[i[mine]]
        gram = matrix.T @ matrix + weights[column] * np.eye(left.shape[1])
        rows.append(np.linalg.solve(gram, matrix.T @ problem.data[mine]))
    return np.stack(rows)


@pytest.mark.parametrize("by_count", [False, True])
@pytest.mark.parametrize("nuclear", [0.0, 0.3])
def test_ridge(by_count, nuclear, completion):
    problem = completion.problem.replace(nuclear=nuclear)
    start = ll.initial.spectral(problem, 2)
    solver = solvers.AltMin(ridge=0.2, ridge_by_count=by_count)
    state = solver.init(problem, start)
    solver.advance(problem, state, 1)
    counts = problem.operator.column_counts if by_count else np.ones(problem.shape[1])
    expected = ridge_solution(problem, start.left, nuclear + 0.2 * counts)
    np.testing.assert_allclose(solver.factors(state).right, expected, atol=1e-10)


def test_a_larger_ridge_gives_a_smaller_matrix(completion):
    norms = [
        ll.solve(completion, "altmin", ridge=r, max_iter=50).factors.norm() for r in (0.0, 0.1, 0.5)
    ]
    assert norms == sorted(norms, reverse=True)


def test_the_nuclear_weight_is_a_ridge(completion):
    """The minimiser of the regularised problem, by its optimality conditions."""
    weight = 0.2
    problem = completion.problem.replace(nuclear=weight)
    X = ll.solve(problem, "altmin", rank=4, max_iter=3000).factors
    # A*(A(X) - y) = -weight on the singular vectors of X, and at most weight elsewhere.
    dense = np.zeros(problem.shape)
    dense[problem.operator.positions] = problem.residual(X)
    u, s, v = X.svd()
    kept = s > 1e-3 * s[0]
    np.testing.assert_allclose(dense @ v[:, kept], -weight * u[:, kept], atol=1e-5)
    assert np.linalg.norm(dense, 2) <= weight * (1 + 1e-4)


@pytest.mark.parametrize("name", ["gd", "scaledgd", "altmin"])
def test_regularised_solvers_agree(name, completion):
    problem = completion.problem.replace(nuclear=0.05)
    objectives = []
    for solver, options in ((name, {}), ("gd", {"step_size": "exact"})):
        result = ll.solve(
            problem, solver, rank=2, start="spectral", tol=0, max_iter=1000, **options
        )
        objectives.append(result.trace["objective"][-1])
    assert objectives[0] == pytest.approx(objectives[1], rel=1e-6)
