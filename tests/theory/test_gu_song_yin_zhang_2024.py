"""Gu, Song, Yin, Zhang (2024), arXiv:2302.11068: alternating minimisation."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_p6_n1_sweeps_hardly_depend_on_the_condition_number(seed):
    """n = 300, k = 5, p = 0.15, Gaussian factors: 12 to 22 sweeps to 1e-6, kappa = 1 and 10.

    With the singular vectors of sign matrices, which are more incoherent, it takes 11 or 12.
    """
    counts = []
    for kappa in (1, 10):
        instance = ll.problems.completion(
            (300, 300), 5, cond=kappa, sampling=0.15, factors="gaussian", rng=seed
        )
        trace = ll.solve(instance, "altmin", max_iter=40, tol=0).trace
        counts.append(trace.first("rel_error", 1e-6))
    assert all(count is not None and 12 <= count <= 22 for count in counts), counts


def test_the_error_of_a_sweep_shrinks_with_more_samples():
    """Exact steps contract geometrically, the faster the more is observed."""
    rates = []
    for p in (0.15, 0.3):
        instance = ll.problems.completion((300, 300), 5, sampling=p, rng=0)
        trace = ll.solve(instance, "altmin", max_iter=30).trace
        rates.append(ll.fit_rate(trace["iteration"], trace["rel_error"]).rate)
    assert rates[1] < 0.5 * rates[0], rates
    assert np.all(np.array(rates) < 1)
