"""Lifting: closed forms against explicit tensor powers, options, and bad input."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import (
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
    TooLargeError,
    UnknownNameError,
)
from lowrank_la.lifting import Lifting, strict_saddle_order
from lowrank_la.testing import check_solver


@pytest.fixture(params=[(2, 1), (3, 1), (2, 2)], ids=str)
def problem(request):
    """Gaussian measurements with noise, so that no matrix fits them: 7 are too many for n = 3."""
    n, rank = request.param
    return ll.problems.sensing(
        n, rank, measurements=7, symmetric=True, noise=0.3, rng=1
    ).problem, rank


def explicit(problem, rank, order, w):
    """1/4 |<A^(xl), w w^T> - b^(xl)|^2 with the operator's tensor power formed."""
    n = problem.shape[0]
    A = ll.operators.matrix_of(problem.operator).reshape(-1, n, n)
    A = np.stack([np.kron(a, np.eye(rank)) for a in A]).reshape(len(A), -1)
    pairs = [k for q in range(order) for k in (q, q + order)]
    W = np.multiply.outer(w, w).transpose(pairs).ravel()
    residual = reduce(np.kron, [A] * order) @ W - reduce(np.kron, [problem.data] * order)
    return 0.25 * residual @ residual


def draws(lifting, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((lifting.size // lifting.rank, lifting.rank))
    return rng.standard_normal(lifting.shape), rng.standard_normal(lifting.shape), ll.Factors(x, x)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_loss_is_that_of_the_explicit_power(problem, order):
    lifting = Lifting.of(problem[0], order=order, rank=problem[1])
    w, _, X = draws(lifting)
    expected = explicit(*problem, order, w)
    assert lifting.objective(w) == pytest.approx(expected, rel=1e-10)
    assert lifting.evaluate(w)[0] == lifting.objective(w)
    lifted = explicit(*problem, order, lifting.lift(X))
    assert lifting.objective_at(X) == pytest.approx(lifted, rel=1e-9)
    if order == 1:
        assert lifting.objective_at(X) == pytest.approx(problem[0].objective(X), rel=1e-12)
        factor = lifting.gradient_at(X).reshape(X.left.shape)
        np.testing.assert_allclose(factor, problem[0].evaluate(X).left, rtol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_gradient_by_the_taylor_remainder(problem, order):
    lifting = Lifting.of(problem[0], order=order, rank=problem[1])
    w, d, _ = draws(lifting)
    value, gradient = lifting.evaluate(w)
    steps = np.geomspace(1e-2, 1e-4, 5)
    slope = np.sum(gradient * d)
    gaps = [abs(lifting.objective(w + t * d) - value - t * slope) for t in steps]
    assert np.polyfit(np.log(steps), np.log(gaps), 1)[0] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_closed_forms_at_lifted_points(problem, order):
    lifting = Lifting.of(problem[0], order=order, rank=problem[1])
    _, d, X = draws(lifting)
    w = lifting.lift(X)
    np.testing.assert_allclose(lifting.gradient_at(X), lifting.evaluate(w)[1], atol=1e-10)
    h = 1e-5
    found = (lifting.evaluate(w + h * d)[1] - lifting.evaluate(w - h * d)[1]) / (2 * h)
    product = lifting.hessian_product(X, d)
    np.testing.assert_allclose(found, product, atol=1e-6 * np.abs(product).max())
    total = lifting.size**order
    columns = [lifting.hessian_product(X, e.reshape(lifting.shape)).ravel() for e in np.eye(total)]
    assert lifting.smallest_eigenvalue(X) == pytest.approx(
        np.linalg.eigvalsh(np.array(columns))[0], abs=1e-9 * np.abs(columns).max()
    )
    u = np.random.default_rng(5).standard_normal(lifting.size)
    direction = lifting.power(u)
    along = np.sum(direction * lifting.hessian_product(X, direction))
    assert lifting.curvature(X, u) == pytest.approx(along, rel=1e-9)


def test_gradient_keeps_its_digits_near_the_truth(perturbed):
    lifting = Lifting.of(perturbed.problem, order=3)
    moved = perturbed.truth.factors.left + 1e-9
    X = ll.Factors(moved, moved)
    P, _, _ = lifting.matrices(X)
    change = np.full(5, 1e-9)
    # To first order N - C is the derivative: the gradient is three terms with 2 P change.
    x = perturbed.truth.factors.left.ravel()
    C = lifting.matrices(X)[2] @ x
    gap = 2 * P @ change
    expected = sum(reduce(np.multiply.outer, [C] * k + [gap] + [C] * (2 - k)) for k in range(3))
    found = lifting.gradient_at(X)
    assert np.linalg.norm(found - expected) < 1e-7 * np.linalg.norm(expected)
    assert lifting.objective_at(X) == pytest.approx(lifting.objective(lifting.lift(X)), rel=1e-5)


def test_lanczos_agrees_with_the_dense_hessian(monkeypatch, perturbed):
    lifting = Lifting.of(perturbed.problem, order=3)
    _, _, X = draws(lifting)
    dense = lifting.smallest_eigenvalue(X)
    monkeypatch.setattr("lowrank_la.lifting._lifting.DENSE", 1)
    assert lifting.smallest_eigenvalue(X) == pytest.approx(dense, rel=1e-6)


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_drop_finds_the_rank_one_part(order, perturbed):
    lifting = Lifting.of(perturbed.problem, order=order)
    noise, _, X = draws(lifting)
    fit, residual = lifting.drop(lifting.lift(X))
    assert fit.distance(X) < 1e-13 * X.norm()
    assert residual < 1e-13
    if order > 1:
        w = lifting.lift(X)
        size = 1e-3 * np.linalg.norm(w) / np.linalg.norm(noise)
        fit, residual = lifting.drop(w + size * noise)
        assert fit.distance(X) < 5e-3 * X.norm()
        assert 5e-4 < residual < 1.1e-3


def test_drop_is_the_best_of_many(perturbed):
    """No start of a plain power method finds a better fit of a random tensor."""
    lifting = Lifting.of(perturbed.problem, order=3)
    w = np.random.default_rng(3).standard_normal(lifting.shape)
    X, residual = lifting.drop(w)
    sym = sum(w.transpose(p) for p in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1),
                                      (2, 1, 0))) / 6  # fmt: skip
    best = 0.0
    for v in np.random.default_rng(4).standard_normal((200, 5)):
        for _ in range(100):
            v = np.einsum("ijk,j,k->i", sym, v, v)
            v /= np.linalg.norm(v)
        best = max(best, abs(np.einsum("ijk,i,j,k->", sym, v, v, v)))
    # And it is stationary.
    v = X.left.ravel() / np.linalg.norm(X.left)
    image = np.einsum("ijk,j,k->i", sym, v, v)
    assert np.linalg.norm(image - (v @ image) * v) < 1e-6 * np.linalg.norm(image)
    reached = np.linalg.norm(w) * np.sqrt(1 - residual**2)
    assert reached >= best * (1 - 1e-9)


def test_drop_of_nothing(perturbed):
    lifting = Lifting.of(perturbed.problem, order=3)
    X, residual = lifting.drop(np.zeros(lifting.shape))
    assert X.norm() == residual == 0.0


def test_excess_is_what_nothing_fits():
    """More data than unknowns: the lifted loss holds the power of what lies outside the range."""
    exact = ll.problems.sensing(2, 1, measurements=6, symmetric=True, rng=0)
    clean = Lifting.of(exact.problem, order=3)
    assert clean.excess == 0.0
    assert clean.objective_at(exact.truth.factors) < 1e-28
    noisy = exact.problem.replace(data=exact.problem.data + 0.1)
    assert Lifting.of(noisy, order=3).excess > 1e-4


# --- strict_saddle_order ---


def test_order_one_is_a_saddle_without_lifting():
    operator = ll.operators.FullObservation(2)
    problem = ll.Problem(operator, np.diag([2.0, 1.0]).ravel(), symmetric=True)
    second, between = np.array([[0.0], [1.0]]), np.array([[1.0], [1.0]])
    with pytest.raises(InvalidInputError, match="not a stationary point"):
        strict_saddle_order(problem, ll.Factors(between, between))
    assert strict_saddle_order(problem, ll.Factors(second, second)) == 1
    with pytest.raises(InvalidInputError, match="expected Factors"):
        strict_saddle_order(problem, ll.Factors(second, second.copy()))


def test_the_certificate_agrees_with_the_dense_hessian(monkeypatch):
    """Without any dense Hessian the directions of rank one find the same order."""
    instance = ll.problems.perturbed_completion(5)
    flipped = instance.truth.factors.left * np.array([[1], [1], [1], [1], [-1]])
    X = ll.solve(
        instance.problem, "gd", start=ll.Factors(flipped, flipped), step_size=0.3, tol=1e-13
    ).factors
    assert strict_saddle_order(instance.problem, X) == 3
    monkeypatch.setattr("lowrank_la.lifting._saddles.DENSE", 0)
    assert strict_saddle_order(instance.problem, X) == 3
    assert strict_saddle_order(instance.problem, instance.truth.factors) is None


# --- the solver ---


@pytest.mark.parametrize(
    "options", [{"order": 1}, {"order": 2}, {"order": 3, "escape": True}, {"lift": "rank_one"}]
)
def test_laws_of_other_options(options, perturbed):
    check_solver(ll.solvers.Lifted(**options), perturbed)


def test_order_one_is_gradient_descent(perturbed):
    start = ll.initial.near(perturbed, distance=0.3, rng=0)
    options = {"start": start, "max_iter": 10, "tol": 0}
    lifted = ll.solve(perturbed, "lifted", order=1, step_size=0.3, **options)
    sigma = np.linalg.eigvalsh(Lifting.of(perturbed.problem, order=1).matrices(start)[2])[-1]
    sigma /= perturbed.problem.operator.isometry
    plain = ll.solve(perturbed, "gd", step_size=0.3, sigma_max=sigma, **options)
    np.testing.assert_allclose(
        lifted.factors.to_dense(), plain.factors.to_dense(), rtol=1e-10, atol=1e-12
    )
    np.testing.assert_allclose(lifted.trace["objective"], plain.trace["objective"], rtol=1e-8)


def run(instance, **options):
    start = ll.initial.near(instance, distance=0.2, rng=0)
    return ll.solve(instance, "lifted", start=start, max_iter=8, tol=0, **options)


def test_options_matter(perturbed):
    plain = run(perturbed)
    for options in (
        {"order": 2},
        {"method": "adam"},
        {"step_size": 0.1},
        {"lift": "random"},
        {"lift_scale": 0.5},
    ):
        other = run(perturbed, **options)
        assert other.factors.distance(plain.factors) > 1e-6, options
    draws = [run(perturbed, lift="random", seed=seed) for seed in (0, 0, 1)]
    assert np.array_equal(draws[0].factors.left, draws[1].factors.left)
    assert draws[0].factors.distance(draws[2].factors) > 1e-6


def test_adam_descends_and_resumes(perturbed):
    whole = run(perturbed, method="adam")
    assert whole.trace["objective"][-1] < 0.7 * whole.trace["objective"][0]
    start = ll.initial.near(perturbed, distance=0.2, rng=0)
    part = ll.solve(perturbed, "lifted", method="adam", start=start, max_iter=3, tol=0)
    rest = ll.solve(perturbed, "lifted", method="adam", start=part, max_iter=8, tol=0)
    assert np.array_equal(rest.state.tensor, whole.state.tensor)
    assert rest.n_iter == 8


def test_a_resumed_run_on_other_data_keeps_the_tensor(perturbed):
    part = run(perturbed, lift="random")
    other = perturbed.problem.replace(data=1.1 * perturbed.problem.data)
    rest = ll.solve(other, part.solver, start=part, max_iter=0)
    assert rest.n_iter == 0
    assert np.array_equal(rest.state.tensor, part.state.tensor)
    assert rest.state.value == Lifting.of(other, order=3).objective(part.state.tensor)


def test_the_random_tensor_has_the_norm_of_the_lifted_start(perturbed):
    solver = ll.solvers.Lifted(lift="random", lift_scale=0.25)
    start = perturbed.truth.factors
    state = solver.init(perturbed.problem, start)
    assert np.linalg.norm(state.tensor) == pytest.approx(0.25 * np.sqrt(3) ** 3)
    assert solver.parts(state)["rank_one_residual"] > 0.3


def test_trace_is_the_lifted_loss_and_its_gradient_is_the_chain_rule(perturbed):
    solver = ll.solvers.Lifted()
    X = ll.initial.near(perturbed, distance=0.2, rng=0)
    state = solver.init(perturbed.problem, X)
    at = solver.evaluation(perturbed.problem, state)
    lifting = Lifting.of(perturbed.problem, order=3)
    assert at.value == pytest.approx(lifting.objective_at(X), rel=1e-12)
    d = np.random.default_rng(1).standard_normal((5, 1))
    ends = [lifting.objective_at(ll.Factors(m, m)) for m in (X.left + 1e-6 * d, X.left - 1e-6 * d)]
    # The sign of the fit is free for even orders only.
    assert np.sum(at.left * d) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


def spurious(n):
    """The perturbed instance of size n, and a local minimum of it, to rounding."""
    instance = ll.problems.perturbed_completion(n)
    flipped = instance.truth.factors.left.copy()
    flipped[-1] *= -1
    start = ll.Factors(flipped, flipped)
    result = ll.solve(instance.problem, "gd", start=start, step_size=0.3, tol=1e-14)
    return instance, result.factors


def test_escape_leaves_a_saddle_at_once():
    """Started on the saddle, with the tolerance met from the beginning."""
    instance, X = spurious(5)
    stays = ll.solve(instance, "lifted", start=X, tol=1e-8, max_iter=500)
    assert stays.n_iter == 0
    assert stays.factors.distance(X) < 1e-12
    leaves = ll.solve(instance, "lifted", start=X, tol=1e-8, max_iter=500, escape=True)
    assert leaves.converged
    assert leaves.trace["rel_error"][-1] < 1e-6
    assert leaves.parts["escapes"] >= 1


def test_escape_leaves_no_minimum():
    """At n = 3 the spurious point is a minimum for order 3: tried once, then converged."""
    instance, X = spurious(3)
    result = ll.solve(instance, "lifted", start=X, tol=1e-8, max_iter=500, escape=True)
    assert result.converged
    assert 0 < result.n_iter < 10
    assert result.parts["escapes"] == 0
    assert result.factors.distance(X) < 1e-10


def test_factors_of_an_interrupted_state(perturbed):
    solver = ll.solvers.Lifted()
    state = solver.init(perturbed.problem, ll.initial.near(perturbed, rng=0))
    known = solver.factors(state)
    state.dropped = None
    assert np.array_equal(solver.factors(state).left, known.left)


def test_rank_two_is_vectorised():
    instance = ll.problems.sensing(3, 2, measurements=20, symmetric=True, rng=0)
    start = ll.initial.near(instance, distance=0.1, rng=0)
    result = ll.solve(instance, "lifted", order=2, start=start, max_iter=2000, every=50)
    assert result.trace["rel_error"][-1] < 1e-3
    assert result.trace["objective"][-1] < 1e-6 * result.trace["objective"][0]


def test_single_precision():
    instance = ll.problems.perturbed_completion(5, dtype="float32")
    start = ll.initial.near(instance, distance=0.2, rng=0)
    result = ll.solve(instance, "lifted", start=start, max_iter=200)
    assert result.factors.left.dtype == result.state.tensor.dtype == np.float32
    assert result.trace["rel_error"][-1] < 1e-4


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"order": 0}, InvalidInputError, "order must be at least 1"),
        ({"order": 2.5}, InvalidTypeError, "order must be an integer"),
        ({"method": "sgd"}, UnknownNameError, "no method of lifted named 'sgd'"),
        ({"lift": "ones"}, UnknownNameError, "no lift named 'ones'"),
        ({"step_size": -1}, InvalidInputError, "step_size must lie in"),
        ({"lift_scale": np.inf}, InvalidInputError, "lift_scale must lie in"),
        ({"seed": -1}, InvalidInputError, "seed must be at least 0"),
        ({"escape": 1}, InvalidInputError, "escape must be True or False"),
    ],
)
def test_bad_options(options, error, match):
    with pytest.raises(error, match=match):
        ll.solvers.Lifted(**options)


