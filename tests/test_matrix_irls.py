"""MatrixIRLS: the weighted least squares, smoothing, noise, options, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import ConvergenceWarning, IncompatibleError
from lowrank_la.initial import near, small_random
from lowrank_la.operators import EntrySampling
from lowrank_la.solvers import MatrixIRLS
from lowrank_la.solvers._log_det import Completed, Reweighted


def instance(shape=(60, 50), rank=3, *, cond=10, oversampling=3, **options):
    return ll.problems.completion(
        shape, rank, cond=cond, oversampling=oversampling, least=rank + 1, rng=0, **options
    )


class Plain:
    """The three methods of an operator, its entries, and no other ability."""

    def __init__(self, base):
        self.shape, self.size, self.dtype = base.shape, base.size, base.dtype
        self.isometry, self.positions = base.isometry, base.positions
        self.forward = base.forward
        self.adjoint_right, self.adjoint_left = base.adjoint_right, base.adjoint_left


def dense(whole):
    i, j = whole.operator.positions
    out = whole.low.to_dense()
    out[i, j] += whole.entries
    return out


def weighted(state, problem):
    k = state.active
    return Reweighted(problem.operator, state.u[:, :k], state.s[:k], state.v[:, :k], state.eps)


def log_det(X, eps):
    """The smoothed log-determinant."""
    s = np.linalg.svd(X, compute_uv=False)
    return np.sum(np.log(np.maximum(s, eps)) + (np.minimum(s, eps) ** 2 / eps**2 - 1) / 2)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_first_weights_are_those_of_the_data(dtype):
    problem = instance((150, 120), dtype=dtype).problem
    state = MatrixIRLS().init(problem, small_random(problem, 3))
    i, j = problem.operator.positions
    X = np.zeros(problem.shape, dtype)
    X[i, j] = problem.data
    s = np.linalg.svd(X, compute_uv=False)
    np.testing.assert_allclose(state.s[:4], s[:4], rtol=1e-2)
    assert state.eps == state.s[3]
    assert state.active == 3


@pytest.mark.parametrize("size", [1e-5, 1e-10])
def test_singular_triplets_of_low_rank_plus_sparse(size):
    """The block iteration against a decomposition, with a tail that squares would lose."""
    problem = instance((150, 120), cond=1e3).problem
    X = instance((150, 120), cond=1e3).truth.factors
    rng = np.random.default_rng(1)
    whole = Completed(problem.operator, X, size * rng.standard_normal(problem.data.size))
    u, s, v = whole.leading(4, np.zeros((120, 0)))
    U, S, Vh = np.linalg.svd(dense(whole))
    np.testing.assert_allclose(s[:3], S[:3], rtol=1e-9)
    assert 0.5 * S[3] < s[3] <= 1.001 * S[3]
    np.testing.assert_allclose(
        u[:, :3] @ np.diag(s[:3]) @ v[:, :3].T, (U[:, :3] * S[:3]) @ Vh[:3], atol=1e-7 * S[2]
    )
    np.testing.assert_allclose(u.T @ u, np.eye(4), atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("abilities", [True, False])
def test_the_weighted_problem_is_solved(dtype, abilities):
    """The data are interpolated, and W(X) vanishes at all entries that are not seen."""
    made = instance(dtype=dtype)
    problem = made.problem
    operator = problem.operator
    state = MatrixIRLS().init(problem, near(made, distance=0.5, rng=0))
    k = state.active
    if not abilities:
        operator = Plain(operator)
    weights = Reweighted(operator, state.u[:, :k], state.s[:k], state.v[:, :k], state.eps)
    whole, count = weights.solve(problem.data, 1e-13, 2000)
    X = dense(whole)
    i, j = problem.operator.positions
    np.testing.assert_allclose(X[i, j], problem.data, atol=1e-13 * np.abs(problem.data).max())
    sides = []
    for F in (state.u[:, :k], state.v[:, :k]):
        inverse = 1 / state.s[:k] - 1 / state.eps
        sides.append(np.eye(len(F)) / state.eps + (F * inverse) @ F.conj().T)
    image = sides[0] @ X @ sides[1]
    size = np.abs(image).max()
    image[i, j] = 0
    assert np.abs(image).max() < 1e-10 * size
    assert 0 < count < 2000


def test_blocks_save_inner_iterations():
    made = instance((150, 120), oversampling=1.6)
    problem = made.problem
    state = ll.solve(problem, "matrix_irls", rank=3, max_iter=12, tol=0).state
    with_blocks, without = weighted(state, problem), weighted(state, problem)
    without._blocks = None
    counts = [w.solve(problem.data, 1e-6, 2000)[1] for w in (with_blocks, without)]
    assert counts[0] < 0.6 * counts[1], counts


def test_the_smoothed_log_determinant_never_rises():
    """A step lowers it for the smoothing of before, and a smaller smoothing lowers it again."""
    problem = instance(oversampling=1.5).problem
    solver = MatrixIRLS(inner_tol=1e-10)
    state = solver.init(problem, small_random(problem, 3))
    X = np.zeros(problem.shape)
    X[problem.operator.positions] = problem.data
    first = last = log_det(X, state.eps)
    for _ in range(12):
        whole, _ = weighted(state, problem).solve(problem.data, 1e-12, 2000)
        X = dense(whole)
        fallen = log_det(X, state.eps)
        assert fallen <= last + 1e-9 * abs(last)
        solver.advance(problem, state, 1)
        last = log_det(X, state.eps)
        assert last <= fallen + 1e-6 * abs(fallen)
    assert last < first - 1


def test_the_smoothing_only_falls_and_stays_above_rounding():
    trace = ll.solve(
        instance(), "matrix_irls", tol=0, max_iter=30, observe={"eps": lambda v: v.state.eps}
    ).trace
    assert np.all(np.diff(trace["eps"]) <= 0)
    top = ll.solve(instance(), "matrix_irls").state.s[0]
    assert trace["eps"][-1] == pytest.approx(np.finfo(float).eps * top, rel=1e-6)


def test_noise_is_interpolated_and_said_so():
    """Another solver goes on from there to the least-squares solution."""
    made = instance(cond=2, oversampling=5, noise=1e-5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = ll.solve(made, "matrix_irls")
    assert result.status.name == "STALLED"
    assert "singular value 4 at" in result.reason
    assert "gauss_newton" in result.reason
    parts = result.parts
    assert parts["smoothing"] > 1e-6
    assert parts["singular_values"][3] >= parts["smoothing"]
    assert parts["inner_iterations"] > 0
    expected = ll.solve(made, "altmin").factors
    polished = ll.solve(made, "gauss_newton", start=result.factors).factors
    assert polished.distance(expected) < 1e-8 * expected.norm()
    assert result.factors.distance(expected) < 0.3 * made.truth.factors.distance(expected)


def test_it_stays_where_it_stands_still():
    made = instance(cond=2, oversampling=5, noise=1e-5)
    problem = made.problem
    solver = MatrixIRLS()
    state = solver.init(problem, small_random(problem, 3))
    solver.advance(problem, state, 200)
    left, inner = state.left, state.inner
    solver.advance(problem, state, 3)
    assert state.still
    assert state.left is left
    assert (state.iteration, state.inner) == (203, inner)


def test_too_large_a_rank_does_no_harm():
    made = instance(oversampling=4)
    result = ll.solve(made, "matrix_irls", rank=5, max_iter=60, tol=1e-12)
    assert result.trace["rel_error"][-1] < 1e-9


def test_full_rank_is_what_is_seen():
    """With rank min(n1, n2) no singular value follows."""
    made = ll.problems.completion((6, 5), 5, sampling=1.0, rng=0)
    result = ll.solve(made, "matrix_irls", rank=5)
    assert result.trace["rel_error"][-1] < 1e-12


def test_equal_singular_values_give_equal_weights():
    """The identity, of which the diagonal is seen: no direction is better than the others."""
    operator = EntrySampling(np.arange(8), np.arange(8), (8, 8))
    problem = ll.Problem(operator, np.ones(8))
    solver = MatrixIRLS()
    state = solver.init(problem, small_random(problem, 2, init_scale=0.0))
    solver.advance(problem, state, 2)
    assert state.active == 0
    assert state.inner == 0
    np.testing.assert_allclose(state.s[:3], 1)


def test_inner_options_matter():
    made = instance((150, 120), oversampling=3)
    inner = {}
    for tol in (1e-6, 1e-2, 10.0):
        result = ll.solve(made, MatrixIRLS(inner_tol=tol))
        assert result.trace["rel_error"][-1] < 1e-9
        inner[tol] = result.parts["inner_iterations"]
    assert inner[1e-6] > 1.3 * inner[1e-2] > 1.3 * inner[10.0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        short = ll.solve(made, MatrixIRLS(inner_limit=2), max_iter=20)
    assert short.parts["inner_iterations"] == 40


def test_another_problem_is_not_continued_with_the_old_weights():
    made = instance()
    first = ll.solve(made, "matrix_irls", max_iter=5, tol=0)
    other = made.problem.replace(data=1.5 * made.problem.data)
    result = ll.solve(other, "matrix_irls", start=first)
    assert result.converged
    truth = made.truth.factors
    assert result.factors.distance(ll.Factors(1.5 * truth.left, truth.right)) < 1e-9 * truth.norm()


@pytest.mark.parametrize(
    "options", [{"inner_tol": 0.0}, {"inner_tol": 20.0}, {"inner_tol": "x"}, {"inner_limit": 0}]
)
def test_bad_options(options):
    with pytest.raises(ll.errors.LowRankError, match=next(iter(options))):
        MatrixIRLS(**options)


def test_what_it_is_not_for(sensing, symmetric, completion):
    for problem in (
        sensing.problem,
        ll.problems.hankel_completion(20, 2, sampling=0.7, rng=0).problem,
    ):
        with pytest.raises(IncompatibleError, match="single entries"):
            ll.solve(problem, "matrix_irls", rank=2)
    with pytest.raises(IncompatibleError, match="rectangular"):
        ll.solve(symmetric, "matrix_irls")
    with pytest.raises(IncompatibleError, match="nuclear"):
        ll.solve(completion.problem.replace(nuclear=0.1), "matrix_irls", rank=2)
