"""Jin, Li, Lyu, Du, Lee (2023), arXiv:2301.11500: gradient descent learns rank by rank.

d = 40, r* = 5, eigenvalues (5, 4, 3, 2, 1) / 5, m = 600 measurements, mu = 0.1, and starts
alpha G / sqrt(d). Distances are squared and relative, to the minimisers Z_s of the measured loss
over matrices of rank s.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.factors import Factors

RANKS = (1, 2, 3, 4)
SCALES = (1e-1, 1e-2, 1e-4, 1e-6, 1e-8)

pytestmark = pytest.mark.filterwarnings("ignore::lowrank_la.errors.UnderdeterminedWarning")


@lru_cache(maxsize=1)
def instance():
    spectrum = np.array([5, 4, 3, 2, 1]) / 5
    return ll.problems.sensing(40, 5, measurements=600, symmetric=True, spectrum=spectrum, rng=0)


@lru_cache(maxsize=1)
def minimisers():
    return ll.rank_minimisers(instance(), (1, 2, 3, 4, 5))


@lru_cache(maxsize=1)
def truncations():
    """The best approximations of the truth of each rank."""
    U, s, _ = instance().truth.factors.svd()
    roots = [U[:, :rank] * np.sqrt(s[:rank]) for rank in RANKS]
    return {rank: Factors(root, root) for rank, root in zip(RANKS, roots, strict=True)}


@lru_cache(maxsize=16)
def run(columns, alpha, max_iter=700):
    draw = np.random.default_rng(0).standard_normal((40, columns))
    F = alpha / np.sqrt(40) * draw
    observe = {f"to {s}": ll.distance_to(minimisers()[s]) for s in RANKS}
    observe |= {f"to cut {s}": ll.distance_to(X) for s, X in truncations().items()}
    return ll.solve(
        instance(),
        ll.solvers.GD(step_size=0.1, sigma_max=1.0),
        start=Factors(F, F),
        observe=observe,
        max_iter=max_iter,
        tol=0,
    ).trace


def dips(alpha):
    columns = [run(40, alpha)[f"to {s}"] ** 2 for s in RANKS]
    return [c.min() for c in columns], [int(c.argmin()) for c in columns]


def test_p1_n1_each_rank_is_passed_in_turn_and_closer_from_smaller_starts():
    """Dips deepen with 1 / alpha for s = 1..4; their times increase with s."""
    depths, times = zip(*(dips(alpha) for alpha in SCALES), strict=True)
    assert np.all(np.diff(depths, axis=0) < 0), depths
    assert np.all(np.diff(times, axis=1) > 0), times


def test_p1_n1_times_grow_with_the_logarithm_of_the_start():
    """Per decade about 24 iterations for s = 1, and more for s = 2 and 3; R^2 > 0.99."""
    decades = -np.log10(SCALES)
    times = np.array([dips(alpha)[1] for alpha in SCALES])
    slopes = []
    for s in (1, 2, 3):
        column = times[:, s - 1]
        assert np.corrcoef(decades, column)[0, 1] ** 2 > 0.99, column
        slopes.append(np.polyfit(decades, column, 1)[0])
    assert 21 <= slopes[0] <= 27, slopes
    assert 25 <= slopes[1] <= 38, slopes
    assert 38 <= slopes[2] <= 60, slopes


def test_p1_n2_a_factor_that_is_too_narrow_ends_at_the_minimiser_of_its_rank():
    """Three columns: below 1e-15 from Z_3, and above 5e-2 from the truth."""
    trace = run(3, 1e-8, max_iter=1500)
    assert trace["to 3"][-1] ** 2 < 1e-15
    assert trace["rel_error"].min() ** 2 > 5e-2


def test_truncated_decompositions_of_the_truth_are_not_what_is_passed():
    """They differ from the minimisers by 24 %, 5 % and 3 %, which stays as a floor."""
    cut = truncations()
    gaps = [(minimisers()[s].distance(cut[s]) / cut[s].norm()) ** 2 for s in (1, 2, 3)]
    np.testing.assert_allclose(gaps, [0.243, 0.052, 0.035], rtol=0.25)
    floors = {
        alpha: [(run(40, alpha)[f"to cut {s}"] ** 2).min() for s in (1, 2, 3)]
        for alpha in (1e-4, 1e-8)
    }
    assert np.all(np.array(floors[1e-8]) > 0.6 * np.array(gaps)), (floors, gaps)
    # No smaller start removes them.
    np.testing.assert_array_less(0.7 * np.array(floors[1e-4]), floors[1e-8])
    assert minimisers()[5].distance(instance().truth.factors) < 1e-8
