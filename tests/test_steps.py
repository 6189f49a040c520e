"""Step rules: what they do along a line, and that they are told apart by their options."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import losses, steps
from lowrank_la.errors import (
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
    UnknownNameError,
)
from lowrank_la.initial import near
from lowrank_la.steps import Line, as_step, positive_minimiser

KINDS = ["completion", "sensing", "symmetric"]


def line_at(problem, X, residual=True):
    """The steepest descent line."""
    at = problem.evaluate(X, residual=residual)
    left = -at.left
    return Line(problem, X, at, ll.Factors(left, left if problem.symmetric else -at.right))


@pytest.fixture(params=KINDS)
def line(request):
    instance = request.getfixturevalue(request.param)
    problem = instance.problem.replace(nuclear=0.01)
    return line_at(problem, near(instance, distance=0.5, rng=0))


def test_the_slope_is_the_derivative(line):
    def f(t):
        return line.problem.objective(line.point(t))

    h = 1e-6
    assert line.slope == pytest.approx((f(h) - f(-h)) / (2 * h), rel=1e-5)
    assert line.slope < 0


def test_the_quartic_is_the_objective(line):
    c = line.quartic()
    for t in (0.0, 0.1, 0.7, -0.4):
        assert np.polyval(c[::-1], t) == pytest.approx(
            line.problem.objective(line.point(t)), rel=1e-10
        )


def test_the_quartic_of_complex_problems():
    instance = ll.problems.sensing((6, 5), 2, measurements=90, dtype=complex, rng=0)
    line = line_at(instance.problem, near(instance, distance=0.5, rng=0))
    assert np.polyval(line.quartic()[::-1], 0.3) == pytest.approx(
        line.problem.objective(line.point(0.3)), rel=1e-10
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_residual_is_computed_if_it_is_not_there(kind, request):
    instance = request.getfixturevalue(kind)
    X = near(instance, distance=0.5, rng=0)
    with_, without = (line_at(instance.problem, X, residual=r).quartic() for r in (True, False))
    np.testing.assert_allclose(with_, without, rtol=1e-12)


def test_constant(line):
    assert steps.Constant(0.3).length(line, 2.0, 0.0) == pytest.approx(0.6)
    assert steps.Constant(0.3).length(line, 2.0, 77.0) == pytest.approx(0.6)


def test_exact_is_the_minimum_along_the_line(line):
    t = steps.ExactLineSearch().length(line, 1.0, 0.0)
    here = line.problem.objective(line.point(t))
    grid = np.linspace(0, 5 * t, 400)
    assert here <= min(line.problem.objective(line.point(g)) for g in grid) * (1 + 1e-12)
    # The unit only scales the computation.
    assert steps.ExactLineSearch().length(line, 1e3, 0.0) == pytest.approx(t, rel=1e-8)


@pytest.mark.parametrize(("tilt", "expected"), [(0.2, 1.0), (-0.2, 3.0)])
def test_exact_finds_the_deeper_of_two_valleys(tilt, expected):
    quartic = np.polynomial.Polynomial.fromroots([1, 1, 3, 3]) + np.polynomial.Polynomial([0, tilt])
    line = SimpleNamespace(quartic=lambda: quartic.coef)
    for unit in (0.01, 1.0, 100.0):
        t = steps.ExactLineSearch().length(line, unit, 0.0)
        assert t == pytest.approx(expected, abs=0.1)
        assert quartic.deriv()(t) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    "coefficients", [[1.0, 2.0, 3.0, 0.0, 1.0], [5.0, 0.0, 0.0, 0.0, 0.0], np.zeros(5)]
)
def test_exact_stays_where_nothing_lies_below(coefficients):
    line = SimpleNamespace(quartic=lambda: np.array(coefficients))
    assert steps.ExactLineSearch().length(line, 1.0, 0.0) == 0.0


def test_exact_of_a_spoilt_line_is_nan():
    line = SimpleNamespace(quartic=lambda: np.array([1.0, np.nan, 0.0, 0.0, 1.0]))
    assert np.isnan(steps.ExactLineSearch().length(line, 1.0, 0.0))


def test_exact_needs_the_squared_loss(sensing):
    problem = sensing.problem.replace(loss=losses.Huber(0.1))
    line = line_at(problem, near(sensing, rng=0))
    with pytest.raises(IncompatibleError, match=r"squared loss, got Huber.*Backtracking"):
        steps.ExactLineSearch().length(line, 1.0, 0.0)


def test_backtracking_ends_where_armijo_holds(line):
    for rule in (steps.Backtracking(initial=100.0), steps.Backtracking(sufficient=0.4)):
        t = rule.length(line, 1.0, 0.0)
        assert t > 0
        f = line.problem.objective
        assert f(line.point(t)) <= line.at.value + rule.sufficient * t * line.slope
        trial = rule.initial
        while trial > t * 1.0001:
            assert f(line.point(trial)) > line.at.value + rule.sufficient * trial * line.slope
            trial *= rule.shrink
        assert trial == pytest.approx(t)


def test_backtracking_options(line):
    long = steps.Backtracking(initial=64.0).length(line, 1.0, 0.0)
    assert steps.Backtracking(initial=1e-3).length(line, 1.0, 0.0) == pytest.approx(1e-3)
    assert steps.Backtracking(initial=1e-3).length(line, 2.0, 0.0) == pytest.approx(2e-3)
    # The next search begins at growth times the last step, not at `initial`.
    assert steps.Backtracking(growth=3.0).length(line, 1.0, 1e-4) == pytest.approx(3e-4)
    fine = steps.Backtracking(initial=64.0, shrink=0.9).length(line, 1.0, 0.0)
    assert fine >= long
    strict = steps.Backtracking(initial=64.0, shrink=0.9, sufficient=0.5).length(line, 1.0, 0.0)
    assert strict < fine


def test_backtracking_gives_up_at_rounding(line):
    X, D = line.X, line.direction
    up = ll.Factors(-D.left, -D.right)
    up = ll.Factors(up.left, up.left) if line.problem.symmetric else up
    uphill = Line(line.problem, X, line.at, up)
    assert steps.Backtracking(sufficient=0.0).length(uphill, 1.0, 0.0) == 0.0


def test_polyak(line):
    square = np.linalg.norm(line.at.left) ** 2
    if not line.problem.symmetric:
        square += np.linalg.norm(line.at.right) ** 2
    assert steps.Polyak().length(line, 1.0, 0.0) == pytest.approx(line.at.value / square)
    assert steps.Polyak(f_min=0.5 * line.at.value).length(line, 1.0, 0.0) == pytest.approx(
        0.5 * line.at.value / square
    )
    assert steps.Polyak(f_min=2 * line.at.value).length(line, 1.0, 0.0) == 0.0


@pytest.mark.parametrize("name", ["gd", "scaledgd", "precgd", "scaledgd_lambda"])
@pytest.mark.parametrize(
    "rule", ["exact", "backtracking", steps.Backtracking(shrink=0.8), "polyak", 0.4]
)
def test_every_rule_works_in_every_descent_method(name, rule, sensing):
    result = ll.solve(sensing, name, step_size=rule, start="spectral", max_iter=600)
    assert result.trace["rel_error"][-1] < 1e-6
    if rule in ("exact", "backtracking"):
        objective = result.trace["objective"]
        assert np.all(np.diff(objective) <= 1e-12 * objective[0])


def test_the_minimum_is_an_oracle_quantity(sensing):
    result = ll.solve(sensing, "scaledgd", step_size="polyak", max_iter=5)
    assert "f_min" in result.oracle_used
    assert "f_min" not in ll.solve(sensing, "scaledgd", max_iter=5).oracle_used


def test_polyak_with_noise_needs_the_minimum():
    noisy = ll.problems.sensing((15, 12), 2, measurements=400, noise=0.01, rng=0)
    best = ll.solve(noisy.problem, "scaledgd", rank=2).trace["objective"][-1]
    result = ll.solve(noisy, "scaledgd", step_size=steps.Polyak(f_min=best), max_iter=300)
    assert result.trace["objective"][-1] == pytest.approx(best, rel=1e-6)


def test_a_number_a_name_or_a_rule():
    assert as_step(0.3) == steps.Constant(0.3)
    assert as_step(np.float32(0.5)) == steps.Constant(0.5)
    assert as_step(1) == steps.Constant(1.0)
    assert as_step("exact") == steps.ExactLineSearch()
    assert as_step("constant") == steps.Constant()
    rule = steps.Backtracking(shrink=0.7)
    assert as_step(rule) is rule


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("exat", UnknownNameError, "no step rule named 'exat'; did you mean 'exact'"),
        (None, InvalidTypeError, "step_size must be a number, one of"),
        (True, InvalidTypeError, "step_size must be a number"),
        ([0.5], InvalidTypeError, "step_size must be a number"),
        (1j, InvalidTypeError, "step_size must be a number"),
        (-0.5, InvalidInputError, "step_size must lie in"),
        (float("nan"), InvalidInputError, "step_size must lie in"),
        (float("inf"), InvalidInputError, "step_size must lie in"),
    ],
)
def test_bad_steps(value, error, message, sensing):
    with pytest.raises(error, match=message):
        as_step(value)
    with pytest.raises(error, match=message):
        ll.solve(sensing, "gd", step_size=value)


@pytest.mark.parametrize(
    "options",
    [
        {"initial": -1.0},
        {"shrink": 1.0},
        {"shrink": 0.0},
        {"growth": 0.5},
        {"sufficient": 0.6},
        {"sufficient": -0.1},
    ],
)
def test_bad_options_of_backtracking(options):
    with pytest.raises(InvalidInputError, match=f"{next(iter(options))} must lie in"):
        steps.Backtracking(**options)


def test_bad_minimum():
    with pytest.raises(InvalidTypeError, match="f_min must be a number"):
        steps.Polyak(f_min="0")


def test_the_minimiser_of_a_quartic_is_the_best_positive_root():
    rng = np.random.default_rng(0)
    for _ in range(500):
        e, a1, a2 = rng.standard_normal((3, 4)) * 10.0 ** rng.uniform(-4, 4, (3, 1))
        a1 = -np.sign(e @ a1) * a1
        c = np.array([0, e @ a1, e @ a2 + 0.5 * a1 @ a1, a1 @ a2, 0.5 * a2 @ a2])
        roots = np.roots(np.polyder(c[::-1]))
        real = roots.real[(np.abs(roots.imag) <= 1e-8 * np.abs(roots.real)) & (roots.real > 0)]
        best = min(np.polyval(c[::-1], real))
        found = np.polyval(c[::-1], positive_minimiser(c.tolist()))
        assert found <= best + 1e-12 * abs(best)


@pytest.mark.parametrize(
    ("quartic", "expected"),
    [
        ([5, -1, 0.5, 0, 0], 1.0),
        ([5, -1, 0.5, 0, 1e-40], 1.0),
        ([5, -1, 0, 1 / 3, 0], 1.0),
        ([5, -2, -3, 0, 1], 0.5 * (1 + np.sqrt(3))),
        # Two minima, the farther one lower; it rises at zero, and falls later.
        ([0, 1, -3, 0, 1], 1.130901122629986),
        ([5, 1, 1, 0, 1], 0.0),
        ([5, -1, 0, 0, 0], 0.0),
        ([0, 0, 0, 0, 0], 0.0),
    ],
)
def test_the_minimiser_of_special_quartics(quartic, expected):
    assert positive_minimiser(quartic) == pytest.approx(expected, rel=1e-12)
