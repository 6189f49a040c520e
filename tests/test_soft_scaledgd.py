"""Scaled gradient descent with soft thresholding: paces, boundary, and what it says of itself."""

from __future__ import annotations

import numpy as np
import pytest
from corrupted import error, gaussian

import lowrank_la as ll
from lowrank_la import solvers
from lowrank_la.errors import IncompatibleError, InvalidInputError
from lowrank_la.solvers import _outliers, _threshold

pytestmark = pytest.mark.filterwarnings("ignore::lowrank_la.errors.ConvergenceWarning")


def test_out_of_the_box_without_knowing_the_share():
    problem, truth, hit = gaussian(200, 5, 0.3, 0)
    result = ll.solve(problem, "soft_scaledgd", rank=5, tol=1e-8)
    assert result.converged
    assert error(result, truth) < 1e-7
    assert result.n_iter < 100
    assert result.oracle_used == ()
    assert result.parts["doubt"] == ""
    assert result.parts["outlier_share"] == pytest.approx(hit.mean(), abs=0.01)
    found = np.zeros(hit.size, bool)
    found[result.parts["sparse_measurements"]] = True
    assert np.mean(found != hit) < 1e-3


@pytest.mark.parametrize(("positive", "share", "rank"), [(False, 0.5, 4), (True, 0.3, 10)])
def test_the_pace_slows_down_where_it_has_to(positive, share, rank):
    """With a constant decay of 0.7 both are lost."""
    problem, truth, _ = gaussian(200, rank, share, 0, positive)
    result = ll.solve(problem, "soft_scaledgd", rank=rank, tol=1e-6, max_iter=500)
    assert result.converged
    assert error(result, truth) < 2e-5
    assert result.state.decay > 0.7
    fast = ll.solve(problem, "soft_scaledgd", rank=rank, tol=1e-6, decay=0.7, max_iter=150)
    assert error(fast, truth) > 1e-4
    assert not fast.converged


@pytest.mark.parametrize("seed", range(3))
def test_what_is_lost_is_not_called_converged(seed):
    problem, truth, _ = gaussian(80, 8, 0.6, seed, True)
    result = ll.solve(problem, "soft_scaledgd", rank=8, max_iter=300)
    assert error(result, truth) > 1e-2
    assert not result.converged


def test_the_rate_does_not_depend_on_the_condition_number():
    counts = []
    for cond in (1, 5):
        instance = ll.problems.robust_pca((150, 120), 3, cond=cond, corruption=0.1, rng=0)
        result = ll.solve(instance, "soft_scaledgd", tol=1e-9)
        assert result.converged
        assert result.trace["rel_error"][-1] < 1e-6
        counts.append(result.n_iter)
    assert max(counts) <= 1.5 * min(counts), counts


def test_errors_of_all_sizes_are_clipped():
    """Laplace errors, without a gap between noise and outliers: like least absolute deviations."""
    rng = np.random.default_rng(0)
    truth = ll.Factors(rng.standard_normal((150, 2)), rng.standard_normal((120, 2)))
    data = truth.to_dense() + rng.laplace(0, 0.3, (150, 120))
    operator = ll.operators.FullObservation(data.shape)
    problem = ll.Problem(operator, data.ravel(), loss=ll.losses.Absolute())
    result = ll.solve(problem, "soft_scaledgd", rank=2, max_iter=100)
    squares = ll.solve(problem.replace(loss=ll.losses.Squared()), rank=2)
    assert error(result, truth) < 0.85 * error(squares, truth)
    # It stands still at the size of the errors, and does not fall to zero.
    assert 0.1 < result.state.threshold < 1.0


