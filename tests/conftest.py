"""Shared instances, small enough for every test to be fast."""

from __future__ import annotations

import signal

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
def quadratic():
    """Quadratic forms of a 12 x 12 matrix of rank 2."""
    return ll.problems.quadratic_sensing(12, 2, cond=2, measurements=240, rng=0)


@pytest.fixture(scope="session")
def perturbed():
    """Perturbed completion, 5 x 5, rank 1."""
    return ll.problems.perturbed_completion(5)


@pytest.fixture(scope="session")
def covariance():
    """A covariance, 6 x 6, of full rank."""
    return ll.problems.covariance(6, spectrum="geometric", cond=4, rng=0)


@pytest.fixture(scope="session")
def robust_sensing():
    """A sensing instance with a tenth of outliers, 12 x 10, rank 2; absolute loss."""
    return ll.problems.sensing((12, 10), 2, cond=2, measurements=400, outliers=0.1, rng=0)


@pytest.fixture(scope="session")
def robust_symmetric():
    """The same with a symmetric matrix, 12 x 12."""
    return ll.problems.sensing(12, 2, cond=2, measurements=300, symmetric=True, outliers=0.1, rng=0)


@pytest.fixture(scope="session")
def robust_pca():
    """All entries of a 30 x 25 matrix of rank 2, a tenth of them wrong; absolute loss."""
    return ll.problems.robust_pca((30, 25), 2, cond=2, corruption=0.1, rng=0)


@pytest.fixture(scope="session")
def robust_completion():
    """Two thirds of the entries of a 50 x 40 matrix of rank 2, a tenth of them wrong."""
    return ll.problems.robust_completion(
        (50, 40), 2, cond=2, sampling=0.7, corruption=0.1, outlier_scale=0.5, rng=0
    )


@pytest.fixture(autouse=True)
def ctrl_c():
    """Ctrl-C as in a terminal, in every test: shells start background jobs with it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