def test_refusals(sensing, symmetric, robust_symmetric, perturbed):
    for instance, match in (
        (sensing, "symmetric problems only"),
        (robust_symmetric, "needs the loss Squared"),
    ):
        with pytest.raises(IncompatibleError, match=match):
            ll.solve(instance, "lifted", max_iter=1)
        with pytest.raises(IncompatibleError, match=match):
            Lifting.of(instance.problem)
    with pytest.raises(TooLargeError, match=r"30\^6 = 7\.3e\+08 numbers"):
        ll.solve(symmetric, "lifted", rank=2, max_iter=1)
    with pytest.raises(IncompatibleError, match="nuclear=0"):
        ll.solve(perturbed.problem.replace(nuclear=0.1), "lifted", rank=1)
    big = ll.problems.sensing(30, 1, measurements=900, symmetric=True, rng=0)
    with pytest.raises(IncompatibleError, match=r"tensors of n\^6 = 7\.3e\+08"):
        ll.solve(big, "lifted", max_iter=1)
    with pytest.raises(TooLargeError, match="strict_saddle_order needs no tensors"):
        Lifting.of(perturbed.problem, order=23).smallest_eigenvalue(perturbed.truth.factors)
    complex_one = ll.problems.sensing(
        4, 1, measurements=40, symmetric=True, dtype="complex128", rng=0
    )
    with pytest.raises(IncompatibleError, match="real problems only"):
        Lifting.of(complex_one.problem)


