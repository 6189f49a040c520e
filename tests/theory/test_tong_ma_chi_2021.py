"""Tong, Ma, Chi (2021), arXiv:2005.08898: ScaledGD, settings of the authors' scripts.

The truth has singular vectors of random sign matrices (left and right drawn independently,
where the released scripts use one seed for both), singular values linear from 1 to 1/kappa.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import lowrank_la as ll

KAPPAS = (1, 5, 20)


@pytest.mark.parametrize("seed", [0, 1])
def test_p5a_n1_completion_counts_do_not_depend_on_the_condition_number(seed):
    """n = 1000, r = 10, p = 0.2, eta = 0.5: 39-40 iterations to 1e-6, 94-95 to 1e-12."""
    counts = []
    for kappa in KAPPAS:
        instance = ll.problems.completion((1000, 1000), 10, cond=kappa, sampling=0.2, rng=seed)
        trace = ll.solve(instance, "scaledgd", step_size=0.5, max_iter=120, tol=0).trace
        counts.append((trace.first("rel_error", 1e-6), trace.first("rel_error", 1e-12)))
    for found, expected in zip(np.transpose(counts), (39.5, 94.5), strict=True):
        assert np.all(np.abs(found - expected) <= 0.1 * expected), counts
    assert np.ptp(np.transpose(counts)[0]) <= 3, counts


@pytest.fixture(scope="module")
def small_sensing():
    """n = 60, r = 5, m = 1500, one instance for each kappa."""
    return {
        kappa: ll.problems.sensing(60, 5, cond=kappa, measurements=1500, factors="sign", rng=1)
        for kappa in KAPPAS
    }


def test_p5a_n3_sensing_small(small_sensing):
    """ScaledGD: 135-139 iterations to 1e-6 for every kappa; GD: 137, 438, over 1000."""
    scaled, plain = [], []
    for kappa in KAPPAS:
        instance = small_sensing[kappa]
        run = ll.solve(instance, "scaledgd", step_size=0.5, max_iter=250, tol=0)
        scaled.append(run.trace.first("rel_error", 1e-6))
        gd = ll.solvers.GD(step_size=0.5, sigma_max=1.0)
        plain.append(ll.solve(instance, gd, max_iter=1000, tol=0).trace.first("rel_error", 1e-6))
    assert np.ptp(scaled) <= 8, scaled
    assert all(abs(count - 137) <= 0.15 * 137 for count in scaled), scaled
    assert abs(plain[0] - 137) <= 0.15 * 137, plain
    assert abs(plain[1] - 438) <= 0.15 * 438, plain
    assert plain[2] is None, plain


@pytest.mark.slow
def test_p5a_n3_sensing_at_full_size():
    """n = 200, r = 10, m = 10000: error at t = 69 in [2e-4, 1e-3], kappa 20 / kappa 1 < 1.5.

    The matrices are kept in float32 (1.6 GB); the arithmetic is in float64.
    """
    flat = ll.problems.sensing(
        200, 10, measurements=10_000, factors="sign", storage="float32", rng=0
    )
    u, _, v = flat.truth.factors.svd()
    errors = []
    for kappa in (1, 20):
        root = np.sqrt(np.linspace(1, 1 / kappa, 10))
        truth = ll.Factors(u * root, v * root)
        problem = flat.problem.replace(data=flat.problem.operator.forward(truth))
        result = ll.solve(problem, "scaledgd", rank=10, step_size=0.5, max_iter=69, tol=0)
        errors.append(result.factors.distance(truth) / truth.norm())
    assert all(2e-4 <= error <= 1e-3 for error in errors), errors
    assert errors[1] / errors[0] < 1.5, errors


def robust_run(cond, n=1000, **options):
    """Robust PCA, rank 10, a tenth of each row and column corrupted by N(0, 1) entries."""
    instance = ll.problems.robust_pca(n, 10, corruption=0.1, cond=cond, rng=1)
    return ll.solve(
        instance,
        ll.solvers.ThresholdedScaledGD(**options),
        start=partial(ll.initial.thresholded, corruption=options.get("corruption")),
        stop=ll.stopping.Target("rel_error", 1e-6),
        max_iter=70,
    )


@pytest.mark.slow
@pytest.mark.parametrize("cond", [1, 20])
def test_p5a_n2_robust_pca_does_not_depend_on_the_condition_number(cond):
    """n = 1000: 1e-6 within 50 to 65 iterations, by the paper's method and share."""
    result = robust_run(cond, corruption=0.1, visible=0.0)
    assert result.status is ll.Status.TARGET
    assert 50 <= result.n_iter <= 65, result.n_iter


@pytest.mark.slow
@pytest.mark.parametrize("cond", [1, 20])
def test_robust_pca_without_knowing_the_share_takes_fewer_iterations(cond):
    result = robust_run(cond)
    assert result.status is ll.Status.TARGET
    assert result.n_iter <= 25, result.n_iter
    assert result.oracle_used == ("rank",)


def test_p5a_hankel_completion_does_not_depend_on_the_condition_number():
    """n = 1000, r = 10, p = 0.2: linear to 1e-10 in counts within 4 for kappa 1, 5, 20.

    The paper gives this setting as a figure; 52 to 55 iterations are measured on this seed.
    """
    counts = []
    for kappa in KAPPAS:
        instance = ll.problems.hankel_completion(1000, 10, sampling=0.2, cond=kappa, rng=0)
        stop = ll.stopping.Target("rel_error", 1e-10)
        counts.append(ll.solve(instance, "scaledgd", step_size=0.5, stop=stop, max_iter=100).n_iter)
    assert np.ptp(counts) <= 4, counts
    assert max(counts) <= 60, counts
