"""One-sided completion: options that matter, the estimate by its definition, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.factors import Factors
from lowrank_la.solvers import OneSided
from lowrank_la.testing import check_generator, check_solver

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def few():
    """Two entries in each of 3000 rows of a matrix of rank 2."""
    return ll.problems.one_sided(3000, 15, 2, rng=0)


def gram_error(instance, **options):
    result = ll.solve(instance, "one_sided", observe=ll.gram_error, max_iter=300, **options)
    return result.trace["gram_error"][-1]


def full(kind=float):
    return ll.problems.completion((20, 12), 2, cond=2, sampling=1.0, dtype=kind, rng=0)


@pytest.mark.parametrize("kind", [float, complex])
def test_laws_where_all_entries_are_seen(kind):
    """Then the mean products are exact, and so are the rows without a ridge."""
    check_solver(OneSided(ridge=0.0), full(kind))


@pytest.mark.parametrize("kind", ["float32", "complex64"])
def test_other_types_are_kept(kind):
    result = ll.solve(full(kind), "one_sided", ridge=0.0, rank=2, start="spectral")
    assert result.factors.dtype == kind
    assert result.parts["gram"].dtype == kind
    assert result.trace["rel_error"][-1] < 1e-4


def test_a_run_on_few_entries_adds_up_and_resumes(few):
    whole = ll.solve(few, "one_sided", max_iter=20, tol=0)
    part = ll.solve(few, "one_sided", max_iter=8, tol=0)
    rest = ll.solve(few, "one_sided", start=part, max_iter=20, tol=0)
    assert rest.n_iter == 20
    np.testing.assert_array_equal(rest.factors.left, whole.factors.left)
    np.testing.assert_array_equal(rest.factors.right, whole.factors.right)


def test_resuming_with_other_options_evaluates_anew(few):
    part = ll.solve(few, "one_sided", max_iter=8, tol=0)
    rest = ll.solve(few, OneSided(weights="uniform"), start=part, max_iter=0)
    state = rest.state
    fresh = OneSided(weights="uniform").init(few.problem, part.factors)
    assert state.value == fresh.value
    assert state.iteration == 0


def test_resuming_on_other_data_evaluates_anew(few):
    part = ll.solve(few, "one_sided", max_iter=8, tol=0)
    other = few.problem.replace(data=2 * few.problem.data)
    rest = ll.solve(other, "one_sided", start=part, max_iter=0)
    assert rest.state.value != part.state.value
    np.testing.assert_allclose(rest.state.gram, 4 * part.state.gram)


@pytest.mark.parametrize("kind", [float, complex])
def test_the_estimate_is_the_mean_over_rows_that_see_both(kind):
    shape = (7, 4)
    seen = RNG.random(shape) < 0.6
    seen[0], seen[1] = True, [True, False, False, False]
    X = RNG.standard_normal(shape)
    if kind is complex:
        X = X + 1j * RNG.standard_normal(shape)
    X[0, 1] = 0.0  # a product that is zero is still seen
    i, j = np.nonzero(seen)
    order = RNG.permutation(i.size)
    problem = ll.observed(i[order], j[order], X[i, j][order], shape)
    state = OneSided().init(problem, ll.initial.spectral(problem, 2))
    assert np.all(state.pairs[0] <= state.pairs[1])
    for (a, b), value, count in zip(state.pairs.T, state.gram, state.counts, strict=True):
        both = seen[:, a] & seen[:, b]
        assert count == both.sum() > 0
        assert value == pytest.approx(np.mean(X[both, a].conj() * X[both, b]))
    assert state.counts.size == np.count_nonzero(np.triu(seen.T.astype(int) @ seen))


def test_parts(few):
    result = ll.solve(few, "one_sided", max_iter=100)
    gram, subspace, counts = (result.parts[name] for name in ("gram", "subspace", "counts"))
    assert gram.symmetric
    assert subspace.shape == (15, 2)
    np.testing.assert_allclose(subspace.T @ subspace, np.eye(2), atol=1e-12)
    dense = gram.to_dense()
    np.testing.assert_allclose(subspace @ subspace.T @ dense, dense, atol=1e-12)
    leading = [v @ dense @ v for v in subspace.T]
    assert leading[0] >= leading[1]
    counts = counts.toarray()
    np.testing.assert_array_equal(counts, counts.T)
    np.testing.assert_array_equal(np.diag(counts), few.problem.operator.column_counts)
    assert counts.sum() == 4 * 3000
    assert "<15 x 2 ndarray>" in repr(result)


def test_a_saved_result_has_its_parts(few, tmp_path):
    result = ll.solve(few, "one_sided", max_iter=10, tol=0)
    result.save(tmp_path / "run.npz")
    again = ll.load(tmp_path / "run.npz")
    np.testing.assert_array_equal(again.parts["subspace"], result.parts["subspace"])


def test_weights_and_diagonal_matter():
    """Counts are inverse variances, and the diagonal is the best known part."""
    instances = [ll.problems.one_sided(3000, 15, 2, rng=seed) for seed in range(3)]
    default, uniform, without = (
        np.mean([gram_error(instance, **options) for instance in instances])
        for options in ({}, {"weights": "uniform"}, {"diagonal": 0.0})
    )
    assert default < 0.9 * uniform < 0.9 * without, (default, uniform, without)


def test_without_the_diagonal_it_is_not_fitted():
    """Noise adds to the diagonal of the Gram matrix only."""
    noisy = ll.problems.one_sided(40_000, 8, 1, noise=0.4, rng=0)
    assert gram_error(noisy, diagonal=0.0) < 0.5 * gram_error(noisy)


def test_the_ridge_shrinks_rows(few):
    norms = [
        np.linalg.norm(ll.solve(few, "one_sided", ridge=ridge, max_iter=50).factors.left)
        for ridge in (0.001, 0.1, 10.0)
    ]
    assert norms[0] > norms[1] > 2 * norms[2]


def test_steps(few):
    constant = ll.solve(few, "one_sided", step_size=0.05, max_iter=50, tol=0).trace["objective"]
    exact = ll.solve(few, "one_sided", max_iter=50, tol=0).trace["objective"]
    assert exact[-1] < constant[-1] < constant[0]


def test_rows_with_enough_entries_are_recovered():
    instance = ll.problems.one_sided(20_000, 10, 2, per_row=5, rng=0)
    result = ll.solve(instance, "one_sided", max_iter=200)
    assert result.trace["rel_error"][-1] < 0.1


def test_columns_without_entries_stay_out():
    i, j = np.repeat(np.arange(60), 2), np.tile([0, 2, 1, 2, 0, 1], 20)
    rows = RNG.standard_normal((60, 1)) @ np.ones((1, 4))
    problem = ll.observed(i, j, rows[i, j], (60, 4), empty="allow")
    result = ll.solve(problem, "one_sided", rank=1, max_iter=100)
    assert not result.factors.right[3].any()
    assert result.factors.right[:3].all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: OneSided(weights="counts"), "'count' or 'uniform'"),
        (lambda: OneSided(diagonal=-1.0), "diagonal"),
        (lambda: OneSided(ridge=np.inf), "finite"),
        (lambda: OneSided(step_size="none"), "step"),
        (lambda: ll.problems.one_sided(50, 5, 2, per_row=6), "per_row"),
        (lambda: ll.problems.one_sided(50, 5, 6), "rank 6"),
        (lambda: ll.problems.one_sided(3, 50, 2, rng=0), "columns without any observed"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ll.errors.LowRankError, match=message):
        call()


def test_refusals(sensing, completion):
    with pytest.raises(ll.errors.IncompatibleError, match=r"operator\.row_solve"):
        ll.solve(sensing, "one_sided")
    unplaced = completion.problem.replace(
        operator=ll.operators.Counted(completion.problem.operator)
    )
    with pytest.raises(ll.errors.IncompatibleError, match=r"operator\.positions, which Counted"):
        ll.solve(unplaced, "one_sided", rank=2)
    with pytest.raises(ll.errors.IncompatibleError, match="nuclear"):
        ll.solve(completion.problem.replace(nuclear=1.0), "one_sided", rank=2)
    single = ll.observed([0, 1, 2], [0, 1, 0], [1.0, 2.0, 3.0], (3, 2))
    with pytest.raises(ll.errors.IncompatibleError, match="at least two observed"):
        ll.solve(single, "one_sided", rank=1)


def test_generator():
    check_generator("one_sided")
    instance = ll.problems.one_sided(2000, 9, 2, per_row=4, spectrum=[3.0, 1.0], rng=1)
    operator = instance.problem.operator
    assert np.all(operator.row_counts == 4)
    # Each column is in a row with probability 4 / 9.
    assert np.abs(operator.column_counts / 2000 - 4 / 9).max() < 0.05
    dense = instance.truth.factors.to_dense()
    values = np.linalg.eigvalsh(dense.T @ dense / 2000)[::-1]
    np.testing.assert_allclose(values[:2], [9, 1])
    every = ll.problems.one_sided(30, 4, 2, per_row=4, rng=1)
    assert every.problem.operator.size == 120


@pytest.mark.filterwarnings("ignore::lowrank_la.errors.UnderdeterminedWarning")
def test_observers(few):
    truth = few.truth.factors
    start = Factors(truth.left, truth.right)
    result = ll.solve(
        few, "scaledgd", start=start, observe=[ll.gram_error, ll.subspace_error], max_iter=0
    )
    assert result.trace["gram_error"][0] < 1e-13
    assert result.trace["subspace_error"][0] < 1e-13
    # Half of the subspace, and a Gram matrix that is twice as large.
    half = Factors(truth.left[:, :1], truth.right[:, :1])
    twice = Factors(np.sqrt(2) * truth.left, truth.right)
    for X, gram, missed in ((half, np.sqrt(0.5), np.sqrt(0.5)), (twice, 1.0, 0.0)):
        trace = ll.solve(
            few, "scaledgd", start=X, observe=[ll.gram_error, ll.subspace_error], max_iter=0
        ).trace
        assert trace["gram_error"][0] == pytest.approx(gram)
        assert trace["subspace_error"][0] == pytest.approx(missed, abs=1e-12)
    with pytest.raises(ll.errors.InvalidInputError, match="needs the truth"):
        ll.solve(few.problem, "one_sided", rank=2, observe=ll.gram_error, max_iter=1)


@pytest.mark.parametrize("kind", ["complex128", "float32"])
def test_other_types_from_few_entries(kind):
    instance = ll.problems.one_sided(20_000, 12, 2, cond=2, dtype=kind, rng=0)
    result = ll.solve(
        instance, "one_sided", observe=[ll.gram_error, ll.subspace_error], max_iter=200
    )
    assert result.factors.dtype == kind
    assert result.trace["gram_error"][-1] < 0.1
    assert result.trace["subspace_error"][-1] < 0.15


def test_columns_without_entries_on_request():
    instance = ll.problems.one_sided(3, 50, 2, rng=0, empty="allow")
    assert instance.problem.operator.column_counts.min() == 0
    assert ll.problems.build(instance.recipe).problem.data.size == 6


def test_objective_and_gradient_of_the_fit(few):
    """The gradient of 1/4 sum_jk w_jk |U U^T - S|^2, in the weights' unit, by differences."""
    solver = OneSided()
    state = solver.init(few.problem, ll.initial.spectral(few.problem, 2))
    (a, b), inner = state.pairs, solver._inner(few.problem)
    w = state.counts * np.where(a == b, 1, 2)
    w = w / w.mean()

    def objective(U):
        return 0.25 * np.sum(w * ((U @ U.T)[a, b] - state.gram) ** 2)

    U, step = state.left, RNG.standard_normal(state.left.shape)
    assert state.value == pytest.approx(objective(U))
    slope = np.vdot(state.left_gradient, step)
    for t in (1e-4, 1e-5):
        numeric = (objective(U + t * step) - objective(U - t * step)) / (2 * t)
        assert numeric == pytest.approx(slope, rel=1e-6)
    assert inner.operator.isometry == pytest.approx(a.size / 15**2)


def test_fewer_pairs_than_degrees_of_freedom_are_a_warning():
    few = ll.problems.one_sided(7, 12, 2, empty="allow", rng=0)
    for diagonal, where, seen in ((0.0, " off the diagonal", 7), (1.0, "", 16)):
        message = f"rows observe {seen} entries{where} of the Gram matrix, which has 23 degrees"
        with pytest.warns(ll.errors.UnderdeterminedWarning, match=message):
            ll.solve(few, "one_sided", diagonal=diagonal, max_iter=5, tol=0)
    # Complex: twice as many numbers off the diagonal, 44 unknowns.
    some = ll.problems.one_sided(40, 12, 2, dtype="complex128", rng=0)
    ll.solve(some, "one_sided", max_iter=5, tol=0)
