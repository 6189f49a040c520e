"""Ceruti, Lubich (2022) and Ceruti, Kusch, Lubich (2022): basis-update and Galerkin steps.

Gaussian measurements, 30 x 30, rank 3, five times as many as n1 + n2 times the rank.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import lowrank_la as ll


@lru_cache(maxsize=8)
def instance(kappa, noise=0.0, seed=0):
    """Noise as a share of the norm of the data, whose noiseless norm is about that of X."""
    measurements = 5 * 60 * 3
    return ll.problems.sensing(
        (30, 30),
        3,
        cond=kappa,
        spectrum="geometric",
        measurements=measurements,
        noise=noise / np.sqrt(measurements),
        rng=seed,
    )


def run(kappa, columns, *, noise=0.0, target=1e-8, max_iter=300, start=None, **options):
    case = instance(kappa, noise)
    if start is None:
        start = ll.initial.small_random(case.problem, columns, init_scale=1e-6, rng=5)
    return ll.solve(
        case,
        "bug",
        start=start,
        tol=0,
        max_iter=max_iter,
        stop=ll.stopping.Target("rel_error", target),
        **options,
    )


@pytest.mark.parametrize("columns", [3, 6])
def test_iterations_do_not_depend_on_the_condition_number(columns):
    """eta = 0.6, to 1e-8, kappa 1 to 1000: counts within 15 %, at most 80 (k = r), 170 (2 r)."""
    counts = [run(kappa, columns, step_size=0.6).n_iter for kappa in (1, 10, 100, 1000)]
    assert np.ptp(counts) < 0.15 * max(counts), counts
    assert max(counts) <= (80 if columns == 3 else 170), counts


def test_gradient_descent_is_not_done_by_then():
    start = ll.initial.small_random(instance(100).problem, 3, init_scale=1e-6, rng=5)
    trace = ll.solve(instance(100), "gd", step_size=0.5, start=start, tol=0, max_iter=300).trace
    assert trace["rel_error"][-1] > 1e-3


@pytest.mark.parametrize("kappa", [1, 1000])
def test_tiny_singular_values_do_no_harm(kappa):
    """From S = 1e-12 I the count is that from S = I 1e-3, and no iterate is larger than X."""
    rng = np.random.default_rng(2)
    bases = [np.linalg.qr(rng.standard_normal((30, 3)))[0] for _ in range(2)]
    counts = []
    for scale in (1e-12, 1e-3):
        result = run(kappa, 3, start=ll.Factors(scale * bases[0], bases[1]))
        assert result.status is ll.Status.TARGET
        assert result.trace["rel_error"].max() < 1.01
        counts.append(result.n_iter)
    assert abs(counts[0] - counts[1]) <= 2, counts


def test_the_objective_falls_but_for_what_truncation_adds():
    fixed = run(100, 6, max_iter=150).trace["objective"]
    assert not np.any(np.diff(fixed) > 1e-14 * fixed[0])
    # Truncation moves X by at most the tolerance, relative to its norm.
    tolerance = 0.03
    case = instance(100, 0.05)
    trace = run(100, 1, noise=0.05, adaptive=True, tolerance=tolerance, target=0, max_iter=100)
    misfit = np.sqrt(2 * trace.trace["objective"])
    allowed = 1.5 * tolerance * case.truth.factors.norm()
    assert np.all(np.diff(misfit) <= allowed)


@pytest.mark.parametrize("tolerance", [0.03, 0.01])
@pytest.mark.parametrize("kappa", [1, 10])
def test_the_rank_is_found_from_one_column(kappa, tolerance):
    result = run(kappa, 1, adaptive=True, tolerance=tolerance)
    assert result.parts["rank"] == 3
    assert result.status is ll.Status.TARGET


def test_the_rank_is_found_in_noise():
    """Noise 0.05, tolerance 0.03: rank 3, as good as if it were known, better than with 6."""
    options = {"noise": 0.05, "target": 0.0, "max_iter": 120}
    found = run(1, 1, adaptive=True, tolerance=0.03, **options)
    assert found.parts["rank"] == 3
    known, more = (run(1, k, **options).trace["rel_error"][-1] for k in (3, 6))
    error = found.trace["rel_error"][-1]
    assert error == pytest.approx(known, rel=1e-3)
    assert error < 0.7 * more


def test_a_tolerance_above_a_singular_value_drops_it_and_one_below_the_noise_runs_to_the_cap():
    dropped = run(10, 1, adaptive=True, tolerance=0.1)
    assert dropped.parts["rank"] == 2
    assert dropped.trace["rel_error"][-1] == pytest.approx(0.1, rel=0.1)
    noisy = run(1, 1, noise=0.05, adaptive=True, tolerance=1e-3, target=0.0, max_iter=60)
    assert noisy.parts["rank"] == 8
    # 8 (60 - 8) = 416 degrees of freedom are less than half of 900, 9 (60 - 9) = 459 more.
    assert noisy.trace["rel_error"][-1] < 0.1
