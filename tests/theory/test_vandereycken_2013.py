"""Vandereycken (2013), low-rank matrix completion by Riemannian optimization.

The paper's experiments: square matrices with Gaussian factors, entries at random, four times as
many as degrees of freedom here; linear convergence to high accuracy, in a number of iterations
that hardly depends on the size.
"""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll


def gaussian(n, *, rank=5, oversampling=4.0, seed=0, **options):
    return ll.problems.completion(
        (n, n), rank, oversampling=oversampling, factors="gaussian", rng=seed, **options
    )


def count(instance, solver):
    result = ll.solve(instance, solver, tol=1e-10, max_iter=500)
    assert result.converged
    assert result.trace["rel_error"][-1] < 2e-9
    return result.n_iter


def test_counts_hardly_depend_on_the_size():
    """n = 200, 400, 800: medians of three seeds; the bounds are ours."""
    medians = [
        np.median([count(gaussian(n, seed=seed), "riemannian_cg") for seed in range(3)])
        for n in (200, 400, 800)
    ]
    assert max(medians) <= 1.35 * min(medians), medians
    assert max(medians) <= 70


def test_more_entries_take_fewer_iterations():
    """Counts fall with the oversampling."""
    counts = [count(gaussian(300, oversampling=o), "riemannian_cg") for o in (3.0, 5.0, 8.0)]
    assert counts == sorted(counts, reverse=True), counts
    assert counts[2] < 0.6 * counts[0], counts


@pytest.mark.parametrize("seed", [0, 1])
def test_conjugate_gradients_beat_alternating_steepest_descent(seed):
    """To the same accuracy, in fewer than half of the iterations, on the same instance."""
    instance = gaussian(400, seed=seed)
    assert count(instance, "riemannian_cg") < 0.5 * count(instance, "scaled_asd")


def test_it_is_linear_to_the_end():
    """The fit of log error against iterations over eight decades is straight."""
    trace = ll.solve(gaussian(300), "riemannian_cg", tol=1e-11).trace
    fit = ll.fit_rate(trace["iteration"], trace["rel_error"])
    assert 0.4 < fit.rate < 0.75


def test_noise_is_fitted_to_the_level_of_the_oracle():
    """Error with noise near sqrt(degrees of freedom / entries) times the noise."""
    instance = gaussian(300, noise=1e-3, oversampling=5.0)
    found = ll.solve(instance, "riemannian_cg", tol=1e-9, max_iter=500)
    share = np.sqrt(1 / 5.0)
    size = instance.truth.factors.norm() / 300
    assert found.trace["rel_error"][-1] == pytest.approx(1e-3 / size * share, rel=0.5)
