"""Reweighted Gauss-Newton: outliers of which nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import losses, operators
from lowrank_la.errors import InvalidInputError
from lowrank_la.factors import Factors
from lowrank_la.gauss_newton import _direct, product
from lowrank_la.problem import Problem
from lowrank_la.solvers import Reweighted
from lowrank_la.stopping import Target


def robust(share, *, cond=1, rng=0, **options):
    return ll.problems.sensing(
        30,
        2,
        measurements=600,
        symmetric=True,
        cond=cond,
        outliers=share,
        outlier_model="gaussian",
        rng=rng,
        **options,
    )


@pytest.mark.parametrize("share", [0.1, 0.3, 0.4])
@pytest.mark.parametrize("cond", [1, 20])
def test_recovers_without_knowing_the_outliers(share, cond):
    result = ll.solve(robust(share, cond=cond), "reweighted", max_iter=100)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-11
    assert result.oracle_used == ("rank",)


@pytest.mark.parametrize("share", [0.3, 0.4])
def test_a_case_of_the_literature(share):
    """d = 50, r = 3, m = 1500, outliers of ten standard deviations: 1e-6 in some 12 and 18."""
    made = ll.problems.sensing(
        50,
        3,
        measurements=1500,
        symmetric=True,
        outliers=share,
        outlier_model="gaussian",
        storage="float32",
        rng=0,
    )
    result = ll.solve(made, "reweighted", stop=Target("rel_error", 1e-6), max_iter=25)
    assert result.status is ll.Status.TARGET, result.reason


MADE = {
    "bilinear": lambda: ll.problems.bilinear_sensing(
        (20, 15), 2, measurements=600, outliers=0.2, rng=0
    ),
    "quadratic": lambda: ll.problems.quadratic_sensing(
        20, 2, measurements=500, outliers=0.2, rng=0
    ),
    "phase retrieval": lambda: ll.problems.quadratic_sensing(
        20, 1, measurements=300, outliers=0.2, dtype=complex, rng=0
    ),
    "completion": lambda: ll.problems.robust_completion(
        (100, 80), 2, sampling=0.6, corruption=0.2, rng=0
    ),
    "robust PCA": lambda: ll.problems.robust_pca((60, 50), 2, corruption=0.3, rng=0),
    "complex": lambda: ll.problems.sensing(
        (15, 12), 2, measurements=500, outliers=0.2, dtype=complex, rng=0
    ),
}


@pytest.mark.parametrize("kind", list(MADE))
@pytest.mark.parametrize("inner", ["auto", "iterative"])
def test_other_measurements(kind, inner):
    result = ll.solve(MADE[kind](), "reweighted", inner=inner, max_iter=60)
    assert result.trace["rel_error"][-1] < 1e-6


def test_noise_leaves_an_estimate_of_least_absolute_deviations():
    """Converged at a minimum of the smoothed loss, whose threshold is a share of the noise."""
    made = robust(0.2, noise=1e-3)
    result = ll.solve(made, "reweighted", tol=1e-7, max_iter=300)
    assert result.converged
    assert 1e-5 < result.state.threshold < 1e-3
    assert result.trace["rel_error"][-1] < 0.02
    other = ll.solve(made, "reweighted", start=near(made), tol=1e-7, max_iter=300)
    assert result.factors.distance(other.factors) < 1e-3 * result.factors.norm()


def near(made):
    return ll.initial.near(made, distance=0.1, rng=3)


def test_too_many_outliers_are_not_called_an_answer():
    """The threshold follows the majority, and the majority is not fitted."""
    with pytest.warns(ll.errors.BreakdownWarning):
        made = robust(0.7)
    result = ll.solve(made, "reweighted", max_iter=60)
    assert result.trace["rel_error"][-1] > 0.05
    assert result.state.threshold > 1e-4 * np.median(np.abs(made.problem.data))


def test_a_fit_of_as_many_data_as_there_are_parameters_is_no_evidence():
    """With m below 2.5 degrees of freedom more than half of the residuals have to be small."""
    made = ll.problems.sensing((12, 12), 3, measurements=90, outliers=0.05, rng=0)
    problem = made.problem
    residual = np.zeros(90)
    residual[60:] = 1.0
    solver = Reweighted()
    assert 1.25 * problem.degrees_of_freedom(3) > 60
    assert solver._threshold(problem, 3, residual, np.inf) == pytest.approx(0.2)
    residual[70:] = 0.0
    assert solver._threshold(problem, 3, residual, np.inf) < 1e-12


def test_the_huber_loss_keeps_its_threshold():
    made = robust(0.2, noise=1e-3)
    problem = made.problem.replace(loss=losses.Huber(2e-3))
    start = near(made)
    result = ll.solve(problem, "reweighted", start=start, max_iter=200, tol=1e-7)
    assert result.converged
    assert result.state.threshold == 2e-3
    first_order = ll.solve(
        problem, "scaledgd", start=start, step_size="backtracking", max_iter=2000, tol=1e-7
    )
    assert result.factors.distance(first_order.factors) < 1e-5 * result.factors.norm()
    assert np.all(np.diff(result.trace["objective"]) < 1e-14 * result.trace["objective"][0])


def test_options_matter():
    made = robust(0.3)
    counts = {
        s: ll.solve(
            made, "reweighted", smoothing=s, stop=Target("rel_error", 1e-6), max_iter=60
        ).n_iter
        for s in (0.2, 2.0)
    }
    assert counts[0.2] < counts[2.0]
    direct, rough = (
        ll.solve(made, "reweighted", max_iter=3, tol=0, **options)
        for options in ({}, {"inner": "iterative", "inner_limit": 1})
    )
    assert rough.trace["rel_error"][-1] > 1.2 * direct.trace["rel_error"][-1]
    common = {"max_iter": 3, "tol": 0, "inner_tol": 1e-12, "reweightings": 1}
    exact, written = (
        ll.solve(made, "reweighted", inner=inner, **common) for inner in ("iterative", "direct")
    )
    assert exact.factors.distance(written.factors) < 1e-8 * written.factors.norm()
    assert direct.factors.distance(written.factors) > 1e-6 * written.factors.norm()


def test_reweightings_save_linearisations():
    made = robust(0.3)
    counts = [
        ll.solve(made, "reweighted", reweightings=k, stop=Target("rel_error", 1e-6)).n_iter
        for k in (1, 2, 3)
    ]
    assert counts[0] > 1.3 * counts[1] > 1.3 * counts[2]


@pytest.mark.parametrize(
    "options",
    [
        {"smoothing": 0},
        {"inner": "fast"},
        {"inner_tol": 2},
        {"inner_limit": 0},
        {"reweightings": 0},
    ],
)
def test_bad_options(options):
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        Reweighted(**options)


def test_direct_solutions_need_the_jacobian(robust_completion):
    with pytest.raises(InvalidInputError, match=r"tangent_rows.*EntrySampling.*iterative"):
        ll.solve(robust_completion, "reweighted", inner="direct")


def test_a_nuclear_weight_is_refused():
    problem = robust(0.1).problem.replace(nuclear=0.1)
    with pytest.raises(ll.errors.IncompatibleError, match="nuclear"):
        ll.solve(problem, "reweighted", rank=2)


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("draw", [operators.GaussianSensing.draw, operators.RankOneSensing.draw])
@pytest.mark.parametrize("symmetric", [False, True])
def test_linear_systems(kind, draw, symmetric):
    """The solution solves them, with weights and with a shift, and is free of the gauge."""
    rng = np.random.default_rng(0)
    shape = (6, 6) if symmetric else (7, 5)
    operator = draw(200, shape, symmetric=symmetric, dtype=kind, rng=0)
    left, right = (rng.standard_normal((n, 2)).astype(kind) for n in shape)
    X = Factors(left, left if symmetric else right)
    problem = Problem(operator, operator.forward(X) + 0.1, symmetric=symmetric)
    weights = rng.random(200) + 0.1
    roots = operators.Weighted(operator, np.sqrt(weights))
    weighted = problem.replace(operator=roots, data=np.sqrt(weights) * problem.data)
    at = weighted.evaluate(X)
    gradient = (at.left,) if symmetric else (at.left, at.right)
    for shift in (0.0, np.array([0.3, 0.7])):
        parts = _direct.solve(problem, X, gradient, shift, weights=weights)
        D = Factors(parts[0], parts[-1])
        images = product(weighted, X, D)
        for image, part, g in zip(images, parts, gradient, strict=False):
            assert np.abs(image + shift * part + g).max() < 1e-10 * np.abs(g).max()
    residual = problem.residual(X)
    given = _direct.reweighted(problem, X, residual, lambda e: weights, rounds=1)
    again = _direct.reweighted(problem, X, residual, lambda e: weights, rounds=3)
    found = _direct.solve(problem, X, gradient, weights=weights)
    for a, b, c in zip(given, found, again, strict=True):
        assert np.abs(a - b).max() < 1e-10 * np.abs(b).max()
        assert np.abs(c - b).max() < 1e-10 * np.abs(b).max()
    # What the linearised problem predicts.
    seen = []
    _direct.reweighted(problem, X, residual, lambda e: (seen.append(e), weights)[1], rounds=2)
    D = Factors(given[0], given[-1])
    moved = Factors(np.hstack([D.left, X.left]), np.hstack([X.right, D.right]))
    np.testing.assert_allclose(seen[1], residual + operator.forward(moved), atol=1e-9)
    if not symmetric:
        # The least norm: orthogonal to the directions (L S, -R S^H) in the metric of the cores.
        moved = found[0] @ (X.right.conj().T @ X.right)
        other = found[1] @ (X.left.conj().T @ X.left)
        inner = X.left.conj().T @ moved - (X.right.conj().T @ other).conj().T
        assert np.abs(inner).max() < 1e-10 * np.abs(moved).max()


def test_outliers_may_be_half():
    """The lower quarter of the residuals tells the threshold where the median is an outlier."""
    made = ll.problems.sensing(
        30, 2, measurements=900, symmetric=True, outliers=0.5, outlier_model="gaussian", rng=2
    )
    assert made.truth.corrupted.sum() > 450
    result = ll.solve(made, "reweighted", max_iter=300)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-10


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_that_hang_on_single_entries_are_not_called_an_answer(seed):
    """Most entries are fitted to rounding, and yet the matrix is wrong."""
    made = ll.problems.robust_completion((100, 100), 3, sampling=0.3, corruption=0.2, rng=seed)
    result = ll.solve(made, "reweighted", max_iter=100)
    assert result.status is ll.Status.STALLED
    assert "do not confirm" in result.reason
    assert np.median(np.abs(result.state.residual)) < 1e-10
    assert result.trace["rel_error"][-1] > 1e-6
    assert "single entry" in result.parts["doubt"]


def test_a_wrong_matrix_is_not_taken_for_noise():
    with pytest.warns(ll.errors.BreakdownWarning):
        made = robust(0.7)
    with pytest.warns(ll.errors.ConvergenceWarning):
        result = ll.solve(made, "reweighted", max_iter=3000, tol=1e-6)
    assert result.trace["rel_error"][-1] > 0.05
    assert "off by much" in result.parts["doubt"]


def test_more_columns_than_the_rank():
    """Factors become dependent; the iterative solution does not mind."""
    problem = robust(0.1).problem
    result = ll.solve(problem, "reweighted", rank=4, max_iter=40, tol=1e-6)
    assert result.converged
    assert np.isfinite(result.factors.left).all()
