"""The Bures-Wasserstein loss, deep linear networks, and covariance targets."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.bures_wasserstein import BuresWasserstein
from lowrank_la.errors import (
    ConvergenceWarning,
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
    SolverBreakdownError,
)
from lowrank_la.solvers import DeepLinear
from lowrank_la.testing import check_solver


def covariance_of(n, seed=0, dtype=float):
    return ll.problems.covariance(
        n, spectrum="geometric", cond=6, dtype=dtype, rng=seed
    ).problem.data.reshape(n, n)


def draw(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    out = rng.standard_normal(shape)
    return out + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else out


def square_root(M):
    values, vectors = np.linalg.eigh(M)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.conj().T


# --- the loss ---


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("tau", [0.0, 0.1])
@pytest.mark.parametrize("k", [2, 5, 8])
def test_value_is_the_formula(dtype, tau, k):
    """tr(S) + tr(Sigma) - 2 tr (R S R)^(1/2) with S = W W^H + tau I, for any number of columns."""
    sigma, W = covariance_of(5, dtype=dtype), draw((5, k), dtype)
    S = W @ W.conj().T + tau * np.eye(5)
    R = square_root(sigma)
    expected = np.trace(S + sigma - 2 * square_root(R @ S @ R)).real
    # The root of a singular matrix has half of the digits.
    assert BuresWasserstein(sigma, tau).value(W) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize(("tau", "k"), [(0.0, 5), (0.0, 2), (0.1, 5), (0.1, 2), (0.1, 8)])
def test_gradient_by_the_taylor_remainder(dtype, tau, k):
    loss = BuresWasserstein(covariance_of(5, dtype=dtype), tau)
    W, d = draw((5, k), dtype), draw((5, k), dtype, seed=1)
    value, gradient = loss.evaluate(W)
    np.testing.assert_array_equal(gradient, loss.gradient(W))
    slope = np.vdot(gradient, d).real
    steps = np.geomspace(1e-2, 1e-4, 5)
    gaps = [abs(loss.value(W + t * d) - value - t * slope) for t in steps]
    assert np.polyfit(np.log(steps), np.log(gaps), 1)[0] == pytest.approx(2, abs=0.1)


def test_small_losses_keep_their_digits():
    """W = R (I + e S) with S symmetric is at the squared distance e^2 |R S|^2 to first order."""
    sigma = covariance_of(6)
    S = draw((6, 6), float)
    S = S + S.T
    R = square_root(sigma)
    # W = (I + e K) R with K symmetric: the nearest rotation is the identity.
    e = 1e-9
    loss = BuresWasserstein(sigma).value((np.eye(6) + e * S) @ R)
    assert loss == pytest.approx(e**2 * np.linalg.norm(S @ R) ** 2, rel=1e-5)


@pytest.mark.parametrize("tau", [0.0, 0.3])
@pytest.mark.parametrize("rank", [1, 3, 6])
def test_optimum_is_stationary_and_least(tau, rank):
    """With tau above the smallest eigenvalues too, which are then given up."""
    sigma = covariance_of(6)
    loss = BuresWasserstein(sigma, tau)
    value, X = loss.optimum(rank)
    assert X.rank == rank
    W = X.left
    assert loss.value(W) == pytest.approx(value, abs=1e-12)
    assert np.linalg.norm(loss.gradient(W)) < 1e-7
    rng = np.random.default_rng(0)
    others = [loss.value(W + 0.1 * rng.standard_normal(W.shape)) for _ in range(20)]
    assert min(others) > value
    random = [loss.value(rng.standard_normal(W.shape)) for _ in range(20)]
    assert min(random) > value
    kept = np.maximum(loss.eigenvalues[:rank] - tau, 0)
    np.testing.assert_allclose(X.singular_values(), kept, atol=1e-12)


def test_lost_rank_has_a_value_but_no_gradient_without_smoothing():
    sigma = covariance_of(5)
    W = draw((5, 3), float)
    W[:, 2] = W[:, 1]
    loss = BuresWasserstein(sigma)
    assert np.isfinite(loss.value(W))
    with pytest.raises(SolverBreakdownError, match="set a smoothing above 0"):
        loss.gradient(W)
    assert np.isfinite(BuresWasserstein(sigma, 1e-3).gradient(W)).all()
    assert loss.value(np.zeros((5, 2))) == pytest.approx(np.trace(sigma))


def test_smoothing_takes_a_singular_target():
    """Null directions of Sigma pull W to zero; finite differences agree."""
    root = draw((5, 2), float)
    loss = BuresWasserstein(root @ root.T, 0.2)
    W, d = draw((5, 3), float, 1), draw((5, 3), float, 2)
    h = 1e-6
    found = (loss.value(W + h * d) - loss.value(W - h * d)) / (2 * h)
    assert np.sum(loss.gradient(W) * d) == pytest.approx(found, rel=1e-6)
    plain = BuresWasserstein(root @ root.T)
    assert plain.value(root) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(plain.gradient(root), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("target", "error", "match"),
    [
        (np.ones((2, 3)), InvalidInputError, "square matrix"),
        (np.array([[1.0, 2.0], [0.0, 1.0]]), InvalidInputError, "not Hermitian"),
        (np.diag([1.0, -1.0]), InvalidInputError, "has no negative ones"),
        (np.zeros((2, 2)), InvalidInputError, "not zero"),
        (np.full((2, 2), np.nan), InvalidInputError, "NaN"),
        (np.array([["a", "b"], ["b", "a"]]), InvalidTypeError, "must hold numbers"),
    ],
)
def test_bad_targets(target, error, match):
    with pytest.raises(error, match=match):
        BuresWasserstein(target)


def test_bad_arguments_of_the_loss():
    with pytest.raises(InvalidInputError, match="smoothing must lie in"):
        BuresWasserstein(np.eye(2), -1.0)
    for name in ("value", "evaluate", "gradient"):
        of = getattr(BuresWasserstein(np.eye(2)), name)
        with pytest.raises(InvalidInputError, match="W holds NaN"):
            of(np.full((2, 1), np.nan))
        with pytest.raises(InvalidInputError, match=r"at least one column, got shape \(2, 0\)"):
            of(np.zeros((2, 0)))
        with pytest.raises(InvalidInputError, match=r"2 rows .* got shape \(2,\)"):
            of([1.0, 2.0])
        with pytest.raises(InvalidTypeError, match="W must hold numbers"):
            of([["a"], ["b"]])
        of([[1], [2]])
    with pytest.raises(InvalidInputError, match="W must have 2 rows"):
        BuresWasserstein(np.eye(2)).value(np.ones((3, 1)))
    with pytest.raises(InvalidInputError, match="rank 3 is larger"):
        BuresWasserstein(np.eye(2)).optimum(3)
    assert BuresWasserstein(np.eye(2, dtype=int)).value(np.eye(2)) == 0.0


# --- the solver ---


@pytest.mark.parametrize("options", [{"depth": 1}, {"depth": 4}, {"step_size": 0.2}])
def test_laws_of_other_options(options, covariance):
    check_solver(DeepLinear(**options), covariance)


@pytest.mark.parametrize("dtype", ["float32", "complex128", "complex64"])
def test_types_are_kept(dtype):
    instance = ll.problems.covariance(6, spectrum="linear", cond=3, dtype=dtype, rng=0)
    start = ll.initial.near(instance, distance=0.2, rng=1)
    result = ll.solve(instance, "deep_linear", depth=3, start=start, max_iter=400)
    assert result.factors.left.dtype == result.state.hidden.dtype == dtype
    assert result.trace["rel_error"][-1] < (1e-8 if dtype == "complex128" else 1e-4)


def test_layers_are_balanced_and_make_up_the_start(covariance):
    start = ll.initial.near(covariance, distance=0.3, rng=0)
    for depth in (1, 2, 5):
        state = DeepLinear(depth=depth).init(covariance.problem, start)
        W = state.last
        for layer in state.hidden[::-1]:
            W = W @ layer
        np.testing.assert_allclose(W, start.left, atol=1e-12)
        assert DeepLinear(depth=depth).parts(state)["imbalance"] < 1e-12
        values = [np.linalg.svd(layer, compute_uv=False) for layer in [*state.hidden, state.last]]
        np.testing.assert_allclose(values, np.tile(values[0], (depth, 1)))


def run(instance, **options):
    start = ll.initial.near(instance, distance=0.3, rng=0)
    return ll.solve(instance, "deep_linear", start=start, max_iter=8, tol=0, **options)


def test_options_matter(covariance):
    plain = run(covariance)
    for options in ({"depth": 3}, {"step_size": 0.1}, {"smoothing": 0.1}):
        assert run(covariance, **options).factors.distance(plain.factors) > 1e-4, options


def test_units_of_the_target_do_not_matter(covariance):
    """Sigma and the start in other units give the same relative iterates."""
    problem = covariance.problem
    start = ll.initial.near(covariance, distance=0.3, rng=0).left
    ends = []
    for unit in (1.0, 100.0):
        scaled = np.sqrt(unit) * start
        X = ll.solve(
            problem.replace(data=unit * problem.data),
            DeepLinear(depth=3, smoothing=0.05 * unit),
            start=ll.Factors(scaled, scaled),
            max_iter=10,
            tol=0,
        ).factors
        ends.append(X.to_dense() / unit)
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-10, atol=1e-12)


def test_smoothing_lowers_the_eigenvalues(covariance):
    result = ll.solve(covariance, "deep_linear", smoothing=0.1, max_iter=3000)
    assert result.converged
    expected = covariance.truth.singular_values - 0.1
    np.testing.assert_allclose(result.factors.singular_values(), expected, rtol=1e-8)
    loss = result.solver.loss(covariance.problem)
    assert result.trace["objective"][-1] == pytest.approx(loss.optimum(6)[0], abs=1e-12)


def test_trace_and_tolerance_are_those_of_the_loss(covariance):
    solver = DeepLinear(smoothing=0.1)
    start = ll.initial.near(covariance, distance=0.3, rng=0)
    state = solver.init(covariance.problem, start)
    loss = solver.loss(covariance.problem)
    at = solver.evaluation(covariance.problem, state)
    assert at.value == loss.value(start.left)
    np.testing.assert_array_equal(at.left, loss.gradient(start.left))
    size = 2 * np.sqrt(np.trace(loss.target))
    gradient = np.linalg.norm(at.left) / size
    excess = np.sqrt((at.value - loss.optimum(6)[0]) / np.trace(loss.target))
    stationarity = solver.stationarity(covariance.problem, state)
    assert stationarity == pytest.approx(max(gradient, excess))


def test_a_small_random_start_learns_the_covariance(covariance):
    result = ll.solve(
        covariance, "deep_linear", depth=3, start="small_random", init_scale=0.3, max_iter=3000
    )
    assert result.trace["rel_error"][-1] < 1e-8


def test_noise_that_is_not_symmetric_counts_by_its_symmetric_part(covariance):
    problem = covariance.problem
    skew = np.zeros((6, 6))
    skew[0, 1], skew[1, 0] = 0.01, -0.01
    start = ll.initial.near(covariance, distance=0.3, rng=0)
    ends = [
        ll.solve(problem.replace(data=data), "deep_linear", start=start, max_iter=5, tol=0)
        for data in (problem.data, problem.data + skew.ravel())
    ]
    np.testing.assert_allclose(ends[0].factors.left, ends[1].factors.left, atol=1e-12)


def test_a_start_without_full_rank(covariance):
    left = np.zeros((6, 2))
    left[0, 0] = 1
    start = ll.Factors(left, left)
    with pytest.raises(SolverBreakdownError, match="start with W of full rank"):
        ll.solve(covariance, "deep_linear", start=start, max_iter=1)
    result = ll.solve(covariance, "deep_linear", start=start, max_iter=1, smoothing=0.1)
    assert result.factors.isfinite()


def test_a_long_step_diverges(covariance):
    start = ll.initial.near(covariance, distance=0.3, rng=0)
    with pytest.warns(ll.errors.ConvergenceWarning, match="diverged"):
        result = ll.solve(covariance, "deep_linear", depth=3, start=start, step_size=30.0)
    assert result.status is ll.Status.DIVERGED


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_saddle_is_not_convergence(dtype, depth):
    """The factor along the third eigenvector: loss 5, where the first one gives 3."""
    target = np.diag([3.0, 2.0, 1.0]).astype(dtype)
    problem = ll.Problem(ll.operators.FullObservation((3, 3)), target.ravel(), symmetric=True)
    left = np.array([[0.0], [0.0], [0.5]], dtype)
    start = ll.Factors(left, left)
    result = ll.solve(problem, "deep_linear", depth=depth, start=start)
    assert result.status is ll.Status.STALLED
    assert "stand still at a saddle: the loss is 5 and the least of this rank 3" in result.reason
    with pytest.warns(ConvergenceWarning, match="did not reach tol"):
        ll.solve(problem, "deep_linear", depth=depth, start=start, tol=1e-6)
    assert result.trace["objective"][-1] == pytest.approx(5, rel=1e-5)
    assert result.parts["saddle"]
    assert result.parts["excess"] == pytest.approx(1 / 3, rel=1e-4)
    left = np.array([[0.1], [0.0], [0.5]], dtype)
    result = ll.solve(problem, "deep_linear", depth=depth, start=ll.Factors(left, left))
    assert result.converged
    assert result.trace["objective"][-1] == pytest.approx(3, rel=1e-5)
    assert not result.parts["saddle"]


def test_other_depths_start_anew_from_the_factors(covariance):
    part = run(covariance, depth=2)
    rest = ll.solve(covariance, "deep_linear", depth=3, start=part, max_iter=0)
    assert rest.n_iter == 0
    assert rest.factors.distance(part.factors) < 1e-12


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"depth": 0}, InvalidInputError, "depth must be at least 1"),
        ({"depth": 1.5}, InvalidTypeError, "depth must be an integer"),
        ({"step_size": -0.1}, InvalidInputError, "step_size must lie in"),
        ({"step_size": "exact"}, InvalidTypeError, "step_size must be a number"),
        ({"smoothing": -1.0}, InvalidInputError, "smoothing must lie in"),
    ],
)
def test_bad_options(options, error, match):
    with pytest.raises(error, match=match):
        DeepLinear(**options)


def test_refusals(symmetric, sensing, covariance):
    with pytest.raises(IncompatibleError, match="through FullObservation, and not GaussianSensing"):
        ll.solve(symmetric, "deep_linear")
    with pytest.raises(IncompatibleError, match="symmetric problems only"):
        ll.solve(sensing, "deep_linear")
    with pytest.raises(IncompatibleError, match="nuclear=0"):
        ll.solve(covariance.problem.replace(nuclear=0.1), "deep_linear", rank=2)
    indefinite = covariance.problem.replace(data=-covariance.problem.data)
    start = covariance.truth.factors
    with pytest.raises(InvalidInputError, match="has no negative ones"):
        ll.solve(indefinite, "deep_linear", start=start)


# --- the generator ---


def test_spectra():
    zipf = ll.problems.covariance(30, rng=0).truth.singular_values
    assert zipf[-1] == pytest.approx(0.05, rel=1e-6)
    # The largest singular value of a Gaussian 30 x 30 matrix is about 2 sqrt(30).
    assert 8 < zipf[0] < 16
    raised = ll.problems.covariance(30, smallest=2.05, rng=0).truth.singular_values
    np.testing.assert_allclose(raised - zipf, 2.0, rtol=1e-8)
    linear = ll.problems.covariance(5, spectrum="linear", cond=5, smallest=2.0, rng=0)
    np.testing.assert_allclose(linear.truth.singular_values, [10, 8, 6, 4, 2])
    given = ll.problems.covariance(3, spectrum=[1.0, 4.0, 2.0], rng=0)
    np.testing.assert_allclose(given.truth.singular_values, [4, 2, 1])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"cond": 5}, "cond belongs to"),
        ({"spectrum": "harmonic"}, "spectrum must be 'zipf'"),
        ({"spectrum": [1.0, 2.0], "smallest": 1.0}, "not both"),
        ({"spectrum": [1.0]}, "length 1, expected 2"),
        ({"smallest": 0}, "smallest must lie in"),
    ],
)
def test_bad_parameters(arguments, match):
    with pytest.raises(InvalidInputError, match=match):
        ll.problems.covariance(2, **arguments)
