"""Ma, Molybog, Lavaei, Sojoudi (2023), arXiv:2302.07828: lifting makes spurious points saddles.

The paper's loss has 1/2 where ours has 1/4, so its eigenvalues are twice ours. Its bound on the
order, from the constants of the problem, does not apply to these instances (beta is above 1);
what is tested is the eigenvalue itself.
"""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.lifting import Lifting, strict_saddle_order

# Signs of the spurious points on the support of z, up to permutations.
FLIPS = {3: (1, -1), 5: (1, 1, -1), 7: (1, 1, -1, -1)}


def spurious(n, eps):
    """The instance, and the local minimum that gradient descent finds from flipped signs."""
    instance = ll.problems.perturbed_completion(n, eps=eps)
    start = np.zeros((n, 1))
    start[::2, 0] = FLIPS[n]
    result = ll.solve(
        instance.problem, "gd", start=ll.Factors(start, start), step_size=0.3, tol=1e-13
    )
    return instance, result.factors


def smallest(instance, X, order):
    """Smallest eigenvalue of the Hessian of the paper's loss."""
    return 2 * Lifting.of(instance.problem, order=order).smallest_eigenvalue(X)


@pytest.mark.parametrize(
    ("n", "eps", "point", "distance", "at_spurious", "at_truth"),
    [
        (3, 0.3, 0.914, 2.61, {1: 2.679, 2: 1.566, 3: 0.615, 4: -0.214}, {1: 4.00}),
        (5, 0.3, 0.937, 3.51, {1: 1.870, 2: 0.358, 3: -0.810, 4: -1.836}, {1: 4.18, 2: 4.37}),
        (7, 0.3, 0.846, 4.92, {1: 1.888, 3: -1.637}, {1: 4.36, 3: 5.18}),
        (5, 0.1, 0.990, 3.94, {1: 3.762, 2: 3.531, 3: 3.308, 4: 3.091}, {1: 4.02, 3: 4.06}),
    ],
)
def test_p3_n1_smallest_eigenvalues(n, eps, point, distance, at_spurious, at_truth):
    """To 3 decimals at the spurious point; positive at the truth."""
    instance, X = spurious(n, eps)
    truth = instance.truth.factors
    assert np.abs(X.left).max() == pytest.approx(point, abs=5e-4)
    assert X.distance(truth) == pytest.approx(distance, abs=5e-3)
    for order, expected in at_spurious.items():
        assert smallest(instance, X, order) == pytest.approx(expected, abs=5e-4), order
    for order, expected in at_truth.items():
        assert smallest(instance, truth, order) == pytest.approx(expected, abs=5e-3), order
    assert smallest(instance, truth, 3) > 4.0 - 1e-9


@pytest.mark.parametrize(
    ("n", "eps", "order"),
    [(3, 0.3, 5), (5, 0.3, 3), (7, 0.3, 3), (5, 0.2, 7), (5, 0.1, 23), (5, 0.05, 89)],
)
def test_p3_n1_first_odd_order_with_negative_curvature(n, eps, order):
    """The order grows like 1 / eps^2; the truth is no saddle for any."""
    instance, X = spurious(n, eps)
    assert strict_saddle_order(instance.problem, X) == order
    assert strict_saddle_order(instance.problem, X, max_order=order - 1) is None
    assert strict_saddle_order(instance.problem, instance.truth.factors) is None


def test_a_single_flip_is_not_spurious_for_seven():
    instance = ll.problems.perturbed_completion(7)
    start = instance.truth.factors.left.copy()
    start[-1] *= -1
    result = ll.solve(instance, "gd", step_size=0.5, start=ll.Factors(start, start), max_iter=3000)
    assert result.trace["rel_error"][-1] < 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_lifting_leaves_the_spurious_point_where_order_three_suffices(seed):
    """From a neighbourhood of the spurious point of n = 5; unlifted descent goes back to it.

    The lifted run always leaves, but two of three times for a stationary tensor that is not of
    rank one, a local minimum that lifting makes; the saddle escape gets from there to the truth.
    """
    instance, X = spurious(5, 0.3)
    moved = X.left + 0.05 * np.random.default_rng(seed).standard_normal((5, 1))
    start = ll.Factors(moved, moved)
    plain = ll.solve(instance, "gd", step_size=0.5, start=start, max_iter=2000)
    assert plain.factors.distance(X) < 1e-6
    lifted = ll.solve(instance, "lifted", start=start, max_iter=1000, every=20)
    assert lifted.factors.distance(X) > 1
    at_truth = lifted.trace["rel_error"][-1] < 1e-6
    assert at_truth != (lifted.parts["rank_one_residual"] > 0.5)
    escaped = ll.solve(instance, "lifted", start=start, max_iter=2000, every=20, escape=True)
    assert escaped.trace["rel_error"][-1] < 1e-6
    assert escaped.parts["escapes"] == (0 if at_truth else 1)


def test_the_isometry_constant_has_the_square_of_eps():
    """The quadratic form |A(M)|^2 / |M|^2 lies between eps^2 and 1 and takes both."""
    problem = ll.problems.perturbed_completion(5, eps=0.3).problem
    matrix = ll.operators.matrix_of(problem.operator).toarray()
    values = np.linalg.svd(matrix, compute_uv=False) ** 2
    np.testing.assert_allclose([values.min(), values.max()], [0.09, 1.0], rtol=1e-12)
