"""Laws: against simulations of the scalar recursions that they come from."""

from __future__ import annotations

import numpy as np
import pytest

from lowrank_la.analysis import theory
from lowrank_la.errors import InvalidInputError


def test_overparameterised_decay_is_the_limit_of_the_scalar_recursion():
    x, eta = 0.1, 0.2
    for _ in range(20_000):
        x -= eta * x**3
    law = theory.overparameterised_decay(np.array([20_000]), step_size=eta, rank=4, true_rank=3)
    assert x**2 == pytest.approx(law[0], rel=0.02)
    with pytest.raises(InvalidInputError, match="more columns than the rank"):
        theory.overparameterised_decay(np.array([1]), step_size=eta, rank=3, true_rank=3)


def test_damping_floor_is_the_limit_of_the_scalar_recursion():
    x, eta, damping = 0.1, 0.3, 0.01
    for _ in range(20_000):
        x -= eta * x**3 / (x**2 + damping)
    law = theory.damping_floor(
        np.array([20_000]), step_size=eta, damping=damping, rank=5, true_rank=4
    )
    assert x**2 == pytest.approx(law[0], rel=0.01)


def test_asymmetric_rate_is_that_of_the_scalar_recursion():
    f, g, eta = 0.2, 0.05, 0.1
    rate = theory.asymmetric_rate(np.array([[f]]), np.array([[g]]), step_size=eta)
    products = []
    for _ in range(3000):
        f, g = f - eta * f * g * g, g - eta * g * f * f
        products.append(f * g)
    assert (products[-1] / products[-1001]) ** 1e-3 == pytest.approx(rate, rel=1e-3)


def test_the_mean_rate_lies_between_the_slowest_and_the_fastest():
    rng = np.random.default_rng(0)
    alpha, n, k, eta = 0.05, 400, 4, 0.2
    logs = []
    for _ in range(20):
        left, right = alpha * rng.standard_normal((n, k)), alpha / 3 * rng.standard_normal((n, k))
        difference = left.T @ left - right.T @ right
        logs.append(-eta * np.trace(difference) / k)
        slow, fast = (
            np.log(theory.asymmetric_rate(left, right, step_size=eta, fastest=fastest))
            for fastest in (False, True)
        )
        assert fast < logs[-1] < slow < 0
    law = np.log(theory.asymmetric_mean_rate(alpha, n, step_size=eta, ratio=1 / 3))
    assert np.mean(logs) == pytest.approx(law, rel=0.03)


def test_growth_times_are_those_of_linear_growth():
    alpha, eta, sigma, damping = 1e-8, 0.1, 0.5, 0.4
    x, steps = alpha, 0
    while x < np.sqrt(sigma):
        x, steps = x * (1 + eta * sigma), steps + 1
    expected = theory.incremental_time(alpha, step_size=eta, singular_value=sigma)
    assert steps == pytest.approx(expected, abs=1)
    x, steps = alpha, 0
    while x < 1:
        x, steps = x * (1 + eta * sigma / damping), steps + 1
    expected = theory.small_start_iterations(alpha, step_size=eta, damping=damping, weakest=sigma)
    assert steps == pytest.approx(expected, abs=1)


def test_noise_floor_is_the_error_of_least_squares():
    rng = np.random.default_rng(0)
    m, d, sigma = 400, 60, 0.3
    squares = []
    for _ in range(40):
        A = rng.standard_normal((m, d)) / np.sqrt(m)
        noise = sigma / np.sqrt(m) * rng.standard_normal(m)
        squares.append(np.sum(np.linalg.lstsq(A, noise, rcond=None)[0] ** 2))
    found = np.sqrt(np.mean(squares))
    exact = theory.noise_floor(sigma, measurements=m, degrees_of_freedom=d, finite_sample=True)
    assert found == pytest.approx(exact, rel=0.03)
    asymptotic = theory.noise_floor(sigma, measurements=m, degrees_of_freedom=d)
    assert asymptotic < exact
    with pytest.raises(InvalidInputError, match="do not determine"):
        theory.noise_floor(1.0, measurements=5, degrees_of_freedom=9, finite_sample=True)


def test_gd_rate_is_the_contraction_of_gradient_descent_on_a_factorisation():
    cond, eta = 8.0, 0.3
    x, target = np.sqrt(1 / cond) * 1.01, 1 / cond
    errors = []
    for _ in range(400):
        x -= eta * (x**2 - target) * x * 0.5 * 2
        errors.append(abs(x**2 - target))
    # One factor: 1 - 2 eta sigma_r, twice as fast as one of two balanced factors.
    assert errors[200] / errors[199] == pytest.approx(
        1 - 2 * (1 - theory.gd_rate(cond, step_size=eta)), rel=1e-3
    )


def test_one_step_rate_is_that_of_the_scalar_recursion():
    beta, eta = 0.5, 0.1
    f, g = beta, 1e-3
    products = []
    for _ in range(200):
        f, g = f - eta * f * g * g, g - eta * g * f * f
        products.append(f * g)
    expected = theory.one_step_rate(beta, step_size=eta)
    assert products[-1] / products[-2] == pytest.approx(expected, rel=1e-3)


def test_closed_forms():
    assert theory.small_start_exponent() == 1 / 3
    assert theory.scaledgd_bound(np.array([0, 2]), step_size=0.5)[1] == pytest.approx(0.49)
    assert theory.tubal_exponent() == 21 / 32
    assert theory.one_sided_error(400, 100, 3) == pytest.approx(1.5)
    assert theory.alternating_floor(1e-3) == 1e-3
    assert theory.subgradient_floor_exponent() == 2.0
    assert theory.bures_wasserstein_rate(1, 0.3) == -4
    assert theory.bures_wasserstein_rate(2, 0.25) == pytest.approx(-4)
