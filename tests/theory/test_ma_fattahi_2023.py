"""Ma, Fattahi (2023), arXiv:2202.08788: subgradient method, small start, too many columns.

The papers' measurements are N(0, 1), with the mean modulus as loss; here they are N(0, 1/m), so
that data, noise and outliers are those of the paper over sqrt(m).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.solvers import GD, Subgradient
from lowrank_la.steps import Geometric, LossProportional, MedianResidual

D, M = 30, 1500
SPECTRUM = (1.0, 0.8)
NORM = float(np.linalg.norm(SPECTRUM))
# Errors |U U^T - X*|_F after 500 steps, for alpha = 1e-2, 1e-4 and 1e-6: our notes on the paper.
FLOORS = {10: (3.0e-4, 5.6e-7, 1.1e-9), 30: (2.8e-4, 5.2e-7, 1.1e-9)}
RANDOM_FLOORS = (2.0e-3, 4.0e-6, 7.7e-9)
ALPHAS = (1e-2, 1e-4, 1e-6)


@lru_cache(maxsize=4)
def instance(**corruption):
    made = ll.problems.sensing(
        D, 2, measurements=M, symmetric=True, spectrum=SPECTRUM, rng=0, **corruption
    )
    return ll.Instance(made.problem.replace(loss=ll.losses.Absolute()), made.truth)


def errors(made, rule, rank, alpha, steps, start="sign_spectral"):
    """Absolute errors of the iterates from a start of scale alpha."""
    solver = Subgradient(step_size=rule, sigma_max=1.0)
    result = ll.solve(
        made, solver, rank=rank, start=start, init_scale=alpha, max_iter=steps, tol=0, rng=1
    )
    return NORM * result.trace["rel_error"]


def floors(rank, **options):
    rule = LossProportional(0.3)
    return [errors(instance(), rule, rank, alpha, 500, **options)[-1] for alpha in ALPHAS]


def test_p2_n1_the_floor_is_a_power_of_alpha_and_free_of_the_rank():
    """Within a factor 3 of the notes; slope in alpha 1.2 to 2; ratio of ranks 0.5 to 2."""
    found = {rank: floors(rank) for rank in FLOORS}
    for rank, expected in FLOORS.items():
        ratios = np.array(found[rank]) / expected
        assert np.abs(np.log(ratios)).max() < np.log(3), (rank, ratios)
        slope = np.polyfit(np.log(ALPHAS), np.log(found[rank]), 1)[0]
        assert 1.2 < slope < 2.0, slope
    across = np.array(found[30]) / found[10]
    assert np.abs(np.log(across)).max() < np.log(2), across


def test_p2_n1_random_starts_and_the_true_rank():
    """A random start has a higher floor, of the same slope; the true rank has none."""
    ratios = np.array(floors(30, start="small_random")) / RANDOM_FLOORS
    assert np.abs(np.log(ratios)).max() < np.log(3), ratios
    assert errors(instance(), LossProportional(0.3), 2, 1e-6, 500)[-1] < 1e-13


def outliers(share):
    """Errors N(0, 10^2) in measurements of standard deviation |X*|_F."""
    return instance(outliers=share, outlier_scale=10 / NORM, outlier_model="gaussian")


def test_p2_n2_outliers_with_all_columns_where_least_squares_fails():
    """A tenth of outliers, r' = 30, alpha = 1e-6, rho = 0.99: below 1e-5; GD above 0.3."""
    made = outliers(0.1)
    assert errors(made, Geometric(0.3, 0.99, "frobenius"), 30, 1e-6, 1200)[-1] < 1e-5
    squared = ll.Instance(made.problem.replace(loss=ll.losses.Squared()), made.truth)
    gd = ll.solve(
        squared,
        GD(step_size=0.05, sigma_max=1.0),
        rank=30,
        start="small_random",
        init_scale=1e-6,
        max_iter=400,
        tol=0,
    )
    assert NORM * gd.trace["rel_error"].min() > 0.3


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_steps_by_the_median_need_no_schedule(share):
    """The same start and columns, nothing tuned: below 1e-6 at both shares."""
    assert errors(outliers(share), MedianResidual(0.3), 30, 1e-6, 600)[-1] < 1e-6


def test_a_decay_too_fast_never_leaves_the_origin():
    """alpha = 1e-6 with rho = 0.98: the moves add up to less than the way."""
    assert errors(outliers(0.1), Geometric(0.3, 0.98, "frobenius"), 30, 1e-6, 600)[-1] > 0.5


@pytest.mark.parametrize("sigma", [0.1, 0.5])
def test_p2_n3_gaussian_noise_costs_what_the_true_rank_costs(sigma):
    """Error at most 2 sigma sqrt(d r / m), and that of r' = 30 within 10 % of that of r' = 2."""
    made = instance(noise=sigma / np.sqrt(M))
    rule = Geometric(0.3, 0.99, "frobenius")
    few, many = (errors(made, rule, rank, 1e-6, 1000)[-1] for rank in (2, 30))
    assert many <= 2 * sigma * np.sqrt(D * 2 / M)
    assert many == pytest.approx(few, rel=0.1)
