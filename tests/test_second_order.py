"""Gauss-Newton steps: the inner solve, the line search, and the options of the solver."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import gauss_newton, losses
from lowrank_la.errors import IncompatibleError, InvalidInputError
from lowrank_la.gauss_newton import evaluate, next_forcing, step
from lowrank_la.initial import near
from lowrank_la.solvers import make_solver

KINDS = ["completion", "sensing", "symmetric"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_direction_solves_the_linearised_problem(kind, request):
    instance = request.getfixturevalue(kind)
    problem, X = instance.problem, near(instance, distance=0.3, rng=0)
    at = evaluate(problem, X, 0.02)
    D, count, share = gauss_newton.direction(problem, X, at, shift=0.02, tol=1e-12, limit=500)
    images = gauss_newton.product(problem, X, D)
    for image, d, gradient in zip(images, (D.left, D.right), at, strict=True):
        gap = np.linalg.norm(image + 0.02 * d + gradient)
        assert gap < 1e-9 * np.linalg.norm(gradient)
    assert 0 < count < 500
    assert share <= 1e-12


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_with_a_ridge_has_the_right_slope(kind, request):
    instance = request.getfixturevalue(kind)
    problem, X = instance.problem, near(instance, distance=0.3, rng=0)
    weights = np.linspace(0.1, 0.3, X.rank)
    at = evaluate(problem, X, weights)
    rng = np.random.default_rng(1)
    dL = rng.standard_normal(X.left.shape)
    dR = dL if problem.symmetric else rng.standard_normal(X.right.shape)

    def f(t):
        left = X.left + t * dL
        moved = ll.Factors(left, left if problem.symmetric else X.right + t * dR)
        return evaluate(problem, moved, weights).value

    slope = np.vdot(at.left, dL) + (0 if problem.symmetric else np.vdot(at.right, dR))
    assert slope == pytest.approx((f(1e-6) - f(-1e-6)) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("ridge", [0.0, 0.05])
@pytest.mark.parametrize("kind", KINDS)
def test_the_length_is_the_best_on_the_line(kind, ridge, request):
    instance = request.getfixturevalue(kind)
    problem, X = instance.problem, near(instance, distance=0.5, rng=0)
    at = evaluate(problem, X, ridge)
    D, _, _ = gauss_newton.direction(problem, X, at, shift=ridge)
    move = step(problem, X, at, ridge=ridge)

    def f(t):
        left = X.left + t * D.left
        moved = ll.Factors(left, left if problem.symmetric else X.right + t * D.right)
        return evaluate(problem, moved, ridge).value

    assert f(move.length) == pytest.approx(move.at.value, rel=1e-10)
    grid = [f(t) for t in np.linspace(0.02, 2, 100)]
    assert move.at.value <= min(grid) * (1 + 1e-12)
    assert move.at.value < at.value


def test_a_weight_that_makes_zero_the_answer():
    """The quartics of its steps have coefficients of all sizes."""
    instance = ll.problems.completion((60, 60), 3, oversampling=3, least=5, rng=0)
    problem = instance.problem.replace(nuclear=100.0)
    for solver in ("gauss_newton", "rank_path"):
        result = ll.solve(problem, solver, rank=3, max_iter=200)
        assert result.factors.norm() < 1e-6


def test_the_end_is_quadratic(completion):
    result = ll.solve(completion, "gauss_newton", start=near(completion, distance=0.3, rng=0))
    errors = result.trace["rel_error"]
    fast = [b / a**1.5 for a, b in pairwise(errors) if 1e-7 < a < 1e-2]
    assert fast
    assert max(fast) < 10
    assert errors[-1] < 1e-13


def test_damping_shortens_steps(completion):
    start = near(completion, distance=0.3, rng=0)

    def moved(**options):
        result = ll.solve(completion, "gauss_newton", start=start, max_iter=1, **options)
        return result.factors.distance(start)

    # The line search makes up for some of it.
    assert moved(damping=10.0) < 0.95 * moved()


def test_the_inner_tolerance_matters(completion):
    start = near(completion, distance=0.3, rng=0)

    def inner(**options):
        result = ll.solve(completion, "gauss_newton", start=start, max_iter=3, tol=0.0, **options)
        return result.parts["inner_iterations"]

    assert inner(inner_tol=1e-8) > inner() > inner(inner_tol=0.5)
    assert inner(inner_tol=1e-8, inner_limit=2) == 6


def test_a_ridge_ends_where_that_of_altmin_does(completion):
    answers = [
        ll.solve(completion, name, ridge=0.01, max_iter=500, tol=1e-11)
        for name in ("gauss_newton", "altmin")
    ]
    assert answers[0].factors.distance(answers[1].factors) < 1e-8 * answers[1].factors.norm()
    assert answers[0].trace["rel_error"][-1] > 1e-4
    assert answers[0].trace["objective"][-1] == pytest.approx(answers[1].trace["objective"][-1])


def test_forcing():
    assert next_forcing(0.1, 1.0, 0.9) == 0.1
    assert next_forcing(0.1, 1.0, 1e-4) == pytest.approx(0.01)
    assert next_forcing(0.1, 1.0, 0.0) == 1e-6
    assert next_forcing(0.1, 1.0, float("nan")) == 0.1


def test_another_inner_solver_is_used(sensing):
    problem, X = sensing.problem, near(sensing, distance=0.3, rng=0)
    seen = []

    def inner(problem, X, gradient, shift, tol, limit):
        seen.append((len(gradient), shift.tolist(), tol, limit))
        return tuple(-g for g in gradient), 7, 0.5

    move = step(problem, X, evaluate(problem, X), damping=0.3, tol=0.2, limit=9, inner=inner)
    assert seen == [(2, [0.3, 0.3], 0.2, 9)]
    assert (move.inner, move.share) == (7, 0.5)


@pytest.mark.parametrize(
    "options", [{"ridge": -1}, {"ridge": np.inf}, {"damping": -1}, {"inner_tol": 1}]
)
def test_bad_options_are_refused(options):
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        make_solver("gauss_newton", options)


def test_other_losses_are_refused(completion):
    problem = completion.problem.replace(loss=losses.Huber(1.0))
    with pytest.raises(IncompatibleError, match="Squared"):
        ll.solve(problem, "gauss_newton", rank=2)
