"""Robust PCA and robust completion: generators, start, and thresholded ScaledGD."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import _grid, losses, operators
from lowrank_la.errors import (
    BreakdownWarning,
    IncompatibleError,
    InvalidInputError,
)

RNG = np.random.default_rng(5)


def literal(M, share):
    """T_share entry by entry."""
    keep = np.zeros(M.shape, bool)
    n1, n2 = M.shape
    M = np.abs(M)
    for i in range(n1):
        for j in range(n2):
            row, column = np.sort(np.abs(M[i]))[::-1], np.sort(np.abs(M[:, j]))[::-1]
            a, b = int(share * n2 + 1e-9), int(share * n1 + 1e-9)
            keep[i, j] = a and b and abs(M[i, j]) >= max(row[a - 1], column[b - 1])
    return keep


@pytest.mark.parametrize("kind", [float, complex, np.float32])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 1.0])
def test_sparsification_is_the_formula(kind, share):
    M = RNG.standard_normal((70, 31))
    M = (M + 1j * RNG.standard_normal(M.shape) if kind is complex else M).astype(kind)
    expected = literal(M, share).ravel()
    np.testing.assert_array_equal(_grid.Grid(M.shape).outstanding(M.ravel(), share), expected)
    i, j = np.indices(M.shape).reshape(2, -1)
    order = RNG.permutation(M.size)
    shuffled = _grid.Grid(M.shape, i[order], j[order])
    found = shuffled.outstanding(M.ravel()[order], share)
    np.testing.assert_array_equal(found, expected[order])
    high = np.abs(M).ravel() > 1.5
    found = _grid.Grid(M.shape).outstanding(M.ravel(), share, threshold=1.5)
    np.testing.assert_array_equal(found, expected & high)


def test_zeros_never_stand_out():
    assert not _grid.Grid((4, 3)).outstanding(np.zeros(12), 1.0).any()
    i, j = np.indices((4, 3)).reshape(2, -1)
    assert not _grid.Grid((4, 3), i, j).outstanding(np.zeros(12), 1.0).any()


def test_a_product_that_rounds_down_does_not_lose_one():
    assert 0.29 * 100 < 29
    assert _grid.Grid((100, 100)).outstanding(np.ones(10**4), 0.29).all()
    assert _grid.allowed(100, 0.29) == 29


def test_grids_are_found_by_what_operators_measure():
    i, j = np.nonzero(RNG.random((9, 7)) < 0.8)
    base = operators.EntrySampling(i, j, (9, 7), empty="allow")
    for operator, rows in (
        (base, i),
        (operators.Subset(base, np.arange(10)[::-1]), i[9::-1]),
        (operators.Counted(operators.FullObservation((9, 7))), np.repeat(np.arange(9), 7)),
    ):
        np.testing.assert_array_equal(_grid.grid_of(operator).rows, rows)
    assert _grid.grid_of(operators.FullObservation((9, 7))).rows is None
    twice = operators.Weighted(base, np.full(i.size, 2.0))
    for other in (twice, operators.GaussianSensing.draw(20, (9, 7), rng=0)):
        assert _grid.grid_of(other) is None


@pytest.mark.parametrize("make", ["robust_pca", "robust_completion"])
def test_the_sparse_model_spreads_outliers_over_rows_and_columns(make):
    options = {"sampling": 0.5} if make == "robust_completion" else {}
    generator = getattr(ll.problems, make)
    instance = generator((80, 60), 2, corruption=0.1, rng=0, **options)
    plain = generator((80, 60), 2, corruption=0.0, rng=0, **options)
    hit = instance.truth.corrupted
    moved = instance.problem.data != plain.problem.data
    np.testing.assert_array_equal(hit, moved)
    assert isinstance(instance.problem.loss, losses.Absolute)
    assert not plain.truth.corrupted.any()
    if make == "robust_pca":
        i, j = np.indices((80, 60)).reshape(2, -1)
    else:
        i, j = instance.problem.operator.positions
    for group, n in ((i, 80), (j, 60)):
        count, total = np.bincount(group[hit], minlength=n), np.bincount(group, minlength=n)
        assert np.all(count <= np.floor(0.1 * total))
    assert 0.04 < hit.mean() <= 0.1


def test_models_and_scale():
    plain = ll.problems.robust_pca((80, 60), 2, corruption=0.0, rng=0).problem.data
    top, rms = np.abs(plain).max(), np.sqrt(np.mean(plain**2))

    def shift(**options):
        return ll.problems.robust_pca((80, 60), 2, rng=0, **options).problem.data - plain

    uniform = shift(model="uniform", corruption=0.2, outlier_scale=3.0)
    assert 2.9 * top < np.abs(uniform).max() <= 3 * top
    assert np.mean(uniform != 0) == pytest.approx(0.2, abs=0.02)
    gaussian = shift(model="gaussian", corruption=0.2, outlier_scale=3.0)
    assert np.std(gaussian[gaussian != 0]) == pytest.approx(3 * rms, rel=0.1)
    np.testing.assert_allclose(shift(outlier_scale=2.0), 2 * shift(), atol=1e-12)
    with pytest.raises(InvalidInputError, match="model must be one of sparse, uniform, gaussian"):
        shift(model="cauchy")
    with pytest.raises(InvalidInputError, match="corruption"):
        shift(corruption=1.5)
    with pytest.warns(BreakdownWarning):
        shift(corruption=0.6)


@pytest.mark.parametrize("model", ["sparse", "uniform", "gaussian"])
@pytest.mark.parametrize("share", [0.05, 0.15])
def test_robust_pca_out_of_the_box(model, share):
    instance = ll.problems.robust_pca((150, 120), 3, cond=5, corruption=share, model=model, rng=0)
    assert ll.solve(instance).parts["solver"] == "altproj"
    result = ll.solve(instance, "thresholded_scaledgd")
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-11
    assert result.n_iter < 150
    assert result.oracle_used == ("rank",)
    # What is found to be wrong is what is wrong.
    found = np.zeros(instance.problem.data.size, bool)
    found[result.parts["sparse_measurements"]] = np.abs(result.parts["sparse_values"]) > 1e-9
    np.testing.assert_array_equal(found, instance.truth.corrupted)


def test_robust_completion():
    counts = []
    for cond in (1, 10):
        instance = ll.problems.robust_completion(
            (200, 150), 3, sampling=0.5, corruption=0.1, model="uniform", cond=cond, rng=1
        )
        result = ll.solve(instance, "thresholded_scaledgd", tol=1e-9)
        assert result.converged
        assert result.trace["rel_error"][-1] < 1e-7
        counts.append(result.n_iter)
    assert max(counts) <= 1.25 * min(counts), counts


@pytest.mark.parametrize("share", [0.3, 0.35])
def test_more_outliers_than_assumed_are_never_called_converged(share):
    instance = ll.problems.robust_pca((150, 120), 3, corruption=share, model="uniform", rng=0)
    result = ll.solve(instance, "thresholded_scaledgd")
    assert result.trace["rel_error"][-1] > 1e-3
    assert not result.converged
    assert result.parts["doubtful"]
    assert "good measurements lost" in result.reason
    allowed = ll.solve(instance, "thresholded_scaledgd", corruption=share)
    assert allowed.converged
    assert "corruption" in allowed.oracle_used
    assert allowed.trace["rel_error"][-1] < 1e-10


@pytest.mark.parametrize("seed", [1, 4, 33])
def test_half_of_outliers_are_never_called_converged(seed):
    """The start is then the best approximation of the data, a stationary point, all kept."""
    instance = ll.problems.robust_pca((30, 25), 2, corruption=0.5, model="uniform", rng=seed)
    result = ll.solve(instance, "thresholded_scaledgd", max_iter=100)
    assert result.trace["rel_error"][-1] > 1e-3
    assert not result.converged


@pytest.mark.parametrize("seed", range(4))
def test_a_small_completion_is_right_where_it_converged(seed):
    instance = ll.problems.robust_completion((50, 40), 2, sampling=0.7, corruption=0.1, rng=seed)
    result = ll.solve(instance, "thresholded_scaledgd", max_iter=400)
    assert not result.converged or result.trace["rel_error"][-1] < 1e-9


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("options", "share"),
    [
        ({}, 0.25),
        ({"visible": 0.0, "corruption": 0.4}, 0.1),
        ({"visible": 0.0, "corruption": 0.5}, 0.1),
    ],
)
def test_what_is_converged_is_right_on_small_matrices(options, share, seed):
    instance = ll.problems.robust_pca((40, 30), 2, corruption=share, model="uniform", rng=seed)
    result = ll.solve(instance, "thresholded_scaledgd", max_iter=300, **options)
    assert not result.converged or result.trace["rel_error"][-1] < 1e-8


@pytest.mark.parametrize("seed", range(5))
def test_a_share_that_is_only_a_bound_does_no_harm_on_small_matrices(seed):
    instance = ll.problems.robust_pca((40, 30), 2, corruption=0.1, rng=seed)
    result = ll.solve(instance, "thresholded_scaledgd", corruption=0.2)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-11


def test_clean_data_with_many_zeros():
    rng = np.random.default_rng(0)
    left = rng.standard_normal((60, 2))
    left[:35] = 0
    truth = ll.Factors(left, rng.standard_normal((50, 2)))
    operator = ll.operators.FullObservation((60, 50))
    problem = ll.Problem(operator, operator.forward(truth), loss=ll.losses.Absolute())
    result = ll.solve(problem, "thresholded_scaledgd", rank=2, max_iter=300)
    error = result.factors.distance(truth) / truth.norm()
    assert not result.converged or error < 1e-8


def test_visible_and_step_size_matter():
    instance = ll.problems.robust_pca(200, 4, corruption=0.1, cond=5, rng=0)
    counts = {}
    for name, options in {
        "share alone": {"visible": 0.0},
        "default": {},
        "small step": {"step_size": 0.25},
    }.items():
        result = ll.solve(
            instance, "thresholded_scaledgd", corruption=0.1, tol=1e-6, max_iter=400, **options
        )
        assert result.converged, name
        counts[name] = result.n_iter
    assert counts["share alone"] > 2 * counts["default"], counts
    assert counts["small step"] > 1.5 * counts["default"], counts


def test_a_threshold_that_falls_at_will_shuts_good_entries_out():
    instance = ll.problems.robust_completion(
        (50, 40), 2, cond=2, sampling=0.7, corruption=0.1, outlier_scale=0.5, rng=0
    )
    start = ll.initial.near(instance, distance=0.05, rng=1)
    errors = [
        ll.solve(instance, "thresholded_scaledgd", start=start, corruption=0.25, decay=decay).trace[
            "rel_error"
        ][-1]
        for decay in (0.0, 0.8)
    ]
    assert errors[0] > 1e-6
    assert errors[1] < 1e-11


def test_complex_and_single_precision():
    for dtype, error in (("complex128", 1e-11), ("float32", 3e-4), ("complex64", 3e-4)):
        instance = ll.problems.robust_pca((90, 70), 2, corruption=0.08, dtype=dtype, rng=0)
        result = ll.solve(instance, "thresholded_scaledgd")
        assert result.factors.left.dtype == dtype
        assert result.parts["sparse_values"].dtype == dtype
        assert result.trace["rel_error"][-1] < error


def test_the_objective_is_the_method_s_own():
    instance = ll.problems.robust_pca((40, 30), 2, corruption=0.1, rng=0)
    result = ll.solve(instance, "thresholded_scaledgd", max_iter=5, tol=0)
    misfit = result.factors.to_dense().ravel() - instance.problem.data
    misfit[result.parts["sparse_measurements"]] += result.parts["sparse_values"]
    assert result.trace["objective"][-1] == pytest.approx(0.5 * np.sum(misfit**2))


def test_noise_is_averaged_and_not_fitted():
    sigma, n = 1e-3, 150
    instance = ll.problems.robust_pca(n, 3, corruption=0.1, noise=sigma, rng=0)
    result = ll.solve(instance, "thresholded_scaledgd", max_iter=200)
    # Least squares on the good entries alone leaves sigma sqrt(d / 0.92).
    error = result.trace["rel_error"][-1] * instance.truth.factors.norm()
    assert error < 1.15 * sigma * np.sqrt(3 * (2 * n - 3))


def test_at_most_four_dense_arrays():
    n = 1000
    instance = ll.problems.robust_pca(n, 5, corruption=0.1, rng=0)
    start = ll.initial.thresholded(instance.problem, 5)
    solver = ll.solvers.ThresholdedScaledGD()
    solver.advance(instance.problem, solver.init(instance.problem, start), 1)
    tracemalloc.start()
    state = solver.init(instance.problem, start)
    solver.advance(instance.problem, state, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The data are the fourth.
    assert peak < 3 * 8 * n * n


def test_start():
    instance = ll.problems.robust_pca((100, 80), 2, corruption=0.1, rng=0)
    problem = instance.problem
    spectral = instance.truth.relative_error(ll.initial.spectral(problem, 2))
    assert spectral > 1
    for start in (
        ll.initial.thresholded(problem, 2),
        ll.initial.thresholded(problem, 2, corruption=0.1),
    ):
        assert instance.truth.relative_error(start) < 0.6
    given = ll.initial.thresholded(problem, 2, corruption=0.02)
    assert instance.truth.relative_error(given) > 0.5
    with pytest.raises(InvalidInputError, match="corruption"):
        ll.initial.thresholded(problem, 2, corruption=0.7)
    sensing = ll.problems.sensing((6, 5), 1, measurements=40, rng=0).problem
    with pytest.raises(IncompatibleError, match="GaussianSensing does not; use start='spectral'"):
        ll.initial.thresholded(sensing, 1)


def test_what_is_refused():
    instance = ll.problems.robust_pca((12, 10), 2, rng=0)
    problem = instance.problem
    for bad, message in (
        (problem.replace(loss=losses.Squared()), "needs the loss Absolute"),
        (problem.replace(nuclear=1.0), "set nuclear=0"),
        (
            ll.problems.sensing((6, 5), 1, measurements=60, outliers=0.1, rng=0).problem,
            "observes single entries, which GaussianSensing does not",
        ),
    ):
        with pytest.raises(IncompatibleError, match=message):
            ll.solve(bad, "thresholded_scaledgd", rank=1)
    for options in ({"corruption": 0.6}, {"visible": -1.0}, {"decay": 1.5}, {"step_size": -1.0}):
        with pytest.raises(InvalidInputError, match=next(iter(options))):
            ll.solvers.ThresholdedScaledGD(**options)


def test_principal_component_pursuit_finds_the_same():
    """min |L|_* + lambda |S|_1 with lambda = 1 / sqrt(n), by CVXPY."""
    pytest.importorskip("cvxpy")
    n = 25
    instance = ll.problems.robust_pca(n, 1, corruption=0.08, rng=0)
    pursuit = ll.solve(instance.problem.replace(nuclear=float(np.sqrt(n))), "convex")
    found = ll.solve(instance, "thresholded_scaledgd")
    assert instance.truth.relative_error(found.factors) < 1e-11
    assert found.factors.distance(pursuit.factors) < 1e-4 * found.factors.norm()


def test_continuing_gives_the_same_bits():
    instance = ll.problems.robust_pca((60, 50), 2, corruption=0.1, rng=0)
    whole = ll.solve(instance, "thresholded_scaledgd", max_iter=20, tol=0)
    part = ll.solve(instance, "thresholded_scaledgd", max_iter=9, tol=0)
    rest = ll.solve(instance, "thresholded_scaledgd", start=part, max_iter=20, tol=0)
    np.testing.assert_array_equal(rest.factors.left, whole.factors.left)
    # With another share the sparse part is that of the new one.
    other = ll.solve(
        instance, "thresholded_scaledgd", start=part, corruption=0.02, max_iter=9, tol=0
    )
    assert other.n_iter == 9
    assert other.parts["sparse_values"].size < part.parts["sparse_values"].size
