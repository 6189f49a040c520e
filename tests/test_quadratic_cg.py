"""Weighted conjugate gradients for quadratic forms: weights, noise, precision, refusals."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import IncompatibleError, InvalidInputError
from lowrank_la.operators import RankOneSensing, _forms
from lowrank_la.problem import relative_gradient
from lowrank_la.solvers import QuadraticCG


def phases(n, factor, *, seed=0, dtype="complex128", **more):
    return ll.problems.quadratic_sensing(
        n, 1, measurements=int(factor * n), dtype=dtype, rng=seed, **more
    )


@pytest.fixture
def rounded(monkeypatch):
    """Vectors of any size are rounded."""
    monkeypatch.setattr(_forms, "LARGE", 0)


@pytest.mark.parametrize(
    ("dtype", "factor", "rank"),
    [("complex128", 6, 1), ("complex128", 4, 1), ("float64", 4, 1), ("float64", 6, 3)],
)
def test_recovers(dtype, factor, rank):
    for seed in range(5):
        made = ll.problems.quadratic_sensing(
            60, rank, measurements=60 * factor * rank, dtype=dtype, rng=seed
        )
        result = ll.solve(made, "quadratic_cg")
        assert result.converged
        assert result.trace["rel_error"][-1] < 1e-12
        assert result.parts["weighted"]


def test_weights_save_iterations_and_recover_from_fewer():
    """Real phase retrieval with 2.5 times as many measurements as unknowns."""
    counts = {0.03: 0, np.inf: 0}
    for seed in range(20):
        made = phases(100, 2.5, seed=seed, dtype="float64")
        for floor in counts:
            result = ll.solve(made, "quadratic_cg", floor=floor, tol=1e-6)
            counts[floor] += result.trace["rel_error"][-1] < 1e-4
    assert counts[0.03] == 20
    assert counts[np.inf] < 20
    made = phases(120, 6)
    weighted, plain = (ll.solve(made, "quadratic_cg", floor=floor) for floor in counts)
    assert weighted.n_iter < 0.75 * plain.n_iter
    assert not plain.parts["weighted"]


@pytest.mark.parametrize("precision", ["mixed", "full"])
@pytest.mark.parametrize("noise", [1e-6, 1e-2, 0.3])
def test_with_noise_it_ends_where_the_loss_itself_is_stationary(rounded, precision, noise):
    made = phases(60, 8)
    y = made.problem.data
    shift = noise * np.sqrt(np.mean(y**2)) * np.random.default_rng(0).standard_normal(y.size)
    problem = made.problem.replace(data=y + shift)
    result = ll.solve(problem, "quadratic_cg", rank=1, precision=precision)
    assert result.converged
    assert not result.parts["weighted"]
    X = result.factors
    assert relative_gradient(problem, X, problem.evaluate(X)) < 2 * problem.default_tol
    reference = ll.solve(problem, "gauss_newton", rank=1, start=X)
    assert result.trace["objective"][-1] <= reference.trace["objective"][-1] * (1 + 1e-9)
    # Once without weights, and rounding apart, the loss does not rise.
    again = ll.solve(problem, "quadratic_cg", rank=1, precision=precision, floor=np.inf)
    objective = again.trace["objective"]
    assert (np.diff(objective) <= 1e-6 * objective[:-1]).all()


def test_a_start_at_the_minimum_is_kept():
    """The weighted loss has another one."""
    made = phases(40, 8, noise=0.01)
    best = ll.solve(made, "quadratic_cg")
    again = ll.solve(made.problem, "quadratic_cg", start=best.factors)
    assert again.n_iter == 0
    assert not again.parts["weighted"]


def test_rounded_products_cost_no_accuracy(rounded):
    made = phases(80, 6)
    mixed, full = (ll.solve(made, "quadratic_cg", precision=p) for p in ("mixed", "full"))
    assert mixed.state.single
    assert not full.state.single
    assert abs(mixed.n_iter - full.n_iter) <= 2
    assert mixed.trace["rel_error"][-1] < 2e-13
    # What is kept is what the factor says.
    u = made.problem.operator.projections(mixed.factors.left)
    np.testing.assert_allclose(mixed.state.projections, u, atol=1e-13 * np.linalg.norm(u))
    exact = made.problem.objective(mixed.factors)
    assert mixed.trace["objective"][-1] == pytest.approx(exact, rel=0.2)


def test_without_residual_precision_is_raised_in_time(rounded):
    """Of large residuals single precision would leave an error in the gradient."""
    made = phases(40, 8, noise=0.01)
    result = ll.solve(made, "quadratic_cg")
    assert result.converged
    assert not result.state.single


@pytest.mark.parametrize("scale", [1e-120, 1e120])
def test_scale_of_the_vectors_does_not_matter(rounded, scale):
    made = phases(30, 8)
    operator = RankOneSensing(scale * made.problem.operator._left, isometry=1.0)
    problem = ll.Problem(operator, made.problem.data, symmetric=True)
    result = ll.solve(problem, "quadratic_cg", rank=1, tol=0.0, max_iter=40)
    assert result.trace["objective"][-1] < 1e-10 * result.trace["objective"][0]


def test_vectors_of_any_size_are_rounded_once(rounded):
    a = np.random.default_rng(0).standard_normal((50, 5))
    assert RankOneSensing(a).forms.rounded is not RankOneSensing(a).forms
    forms = RankOneSensing(a).forms
    assert forms.rounded is forms.rounded
    a[0] *= 1e30
    forms = RankOneSensing(a).forms
    # One vector holds all of the mean square, and the others vanish beside it.
    assert forms.rounded.vectors.dtype == np.float32
    assert RankOneSensing(a.astype(np.float32)).forms.rounded.vectors.dtype == np.float32


def test_products_and_their_adjoint(rounded):
    rng = np.random.default_rng(0)
    for kind in (float, complex):
        a = rng.standard_normal((40, 7)).astype(kind)
        L, w = rng.standard_normal((7, 3)).astype(kind), rng.standard_normal((40, 3)).astype(kind)
        if kind is complex:
            a, L, w = (x + 1j * rng.standard_normal(x.shape) for x in (a, L, w))
        for size in (1.0, 1e-40):
            forms = RankOneSensing(size * a, isometry=1.0).forms
            for these, tol in ((forms, 1e-13), (forms.rounded, 1e-6)):
                for found, expected in (
                    (these.products(L), size * a.conj() @ L),
                    (these.combination(w), size * a.T @ w),
                    (
                        these.normal_product(w[:, 0].real, L),
                        size**2 * (a.T * w[:, 0].real) @ (a.conj() @ L),
                    ),
                ):
                    assert found.dtype == kind
                    assert np.linalg.norm(found - expected) < tol * np.linalg.norm(expected)


def test_rounded_vectors_survive_pickle(rounded):
    forms = RankOneSensing(np.random.default_rng(0).standard_normal((50, 5))).forms
    again = pickle.loads(pickle.dumps(forms.rounded))
    L = np.ones((5, 1))
    assert np.array_equal(again.products(L), forms.rounded.products(L))
    assert again.products(L).dtype == np.float64


def test_single_precision_vectors_with_double_data_compute_in_double():
    made = phases(40, 8, dtype="complex128")
    operator = RankOneSensing(made.problem.operator._left.astype(np.complex64))
    data = operator.forward(made.truth.factors)
    problem = ll.Problem(operator, data.astype(float), symmetric=True)
    result = ll.solve(problem, "quadratic_cg", rank=1)
    assert result.converged
    assert result.factors.dtype == np.complex128
    assert made.truth.relative_error(result.factors) < 1e-11


def test_more_columns_than_the_rank_do_no_harm():
    made = ll.problems.quadratic_sensing(30, 2, measurements=600, rng=0)
    result = ll.solve(made.problem, "quadratic_cg", rank=4, tol=1e-5)
    assert result.converged
    assert made.truth.relative_error(result.factors) < 1e-3


def test_data_that_noise_made_negative():
    made = phases(40, 10, noise=0.01)
    assert (made.problem.data < 0).any()
    assert ll.solve(made, "quadratic_cg").converged


def test_refusals(symmetric, completion):
    made = phases(10, 8)
    weighted = made.problem.replace(nuclear=0.1)
    with pytest.raises(IncompatibleError, match="takes no nuclear-norm weight"):
        ll.solve(weighted, "quadratic_cg", rank=1)
    assert ll.solve(weighted, rank=1).parts["solver"] != "quadratic_cg"
    with pytest.raises(IncompatibleError, match="needs quadratic measurements"):
        ll.solve(symmetric, "quadratic_cg")
    with pytest.raises(IncompatibleError, match="symmetric"):
        ll.solve(completion, "quadratic_cg")
    real = ll.problems.quadratic_sensing(10, 1, measurements=80, rng=0).problem
    mixed = real.replace(data=real.data.astype(complex))
    with pytest.raises(IncompatibleError, match="complex vectors for complex data"):
        ll.solve(mixed, "quadratic_cg", rank=1)


@pytest.mark.parametrize("options", [{"floor": 0.0}, {"floor": -1.0}, {"precision": "half"}])
def test_options_are_checked(options):
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        QuadraticCG(**options)


def test_auto_takes_it():
    result = ll.solve(phases(30, 8))
    assert result.parts["solver"] == "quadratic_cg"
    assert "quadratic measurements" in result.why


def test_a_changed_problem_is_begun_anew():
    made = phases(30, 8)
    part = ll.solve(made, "quadratic_cg", max_iter=8, tol=0.0)
    other = phases(30, 8, seed=1)
    result = ll.solve(other, "quadratic_cg", start=part)
    fresh = ll.solve(other, "quadratic_cg", start=part.factors)
    assert result.n_iter == part.n_iter + fresh.n_iter
    assert np.array_equal(result.factors.left, fresh.factors.left)
