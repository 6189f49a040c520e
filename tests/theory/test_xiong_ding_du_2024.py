"""Xiong, Ding, Du (2024), arXiv:2310.01769: gradient descent with more columns than the rank.

n = 40, rank 3, singular values 1, 0.9, 0.8, eta = 0.2 with sigma_1 = 1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import lowrank_la as ll

N, RANK, ETA = 40, 3, 0.2


@lru_cache(maxsize=1)
def truth():
    rng = np.random.default_rng(0)
    left = np.linalg.qr(rng.standard_normal((N, RANK)))[0] * np.sqrt([1.0, 0.9, 0.8])
    return ll.Factors(left, left)


@lru_cache(maxsize=8)
def instance(symmetric, measurements=None):
    """All entries, or Gaussian measurements."""
    if measurements is None:
        operator = ll.operators.FullObservation(N)
    else:
        operator = ll.operators.GaussianSensing.draw(
            measurements, (N, N), symmetric=symmetric, rng=3
        )
    problem = ll.Problem(operator, operator.forward(truth()), symmetric=symmetric)
    return ll.Instance.of(problem, truth())


def descend(instance, start, iterations, *, solver="gd", every=1, **options):
    options = {"sigma_max": 1.0, "step_size": ETA} | options
    return ll.solve(
        instance, solver, start=start, max_iter=iterations, tol=0, every=every, **options
    ).trace


def one_factor(k, alpha):
    F = alpha * np.random.default_rng(1).standard_normal((N, k))
    return ll.Factors(F, F)


def two_factors(k, alpha, seed):
    """Scales alpha and alpha / 3, independent draws."""
    rng = np.random.default_rng(seed)
    return ll.Factors(alpha * rng.standard_normal((N, k)), alpha / 3 * rng.standard_normal((N, k)))


def slope(trace, where):
    """Slope of the logarithm of the error on the iteration."""
    return np.polyfit(trace["iteration"][where], np.log(trace["rel_error"][where]), 1)[0]


@pytest.mark.parametrize("k", [4, 6, 10])
def test_p4_n1_one_factor_with_too_many_columns_ends_like_one_over_t(k):
    """2 eta T |X - X*|_F / sqrt(k - r) in [0.98, 1] at T = 3000; alpha = 0.1, all entries."""
    T = 3000
    error = descend(instance(True), one_factor(k, 0.1), T, every=T)["rel_error"][-1]
    statistic = 2 * ETA * T * error * truth().norm() / np.sqrt(k - RANK)
    assert 0.98 <= statistic <= 1.0, statistic


def test_p4_n1_with_the_true_rank_it_is_linear():
    assert descend(instance(True), one_factor(3, 0.1), 1000, every=1000)["rel_error"][-1] < 1e-12


def test_p4_n2_so_it_is_with_gaussian_measurements():
    """m = 900, k = 4: slope of log error on log T over [500, 3000] in [-1.1, -0.85]."""
    trace = descend(instance(True, 900), one_factor(4, 0.1), 3000, every=100)
    late = trace["iteration"] >= 500
    order = np.polyfit(np.log(trace["iteration"][late]), np.log(trace["rel_error"][late]), 1)[0]
    assert -1.1 <= order <= -0.85, order


@pytest.mark.parametrize("seed", [1, 2])
def test_p4_n3_two_factors_of_unequal_scales_are_linear_at_a_rate_of_alpha_squared(seed):
    """k = 4: rates for alpha 0.08 over 0.04 in [3.3, 4.7]; rate / (eta lambda_min) in [0.5, 2]."""
    rates = []
    for alpha, iterations in ((0.04, 2500), (0.08, 700)):
        start = two_factors(4, alpha, seed)
        trace = descend(instance(False), start, iterations, every=10)
        error = trace["rel_error"]
        rates.append(-slope(trace, (error < 1e-2) & (error > 1e-10)))
        gap = start.left.T @ start.left - start.right.T @ start.right
        ratio = rates[-1] / (ETA * np.linalg.eigvalsh(gap)[0])
        assert 0.5 <= ratio <= 2, (alpha, ratio)
    assert 3.3 <= rates[1] / rates[0] <= 4.7, rates


def test_equal_scales_are_no_better_than_one_factor():
    """F_0 = G_0: the gap stays zero, and the error falls like 1/T as with one factor."""
    F = one_factor(4, 0.1).left
    T = 1500
    trace = descend(instance(False), ll.Factors(F, F.copy()), T, every=T)
    statistic = 2 * ETA * T * trace["rel_error"][-1] * truth().norm()
    assert 0.9 < statistic < 1.1, statistic


@pytest.mark.parametrize("automatic", [False, True])
def test_p4_n4_after_the_one_step_the_rate_does_not_depend_on_alpha(automatic):
    """m = 900, k = 4, beta = 1, after 250 iterations: slopes within 5 %, at most -3e-2.

    Automatic: the switch by the residual and beta from the spectrum do as well.
    """
    options = {} if automatic else {"switch_at": 250, "beta": 1.0}
    slopes = []
    for alpha in (0.02, 0.04):
        start = two_factors(4, alpha, 1)
        trace = descend(instance(False, 900), start, 600, solver="gd_one_step", every=10, **options)
        slopes.append(slope(trace, trace["iteration"] >= 300))
    assert slopes[0] == pytest.approx(slopes[1], rel=0.05)
    assert max(slopes) <= -3e-2, slopes


def test_without_the_one_step_it_is_slow():
    """alpha = 0.02: above 1e-3 after 600 iterations, where the step gives less than 1e-7."""
    start = two_factors(4, 0.02, 1)
    errors = [
        descend(instance(False, 900), start, 600, solver=solver, every=600)["rel_error"][-1]
        for solver in ("gd", "gd_one_step")
    ]
    assert errors[0] > 1e-3
    assert errors[1] < 1e-7