# --- the generator ---


def test_perturbed_completion_is_the_papers():
    instance = ll.problems.perturbed_completion(4, eps=0.2)
    np.testing.assert_array_equal(instance.truth.factors.left.ravel(), [1, 0, 1, 0])
    expected = np.ones((4, 4))
    expected[0, 2] = expected[2, 0] = 0.2
    np.testing.assert_array_equal(instance.problem.operator.weights.reshape(4, 4), expected)
    assert instance.problem.symmetric
    assert str(instance.recipe).startswith("perturbed_completion(n=4, eps=0.2")


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"n": 2}, InvalidInputError, "n must be at least 3"),
        ({"n": 5, "eps": 0}, InvalidInputError, "eps must lie in"),
        ({"n": 5, "eps": 1.5}, InvalidInputError, "eps must lie in"),
        ({"n": 5, "dtype": complex}, InvalidTypeError, "is real"),
    ],
)
def test_bad_parameters(arguments, error, match):
    with pytest.raises(error, match=match):
        ll.problems.perturbed_completion(**arguments)


# --- the range of floating-point numbers ---


def scaled_by(instance, factor, dtype=float):
    """The problem with data in another unit, and its start."""
    data = (factor * instance.problem.data).astype(dtype)
    problem = instance.problem.replace(data=data)
    start = ll.initial.near(instance, distance=0.5, rng=0)
    left = (np.sqrt(factor) * start.left).astype(dtype)
    return problem, ll.Factors(left, left)


