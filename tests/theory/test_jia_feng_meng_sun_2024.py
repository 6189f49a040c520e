"""Jia, Feng, Meng, Sun (2024), NeurIPS: AGN is linear from random starts, without plateaus.

n = 30, rank 2, random starts of variance 1/n, eta = 0.5.
"""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll


def trace(kappa, columns, *, measurements=None, solver="agn", init_scale=1.0, max_iter=200):
    """Measurements in proportion to the number of columns, unless given."""
    instance = ll.problems.sensing(
        (30, 30), 2, cond=kappa, measurements=measurements or 600 * columns, rng=0
    )
    start = ll.initial.small_random(instance.problem, columns, init_scale=init_scale, rng=7)
    stop = ll.stopping.Target("rel_error", 1e-9)
    return ll.solve(
        instance, solver, step_size=0.5, start=start, tol=0, max_iter=max_iter, stop=stop
    ).trace


@pytest.mark.parametrize("kappa", [1, 1000])
def test_every_iteration_makes_progress(kappa):
    """No plateau: from the second iteration on the error falls by a tenth at least, each time."""
    error = trace(kappa, 4)["rel_error"]
    assert error[-1] <= 1e-9
    assert np.all(error[2:] < 0.9 * error[1:-1])


def test_gradient_descent_has_a_plateau_there():
    """kappa = 1000, the same start: the small singular value is not begun from 300 to 500."""
    error = trace(1000, 4, solver="gd", max_iter=500)["rel_error"]
    assert error[500] > 0.9 * error[300] > 5e-4


def test_the_rate_is_free_of_condition_number_and_of_the_number_of_columns():
    """Factor per iteration from 1e-1 to 1e-9: kappa 1 and 1000 within 0.02; k = 2, 4, 6 no worse.

    With 600 measurements a column it even falls, 0.73, 0.71 and 0.68.
    """
    rates = {}
    for columns in (2, 4, 6):
        for kappa in (1, 1000):
            run = trace(kappa, columns)
            late = run["rel_error"] < 1e-1
            fit = ll.fit_rate(run["iteration"][late], run["rel_error"][late])
            rates[columns, kappa] = fit.rate
        assert rates[columns, 1] == pytest.approx(rates[columns, 1000], abs=0.02)
    assert max(rates.values()) < rates[2, 1] + 0.02, rates
    assert rates[2, 1] < 0.75


def test_with_given_measurements_columns_cost_restricted_isometry():
    """600 per true rank: the rate grows with the columns, and stays linear."""
    counts = [trace(1000, columns, measurements=1200)["iteration"][-1] for columns in (2, 4, 6)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] < 3 * counts[0]


def test_the_scale_of_the_start_does_not_matter():
    counts = [trace(1000, 4, init_scale=scale)["iteration"][-1] for scale in (1e-6, 1.0)]
    assert counts[1] == pytest.approx(counts[0], abs=10)
