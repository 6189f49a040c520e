"""The predicted contraction against dense linear algebra and against measured runs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import gauss_newton, losses, solvers, steps
from lowrank_la.errors import ConvergenceWarning


def completion(dtype=float, rank=3, **options):
    options = {"cond": 3, "sampling": 0.6, "factors": "gaussian", "rng": 0} | options
    return ll.problems.completion((30, 25), rank, dtype=dtype, **options)


def sensing(dtype=float, symmetric=False, **options):
    shape = 10 if symmetric else (11, 9)
    options = {"cond": 3, "measurements": 250, "rng": 0} | options
    return ll.problems.sensing(shape, 2, symmetric=symmetric, dtype=dtype, **options)


INSTANCES = {
    "completion": completion(),
    "sensing": sensing(),
    "symmetric": sensing(symmetric=True),
    "complex completion": completion(complex, cond=2, sampling=0.7),
    "complex sensing": sensing(complex),
    "hermitian": sensing(complex, symmetric=True),
}
METHODS = {
    "gd": solvers.GD(step_size=0.4),
    "gd, sigma known": solvers.GD(step_size=0.3, sigma_max=1.0),
    "scaledgd": solvers.ScaledGD(step_size=0.4),
    "scaledgd, short": solvers.ScaledGD(step_size=0.1),
    "scaledgd_lambda": solvers.ScaledGDLambda(step_size=0.3, damping=0.2),
    "precgd": solvers.PrecGD(step_size=0.3),
}
EACH_INSTANCE = pytest.mark.parametrize("instance", INSTANCES.values(), ids=INSTANCES)


def as_vector(X, symmetric):
    parts = [X.left] if symmetric else [X.left, X.right]
    flat = np.concatenate([part.ravel() for part in parts])
    return flat.view(float) if flat.dtype.kind == "c" else flat


def jacobian(solver, instance, radius=1e-6):
    """Derivative of one iteration at the truth, by central differences, on real vectors."""
    problem, X = instance.problem, instance.truth.factors.balanced()
    state = solver.init(problem, X)
    size = as_vector(X, problem.symmetric).size

    def moved(k, h):
        flat = as_vector(X, problem.symmetric).copy()
        flat[k] += h
        flat = flat.view(X.dtype)
        left = flat[: X.left.size].reshape(X.left.shape)
        right = left if problem.symmetric else flat[X.left.size :].reshape(X.right.shape)
        start = solver.init(problem, ll.Factors(left, right))
        # What is fixed at the start belongs to the iteration at the truth.
        start.unit, start.damping = state.unit, state.damping
        solver.advance(problem, start, 1)
        return as_vector(solver.factors(start), problem.symmetric)

    columns = [(moved(k, radius) - moved(k, -radius)) / (2 * radius) for k in range(size)]
    return np.stack(columns, axis=1)


def contraction_of(matrix, gauge_size):
    """Largest modulus of an eigenvalue besides those of the gauge, which are 1."""
    values = np.linalg.eigvals(matrix)
    fixed = np.argsort(np.abs(values - 1))[:gauge_size]
    assert np.all(np.abs(values[fixed] - 1) < 1e-4)
    return float(np.max(np.abs(np.delete(values, fixed))))


@EACH_INSTANCE
@pytest.mark.parametrize("solver", METHODS.values(), ids=METHODS)
def test_the_prediction_is_the_spectral_radius_of_the_iteration(instance, solver):
    problem, rank = instance.problem, instance.truth.factors.rank
    if isinstance(solver, solvers.PrecGD):
        # Its damping vanishes at the solution like the distance: no derivative there, but the
        # limit is that of scaledgd with its step.
        solver, exact = solvers.PrecGD(step_size=0.3), solvers.ScaledGD(step_size=0.3)
    else:
        exact = solver
    real = 2 if problem.dtype.kind == "c" else 1
    gauge = real * rank**2
    if problem.symmetric:
        gauge = rank**2 if real == 2 else rank * (rank - 1) // 2
    expected = contraction_of(jacobian(exact, instance), gauge)
    assert solver.local_rate(problem, instance.truth.factors) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["completion", "sensing", "symmetric", "hermitian"])
@pytest.mark.parametrize("method", ["gd", "scaledgd", "scaledgd_lambda", "precgd"])
def test_runs_contract_as_predicted(name, method):
    instance, solver = INSTANCES[name], METHODS[method]
    start = ll.initial.near(instance, distance=1e-3, rng=0)
    result = ll.solve(instance, solver, start=start, max_iter=2000)
    error = result.trace["rel_error"]
    predicted = solver.local_rate(instance.problem, instance.truth.factors)
    # Over the last decades above rounding, where one mode is left.
    late = np.flatnonzero((error < 1e-8) & (error > 1e-12))
    measured = (error[late[-1]] / error[late[0]]) ** (1 / (late[-1] - late[0]))
    assert measured == pytest.approx(predicted, rel=0.02)


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_alternating_minimisation_contracts_as_predicted(rank, seed):
    instance = completion(rank=rank, sampling=0.4, rng=seed)
    start = ll.initial.near(instance, distance=0.05, rng=0)
    result = ll.solve(instance, "altmin", relaxation=1.0, start=start, max_iter=300)
    error = result.trace["rel_error"]
    predicted = solvers.AltMin(relaxation=1.0).local_rate(instance.problem, instance.truth.factors)
    late = np.flatnonzero((error < 1e-6) & (error > 1e-12))
    measured = (error[late[-1]] / error[late[0]]) ** (1 / (late[-1] - late[0]))
    assert measured == pytest.approx(predicted, rel=0.05)


def test_a_step_that_is_predicted_to_be_too_long_does_not_converge():
    instance = INSTANCES["sensing"]
    start = ll.initial.near(instance, distance=1e-6, rng=0)
    outcomes = set()
    for step in (0.6, 1.6):
        solver = solvers.ScaledGD(step_size=step)
        predicted = solver.local_rate(instance.problem, instance.truth.factors)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            error = ll.solve(instance, solver, start=start, max_iter=300).trace["rel_error"]
        outcomes.add(predicted < 1)
        assert (error[-1] < error[0]) == (predicted < 1)
    assert outcomes == {True, False}


def test_scaling_beats_conditioning_and_plain_descent_does_not():
    rates = {"gd": [], "scaledgd": []}
    for cond in (1, 10):
        instance = ll.problems.sensing((20, 18), 2, measurements=900, cond=cond, rng=0)
        for name, found in rates.items():
            found.append(
                solvers.make_solver(name, {"step_size": 0.5}).local_rate(
                    instance.problem, instance.truth.factors
                )
            )
    assert rates["scaledgd"][1] == pytest.approx(rates["scaledgd"][0], abs=0.02)
    assert (1 - rates["gd"][1]) < (1 - rates["gd"][0]) / 4


def test_no_prediction_where_the_analysis_does_not_apply():
    instance = INSTANCES["completion"]
    problem, truth = instance.problem, instance.truth.factors

    def rate(solver, p=problem):
        return solver.local_rate(p, truth)

    assert rate(solvers.GD()) is None
    assert rate(solvers.GD(step_size="exact")) is None
    assert rate(solvers.ScaledGD(step_size=steps.Backtracking())) is None
    assert rate(solvers.ScaledGD(step_size=0.5), problem.replace(loss=losses.Huber(1.0))) is None
    assert rate(solvers.ScaledGD(step_size=0.5), problem.replace(nuclear=0.1)) is None
    assert rate(solvers.AltMin(ridge=0.1)) is None
    assert rate(solvers.AltMin(), problem.replace(nuclear=0.1)) is None
    hermitian = INSTANCES["complex completion"]
    truth = hermitian.truth.factors
    assert solvers.AltMin(relaxation=1.0).local_rate(hermitian.problem, truth) is None
    if "convex" in ll.available_solvers():
        assert rate(solvers.Convex()) is None


def test_too_many_columns_are_not_analysed(monkeypatch):
    wide = ll.problems.completion((60, 50), 33, sampling=0.95, rng=0)
    solver = solvers.ScaledGD(step_size=0.5)
    assert gauss_newton.MAX_RANK == 32
    assert solver.local_rate(wide.problem, wide.truth.factors) is None
    narrow = INSTANCES["completion"]
    assert solver.local_rate(narrow.problem, narrow.truth.factors) is not None
    monkeypatch.setattr(gauss_newton._contraction, "MAX_RANK", 2)
    assert solver.local_rate(narrow.problem, narrow.truth.factors) is None


def test_matrices_too_small_for_lanczos_are_left_out():
    problem = ll.observed([0, 0, 1, 1], [0, 1, 0, 1], [1.0, 2.0, 2.0, 4.0], (2, 2))
    truth = ll.Factors([[1.0], [2.0]], [[1.0], [2.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rate = solvers.ScaledGD(step_size=0.5).local_rate(problem, truth)
        assert rate in (None, pytest.approx(0.5))


@EACH_INSTANCE
def test_the_product_is_the_hessian_of_the_objective(instance):
    problem, X = instance.problem, instance.truth.factors.balanced()
    rng = np.random.default_rng(0)

    def draw(n):
        real = rng.standard_normal((n, X.rank))
        return real + 1j * rng.standard_normal(real.shape) if problem.dtype.kind == "c" else real

    left = draw(problem.shape[0])
    D = ll.Factors(left, left if problem.symmetric else draw(problem.shape[1]))
    parts = gauss_newton.product(problem, X, D)
    h = 1e-6

    def gradient(t):
        moved = X.left + t * D.left
        Y = ll.Factors(moved, moved if problem.symmetric else X.right + t * D.right)
        at = problem.evaluate(Y)
        return at.left, at.right

    for part, plus, minus in zip(parts, gradient(h), gradient(-h), strict=True):
        np.testing.assert_allclose(part, (plus - minus) / (2 * h), atol=1e-5)
