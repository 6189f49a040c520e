"""Accelerated alternating projections: thresholds, honesty, start, and the fused pass."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from corrupted import error, gaussian

import lowrank_la as ll
from lowrank_la import solvers
from lowrank_la._grid import median_modulus, modulus_quantile
from lowrank_la.errors import (
    ConvergenceWarning,
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
)
from lowrank_la.initial import medians, near
from lowrank_la.kernels import _chunks
from lowrank_la.losses import Absolute
from lowrank_la.solvers import _determined, _outliers

pytestmark = pytest.mark.filterwarnings("ignore::lowrank_la.errors.ConvergenceWarning")


def test_out_of_the_box_without_knowing_the_share():
    problem, truth, hit = gaussian(200, 5, 0.3, 0)
    result = ll.solve(problem, "altproj", rank=5, tol=1e-9)
    assert result.converged
    assert error(result, truth) < 1e-8
    assert result.n_iter < 30
    assert result.oracle_used == ()
    assert result.parts["doubt"] == ""
    assert result.parts["outlier_share"] == pytest.approx(hit.mean(), abs=0.01)
    where, values = result.parts["sparse_measurements"], result.parts["sparse_values"]
    found = np.zeros(hit.size, bool)
    found[where] = True
    # All but outliers that are smaller than the last threshold.
    assert np.mean(found != hit) < 1e-3
    assert np.all(np.abs(values) > result.parts["threshold"])


@pytest.mark.parametrize("name", ["altproj", "auto"])
def test_the_sparse_part_is_the_residual_and_is_saved(name, tmp_path):
    instance = ll.problems.robust_completion((60, 50), 2, sampling=0.9, corruption=0.1, rng=0)
    result = ll.solve(instance, name)
    where, values = result.parts["sparse_measurements"], result.parts["sparse_values"]
    everywhere = np.arange(instance.problem.data.size)
    np.testing.assert_array_equal(np.isin(everywhere, where), instance.truth.corrupted)
    residual = -instance.problem.residual(result.factors)
    np.testing.assert_allclose(values, residual[where], rtol=1e-9)
    result.save(tmp_path / "result.npz")
    again = ll.load(tmp_path / "result.npz").parts
    np.testing.assert_array_equal(again["sparse_measurements"], where)
    np.testing.assert_array_equal(again["sparse_values"], values)
    # It belongs to the end of a run, not to the iterates before.
    further = ll.solve(instance, "altproj", start=result, max_iter=result.n_iter + 1, tol=0)
    solver, state = further.solver, further.state
    solver.advance(instance.problem, state, 1)
    assert "sparse_values" not in solver.parts(state)


@pytest.mark.parametrize(("positive", "share"), [(False, 0.5), (True, 0.3)])
def test_the_pace_slows_down_where_it_has_to(positive, share):
    problem, truth, _ = gaussian(120, 5, share, 0, positive)
    result = ll.solve(problem, "altproj", rank=5, tol=1e-8)
    assert error(result, truth) < 1e-7
    assert result.converged
    assert result.state.decay > 0.3
    # A fixed pace as fast as the first one loses rows.
    fast = ll.solve(problem, "altproj", rank=5, tol=1e-8, decay=0.3, max_iter=100)
    assert not error(fast, truth) < 1e-3


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rank", "share", "positive"), [(4, 0.85, False), (8, 0.6, True)])
def test_what_is_lost_is_not_called_converged(rank, share, positive, seed):
    problem, truth, _ = gaussian(80, rank, share, seed, positive)
    result = ll.solve(problem, "altproj", rank=rank, max_iter=200)
    assert error(result, truth) > 1e-2
    assert not result.converged


def test_the_paper_s_schedule_ends_with_everything_set_aside_and_says_so():
    """|Y - L - S| tends to zero whatever L is; the share of nonzeros tells."""
    problem, truth, _ = gaussian(80, 8, 0.6, 0)
    result = ll.solve(problem, "altproj", rank=8, decay=0.7, max_iter=150)
    assert error(result, truth) > 0.1
    residual = np.sqrt(result.state.squares) / np.linalg.norm(problem.data)
    assert residual < 1e-8
    assert not result.converged
    assert result.parts["outlier_share"] > 0.7
    assert "degrees of freedom" in result.parts["doubt"]


def test_a_row_that_hangs_on_one_entry_is_seen():
    U = np.linalg.qr(np.random.default_rng(0).standard_normal((20, 2)))[0]
    V = np.repeat(np.eye(2), 8, axis=0) / np.sqrt(8)
    problem = ll.Problem(
        ll.operators.FullObservation((20, 16)), np.ones(320), loss=ll.losses.Absolute()
    )
    kept = np.ones((20, 16), bool)
    assert _determined.determined(problem, U, V, kept.ravel())
    kept[3, 9:] = False
    assert not _determined.determined(problem, U, V, kept.ravel())
    kept[3, 9] = True
    assert _determined.determined(problem, U, V, kept.ravel())
    kept[3, 8:] = False
    assert not _determined.determined(problem, U, V, kept.ravel())


def test_small_matrices_are_right_where_converged():
    """Rows of random sign matrices are often multiples of each other."""
    for seed in range(12):
        share = (0.1, 0.3, 0.4)[seed % 3]
        instance = ll.problems.robust_pca((30, 25), 2, corruption=share, model="uniform", rng=seed)
        result = ll.solve(instance, "altproj", max_iter=200)
        assert not result.converged or result.trace["rel_error"][-1] < 1e-8, seed


def test_noise_is_told_from_outliers():
    sigma, n = 0.05, 200
    problem, truth, hit = gaussian(n, 3, 0.1, 0)
    noise = sigma * np.random.default_rng(1).standard_normal(problem.data.size)
    result = ll.solve(problem.replace(data=problem.data + noise), "altproj", rank=3, tol=1e-6)
    assert result.converged
    # Least squares on the good entries alone leaves sigma sqrt(d / 0.9).
    bound = sigma * np.sqrt(3 * (2 * n - 3) / 0.9) / truth.norm()
    assert error(result, truth) < 1.15 * bound
    assert not result.state.clipped
    assert 2.3 * sigma < result.parts["threshold"] < 4 * sigma
    assert result.parts["outlier_share"] < hit.mean() + 0.01


def test_clipping_is_better_for_errors_of_all_sizes():
    """Laplace errors: no gap between noise and outliers."""
    rng = np.random.default_rng(0)
    truth = ll.Factors(rng.standard_normal((150, 2)), rng.standard_normal((120, 2)))
    data = truth.to_dense() + rng.laplace(0, 0.3, (150, 120))
    operator = ll.operators.FullObservation(data.shape)
    problem = ll.Problem(operator, data.ravel(), loss=ll.losses.Absolute())
    results = [
        ll.solve(problem, "altproj", rank=2, soft=soft, max_iter=150)
        for soft in (False, True, None)
    ]
    errors = [error(result, truth) for result in results]
    assert errors[1] < 0.95 * errors[0], errors
    # Which is found out.
    assert errors[2] < 0.97 * errors[0], errors
    assert results[2].state.clipped


@pytest.mark.parametrize(("decay", "gross"), [(0.6, 0.3), (0.5, 0.1)])
def test_data_of_nearly_low_rank_end_before_they_are_overfitted(decay, gross):
    """As a hyperspectral image: singular values that go on falling, and gross errors."""
    rng = np.random.default_rng(0)
    U, V = (np.linalg.qr(rng.standard_normal((n, 80)))[0] for n in (600, 80))
    clean = (U * (decay ** np.arange(80) + 1e-3)) @ V.T
    hit = rng.random(clean.shape) < gross
    data = np.where(hit, rng.uniform(0.0, clean.max(), clean.shape), clean)
    problem = ll.Problem(
        ll.operators.FullObservation(clean.shape), data.ravel(), loss=ll.losses.Absolute()
    )
    result = ll.solve(problem, "altproj", rank=4)
    size = np.linalg.norm(clean)
    off = np.linalg.norm(result.factors.to_dense() - clean) / size
    best = np.linalg.norm(np.linalg.svd(clean, compute_uv=False)[4:]) / size
    assert result.status is ll.Status.STALLED, result.reason
    assert result.parts["doubt"] in result.reason
    assert result.n_iter < 300
    assert off < 1.5 * best
    # The same point again if it goes on.
    again = ll.solve(problem, "altproj", start=result, max_iter=result.n_iter + 5)
    np.testing.assert_array_equal(again.factors.left, result.factors.left)


def test_robust_completion():
    instance = ll.problems.robust_completion(
        (300, 250), 4, sampling=0.5, corruption=0.2, model="uniform", cond=3, rng=1
    )
    result = ll.solve(instance, "altproj", tol=1e-9)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-8
    assert result.n_iter < 60


def test_complex_and_single_precision():
    for dtype, limit in (("complex128", 1e-9), ("float32", 3e-4), ("complex64", 3e-4)):
        instance = ll.problems.robust_pca((90, 70), 2, corruption=0.08, dtype=dtype, rng=0)
        result = ll.solve(instance, "altproj", max_iter=200)
        assert result.factors.left.dtype == dtype
        assert result.trace["rel_error"][-1] < limit


def test_both_passes_agree():
    """The fused pass and that of any operator, at a point where much is set aside."""
    problem, truth, _ = gaussian(70, 3, 0.3, 0)
    rows, columns = np.indices(problem.shape).reshape(2, -1)
    entries = problem.replace(
        operator=ll.operators.EntrySampling(rows, columns, problem.shape), data=problem.data
    )
    U, s, V = truth.svd()
    for soft in (False, True):
        a, b = (_outliers.cut(p, U, s, V, 0.5, soft) for p in (problem, entries))
        np.testing.assert_allclose(a.rows, b.rows, atol=1e-10)
        np.testing.assert_allclose(a.columns, b.columns, atol=1e-10)
        for name in ("squares", "share", "lag", "least", "misfit"):
            assert getattr(a, name) == pytest.approx(getattr(b, name)), name


def test_clipping_is_the_formula():
    instance = ll.problems.robust_pca((30, 25), 2, cond=2, corruption=0.1, rng=0)
    start = near(instance, distance=0.2, rng=2)
    solver = solvers.AltProj(decay=0.7, scale=0.3, soft=True)
    state = solver.init(instance.problem, start)
    Y, X = instance.problem.data.reshape(30, 25), start.to_dense()
    z = 0.3 * np.linalg.norm(X, 2)
    for k in range(1, 11):
        u, _, vh = np.linalg.svd(X)
        U, V = u[:, :2] @ u[:, :2].T, vh[:2].T @ vh[:2]
        M = X + np.clip(Y - X, -z, z)
        u, s, vh = np.linalg.svd(U @ M + M @ V - U @ M @ V)
        z = 0.3 * (s[2] + 0.7**k * s[0])
        X = (u[:, :2] * s[:2]) @ vh[:2]
        solver.advance(instance.problem, state, 1)
        assert np.linalg.norm(solver.factors(state).to_dense() - X) < 1e-10 * np.linalg.norm(X)


def test_the_objective_has_the_gradient_that_is_reported():
    problem, truth, _ = gaussian(30, 2, 0.2, 0)
    rng = np.random.default_rng(0)
    solver = solvers.AltProj(decay=0.7, scale=0.02, soft=True)
    state = solver.init(problem, ll.Factors(truth.left + 0.1, truth.right))
    X, at = solver.factors(state), solver.evaluation(problem, state)
    d = rng.standard_normal(X.left.shape), rng.standard_normal(X.right.shape)
    along = np.vdot(at.left, d[0]) + np.vdot(at.right, d[1])

    def value(t):
        # Huber's function is what clipped residuals are the slope of.
        e = np.abs(problem.residual(ll.Factors(X.left + t * d[0], X.right + t * d[1])))
        z = state.threshold
        return np.sum(np.where(e <= z, 0.5 * e**2, z * (e - 0.5 * z)))

    t = 1e-6
    assert (value(t) - value(-t)) / (2 * t) == pytest.approx(along, rel=1e-5)


def test_nothing_as_large_as_the_matrix_is_stored():
    n = 800
    problem, _, _ = gaussian(n, 5, 0.1, 0)
    solver = solvers.AltProj()
    solver.advance(problem, solver.init(problem, medians(problem, 5)), 1)
    tracemalloc.start()
    state = solver.init(problem, medians(problem, 5))
    solver.advance(problem, state, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.7 * 8 * n * n


def test_same_bits_with_any_number_of_threads(monkeypatch):
    problem, _, _ = gaussian(300, 10, 0.2, 0)
    solver, digests = solvers.AltProj(), []
    start = medians(problem, 10)
    for threads in (1, 3):
        monkeypatch.setattr(_chunks, "threads", lambda threads=threads: threads)
        _chunks._pool.cache_clear()
        state = solver.init(problem, start)
        solver.advance(problem, state, 3)
        digests.append(state.left.tobytes() + state.right.tobytes())
    _chunks._pool.cache_clear()
    assert digests[0] == digests[1]


def test_the_start_from_medians():
    rng = np.random.default_rng(0)
    offset = rng.uniform(50, 100, 60)
    truth = ll.Factors(
        np.column_stack([np.ones(90), rng.standard_normal((90, 2))]),
        np.column_stack([offset, rng.standard_normal((60, 2))]),
    )
    data = truth.to_dense()
    hit = rng.random(data.shape) < 0.3
    data[hit] = rng.uniform(0, 1000, hit.sum())
    problem = ll.Problem(
        ll.operators.FullObservation(data.shape), data.ravel(), loss=ll.losses.Absolute()
    )
    errors = [
        start(problem, 3).distance(truth) / truth.norm() for start in (medians, ll.initial.spectral)
    ]
    assert errors[0] < 0.05
    assert errors[1] > 0.5
    # The same of observed entries, and for few rows.
    i, j = np.nonzero(rng.random(data.shape) < 0.8)
    some = ll.observed(i, j, data[i, j], data.shape, loss=ll.losses.Absolute())
    assert medians(some, 3).distance(truth) / truth.norm() < 0.1
    single = problem.replace(data=problem.data.astype(np.complex64))
    assert medians(single, 2).dtype == np.complex64
    sensing = ll.problems.sensing((6, 5), 1, measurements=40, rng=0).problem
    with pytest.raises(IncompatibleError, match="GaussianSensing does not; use start='spectral'"):
        medians(sensing, 1)


@pytest.mark.parametrize("shape", [(3, 40), (40, 3), (5, 4)])
def test_few_rows_or_columns(shape):
    rng = np.random.default_rng(0)
    truth = ll.Factors(rng.standard_normal((shape[0], 1)), rng.standard_normal((shape[1], 1)))
    problem = ll.Problem(
        ll.operators.FullObservation(shape), truth.to_dense().ravel(), loss=ll.losses.Absolute()
    )
    result = ll.solve(problem, "altproj", rank=1, max_iter=100)
    assert error(result, truth) < 1e-8 or not result.converged


def test_continuing_gives_the_same_bits_and_other_options_do_not():
    problem, _, _ = gaussian(60, 2, 0.1, 0)
    whole = ll.solve(problem, "altproj", rank=2, max_iter=12, tol=0)
    part = ll.solve(problem, "altproj", rank=2, max_iter=5, tol=0)
    rest = ll.solve(problem, "altproj", start=part, max_iter=12, tol=0)
    np.testing.assert_array_equal(rest.factors.left, whole.factors.left)
    other = ll.solve(problem, "altproj", start=part, soft=True, max_iter=5, tol=0)
    assert other.n_iter == 5
    assert other.state.threshold != part.state.threshold


def test_what_is_refused():
    problem = ll.problems.robust_pca((12, 10), 2, rng=0).problem
    with pytest.raises(IncompatibleError, match="set nuclear=0"):
        ll.solve(problem.replace(nuclear=1.0), "altproj", rank=1)
    with pytest.raises(IncompatibleError, match="needs the loss Absolute"):
        ll.solve(problem.replace(loss=ll.losses.Squared()), "altproj", rank=1)
    sensing = ll.problems.sensing((6, 5), 1, measurements=60, outliers=0.1, rng=0).problem
    with pytest.raises(IncompatibleError, match="observes single entries"):
        ll.solve(sensing, "altproj", rank=1)
    for options in ({"decay": 1.5}, {"scale": -1.0}):
        with pytest.raises(InvalidInputError, match=next(iter(options))):
            solvers.AltProj(**options)
    with pytest.raises(InvalidTypeError, match="soft must be True, False or None"):
        solvers.AltProj(soft=1)


def test_a_stop_short_of_the_tolerance_warns():
    problem, _, _ = gaussian(40, 4, 0.8, 0)
    with pytest.warns(ConvergenceWarning, match="altproj did not reach"):
        ll.solve(problem, "altproj", rank=4, max_iter=30, tol=1e-6)


@pytest.mark.parametrize("solver", ["altproj", "soft_scaledgd"])
@pytest.mark.parametrize("dark", [0.0, 0.1])
def test_no_column_stands_for_all(solver, dark):
    """64 x 64 pixels and an odd number of frames: places at an odd stride were all in one frame."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4096, 2)) @ rng.standard_normal((2, 51))
    X[:, 0] *= dark
    hit = (rng.random(X.shape) < 0.1) * rng.uniform(-5, 5, X.shape)
    hit[:, 0] *= dark
    problem = ll.Problem(ll.operators.FullObservation(X.shape), (X + hit).ravel(), Absolute())
    found = ll.solve(problem, solver, rank=2, max_iter=120).factors.to_dense()
    assert np.linalg.norm(found - X) < 1e-5 * np.linalg.norm(X)


@pytest.mark.parametrize("shape", [(4096, 51), (4096, 52), (2048, 1000), (16384, 25)])
def test_samples_of_moduli_see_all_columns(shape):
    values = np.random.default_rng(0).standard_normal(shape)
    values[:, : shape[1] // 5] *= 0.01
    exact = float(np.median(np.abs(values)))
    assert median_modulus(values.ravel()) == pytest.approx(exact, rel=0.05)
    assert modulus_quantile(values.ravel(), 0.5) == pytest.approx(exact, rel=0.05)
