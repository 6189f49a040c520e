"""AGN: its options, columns that the matrix does not need, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import ConvergenceWarning, IncompatibleError, InvalidTypeError
from lowrank_la.solvers.agn import AGN, _inverse_gram


@pytest.mark.parametrize("kind", [float, complex])
def test_the_gram_matrix_is_inverted_without_losing_digits(kind):
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((20, 4)).astype(kind)
    if kind is complex:
        factor += 1j * rng.standard_normal((20, 4))
    factor = factor * np.array([1, 1e-4, 1e-9, 1e-12])
    found = factor @ _inverse_gram(factor)
    np.testing.assert_allclose(found.conj().T @ factor, np.eye(4), atol=1e-3)
    # A column that repeats another one is left out, as by the pseudo-inverse.
    factor[:, 3] = factor[:, 0]
    flat = factor[:, [0, 1, 3]]
    expected = np.linalg.pinv(flat.conj().T)
    np.testing.assert_allclose(flat @ _inverse_gram(flat), expected, rtol=1e-6, atol=1e-6)


def test_step_size(sensing):
    errors = {
        step: ll.solve(sensing, AGN(step_size=step), max_iter=15, tol=0).trace["rel_error"][-1]
        for step in (0.1, 0.5, "exact", "backtracking")
    }
    assert errors[0.5] < 0.1 * errors[0.1]
    assert errors["exact"] < errors[0.5]
    assert errors["backtracking"] < errors[0.1]
    constant = AGN(step_size=0.5)
    steps = ll.solve(sensing, constant, max_iter=2, tol=0, observe="step").trace["step"]
    assert steps[1:] == pytest.approx(0.5 / sensing.problem.operator.isometry)


def test_two_residuals_an_iteration_and_none_for_the_trace(sensing):
    counted = ll.operators.Counted(sensing.problem.operator)
    problem = sensing.problem.replace(operator=counted)
    start = ll.initial.spectral(sensing.problem, 2)
    ll.solve(problem, "agn", step_size=0.5, start=start, max_iter=10, tol=0)
    assert counted.calls == {"loss_gradient": 21}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_too_many_columns(dtype):
    instance = ll.problems.sensing((14, 12), 2, cond=100, measurements=900, dtype=dtype, rng=0)
    result = ll.solve(instance, "agn", rank=6, step_size=0.5, start="small_random", init_scale=1.0)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-10


def test_a_smooth_loss_other_than_the_squared_one(sensing):
    problem = sensing.problem.replace(loss=ll.losses.Huber(0.05))
    result = ll.solve(problem, "agn", rank=2, step_size=0.5, start="spectral")
    assert result.factors.distance(sensing.truth.factors) < 1e-8


def test_a_factor_without_columns_to_go_by(sensing):
    """A zero factor has no pseudo-inverse but zero: the iterate stays, and is no answer."""
    start = ll.Factors(np.zeros((15, 2)), np.zeros((12, 2)))
    result = ll.solve(sensing, "agn", start=start, max_iter=10)
    assert not result.converged


@pytest.mark.parametrize("every", [1, 500])
def test_a_step_that_is_far_too_long_diverges(sensing, every):
    """Also where the driver does not look before numbers overflow."""
    with pytest.warns(ConvergenceWarning, match="agn diverged"):
        result = ll.solve(sensing, "agn", step_size=30.0, max_iter=1500, every=every)
    assert result.status is ll.Status.DIVERGED
    assert result.factors.isfinite()


def test_what_it_refuses(symmetric, sensing):
    with pytest.raises(IncompatibleError, match="agn takes rectangular problems only"):
        ll.solve(symmetric, "agn")
    with pytest.raises(IncompatibleError, match="no nuclear-norm weight: scaledgd does"):
        ll.solve(sensing.problem.replace(nuclear=0.1), "agn", rank=2)
    with pytest.raises(InvalidTypeError, match="step_size must be a number"):
        AGN(step_size=None)
