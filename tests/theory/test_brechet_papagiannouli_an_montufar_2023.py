"""Brechet, Papagiannouli, An, Montufar (2023), arXiv:2303.03027: Bures-Wasserstein networks."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.analysis.theory import bures_wasserstein_bound, bures_wasserstein_rate
from lowrank_la.bures_wasserstein import BuresWasserstein
from lowrank_la.errors import InvalidInputError
from lowrank_la.solvers.deep_linear import DeepLinear, layer_gradients

N_ROWS = 20


def close_start(instance, tau):
    """A factor of Sigma - tau I + Q D Q^T, D_i = lambda_min (2 - i / n), Q a random rotation."""
    n = N_ROWS
    sigma = instance.problem.data.reshape(n, n)
    least = instance.truth.singular_values[-1]
    rotation = np.linalg.qr(np.random.default_rng(7).standard_normal((n, n)))[0]
    shift = least * (2 - np.arange(1, n + 1) / n)
    factor = np.linalg.cholesky(sigma - tau * np.eye(n) + (rotation * shift) @ rotation.T)
    return ll.Factors(factor, factor)


def descend(depth, lr, *, time, tau=0.0, **target):
    """Gradient descent with the learning rate `lr` for lr * iterations = time."""
    instance = ll.problems.covariance(N_ROWS, **({"smallest": 1.05, "rng": 0} | target))
    top, least = instance.truth.singular_values[[0, -1]]
    # In units of the method.
    step = lr * 2 * depth * top ** ((depth - 1) / depth)
    solver = DeepLinear(depth=depth, smoothing=tau, step_size=step)
    start = close_start(instance, tau)
    result = ll.solve(instance.problem, solver, start=start, max_iter=int(time / lr), tol=0)
    return result, -4 * depth * least ** ((depth - 1) / depth)


def local_slope(result, lr):
    """Slope of the log loss over lr, from a thousandth of the first loss on."""
    loss, t = result.trace["objective"], lr * result.trace["iteration"]
    late = loss < 1e-3 * loss[0]
    return np.polyfit(t[late], np.log(loss[late]), 1)[0]


@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_p9_n1_gradients_of_three_layers(tau):
    """Central differences of every layer, relative error below 1e-6."""
    rng = np.random.default_rng(0)
    sigma = ll.problems.covariance(6, spectrum="geometric", cond=5, rng=1).problem.data
    loss = BuresWasserstein(sigma.reshape(6, 6), tau)
    hidden, last = rng.standard_normal((2, 4, 4)), rng.standard_normal((6, 4))

    def value(hidden, last):
        return loss.value(last @ hidden[1] @ hidden[0])

    d_hidden, d_last = layer_gradients(hidden, last, loss.gradient(last @ hidden[1] @ hidden[0]))
    h = 1e-5
    for array, gradient in ((hidden, d_hidden), (last, d_last)):
        found = np.empty_like(array)
        for place in np.ndindex(array.shape):
            kept = array[place]
            ends = []
            for shift in (h, -h):
                array[place] = kept + shift
                ends.append(value(hidden, last))
            array[place] = kept
            found[place] = (ends[0] - ends[1]) / (2 * h)
        assert np.linalg.norm(found - gradient) < 1e-6 * np.linalg.norm(gradient)


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"spectrum": "linear", "cond": 10.0},
        {"spectrum": "geometric", "cond": 1e4},
    ],
)
def test_p9_n2_one_layer_does_not_feel_the_condition_number(target):
    """Slope over lr in [-4.2, -3.8]; exactly log (1 - 2 lr)^2 per step."""
    lr = 1e-2
    result, _ = descend(1, lr, time=3, **target)
    slope = local_slope(result, lr)
    assert -4.2 < slope < -3.8
    assert slope == pytest.approx(2 * np.log(1 - 2 * lr) / lr, rel=1e-6)


@pytest.mark.parametrize("tau", [0.0, 0.1])
@pytest.mark.parametrize(("depth", "lr", "time"), [(2, 1e-2, 1.5), (3, 1e-2, 1), (10, 1e-3, 0.35)])
def test_p9_n3_slope_of_deep_networks(depth, lr, time, tau):
    """Within 30 % of -4 N lambda_min^((N-1)/N)."""
    result, predicted = descend(depth, lr, time=time, tau=tau)
    assert local_slope(result, lr) == pytest.approx(predicted, rel=0.3)


@pytest.mark.parametrize("depth", [1, 3])
def test_smoothing_slows_down_by_the_law(depth):
    """-4 N mu^((N-1)/N) mu / lambda with mu = lambda - tau; far above the paper's bound."""
    lr, tau = 5e-3, 0.5
    result, unsmoothed = descend(depth, lr, time=24 / depth**1.5, tau=tau)
    law = bures_wasserstein_rate(depth, 1.05, smoothing=tau)
    assert local_slope(result, lr) == pytest.approx(law, rel=0.1)
    assert law > 0.55 * unsmoothed
    loss = result.trace["objective"]
    with pytest.raises(InvalidInputError, match="loss below the smallest eigenvalue"):
        bures_wasserstein_bound(depth, 1.05, smoothing=tau, trace=50.0, loss=float(loss[0]))
    bound = bures_wasserstein_bound(depth, 1.05, smoothing=tau, trace=50.0, loss=1.0)
    assert law < bound < 0
    assert bures_wasserstein_bound(depth, 1.05, smoothing=0.0, trace=50.0, loss=1.0) == 0


@pytest.mark.parametrize("tau", [0.0, 0.1])
def test_p9_n4_a_bottleneck_reaches_the_optimum(tau):
    """k = 3 of 20, from a small random start: the closed form to 1e-4, and its eigenvalues.

    The gap after the third eigenvalue sets the speed; it is 1.2 with this seed.
    """
    instance = ll.problems.covariance(N_ROWS, smallest=1.05, rng=0)
    top = instance.truth.singular_values
    factor = 0.3 / np.sqrt(N_ROWS) * np.random.default_rng(0).standard_normal((N_ROWS, 3))
    solver = DeepLinear(depth=2, smoothing=tau, step_size=5e-3 * 4 * np.sqrt(top[0]))
    result = ll.solve(
        instance.problem, solver, start=ll.Factors(factor, factor), max_iter=2500, tol=0, every=500
    )
    best, X = solver.loss(instance.problem).optimum(3)
    # The eigenvalues left out, whose own part of the loss tau lowers.
    rest = np.sum((np.sqrt(top[3:]) - np.sqrt(tau)) ** 2)
    assert best == pytest.approx(rest, rel=1e-10)
    assert result.trace["objective"][-1] == pytest.approx(best, abs=1e-4)
    np.testing.assert_allclose(result.factors.singular_values(), top[:3] - tau, atol=1e-3)
    assert result.factors.distance(X) < 1e-2


def test_layers_drift_from_balance_with_the_step():
    """Imbalance 1e-4 with lr 1e-2 and 1e-5 with lr 1e-3: proportional to lr."""
    drift = [descend(3, lr, time=1)[0].parts["imbalance"] for lr in (1e-2, 1e-3)]
    assert drift[0] < 1e-3
    assert 7 < drift[0] / drift[1] < 13