@pytest.mark.parametrize("soft", [False, True])
def test_rows_that_lag_at_every_pace_do_not_hold_the_threshold_up(soft):
    """As pixels of a video that are hidden most of the time, while the rest stands still."""
    empty = np.zeros((0, 1))
    found = _outliers.Cut(
        rows=empty,
        columns=empty,
        squares=0.0,
        share=0.02,
        lag=0.9,
        least=2.0,
        lowest=1.0,
        typical=2.0,
        median=2.0,
        mean=3.0,
        border=0.0,
        beyond=0.0,
        misfit=0.01,
    )
    plan = _threshold.Schedule(40.0, 80.0, 0.5, 0, np.inf)
    plan.follow(found, 1.0, 1e-9, soft=soft)
    # At first it is taken for a pace that is too fast.
    assert plan.threshold > 40.0
    assert plan.decay == np.sqrt(0.5)
    for _ in range(30):
        plan.follow(found, 1.0, 1e-9, soft=soft)
    assert plan.decay == np.sqrt(0.5)
    assert plan.threshold < 12.0
    # Unless it is down at rounding errors.
    plan.follow(found, 1.0, plan.threshold, soft=soft)
    assert plan.threshold == 80.0


def test_robust_completion():
    instance = ll.problems.robust_completion(
        (300, 250), 4, sampling=0.3, corruption=0.1, model="uniform", cond=3, rng=1
    )
    result = ll.solve(instance, "soft_scaledgd", tol=1e-8)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-6


def test_complex_and_single_precision():
    for dtype, limit in (("complex128", 1e-9), ("float32", 3e-4), ("complex64", 3e-4)):
        instance = ll.problems.robust_pca((90, 70), 2, corruption=0.08, dtype=dtype, rng=0)
        result = ll.solve(instance, "soft_scaledgd", max_iter=300)
        assert result.factors.left.dtype == dtype
        assert result.trace["rel_error"][-1] < limit


def test_options_matter():
    instance = ll.problems.robust_pca((60, 50), 2, corruption=0.1, rng=0)
    plain = ll.solve(instance, "soft_scaledgd", max_iter=5, tol=0)
    for options in ({"step_size": 0.5}, {"decay": 0.7}, {"threshold": 0.01}):
        other = ll.solve(instance, "soft_scaledgd", max_iter=5, tol=0, **options)
        assert plain.factors.distance(other.factors) > 1e-6 * plain.factors.norm(), options
    given = ll.solve(instance, "soft_scaledgd", max_iter=5, tol=0, threshold=2.0, decay=0.9)
    assert given.state.threshold == pytest.approx(2.0 * 0.9**5)


def test_the_pass_is_the_fused_one(monkeypatch):
    problem, _, _ = gaussian(40, 2, 0.1, 0)
    calls = []
    fused = _outliers._fused
    monkeypatch.setattr(_outliers, "_fused", lambda *a: (calls.append(1), fused(*a))[1])
    ll.solve(problem, "soft_scaledgd", rank=2, max_iter=4, tol=0)
    assert len(calls) == 5


def test_what_is_refused():
    problem = ll.problems.robust_pca((12, 10), 2, rng=0).problem
    with pytest.raises(IncompatibleError, match="set nuclear=0"):
        ll.solve(problem.replace(nuclear=1.0), "soft_scaledgd", rank=1)
    with pytest.raises(IncompatibleError, match="needs the loss Absolute"):
        ll.solve(problem.replace(loss=ll.losses.Squared()), "soft_scaledgd", rank=1)
    for options in ({"decay": 1.5}, {"threshold": -1.0}, {"step_size": -0.1}):
        with pytest.raises(InvalidInputError, match=next(iter(options))):
            solvers.SoftScaledGD(**options)


def test_a_start_with_vanishing_singular_values_diverges_openly():
    instance = ll.problems.completion((50, 40), 2, sampling=0.5, rng=0)
    problem = instance.problem.replace(loss=ll.losses.Absolute())
    result = ll.solve(problem, "soft_scaledgd", rank=4, start="small_random", tol=1e-5)
    assert result.status is ll.Status.DIVERGED
    assert "the matrix grew" in result.reason
    assert result.factors.norm() < 1.0
