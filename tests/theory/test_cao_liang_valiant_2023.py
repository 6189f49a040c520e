"""Cao, Liang, Valiant (2023), arXiv:2306.04049: one-sided completion, two entries per row.

X = G V^T with (nearly) Gaussian rows, d = 60 columns, n rows; the error is that of X^T X / n. The
paper proves that order r^2 d log d rows are enough; the size of the error, r sqrt(d / n), is
what its proof suggests and what is measured.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import lowrank_la as ll

D = 60


@lru_cache(maxsize=64)
def errors(n, rank, weights="count", seed=0):
    """Relative errors of the Gram matrix and of the subspace."""
    result = ll.solve(
        ll.problems.one_sided(n, D, rank, rng=seed),
        ll.solvers.OneSided(weights=weights),
        observe=[ll.gram_error, ll.subspace_error],
        stop=ll.stopping.Stationary(1e-4),
        max_iter=400,
        every=400,
    )
    return result.trace["gram_error"][-1], result.trace["subspace_error"][-1]


@pytest.mark.parametrize("rank", [1, 2, 4, 8])
@pytest.mark.parametrize("n", [5000, 20000])
def test_p7_n1_the_error_is_r_sqrt_d_over_n(n, rank):
    """relF sqrt(n / (r^2 d)) in [0.9, 1.4]; mean of three draws."""
    mean = np.mean([errors(n, rank, seed=seed)[0] for seed in range(3)])
    assert 0.9 <= mean * np.sqrt(n / (rank**2 * D)) <= 1.4


NUMBERS = (1000, 3000, 10_000, 30_000, 100_000)


@pytest.mark.parametrize("n", NUMBERS)
def test_p7_n2_weights_by_counts_beat_uniform_ones(n):
    """By at least 10 % at every n; r = 3, mean of three draws."""
    count, uniform = (
        np.mean([errors(n, 3, weights, seed)[0] for seed in range(3)])
        for weights in ("count", "uniform")
    )
    assert count <= 0.9 * uniform, (count, uniform)


def test_p7_n3_the_error_falls_with_the_square_root_of_the_number_of_rows():
    """Slope of log relF against log n in [-0.6, -0.4] for n from 3e3; the subspace's too."""
    many = np.array(NUMBERS[1:])
    means = np.array(
        [np.mean([errors(n, 3, seed=seed) for seed in range(3)], axis=0) for n in many]
    )
    for column in means.T:
        slope = np.polyfit(np.log(many), np.log(column), 1)[0]
        assert -0.6 <= slope <= -0.4, (slope, column)
