"""Whether what methods with outliers keep determines the matrix."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import losses, operators
from lowrank_la.solvers._determined import determined, spanned


def block_among_zeros(rank, n=60):
    """A block of a matrix of low rank; three of four entries are zero."""
    rng = np.random.default_rng(0)
    Z = np.zeros((n, n))
    half = n // 2
    Z[:half, :half] = rng.standard_normal((half, rank)) @ rng.standard_normal((rank, half))
    problem = ll.Problem(operators.FullObservation((n, n)), Z.ravel(), losses.Absolute())
    return problem, Z


@pytest.mark.parametrize("rank", [2, 4])
@pytest.mark.parametrize("solver", ["altproj", "soft_scaledgd"])
def test_a_block_that_is_set_aside_as_a_whole_is_no_success(solver, rank):
    """The rest of its rows lies where the matrix found has zeros, and would fit any values."""
    problem, Z = block_among_zeros(rank)
    result = ll.solve(problem, solver, rank=rank, max_iter=60)
    wrong = np.linalg.norm(result.factors.to_dense() - Z) > 1e-3 * np.linalg.norm(Z)
    assert wrong
    assert not result.converged
    assert "hangs on a single entry, or on none" in result.parts["doubt"]


def both(problem, X, threshold):
    U, s, V = X.svd()
    kept = np.abs(problem.residual(X)) <= threshold
    return spanned(problem, U, s, V, threshold), determined(problem, U, V, kept)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_rows_have_to_meet_all_directions(dtype):
    case = ll.problems.factorization((40, 30), 3, dtype=dtype, rng=0)
    X = case.truth.factors
    right = X.right.copy()
    right[:20] = np.arange(1, 21)[:, None] * right[0]
    X = ll.Factors(X.left, right)
    data = X.to_dense()
    assert both(case.problem.replace(data=data.ravel()), X, 1e-6) == (True, True)
    # One other column is not enough for the three directions of row 5, two are.
    data[5, 20:] += 1.0
    data[5, 20] -= 1.0
    assert both(case.problem.replace(data=data.ravel()), X, 1e-6) == (False, False)
    data[5, 21] -= 1.0
    found, alone = both(case.problem.replace(data=data.ravel()), X, 1e-6)
    assert found
    # Each of the two has its own direction, so that neither can be checked.
    assert not alone


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_of_many_entries_some_will_do_and_all_are_asked_where_they_will_not(dtype, transposed):
    """The first look at a row is at every sixteenth entry here; row 5 keeps none of those."""
    case = ll.problems.factorization((30, 400), 2, dtype=dtype, rng=0)
    X = case.truth.factors
    data = X.to_dense()
    kept = {2: True, 1: False}
    for count, answer in kept.items():
        hidden = data.copy()
        hidden[5] += 1.0
        hidden[5, [21, 33][:count]] -= 1.0
        X_, hidden = (ll.Factors(X.right, X.left), hidden.conj().T) if transposed else (X, hidden)
        problem = ll.Problem(operators.FullObservation(hidden.shape), hidden.ravel())
        assert spanned(problem, *X_.svd(), 1e-6) is answer


def test_columns_count_as_rows_do():
    case = ll.problems.factorization((40, 30), 3, rng=0)
    X = case.truth.factors
    data = X.to_dense()
    data[2:, 4] += 1.0
    assert both(case.problem.replace(data=data.ravel()), X, 1e-6) == (False, False)
