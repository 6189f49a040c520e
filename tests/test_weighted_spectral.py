"""The start for quadratic measurements."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import initial
from lowrank_la.errors import IncompatibleError


def error(made, start, **options):
    rank = made.truth.factors.rank
    return made.truth.relative_error(getattr(initial, start)(made.problem, rank, **options))


def correlation(made, X):
    truth = made.truth.factors.left
    return abs(np.vdot(X.left, truth)) / np.linalg.norm(X.left) / np.linalg.norm(truth)


@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
def test_phase_retrieval(dtype):
    """At m = 6 n the direction is told better by the weights than by the data themselves."""
    made = ll.problems.quadratic_sensing(150, 1, measurements=900, dtype=dtype, rng=0)
    X = initial.weighted_spectral(made.problem, 1)
    assert X.symmetric
    assert X.dtype == dtype
    assert correlation(made, X) > 0.7
    assert correlation(made, X) > 1.1 * correlation(made, initial.spectral(made.problem, 1))
    assert 0.5 < X.norm() / made.truth.factors.norm() < 1.2


def test_higher_ranks_and_condition_numbers():
    for cond in (1, 10):
        made = ll.problems.quadratic_sensing(60, 3, measurements=1500, cond=cond, rng=0)
        assert error(made, "weighted_spectral") < min(0.6, 0.75 * error(made, "spectral"))


def test_scale_does_not_matter():
    made = ll.problems.quadratic_sensing(40, 2, measurements=600, rng=0)
    X = initial.weighted_spectral(made.problem, 2)
    times = made.problem.replace(data=100 * made.problem.data)
    Y = initial.weighted_spectral(times, 2)
    assert np.allclose(Y.to_dense(), 100 * X.to_dense())


@pytest.mark.parametrize("dtype", [float, complex])
def test_outliers(dtype):
    """The truncated start takes these weights; with a share given, it is the paper's."""
    made = ll.problems.quadratic_sensing(60, 2, measurements=1500, outliers=0.2, dtype=dtype, rng=0)
    found = error(made, "weighted_spectral")
    assert found < 0.75
    assert error(made, "truncated") == found
    assert error(made, "truncated", keep=0.8) > found


def test_data_that_are_not_positive_fall_back():
    made = ll.problems.quadratic_sensing(10, 1, measurements=80, rng=0)
    problem = made.problem.replace(data=-made.problem.data)
    X = initial.weighted_spectral(problem, 1)
    assert X.isfinite()
    assert np.array_equal(X.left, initial.spectral(problem, 1).left)


def test_other_measurements_are_refused(completion, symmetric):
    for made in (completion, symmetric):
        with pytest.raises(IncompatibleError, match=r"quadratic.*start='spectral'"):
            initial.weighted_spectral(made.problem, 2)


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [4, 6])
def test_phase_retrieval_in_few_passes(ratio):
    """Complex, n = 300: Gauss-Newton from this start ends in at most 12 steps, 160 products."""
    made = ll.problems.quadratic_sensing(300, 1, measurements=300 * ratio, dtype=complex, rng=0)
    result = ll.solve(
        made,
        "gauss_newton",
        start="weighted_spectral",
        stop=ll.stopping.Target("rel_error", 1e-6),
        max_iter=12,
    )
    assert result.status is ll.Status.TARGET
    assert result.parts["inner_iterations"] < 160
