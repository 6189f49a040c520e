"""Stopping criteria: when each fires, what its firing means, and how they combine."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import Status, stopping
from lowrank_la.errors import InvalidInputError, InvalidTypeError, UnknownNameError


def view(**values):
    given = {"iteration": 0, "seconds": 0.0, "stationarity": 1.0, "idle": 0}
    given |= {"solver": ll.solvers.GD(), "state": None} | values
    X = ll.Factors(np.ones((2, 1)), np.ones((2, 1)))
    return SimpleNamespace(X=X, observe=lambda name: given[name], **given)


def status(stop, **values):
    verdict = stop(view(**values))
    return None if verdict is None else verdict.status


def test_max_iter():
    assert status(stopping.MaxIter(5), iteration=4) is None
    assert status(stopping.MaxIter(5), iteration=5) is Status.BUDGET
    assert stopping.MaxIter(5)(view(iteration=7)).reason == "7 iterations used up"


def test_max_time():
    assert status(stopping.MaxTime(1.5), seconds=1.4) is None
    assert status(stopping.MaxTime(1.5), seconds=1.5) is Status.BUDGET


def test_stationary():
    assert status(stopping.Stationary(1e-6), stationarity=2e-6) is None
    assert status(stopping.Stationary(1e-6), stationarity=1e-6) is Status.CONVERGED
    assert status(stopping.Stationary(1e-6), stationarity=float("nan")) is None
    # 0 never fires, not even on a gradient of exactly zero.
    assert status(stopping.Stationary(0.0), stationarity=0.0) is None


def test_target():
    stop = stopping.Target("rel_error", 1e-3)
    assert status(stop, rel_error=2e-3) is None
    assert status(stop, rel_error=1e-3) is Status.TARGET
    assert status(stop, rel_error=float("nan")) is None
    assert status(stopping.Target("objective", -1.0), objective=-2.0) is Status.TARGET


def test_unchanged_tells_convergence_from_stalling():
    stop = stopping.Unchanged(3)
    assert status(stop, idle=2, stationarity=1e-12) is None
    assert status(stop, idle=3, stationarity=1e-12) is Status.CONVERGED
    assert status(stop, idle=3, stationarity=1e-3) is Status.STALLED
    assert status(stop, idle=3, stationarity=float("nan")) is Status.STALLED


def test_or_fires_with_the_first():
    stop = stopping.MaxIter(5) | stopping.Stationary(1e-6)
    assert status(stop, iteration=3) is None
    assert status(stop, iteration=5) is Status.BUDGET
    assert status(stop, iteration=3, stationarity=0.0) is Status.CONVERGED
    # Both at once: the one that was named first.
    assert status(stop, iteration=5, stationarity=0.0) is Status.BUDGET


def test_and_fires_once_both_hold():
    stop = stopping.MaxIter(5) & stopping.Stationary(1e-6)
    assert status(stop, iteration=5) is None
    assert status(stop, iteration=3, stationarity=0.0) is None
    # It indicates convergence if one of its parts does.
    assert status(stop, iteration=5, stationarity=0.0) is Status.CONVERGED
    verdict = stop(view(iteration=5, stationarity=0.0))
    assert verdict.reason == "5 iterations used up and relative gradient 0.0e+00 <= tol 1.0e-06"
    both = stopping.MaxIter(5) & stopping.MaxTime(1.0)
    assert status(both, iteration=5, seconds=2.0) is Status.BUDGET


def test_three_criteria_nest():
    stop = (stopping.MaxIter(5) & stopping.MaxTime(1.0)) | stopping.Stationary(1e-6)
    assert status(stop, iteration=9) is None
    assert status(stop, iteration=9, seconds=1.0) is Status.BUDGET
    assert status(stop, stationarity=0.0) is Status.CONVERGED


def test_only_success_counts_as_converged():
    assert {s for s in Status if s.converged} == {Status.CONVERGED, Status.TARGET}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: stopping.MaxIter(-1), InvalidInputError, "max_iter must be at least 0"),
        (lambda: stopping.MaxIter(2.5), InvalidTypeError, "max_iter must be an integer"),
        (lambda: stopping.MaxTime(-1.0), InvalidInputError, "max_time must lie in"),
        (lambda: stopping.MaxTime("1 h"), InvalidTypeError, "max_time must be a number"),
        (lambda: stopping.Stationary(-1.0), InvalidInputError, "tol must lie in"),
        (lambda: stopping.Stationary(float("nan")), InvalidInputError, "tol must lie in"),
        (lambda: stopping.Target("objective", "0"), InvalidTypeError, "value must be a number"),
        (lambda: stopping.Unchanged(0), InvalidInputError, "patience must be at least 1"),
        (lambda: stopping.MaxIter(3) | 5, InvalidTypeError, "must come from lowrank_la.stopping"),
        (lambda: stopping.MaxIter(3) & None, InvalidTypeError, "lowrank_la.stopping, got None"),
    ],
)
def test_bad_criteria(make, error, message):
    with pytest.raises(error, match=message):
        make()


# --- in a run ---


def test_a_target_stops_a_run(sensing):
    result = ll.solve(sensing, "scaledgd", stop=stopping.Target("rel_error", 1e-3))
    assert result.status is Status.TARGET
    assert result.converged
    assert result.trace["rel_error"][-1] <= 1e-3 < result.trace["rel_error"][-2]


def test_a_stop_replaces_the_default_tolerance(sensing):
    free = ll.solve(sensing, "scaledgd", stop=stopping.MaxIter(10_000), max_iter=150)
    default = ll.solve(sensing, "scaledgd", max_iter=150)
    assert default.status is Status.CONVERGED
    assert free.n_iter > default.n_iter
    both = ll.solve(sensing, "scaledgd", stop=stopping.MaxIter(10_000), tol=1e-3, max_iter=150)
    assert both.status is Status.CONVERGED
    assert both.n_iter < default.n_iter


def test_an_iterate_that_stands_still_ends_the_run(sensing):
    # A step of zero moves nothing, far from any solution.
    with pytest.warns(ll.errors.ConvergenceWarning, match="stand still"):
        stuck = ll.solve(sensing, "gd", step_size=0.0, tol=1e-8, max_iter=100)
    assert stuck.status is Status.STALLED
    assert stuck.n_iter == 5
    assert not stuck.converged
    patient = ll.solve(sensing, "gd", step_size=0.0, stop=stopping.Unchanged(20), tol=0.0)
    assert patient.n_iter == 20


def test_converged_to_working_precision(sensing):
    # The tolerance is out of reach, the iterate at rest all the same.
    result = ll.solve(sensing, "scaledgd", tol=1e-30, max_iter=2000)
    assert result.status is Status.CONVERGED
    assert "working precision" in result.reason
    assert result.trace["rel_error"][-1] < 1e-13


def test_max_time_counts_seconds_in_the_solver(sensing):
    result = ll.solve(sensing, "gd", max_time=0.0, tol=0.0)
    assert (result.status, result.n_iter) == (Status.BUDGET, 0)
    longer = ll.solve(sensing, "gd", max_time=0.02, tol=0.0, max_iter=10**7)
    assert longer.trace["seconds"][-2] < 0.02 <= longer.trace["seconds"][-1]


def test_an_unknown_quantity_is_refused(sensing):
    with pytest.raises(UnknownNameError, match="no observer named 'rel_eror'; did you mean"):
        ll.solve(sensing, stop=stopping.Target("rel_eror", 1e-3))
    with pytest.raises(InvalidInputError, match="rel_error needs the truth"):
        ll.solve(sensing.problem, rank=2, stop=stopping.Target("rel_error", 1e-3))


def test_stationarity_does_not_depend_on_gauge_or_units(sensing):
    problem = sensing.problem
    X = ll.initial.near(sensing, distance=0.1, rng=0)
    turn = np.array([[2.0, 0.5], [0.0, 0.3]])
    turned = ll.Factors(X.left @ turn, X.right @ np.linalg.inv(turn).T)
    larger = problem.replace(data=100 * problem.data)
    values = []
    for p, start in (
        (problem, X),
        (problem, turned),
        (larger, ll.Factors(10 * X.left, 10 * X.right)),
    ):
        first = next(iter(ll.iterate(p, "gd", start=start)))
        values.append(first.stationarity)
    np.testing.assert_allclose(values, values[0], rtol=1e-9)


def test_stationarity_is_about_the_relative_error(sensing, symmetric):
    for instance in (sensing, symmetric):
        result = ll.solve(
            instance, "scaledgd", observe="stationarity", stop=stopping.Target("rel_error", 1e-5)
        )
        ratio = result.trace["stationarity"][-1] / result.trace["rel_error"][-1]
        assert 0.2 < ratio < 5