@pytest.mark.parametrize(
    ("factor", "dtype"),
    [
        (1e-6, "float32"),
        (1e6, "float32"),
        (1e-60, "float64"),
        (1e60, "float64"),
        (1e140, "float64"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"method": "adam", "order": 2}, {"escape": True}])
def test_underflow_is_not_convergence_and_overflow_no_error(factor, dtype, options, perturbed):
    ends = []
    for unit, kind in ((1.0, "float64"), (factor, dtype)):
        problem, start = scaled_by(perturbed, unit, kind)
        result = ll.solve(problem, "lifted", start=start, max_iter=200, tol=0, **options)
        assert result.n_iter == 200
        assert result.factors.dtype == kind
        ends.append(result.factors.to_dense() / unit)
    atol = 2e-3 if dtype == "float32" else 1e-9
    np.testing.assert_allclose(*ends, atol=atol)
    problem, start = scaled_by(perturbed, factor, dtype)
    assert not ll.solve(problem, "lifted", start=start, max_iter=0, **options).converged


def test_a_scaled_run_goes_on_and_knows_its_gradient(perturbed):
    problem, start = scaled_by(perturbed, 1e-60)
    whole = ll.solve(problem, "lifted", start=start, max_iter=20, tol=0)
    part = ll.solve(problem, "lifted", start=start, max_iter=10, tol=0)
    rest = ll.solve(problem, "lifted", start=part, max_iter=20, tol=0)
    assert np.array_equal(rest.factors.left, whole.factors.left)
    # From other units of the data the tensor is carried over in the new ones.
    solver = ll.solvers.Lifted()
    moved = solver.init(perturbed.problem, ll.initial.near(perturbed, rng=0))
    solver.resume(moved, part.state)
    assert solver.factors(moved).distance(part.factors) < 1e-9 * part.factors.norm()
    X = ll.solvers.Lifted().factors(part.state)
    d = 1e-6 * X.left
    ends = [
        solver.evaluation(problem, solver.init(problem, ll.Factors(m, m))).value
        for m in (X.left + d, X.left - d)
    ]
    at = solver.evaluation(problem, solver.init(problem, X))
    assert np.sum(at.left * d) == pytest.approx((ends[0] - ends[1]) / 2, rel=1e-5)
