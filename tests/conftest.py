"""Shared instances, small enough for every test to be fast."""

from __future__ import annotations

import pytest

import lowrank_la as ll


@pytest.fixture(scope="session")
def completion():
    """A well-sampled completion instance, 40 x 30, rank 2."""
    return ll.problems.completion((40, 30), 2, cond=2, sampling=0.6, rng=0)


@pytest.fixture(scope="session")
def sensing():
    """A sensing instance, 15 x 12, rank 2."""
    return ll.problems.sensing((15, 12), 2, cond=2, measurements=400, rng=0)


@pytest.fixture(scope="session")
def symmetric():
    """A symmetric sensing instance, 15 x 15, rank 2."""
    return ll.problems.sensing(15, 2, cond=2, measurements=300, symmetric=True, rng=0)


@pytest.fixture(scope="session")
def robust_sensing():
    """A sensing instance with a tenth of outliers, 12 x 10, rank 2; absolute loss."""
    return ll.problems.sensing((12, 10), 2, cond=2, measurements=400, outliers=0.1, rng=0)


@pytest.fixture(scope="session")
def robust_symmetric():
    """The same with a symmetric matrix, 12 x 12."""
    return ll.problems.sensing(12, 2, cond=2, measurements=300, symmetric=True, outliers=0.1, rng=0)
