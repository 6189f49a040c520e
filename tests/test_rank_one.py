"""Rank-one sensing: operator, generators, and phase retrieval out of the box."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import losses, operators
from lowrank_la.errors import InvalidInputError, InvalidTypeError, TooLargeError
from lowrank_la.factors import Factors

RNG = np.random.default_rng(3)


def complex_normal(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


def test_measurements_are_the_formula():
    a, b = complex_normal(30, 5), complex_normal(30, 4)
    L, R = complex_normal(5, 2), complex_normal(4, 2)
    X = L @ R.conj().T
    y = operators.RankOneSensing(a, b).forward(Factors(L, R))
    np.testing.assert_allclose(y, [u.conj() @ X @ v for u, v in zip(a, b, strict=True)])


def test_quadratic_measurements_are_real_and_see_the_hermitian_part_only():
    a, M = complex_normal(30, 5), complex_normal(5, 5)
    operator = operators.RankOneSensing(a)
    y = operator.forward(Factors(M, np.eye(5)))
    assert y.dtype == float
    part = 0.5 * (M + M.conj().T)
    np.testing.assert_allclose(y, [(u.conj() @ part @ u).real for u in a])
    x = complex_normal(5, 1)
    np.testing.assert_allclose(operator.forward(Factors(x, x)), np.abs(a.conj() @ x[:, 0]) ** 2)


@pytest.mark.parametrize("kind", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_types(kind, symmetric):
    operator = operators.RankOneSensing.draw(600, (8, 8), symmetric=symmetric, dtype=kind, rng=0)
    F = RNG.standard_normal((8, 2)).astype(kind)
    X = Factors(F, F if symmetric else F.copy())
    y = operator.forward(X)
    real = np.zeros(0, kind).real.dtype
    assert y.dtype == (real if symmetric else np.dtype(kind))
    value, left, right = operator.loss_gradient(X, 0.5 * y, losses.Squared())
    assert left.dtype == kind
    assert (right is None) == symmetric
    assert value == pytest.approx(losses.Squared().value(0.5 * y), rel=1e-5)


def test_single_precision_vectors_compute_in_double():
    single = operators.RankOneSensing.draw(300, (6, 5), dtype="float32", rng=0)
    vectors = single._left.astype(float), single._right.astype(float)
    X = Factors(RNG.standard_normal((6, 2)), RNG.standard_normal((5, 2)))
    y = single.forward(X)
    assert y.dtype == float
    np.testing.assert_allclose(y, operators.RankOneSensing(*vectors).forward(X), rtol=1e-13)


def test_the_gradient_has_the_right_slope():
    for make in (
        lambda: ll.problems.quadratic_sensing(8, 2, measurements=900, dtype=complex, rng=0),
        lambda: ll.problems.bilinear_sensing((8, 6), 2, measurements=900, dtype=complex, rng=0),
    ):
        problem = make().problem
        n1, n2 = problem.shape
        L, D = complex_normal(n1, 2), complex_normal(n1, 2)
        R, E = (L, D) if problem.symmetric else (complex_normal(n2, 2), complex_normal(n2, 2))

        def point(t, L=L, R=R, D=D, E=E):
            left = L + t * D
            return Factors(left, left if R is L else R + t * E)

        at = problem.evaluate(point(0.0))
        slope = np.vdot(at.left, D).real
        slope += 0 if problem.symmetric else np.vdot(at.right, E).real
        steps = np.geomspace(1e-2, 1e-4, 5)
        gaps = [abs(problem.objective(point(t)) - at.value - t * slope) for t in steps]
        assert np.polyfit(np.log(steps), np.log(gaps), 1)[0] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("dtype", [float, complex])
def test_the_identity_share_is_what_the_mean_holds_besides_the_matrix(dtype):
    n = 6
    operator = operators.RankOneSensing.draw(40_000, (n, n), symmetric=True, dtype=dtype, rng=0)
    F = RNG.standard_normal((n, 2)).astype(dtype)
    X = Factors(F, F)
    y = operator.forward(X)
    mean = operator.adjoint_right(y, np.eye(n))
    share = operator.identity_share(y)
    trace = np.sum(np.abs(F) ** 2)
    assert share == pytest.approx(trace * (0.5 if dtype is float else 1.0), rel=0.05)
    assert np.linalg.norm(mean - share * np.eye(n) - F @ F.T) < 0.1 * X.norm()
    assert operators.RankOneSensing.draw(9, (3, 2), rng=0).identity_share(np.ones(9)) == 0.0


def test_the_spectral_start_has_the_scale_of_the_matrix():
    instance = ll.problems.quadratic_sensing(20, 3, measurements=20_000, rng=0)
    start = ll.initial.spectral(instance.problem, 3)
    assert instance.truth.relative_error(start) < 0.25
    counted = operators.Counted(instance.problem.operator)
    other = ll.initial.spectral(instance.problem.replace(operator=counted), 3)
    assert start.distance(other) < 1e-8


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("solver", ["auto", "gd"])
def test_phase_retrieval_out_of_the_box(dtype, solver):
    n = 40
    instance = ll.problems.quadratic_sensing(n, 1, measurements=6 * n, dtype=dtype, rng=1)
    options = {} if solver == "auto" else {"step_size": "exact"}
    result = ll.solve(instance, solver, max_iter=900, **options)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-9


def test_trace_minimisation_finds_the_same():
    pytest.importorskip("cvxpy")
    instance = ll.problems.quadratic_sensing(6, 1, measurements=40, dtype=complex, rng=0)
    assert instance.truth.relative_error(ll.solve(instance, "convex").factors) < 1e-4


def test_bilinear_sensing_is_solved_and_ill_conditioning_does_not_matter():
    counts = []
    for cond in (1, 20):
        instance = ll.problems.bilinear_sensing((30, 25), 2, measurements=900, cond=cond, rng=0)
        result = ll.solve(instance, "scaledgd", step_size="exact", tol=1e-9, max_iter=300)
        assert result.trace["rel_error"][-1] < 1e-7
        counts.append(result.n_iter)
    assert max(counts) < 1.5 * min(counts), counts


def test_options_of_the_generators():
    plain = ll.problems.quadratic_sensing(10, 2, measurements=80, rng=0)
    assert isinstance(plain.problem.loss, losses.Squared)
    hit = ll.problems.quadratic_sensing(10, 2, measurements=80, outliers=0.2, rng=0)
    assert isinstance(hit.problem.loss, losses.Absolute)
    moved = hit.problem.data != plain.problem.data
    np.testing.assert_array_equal(moved, hit.truth.corrupted)
    smaller = ll.problems.quadratic_sensing(
        10, 2, measurements=80, outliers=0.2, outlier_scale=1.0, rng=0
    )
    shift = hit.problem.data - plain.problem.data
    np.testing.assert_allclose(10 * (smaller.problem.data - plain.problem.data), shift, atol=1e-12)
    other = ll.problems.quadratic_sensing(
        10, 2, measurements=80, outliers=0.2, outlier_model="gaussian", rng=0
    )
    assert not np.array_equal(other.problem.data, hit.problem.data)
    sign = ll.problems.bilinear_sensing((9, 8), 2, measurements=80, factors="sign", rng=0)
    gaussian = ll.problems.bilinear_sensing((9, 8), 2, measurements=80, rng=0)
    assert not np.allclose(sign.truth.factors.left, gaussian.truth.factors.left)
    spectrum = ll.problems.bilinear_sensing(9, 2, measurements=80, spectrum=[5.0, 2.0], rng=0)
    np.testing.assert_allclose(spectrum.truth.singular_values, [5, 2])
    again = ll.problems.build(hit.recipe)
    np.testing.assert_array_equal(again.problem.data, hit.problem.data)


def test_bad_input():
    good = RNG.standard_normal((5, 3))
    for bad, message in (
        ((np.ones(3),), "one vector per row"),
        ((np.full((2, 2), np.nan),), "NaN"),
        ((good, good[:4]), "5 left_vectors but 4 right_vectors"),
    ):
        with pytest.raises(InvalidInputError, match=message):
            operators.RankOneSensing(*bad)
    with pytest.raises(InvalidTypeError, match="right_vectors must be numbers"):
        operators.RankOneSensing(good, np.array([["x"]]))
    with pytest.raises(InvalidInputError, match="isometry"):
        operators.RankOneSensing(good, isometry=-1.0)
    with pytest.raises(InvalidInputError, match="square"):
        operators.RankOneSensing.draw(10, (3, 4), symmetric=True)
    with pytest.raises(TooLargeError, match="GB"):
        operators.RankOneSensing.draw(10**6, (10**4, 10**4))
    with pytest.raises(TooLargeError, match="1e\\+08"):
        operators.RankOneSensing(np.ones((2000, 300))).as_matrix()
    with pytest.raises(InvalidTypeError, match="n must be"):
        ll.problems.quadratic_sensing((3, 3), 1, measurements=9)
    with pytest.raises(InvalidInputError, match="rank 9"):
        ll.problems.bilinear_sensing((8, 5), 9, measurements=9)


def test_no_measurements():
    empty = operators.RankOneSensing(np.empty((0, 4)))
    X = Factors(np.ones((4, 1)), np.ones((4, 1)))
    assert empty.forward(X).shape == (0,)
    assert not empty.adjoint_right(np.empty(0), X.right).any()
    assert "quadratic RankOneSensing 4 x 4, 0" in repr(empty)
