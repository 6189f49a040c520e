"""fit_rate: right on what has a rate, silent on what has none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowrank_la as ll
from lowrank_la.errors import InvalidInputError, InvalidTypeError

T = np.arange(200.0)
N = np.arange(1.0, 400.0)


def noise(size, spread, seed=0):
    return np.exp(spread * np.random.default_rng(seed).standard_normal(size))


def covers(fit, value):
    return fit.interval[0] <= value <= fit.interval[1]


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_an_exact_geometric_curve(rate, scale):
    fit = ll.fit_rate(T, scale * rate**T)
    assert fit.rate == pytest.approx(rate, rel=1e-9)
    assert covers(fit, rate)
    assert fit.interval[1] - fit.interval[0] < 1e-6
    assert fit.scale == pytest.approx(scale, rel=1e-6)
    assert fit.window == (0.0, 199.0)
    assert fit.r2 == pytest.approx(1.0)
    np.testing.assert_allclose(fit.predict(T[:5]), scale * rate ** T[:5], rtol=1e-6)


@pytest.mark.parametrize("exponent", [-3.0, -1.0, -0.5, 2.0])
def test_an_exact_power_curve(exponent):
    fit = ll.fit_rate(N, 5 * N**exponent, model="power")
    assert fit.rate == pytest.approx(exponent, rel=1e-9)
    assert covers(fit, exponent)
    assert fit.scale == pytest.approx(5.0, rel=1e-6)
    assert fit.window == (1.0, 399.0)
    np.testing.assert_allclose(fit.predict(N[:5]), 5 * N[:5] ** exponent, rtol=1e-6)


def test_eight_points_are_enough_and_seven_are_not():
    assert ll.fit_rate(T[:8], 0.5 ** T[:8]).rate == pytest.approx(0.5)
    assert ll.fit_rate(T[:7], 0.5 ** T[:7]) is None


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("floor", [0.0, 1e-10])
@pytest.mark.parametrize("transient", [0, 30, 80])
def test_a_transient_a_floor_and_noise(spread, floor, transient):
    curve = (np.minimum(1.0, 0.8 ** (T - transient)) + floor) * noise(T.size, spread)
    fit = ll.fit_rate(T, curve)
    assert covers(fit, 0.8)
    assert fit.rate == pytest.approx(0.8, rel=0.01)
    assert fit.interval[1] - fit.interval[0] < 0.06
    assert fit.window[0] >= transient - 8
    if floor:
        assert fit.window[1] < transient + np.log(1e-10) / np.log(0.8)


def test_a_floor_of_a_few_points_only():
    curve = np.maximum(0.5**T, 1e-15)[: 50 + 5]
    fit = ll.fit_rate(T[: curve.size], curve)
    assert fit.rate == pytest.approx(0.5, rel=0.01)
    assert covers(fit, 0.5)


def test_a_floor_is_left_out_of_a_power_law():
    fit = ll.fit_rate(N, N**-2.0 + 1e-6 * (N > 300), model="power")
    assert covers(fit, -2.0)
    long = np.arange(1.0, 10_001)
    flat = ll.fit_rate(long, long**-2.0 + 1e-5, model="power")
    assert flat.rate == pytest.approx(-2.0, rel=0.05)
    assert flat.window[1] < 200


def test_the_end_of_a_power_law_is_no_floor():
    # Over its last tenth 1/t hardly falls; it is a straight line in log t all the same.
    fit = ll.fit_rate(T, 1 / (T + 1), model="power")
    assert covers(fit, -1.0)
    assert fit.window[1] == 199.0


def test_the_interval_covers_the_rate_of_noisy_curves():
    hits = {"linear": 0, "power": 0}
    for seed in range(40):
        fit = ll.fit_rate(T, 0.9**T * noise(T.size, 0.3, seed))
        hits["linear"] += covers(fit, 0.9)
        fit = ll.fit_rate(N, N**-1.5 * noise(N.size, 0.05, seed), model="power")
        hits["power"] += covers(fit, -1.5)
    assert min(hits.values()) >= 38


def test_more_noise_gives_a_wider_interval():
    widths = [np.ptp(ll.fit_rate(T, 0.9**T * noise(T.size, s)).interval) for s in (0.03, 0.1, 0.4)]
    assert widths == sorted(widths)
    assert widths[2] > 3 * widths[0]


def test_a_slowly_changing_rate_widens_the_interval():
    # The slope falls from 0.105 to 0.095: neither end may look like the only answer.
    bent = np.exp(-0.105 * T + 0.000025 * T**2)
    fit = ll.fit_rate(T, bent)
    assert covers(fit, np.exp(-0.1))
    assert np.ptp(fit.interval) > 0.005


NOTHING_LINEAR = {
    "1/t": 1 / (T + 1),
    "1/t, long": 1 / (np.arange(5000.0) + 1),
    "1/t^4": (T + 1) ** -4.0,
    "1/sqrt(t)": (T + 1) ** -0.5,
    "exp(-sqrt t)": np.exp(-np.sqrt(T)),
    "exp(-3 sqrt t)": np.exp(-3 * np.sqrt(T)),
    "exp(-t^1.5)": np.exp(-0.01 * T**1.5),
    "exp(-t^2)": np.exp(-0.005 * T**2),
    "quadratic convergence": 0.5**2.0 ** np.arange(10.0),
    "constant": np.ones(200),
    "noise": noise(200, 1.0),
    "wild noise": noise(200, 5.0),
    "a walk": np.exp(np.cumsum(np.random.default_rng(1).standard_normal(200))),
    "sawtooth": np.exp(2 * (T % 20) / 20),
    "falling sawtooth": 0.9**T * np.exp(3 * (T % 20) / 20),
    "three long teeth": np.exp(-0.1 * (T % 67)),
    "staircase": 0.5 ** np.floor(T / 20),
    "one drop": np.where(T < 100, 1.0, 1e-8),
    "down and up": np.where(T < 100, 0.9**T, 0.9 ** (200 - T)),
    "fast, then slow": np.where(T < 100, 0.8**T, 0.8**100 * 0.98 ** (T - 100)),
    "hardly falls": 0.999**T,
    "zero": np.zeros(200),
    "not a number": np.full(200, np.nan),
}


@pytest.mark.parametrize("name", NOTHING_LINEAR)
def test_no_linear_rate_where_there_is_none(name):
    curve = NOTHING_LINEAR[name]
    assert ll.fit_rate(np.arange(curve.size), curve) is None


NOTHING_POWER = {
    "geometric": 0.9**N,
    "slowly geometric": 0.99**N,
    "plateau, then geometric": np.minimum(1.0, 0.95 ** (N - 200)),
    "exp(-sqrt t)": np.exp(-np.sqrt(N)),
    "constant": np.ones(N.size),
    "noise": noise(N.size, 1.0),
    "sawtooth": np.exp(2 * (N % 20) / 20),
    "logarithmic": 1 / np.log(N + 1.5),
}


@pytest.mark.parametrize("name", NOTHING_POWER)
def test_no_power_law_where_there_is_none(name):
    assert ll.fit_rate(N, NOTHING_POWER[name], model="power") is None


@pytest.mark.parametrize("spread", [0.03, 0.1, 0.3])
def test_noise_does_not_make_another_law_pass(spread):
    for seed in range(10):
        factor = noise(T.size, spread, seed)
        assert ll.fit_rate(T, factor / (T + 1)) is None
        assert ll.fit_rate(T, factor * np.exp(-3 * np.sqrt(T))) is None
        assert ll.fit_rate(T, factor * 0.9**T, model="power") is None


def test_slow_then_fast_gives_the_last_rate():
    fit = ll.fit_rate(T, np.where(T < 100, 0.98**T, 0.98**100 * 0.8 ** (T - 100)))
    assert covers(fit, 0.8)
    assert fit.window[0] > 85


def test_growth_has_a_rate_above_one():
    assert ll.fit_rate(T, 1.1**T).rate == pytest.approx(1.1)


def test_points_that_are_not_positive_numbers_are_left_out():
    curve = 0.9**T
    curve[::7] = np.nan
    curve[3::11] = 0.0
    curve[5::13] = -1.0
    assert ll.fit_rate(T, curve).rate == pytest.approx(0.9)
    assert ll.fit_rate(np.append(0.0, N), np.append(7.0, N**-1.0), model="power").window[0] == 1.0


def test_the_unit_of_x_is_respected():
    assert ll.fit_rate(10 * T, 0.9**T).rate == pytest.approx(0.9**0.1)
    # Every tenth look, and uneven ones, as traces over seconds have them.
    assert ll.fit_rate(T[::10], 0.9 ** T[::10]).rate == pytest.approx(0.9)
    uneven = np.cumsum(np.random.default_rng(0).uniform(0.1, 1.9, 150))
    assert ll.fit_rate(uneven, 0.9**uneven).rate == pytest.approx(0.9)


def test_a_clock_that_stands_still_does_no_harm():
    coarse = np.floor(T / 3)
    fit = ll.fit_rate(coarse, 0.9**coarse)
    assert fit.rate == pytest.approx(0.9)
    assert ll.fit_rate(np.zeros(50), 0.9 ** np.arange(50)) is None


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(0.02, 0.97),
    scale=st.floats(1e-6, 1e6),
    shift=st.integers(0, 5000),
    size=st.integers(60, 300),
)
def test_neither_scale_nor_shift_matters(rate, scale, shift, size):
    x = np.arange(size)
    curve = scale * np.maximum(rate**x, 1e-14)
    here, there = ll.fit_rate(x, curve), ll.fit_rate(x + shift, curve)
    assert here.rate == pytest.approx(rate, rel=1e-2)
    assert there.rate == pytest.approx(here.rate, rel=1e-6)
    assert there.window[0] - here.window[0] == shift
    assert there.predict(x + shift)[5] == pytest.approx(here.predict(x)[5], rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    model=st.sampled_from(["linear", "power"]),
)
def test_anything_gives_a_fit_that_holds_together_or_nothing(values, model):
    fit = ll.fit_rate(np.arange(len(values)), values, model=model)
    if fit is not None:
        assert covers(fit, fit.rate)
        assert fit.r2 >= 0.98


def test_bad_arguments():
    with pytest.raises(InvalidInputError, match=r"one length, got \(3,\), \(2,\)"):
        ll.fit_rate([1, 2, 3], [1, 2])
    with pytest.raises(InvalidInputError, match="'linear' or 'power', got 'cubic'"):
        ll.fit_rate(T, T, model="cubic")
    with pytest.raises(InvalidInputError, match="must not decrease"):
        ll.fit_rate(T[::-1], 0.9**T)
    with pytest.raises(InvalidTypeError, match="numbers"):
        ll.fit_rate(["a"] * 9, ["b"] * 9)


def test_real_runs_agree_with_the_predicted_contraction():
    instance = ll.problems.completion((60, 50), 3, cond=5, sampling=0.5, rng=0)
    for solver in ("scaledgd", "gd"):
        result = ll.solve(instance, solver, step_size=0.5, max_iter=1000)
        fit = ll.fit_rate(result.trace["iteration"], result.trace["rel_error"])
        predicted = result.solver.local_rate(instance.problem, instance.truth.factors)
        assert fit.rate == pytest.approx(predicted, rel=0.01)
