"""Hankel completion: operator, generator, and recovery of sinusoids."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import losses, operators
from lowrank_la.errors import InvalidInputError, InvalidTypeError, TooLargeError
from lowrank_la.factors import Factors

RNG = np.random.default_rng(2)
SHAPE = (9, 7)


def draw(*shape, kind=complex):
    real = RNG.standard_normal(shape)
    return real + 1j * RNG.standard_normal(shape) if kind is complex else real


def hankel_part(X):
    """G G* X by averaging over anti-diagonals."""
    n1, n2 = X.shape
    out = np.empty_like(X)
    t = np.add.outer(np.arange(n1), np.arange(n2))
    for k in range(n1 + n2 - 1):
        out[t == k] = X[t == k].mean()
    return out


@pytest.mark.parametrize("kind", [float, complex])
def test_the_squared_loss_is_the_objective_of_the_paper(kind):
    times = np.array([0, 3, 4, 7, 8, 11, 14])
    operator = operators.HankelSampling(times, SHAPE, share=0.4)
    L, R, x = draw(9, 2, kind=kind), draw(7, 2, kind=kind), draw(7, kind=kind)
    X = L @ R.conj().T
    w = np.bincount(np.add.outer(np.arange(9), np.arange(7)).ravel())
    part = hankel_part(X)
    signal = np.array([part[min(t, 8), t - min(t, 8)] for t in range(15)])
    np.testing.assert_allclose(operator.signal(Factors(L, R)), signal)
    misfit = np.sqrt(w[times]) * (signal[times] - x)
    expected = np.sum(np.abs(misfit) ** 2) / 0.8 + 0.5 * np.linalg.norm(X - part) ** 2
    problem = ll.Problem(operator, operator.lift(x))
    assert problem.objective(Factors(L, R)) == pytest.approx(expected)
    assert problem.evaluate(Factors(L, R)).value == pytest.approx(expected)


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("shape", [(9, 7), (6, 11), (1, 5)])
def test_the_gradient_by_transforms_is_that_of_the_three_methods(kind, shape):
    n1, n2 = shape
    operator = operators.HankelSampling(np.arange(0, n1 + n2 - 1, 2), shape)
    problem = ll.Problem(operator, operator.lift(draw((n1 + n2) // 2, kind=kind)))
    X = Factors(draw(n1, 3, kind=kind), draw(n2, 3, kind=kind))
    fast, slow = problem.evaluate(X), problem.evaluate(X, residual=True)
    assert fast.residual is None
    assert slow.residual is not None
    assert fast.value == pytest.approx(slow.value, rel=1e-12)
    np.testing.assert_allclose(fast.left, slow.left, atol=1e-12)
    np.testing.assert_allclose(fast.right, slow.right, atol=1e-12)
    assert fast.left.dtype == np.dtype(kind)


def test_the_gradient_has_the_right_slope():
    problem = ll.problems.hankel_completion(12, 2, sampling=0.7, rng=0).problem
    L, R, D, E = (draw(12, 2) for _ in range(4))
    at = problem.evaluate(Factors(L, R))
    slope = (np.vdot(at.left, D) + np.vdot(at.right, E)).real
    steps = np.geomspace(1e-2, 1e-4, 5)
    gaps = [
        abs(problem.evaluate(Factors(L + t * D, R + t * E)).value - at.value - t * slope)
        for t in steps
    ]
    assert np.polyfit(np.log(steps), np.log(gaps), 1)[0] == pytest.approx(2, abs=0.1)


def test_data_that_are_not_lifted_and_other_losses_take_the_general_way():
    operator = operators.HankelSampling(np.arange(0, 15, 2), SHAPE)
    X = Factors(draw(9, 2), draw(7, 2))
    data = draw(operator.size)
    for loss, y in ((losses.Squared(), data), (losses.Huber(0.3), operator.lift(data[:8]))):
        value, left, _ = operator.loss_gradient(X, operator.prepare(y), loss)
        residual = operator.forward(X) - y
        assert value == pytest.approx(loss.value(residual))
        expected = operator.adjoint_right(loss.slope(residual), X.right)
        np.testing.assert_allclose(left, expected, atol=1e-11)


def test_share_weighs_the_observed_part():
    X = Factors(draw(9, 2), draw(7, 2))
    times = np.arange(0, 15, 2)
    y, other = (operators.HankelSampling(times, SHAPE, share=p).forward(X) for p in (1.0, 0.25))
    np.testing.assert_allclose(other[:8], 2 * y[:8])
    np.testing.assert_allclose(other[8:], y[8:])


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
def test_sinusoids_are_recovered(dtype):
    instance = ll.problems.hankel_completion(100, 3, sampling=0.4, cond=3, dtype=dtype, rng=1)
    result = ll.solve(instance, "scaledgd", max_iter=300)
    assert result.converged
    assert result.factors.dtype == dtype
    operator = instance.problem.operator
    x, found = operator.signal(instance.truth.factors), operator.signal(result.factors)
    limit = 1e-10 if dtype == "complex128" else 1e-4
    assert np.linalg.norm(found - x) < limit * np.linalg.norm(x)


def test_exact_line_search_agrees():
    instance = ll.problems.hankel_completion(40, 2, sampling=0.5, rng=0)
    result = ll.solve(instance, "scaledgd", step_size="exact", max_iter=200)
    assert result.trace["rel_error"][-1] < 1e-11


def test_the_default_search_holds_no_residual():
    """It would be as large as the matrix: backtracking instead, which arrives too."""
    instance = ll.problems.hankel_completion(40, 2, sampling=0.5, rng=0)
    assert not instance.problem.exact_steps
    result = ll.solve(instance, "scaledgd", max_iter=200)
    assert result.state.residual is None
    assert result.trace["rel_error"][-1] < 1e-11


def test_a_real_signal_stays_real():
    t = np.arange(79)
    x = np.cos(0.3 * t) + 0.5 * np.cos(1.1 * t + 1)
    times = np.flatnonzero(RNG.random(79) < 0.6)
    operator = operators.HankelSampling(times, (40, 40))
    result = ll.solve(ll.Problem(operator, operator.lift(x[times])), "scaledgd", rank=4)
    found = operator.signal(result.factors)
    assert found.dtype == float
    np.testing.assert_allclose(found, x, atol=1e-9)


def test_noise_is_per_measurement():
    plain = ll.problems.hankel_completion(200, 2, sampling=0.7, rng=0).problem
    noisy = ll.problems.hankel_completion(200, 2, sampling=0.7, noise=0.3, rng=0).problem
    k = plain.operator.positions.size
    shift = noisy.data - plain.data
    assert np.sqrt(np.mean(np.abs(shift[:k]) ** 2)) == pytest.approx(0.3, rel=0.15)
    assert not shift[k:].any()


def test_iterations_hold_no_array_of_the_size_of_the_matrix():
    n = 1500
    instance = ll.problems.hankel_completion(n, 4, sampling=0.2, rng=0)
    problem = instance.problem
    start = ll.initial.near(instance, distance=0.1)
    solver = ll.solvers.ScaledGD()
    state = solver.init(problem, start)
    tracemalloc.start()
    solver.advance(problem, state, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * n


def test_bad_input():
    for positions, message in (
        ([], "at least one time"),
        ([0, 15], "from 0 to 14"),
        ([-1, 3], "from 0 to 14"),
        ([2, 2], "listed twice"),
        ([[1]], "vector"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            operators.HankelSampling(np.array(positions, int), SHAPE)
    with pytest.raises(InvalidTypeError, match="integers"):
        operators.HankelSampling([0.5], SHAPE)
    for share in (0.0, 1.5):
        with pytest.raises(InvalidInputError, match="share"):
            operators.HankelSampling([0], SHAPE, share=share)
    with pytest.raises(TooLargeError, match="as many as there are measurements"):
        operators.HankelSampling([0], (20_000, 20_000))
    with pytest.raises(InvalidInputError, match="samples has length 2, expected 1"):
        operators.HankelSampling([0], SHAPE).lift([1.0, 2.0])
    with pytest.raises(InvalidInputError, match="complex128 or complex64, got float64"):
        ll.problems.hankel_completion(9, 1, sampling=0.5, dtype=float)
    with pytest.raises(InvalidInputError, match="at least one time"):
        ll.problems.hankel_completion(9, 1, sampling=0.0)
    assert "8 of 15 samples" in repr(operators.HankelSampling(np.arange(8), SHAPE))


def test_structural_zeros_do_not_count_as_measurements():
    instance = ll.problems.hankel_completion(32, 6, sampling=0.15, rng=0)
    assert instance.problem.informative == 2 * instance.problem.operator.positions.size
    assert instance.problem.degrees_of_freedom(6) == 24
    with pytest.warns(ll.errors.UnderdeterminedWarning, match="12 measurements for the 24"):
        ll.solve(instance, "scaledgd", step_size="exact", max_iter=2)
