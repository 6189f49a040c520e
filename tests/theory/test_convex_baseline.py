"""The convex baseline and the factored solvers verify each other."""

from __future__ import annotations

import pytest

import lowrank_la as ll

pytest.importorskip("cvxpy")


@pytest.mark.parametrize("backend", ["SCS", "CLARABEL"])
@pytest.mark.parametrize(("n", "rank", "m"), [(20, 2, 120), (30, 2, 250)])
def test_trace_minimisation_finds_the_truth(backend, n, rank, m):
    """Symmetric sensing: 1e-5 as measured for these sizes, and the factored answer."""
    instance = ll.problems.sensing(n, rank, measurements=m, symmetric=True, rng=0)
    convex = ll.solve(instance, "convex", backend=backend)
    factored = ll.solve(instance, "scaledgd", max_iter=2000)
    assert convex.converged
    assert convex.parts["residual"] < 1e-5
    assert convex.trace["rel_error"][-1] < 1e-5
    assert convex.parts["rank"] == rank
    gap = convex.factors.distance(factored.factors) / factored.factors.norm()
    assert gap < 1e-5


def test_nuclear_norm_completion_finds_the_truth():
    instance = ll.problems.completion((40, 30), 2, cond=3, sampling=0.6, rng=0)
    convex = ll.solve(instance, "convex")
    factored = ll.solve(instance, "altmin")
    gap = convex.factors.distance(factored.factors) / factored.factors.norm()
    assert gap < 1e-5


@pytest.mark.parametrize(
    ("solver", "options"),
    [
        ("altmin", {}),
        ("scaledgd_lambda", {"step_size": "exact", "damping": 0.05}),
        ("precgd", {"step_size": "exact"}),
        ("gd", {"step_size": "exact"}),
    ],
)
def test_regularised_objectives_agree(solver, options):
    """Same `nuclear`: the factored objective is the convex optimum to 1e-6, from above."""
    instance = ll.problems.completion((30, 25), 3, cond=3, sampling=0.6, noise=0.02, rng=0)
    problem = instance.problem.replace(nuclear=0.1)
    convex = ll.solve(problem, "convex", rank=3, accuracy=1e-9)
    best = convex.trace["objective"][-1]
    factored = ll.solve(problem, solver, rank=10, start="spectral", max_iter=5000, **options)
    value = problem.objective(factored.factors)
    assert abs(value - best) <= 1e-6 * best, (value, best)


def test_regularised_symmetric_objectives_agree():
    instance = ll.problems.sensing(15, 2, measurements=200, symmetric=True, noise=0.01, rng=0)
    problem = instance.problem.replace(nuclear=0.05)
    convex = ll.solve(problem, "convex", rank=2, accuracy=1e-9)
    factored = ll.solve(problem, "gd", rank=6, step_size="exact", max_iter=5000)
    best = convex.trace["objective"][-1]
    assert abs(problem.objective(factored.factors) - best) <= 1e-6 * best


@pytest.mark.parametrize("loss", [ll.losses.Huber(0.02), ll.losses.Squared()], ids=repr)
def test_huber_and_squared_losses_in_other_units(loss):
    """A thousandfold unit of the data, with loss and weight to match, moves nothing."""
    instance = ll.problems.completion((20, 15), 2, sampling=0.7, noise=0.01, rng=1)
    unit = 1e3
    problem = instance.problem.replace(loss=loss, nuclear=0.05)
    scaled_loss = ll.losses.Huber(loss.delta * unit) if hasattr(loss, "delta") else loss
    scaled = problem.replace(data=problem.data * unit, loss=scaled_loss, nuclear=0.05 * unit)
    values = []
    for p in (problem, scaled):
        convex = ll.solve(p, "convex", rank=2, accuracy=1e-9).trace["objective"][-1]
        factored = ll.solve(p, "gd", rank=8, step_size="backtracking", max_iter=20000, every=50)
        assert abs(p.objective(factored.factors) - convex) <= 1e-5 * convex
        values.append(convex)
    assert values[1] == pytest.approx(values[0] * unit**2, rel=1e-5)


def test_absolute_loss_withstands_outliers():
    instance = ll.problems.sensing(12, 2, measurements=150, symmetric=True, outliers=0.1, rng=0)
    problem = instance.problem.replace(nuclear=1e-3)
    convex = ll.solve(problem, "convex", rank=2)
    truth = instance.truth.factors
    assert convex.factors.distance(truth) / truth.norm() < 1e-2
    squared = ll.solve(problem.replace(loss=ll.losses.Squared()), "convex", rank=2)
    assert squared.factors.distance(truth) / truth.norm() > 0.1
