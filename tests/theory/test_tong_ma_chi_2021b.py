"""Tong, Ma, Chi (2021b), arXiv:2010.13364: scaled subgradient methods."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import initial
from lowrank_la.steps import Geometric, Polyak

N, R, SHARE = 50, 5, 0.2


@lru_cache(maxsize=3)
def instance(kappa):
    """m = 8 n r; a fifth of the measurements has 10 max|y| U(-1, 1) added."""
    return ll.problems.sensing(
        (N, N),
        R,
        measurements=8 * N * R,
        cond=kappa,
        outliers=SHARE,
        outlier_scale=10.0,
        storage="float32",
        rng=1,
    )


def keep_the_smallest(problem, rank, *, rng):
    """The start of the paper, which knows the share of outliers."""
    return initial.truncated(problem, rank, keep=1 - SHARE, rng=rng)


def run(kappa, name, rule, max_iter, target=1e-6):
    made = instance(kappa)
    return ll.solve(
        made,
        name,
        step_size=rule,
        start=keep_the_smallest,
        stop=ll.stopping.Target("rel_error", target),
        max_iter=max_iter,
    )


def polyak(kappa):
    return Polyak(instance(kappa).truth.f_min)


def test_p5b_n1_scaled_counts_do_not_depend_on_the_condition_number():
    """Polyak's steps to 1e-6: within 20 % over kappa 1, 5, 20; the plain method fails at 20."""
    counts = []
    for kappa in (1, 5, 20):
        result = run(kappa, "scaled_subgradient", polyak(kappa), 300)
        assert result.status is ll.Status.TARGET, (kappa, result.reason)
        assert result.oracle_used == ("f_min", "rank")
        counts.append(result.n_iter)
    assert np.ptp(counts) < 0.2 * max(counts), counts
    plain = run(20, "subgradient", polyak(20), 600)
    assert plain.trace["rel_error"].min() > 1e-6


@pytest.mark.parametrize("rule", ["auto", Geometric(0.25, 0.93)], ids=["median", "geometric"])
def test_rules_without_oracle_are_free_of_the_condition_number_too(rule):
    counts = [run(kappa, "scaled_subgradient", rule, 300).n_iter for kappa in (1, 20)]
    assert max(counts) < 300
    assert np.ptp(counts) < 0.2 * max(counts), counts
