"""Alternating scaled steepest descent: the residual that is updated, options, errors."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import IncompatibleError, InvalidTypeError, SolverBreakdownError
from lowrank_la.initial import near
from lowrank_la.solvers import ScaledASD


@pytest.mark.parametrize("kind", ["completion", "sensing"])
def test_agn_with_exact_steps_takes_the_same_iterates(kind, request):
    instance = request.getfixturevalue(kind)
    start = near(instance, distance=0.3, rng=0)
    one, two = (
        ll.solve(instance, name, start=start, max_iter=10, tol=0)
        for name in ("scaled_asd", ll.solvers.AGN(step_size="exact"))
    )
    assert one.factors.distance(two.factors) < 1e-12 * one.factors.norm()


def test_the_updated_residual_stays_that_of_the_factors(completion):
    problem = completion.problem
    state = ll.solve(completion, "scaled_asd", max_iter=200, tol=0).state
    gap = np.abs(state.residual - problem.residual(ScaledASD().factors(state))).max()
    assert gap < 1e-13 * np.abs(problem.data).max()


def test_scaling_frees_the_rate_of_the_condition_number():
    counts = {}
    for cond in (1, 30):
        instance = ll.problems.sensing((25, 20), 2, cond=cond, measurements=1200, rng=0)
        for scaled in (True, False):
            solver = ScaledASD(scaled=scaled)
            counts[cond, scaled] = ll.solve(instance, solver, tol=1e-8, max_iter=5000).n_iter
    assert counts[30, True] < 1.5 * counts[1, True]
    assert counts[30, False] > 5 * counts[1, False]


def test_another_problem_is_not_continued_with_the_old_residual(completion):
    first = ll.solve(completion, "scaled_asd", max_iter=3, tol=0)
    other = completion.problem.replace(data=1.5 * completion.problem.data)
    result = ll.solve(other, "scaled_asd", start=first)
    assert other.objective(result.factors) < 1e-20


def test_a_nuclear_weight_is_minimised_too(completion):
    problem = completion.problem.replace(nuclear=0.05)
    expected = ll.solve(problem, "altmin", rank=2).trace["objective"][-1]
    for scaled in (True, False):
        result = ll.solve(problem, ScaledASD(scaled=scaled), rank=2, max_iter=5000)
        assert result.trace["objective"][-1] == pytest.approx(expected, rel=1e-9)


def test_a_factor_without_full_rank_is_told(completion):
    X = completion.truth.factors
    start = ll.Factors(np.repeat(X.left[:, :1], 2, axis=1), np.repeat(X.right[:, :1], 2, axis=1))
    state = ScaledASD().init(completion.problem, start)
    with pytest.raises(SolverBreakdownError, match="singular"):
        ScaledASD().advance(completion.problem, state, 1)


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_scaled_must_be_a_truth_value(value):
    with pytest.raises(InvalidTypeError, match="True or False"):
        ScaledASD(scaled=value)


def test_symmetric_problems_and_other_losses_are_refused(symmetric, completion):
    with pytest.raises(IncompatibleError, match="rectangular"):
        ll.solve(symmetric, "scaled_asd")
    problem = completion.problem.replace(loss=ll.losses.Huber(0.1))
    with pytest.raises(IncompatibleError, match="Squared"):
        ll.solve(problem, "scaled_asd", rank=2)
