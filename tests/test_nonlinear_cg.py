"""Scaled nonlinear conjugate gradients: options, errors, and what the preconditioners do."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import (
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
    UnderdeterminedWarning,
)
from lowrank_la.solvers import NonlinearCG


@pytest.fixture(scope="module")
def instance():
    """Observed entries, 120 x 100, rank 3, three times as many as degrees of freedom."""
    n = 3 * 3 * (120 + 100 - 3)
    return ll.problems.completion((120, 100), 3, cond=3, sampling=n / 12000, rng=0)


def iterations(instance, **options):
    result = ll.solve(instance, "nonlinear_cg", tol=1e-9, **options)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-7
    return result.n_iter


def test_blocks_save_iterations(instance):
    assert iterations(instance) == iterations(instance, preconditioner="blocks")
    assert iterations(instance) < 0.8 * iterations(instance, preconditioner="gram")


def test_blocks_formed_more_often_save_iterations(instance):
    assert iterations(instance, refresh=0.05) < iterations(instance, refresh=100.0)


def test_gradient_descent_needs_many_times_the_iterations(instance):
    result = ll.solve(instance, "scaledgd", step_size="exact", tol=1e-9)
    assert result.n_iter > 3 * iterations(instance, preconditioner="gram")


def test_operators_without_blocks_take_the_gram_matrices(sensing, symmetric):
    for given in (sensing, symmetric):
        result = ll.solve(given, "nonlinear_cg")
        assert result.converged
        assert result.state.left_blocks is None
    with pytest.raises(IncompatibleError, match=r"operator\.normal_blocks.*'gram'"):
        ll.solve(sensing, "nonlinear_cg", preconditioner="blocks")


def test_blocks_want_a_rectangular_problem(completion):
    i, j = np.triu_indices(8)
    problem = ll.observed(i, j, 1.0 + i * j, (8, 8)).replace(symmetric=True)
    with pytest.raises(IncompatibleError, match="rectangular"):
        ll.solve(problem, NonlinearCG(preconditioner="blocks"), rank=2)
    assert ll.solve(problem, "nonlinear_cg", rank=2).state.left_blocks is None


def test_rows_with_fewer_entries_than_columns_do_no_harm():
    instance = ll.problems.completion((60, 50), 3, sampling=0.5, rng=1)
    i, j = instance.problem.operator.positions
    # Two entries of the first row are left, for three columns.
    keep = (i > 0) | (np.cumsum(i == 0) <= 2)
    problem = ll.observed(i[keep], j[keep], instance.problem.data[keep], (60, 50))
    with pytest.warns(UnderdeterminedWarning, match="row 0"):
        result = ll.solve(problem, "nonlinear_cg", rank=3)
    assert result.converged
    assert problem.objective(result.factors) < 1e-20


def test_a_nuclear_weight_is_minimised_too(completion):
    problem = completion.problem.replace(nuclear=0.05)
    values = [
        ll.solve(problem, "nonlinear_cg", rank=4, preconditioner=name).trace["objective"][-1]
        for name in ("blocks", "gram")
    ]
    expected = ll.solve(problem, "altmin", rank=4).trace["objective"][-1]
    np.testing.assert_allclose(values, expected, rtol=1e-9)


@pytest.mark.parametrize("value", ["jacobi", None, 3])
def test_unknown_preconditioners_are_refused(value):
    with pytest.raises(InvalidInputError, match="'auto', 'blocks', 'gram'"):
        NonlinearCG(preconditioner=value)


@pytest.mark.parametrize(("value", "error"), [(-0.1, InvalidInputError), ("1", InvalidTypeError)])
def test_refresh_must_be_a_number(value, error):
    with pytest.raises(error, match="refresh"):
        NonlinearCG(refresh=value)


def test_other_losses_are_refused(completion):
    problem = completion.problem.replace(loss=ll.losses.Huber(0.1))
    with pytest.raises(IncompatibleError, match="Squared"):
        ll.solve(problem, "nonlinear_cg", rank=2)


def test_float32_single_precision_blocks(completion):
    problem = completion.problem.replace(data=completion.problem.data.astype(np.float32))
    result = ll.solve(problem, "nonlinear_cg", rank=2)
    assert result.state.left_blocks.dtype == np.float32
    assert completion.truth.relative_error(result.factors) < 5e-5
