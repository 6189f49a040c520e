"""Tubal tensors: the t-product by its definition, and their measurements as those of a matrix."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import tubal
from lowrank_la.errors import InvalidInputError, InvalidTypeError
from lowrank_la.factors import Factors
from lowrank_la.operators import TubalSensing, matrix_of
from lowrank_la.testing import check_generator, check_operator, check_solver


def draw(*shape, kind=float, seed=0):
    rng = np.random.default_rng(seed)
    out = rng.standard_normal(shape)
    return out + 1j * rng.standard_normal(shape) if kind is complex else out


def product(A, B):
    """C[a, b, m] = sum_{c, j} A[a, c, m - j] B[c, b, j], tube by tube."""
    n1, q, k = A.shape
    C = np.zeros((n1, B.shape[1], k), np.result_type(A, B))
    for a in range(n1):
        for b in range(B.shape[1]):
            for c in range(q):
                for j in range(k):
                    for m in range(k):
                        C[a, b, m] += A[a, c, (m - j) % k] * B[c, b, j]
    return C


def transpose(A):
    """The first slice transposed, and the others transposed in reverse order."""
    slices = [A[:, :, 0]] + [A[:, :, m] for m in range(A.shape[2] - 1, 0, -1)]
    return np.stack([s.conj().T for s in slices], axis=2)


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
def test_product_and_transpose_are_those_of_the_definition(k, kind):
    A, B = draw(4, 3, k, kind=kind), draw(3, 2, k, seed=1)
    np.testing.assert_allclose(tubal.t_product(A, B), product(A, B), atol=1e-13)
    np.testing.assert_array_equal(tubal.t_transpose(A), transpose(A))
    assert tubal.t_product(A, B).dtype == kind
    np.testing.assert_allclose(tubal.t_product(tubal.t_identity(4, k), A), A, atol=1e-14)
    flat = tubal.block_circulant(A) @ tubal.unfold(B)
    np.testing.assert_allclose(tubal.fold(flat, k), product(A, B), atol=1e-13)
    adjoint = tubal.block_circulant(tubal.t_transpose(A))
    np.testing.assert_array_equal(adjoint, tubal.block_circulant(A).conj().T)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.complex128])
@pytest.mark.parametrize("shape", [(5, 3, 4), (3, 5, 3), (4, 4, 1)])
def test_decomposition(shape, kind):
    A = draw(*shape, kind=complex if kind is np.complex128 else float).astype(kind)
    tolerance = 1e-5 if kind is np.float32 else 1e-13
    U, S, V = tubal.t_svd(A)
    assert U.dtype == S.dtype == V.dtype == kind
    again = tubal.t_product(tubal.t_product(U, S), tubal.t_transpose(V))
    np.testing.assert_allclose(again, A, atol=tolerance)
    q = min(shape[:2])
    for Q in (U, V):
        gram = tubal.t_product(tubal.t_transpose(Q), Q)
        np.testing.assert_allclose(gram, tubal.t_identity(q, shape[2]), atol=tolerance)
    assert np.abs(S[~np.eye(q, dtype=bool)]).max(initial=0) < tolerance
    assert tubal.spectral_norm(A) == pytest.approx(
        np.linalg.norm(tubal.block_circulant(A), 2), rel=1e-5
    )


def test_orthonormal_part_is_the_nearest():
    A = draw(5, 3, 4)
    Q = tubal.orthonormal_part(A)
    np.testing.assert_allclose(
        tubal.t_product(tubal.t_transpose(Q), Q), tubal.t_identity(3, 4), atol=1e-14
    )
    u, _, vh = np.linalg.svd(tubal.block_circulant(A), full_matrices=False)
    np.testing.assert_allclose(tubal.block_circulant(Q), u @ vh, atol=1e-13)


def test_subspace_distance_is_the_sine_of_the_largest_angle():
    # One column that turns by 0.3 from e_1 towards e_2, in every Fourier slice.
    A, B = np.zeros((4, 1, 3)), np.zeros((4, 1, 3))
    A[0, 0, 0] = 1
    B[0, 0, 0], B[1, 0, 0] = np.cos(0.3), np.sin(0.3)
    assert tubal.subspace_distance(A, B) == pytest.approx(np.sin(0.3))
    Q = tubal.leading_subspace(draw(5, 4, 4), 2)
    turned = tubal.t_product(Q, tubal.orthonormal_part(draw(2, 2, 4, seed=3)))
    assert tubal.subspace_distance(Q, turned) < 1e-13
    assert Q.shape == (5, 2, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tubal.t_product(np.ones((2, 3, 2)), np.ones((2, 3, 2))), "do not fit"),
        (lambda: tubal.t_product(np.ones((2, 3)), np.ones((3, 2))), "tensor"),
        (lambda: tubal.t_transpose(np.array([[["a"]]])), "numbers"),
        (lambda: tubal.fold(np.ones((5, 2)), 2), "multiple of k = 2"),
        (lambda: tubal.orthonormal_part(np.ones((2, 3, 2))), "not independent"),
        (lambda: tubal.orthonormal_part(np.ones((3, 2, 2))), "full tubal rank"),
        (lambda: tubal.leading_subspace(np.ones((3, 2, 2)), 3), "rank 3"),
        (lambda: tubal.subspace_distance(np.ones((3, 1, 2)), np.ones((3, 1, 2))), "orthonormal"),
        (lambda: tubal.subspace_distance(np.ones((3, 1, 2)), np.ones((3, 2, 2))), "one shape"),
        (lambda: tubal.t_identity(0, 2), "at least 1"),
        (lambda: TubalSensing(np.ones((2, 3, 3))), "tensors must be"),
        (lambda: TubalSensing(np.full((2, 3, 3, 2), np.nan)), "NaN"),
        (lambda: TubalSensing(np.ones((2, 3, 3, 2), bool)), "numbers"),
        (lambda: TubalSensing(np.ones((2, 3, 4, 2)), symmetric=True), "n1 = n2"),
        (lambda: TubalSensing.draw(5, (3, 3)), "n1, n2, k"),
        (lambda: TubalSensing.draw(5, (9, 9, 9), limit_bytes=100), "GB"),
        (lambda: ll.problems.tubal_sensing(5, 2, measurements=50), "shape must be"),
        (lambda: ll.problems.tubal_sensing((5, 3), 6, measurements=50), "rank 6"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ll.errors.LowRankError, match=message):
        call()


@pytest.mark.parametrize("kind", [float, complex])
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_measurements_of_the_tensor_are_those_of_the_matrix(k, kind):
    """<A_i, U * V^H> = <block_circulant(A_i), unfold(U) unfold(V)^H>, by definition."""
    A, U, V = draw(6, 4, 3, k, kind=kind), draw(4, 2, k, kind=kind, seed=1), draw(3, 2, k, seed=2)
    operator = TubalSensing(A)
    X = Factors(tubal.unfold(U), tubal.unfold(V))
    T = product(U, transpose(V))
    expected = [np.vdot(a, T) for a in A]
    np.testing.assert_allclose(operator.forward(X), expected, atol=1e-12)
    np.testing.assert_allclose(operator.tensor(X), T, atol=1e-13)
    by_matrix = [np.vdot(tubal.block_circulant(a), X.to_dense()) for a in A]
    np.testing.assert_allclose(by_matrix, expected, atol=1e-12)
    z = draw(6, seed=5)
    Z = tubal.block_circulant(np.tensordot(z, A, 1))
    np.testing.assert_allclose(operator.adjoint_right(z, X.right), Z @ X.right, atol=1e-12)
    np.testing.assert_allclose(operator.adjoint_left(z, X.left), Z.conj().T @ X.left, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_symmetric_operators_keep_the_symmetric_part(k):
    A, U = draw(6, 4, 4, k), draw(4, 2, k, seed=1)
    whole, half = TubalSensing(A), TubalSensing(A, symmetric=True)
    F = tubal.unfold(U)
    X = Factors(F, F)
    np.testing.assert_allclose(half.forward(X), whole.forward(X), atol=1e-12)
    assert half._matrix.nbytes < 0.7 * whole._matrix.nbytes
    part = (A[0] + tubal.t_transpose(A[0])) / 2
    row = matrix_of(half)[0].reshape(4 * k, 4 * k)
    np.testing.assert_allclose(row, tubal.block_circulant(part), atol=1e-14)


@pytest.mark.parametrize("k", [1, 3, 4])
def test_contract_of_complex_symmetric_measurements(k):
    operator = TubalSensing.draw(120, (4, 4, k), symmetric=True, dtype=complex, rng=0)
    check_operator(operator, hermitian=True)


def test_one_pass_gradient_is_that_of_the_three_methods():
    for symmetric in (True, False):
        operator = TubalSensing.draw(40, (4, 4, 3), symmetric=symmetric, rng=0)
        L, R, y = draw(12, 2), draw(12, 2, seed=1), draw(40, seed=2)
        for X in (Factors(L, L), Factors(L, R)):
            value, right, left = operator.loss_gradient(X, y, ll.losses.Squared())
            residual = operator.forward(X) - y
            assert value == pytest.approx(0.5 * residual @ residual)
            np.testing.assert_allclose(right, operator.adjoint_right(residual, X.right))
            assert (left is None) == (symmetric and X.symmetric)
            if left is not None:
                np.testing.assert_allclose(left, operator.adjoint_left(residual, X.left))


def test_ten_steps_of_gradient_descent_are_those_of_the_paper():
    """U <- U + mu (A* A)(T - U * U^T) * U, with the t-product by its definition."""
    instance = ll.problems.tubal_sensing((4, 3), 2, measurements=60, cond=2, rng=0)
    operator, y = instance.problem.operator, instance.problem.data
    tensors = np.stack([operator._unpack(row) for row in operator._matrix])
    tensors = np.moveaxis(tensors, 1, 3)
    F = 0.3 * draw(12, 5)
    U = np.stack([F[4 * m : 4 * m + 4] for m in range(3)], axis=2)
    solver = ll.solvers.GD(step_size=0.1, sigma_max=1.0)
    state = solver.init(instance.problem, Factors(F, F))
    for _ in range(10):
        solver.advance(instance.problem, state, 1)
        residual = y - np.einsum("iabm,abm->i", tensors, product(U, transpose(U)))
        U = U + 0.1 * product(np.einsum("i,iabm->abm", residual, tensors), U)
        np.testing.assert_allclose(tubal.fold(state.left, 3), U, atol=1e-12)


def test_errors_are_those_of_the_tensor():
    """Factors that differ by an orthogonal tensor have another matrix, but the same tensor."""
    instance = ll.problems.tubal_sensing((5, 3), 2, measurements=100, rng=0)
    F = instance.truth.factors.left
    turn = tubal.orthonormal_part(draw(2, 2, 3))
    turned = tubal.unfold(tubal.t_product(tubal.fold(F, 3), turn))
    X = Factors(turned, turned)
    assert X.distance(instance.truth.factors) > 0.1
    assert instance.truth.relative_error(X) < 1e-13
    half = Factors(0.5 * F, F)
    assert instance.truth.relative_error(half) == pytest.approx(0.5)
    assert instance.problem.objective(X) < 1e-25


@pytest.mark.parametrize("kind", ["float64", "float32", "complex128"])
def test_solvers_of_matrices_find_tensors(kind):
    instance = ll.problems.tubal_sensing((6, 4), 2, measurements=400, cond=2, dtype=kind, rng=0)
    result = ll.solve(instance, "scaledgd", step_size=0.5 / 4, max_iter=600)
    assert result.factors.dtype == kind
    assert result.trace["rel_error"][-1] < (2e-4 if kind == "float32" else 1e-7)


def test_laws_of_solvers_hold():
    instance = ll.problems.tubal_sensing((5, 3), 2, measurements=285, cond=2, rng=0)
    for solver in (ll.solvers.GD(), ll.solvers.ScaledGD(step_size=0.2)):
        check_solver(solver, instance)
    check_generator("tubal_sensing")


def test_more_columns_than_rows():
    instance = ll.problems.tubal_sensing((4, 3), 1, measurements=60, rng=0)
    F = 1e-6 * draw(12, 30)
    # No warning: a start of this size is a small one.
    result = ll.solve(instance, "gd", start=Factors(F, F), max_iter=200, tol=0)
    assert result.factors.rank == 30
    assert result.trace["rel_error"][-1] < 1e-3


def test_spectrum_and_condition():
    instance = ll.problems.tubal_sensing((6, 4), 3, measurements=90, spectrum=[4, 2, 1], rng=0)
    T = instance.problem.operator.tensor(instance.truth.factors)
    values = np.linalg.svd(tubal.block_circulant(T), compute_uv=False)
    np.testing.assert_allclose(values[:12], np.repeat([4, 2, 1], 4), rtol=1e-12)
    assert values[12:].max() < 1e-12
    np.testing.assert_allclose(instance.truth.singular_values, [4, 2, 1])


@pytest.mark.parametrize("kind", ["float64", "complex128"])
def test_gradient_by_differences(kind):
    instance = ll.problems.tubal_sensing((4, 3), 2, measurements=50, dtype=kind, rng=0)
    problem = instance.problem
    scalar = complex if kind == "complex128" else float
    F, step = draw(12, 2, kind=scalar), draw(12, 2, kind=scalar, seed=4)

    def objective(G):
        return problem.objective(Factors(G, G))

    at = problem.evaluate(Factors(F, F))
    slope = np.vdot(at.left, step).real
    gaps = [abs(objective(F + t * step) - at.value - t * slope) for t in (1e-3, 1e-4)]
    assert gaps[1] < 0.02 * gaps[0]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_have_no_decomposition(bad):
    A = np.ones((3, 2, 4))
    A[1, 1, 1] = bad
    for call in (
        tubal.t_svd,
        tubal.spectral_norm,
        tubal.orthonormal_part,
        lambda A: tubal.leading_subspace(A, 1),
        lambda A: tubal.subspace_distance(A, A),
    ):
        with pytest.raises(InvalidInputError, match="A holds NaN or infinite values"):
            call(A)


def test_fold_takes_numbers_only():
    with pytest.raises(InvalidTypeError, match="F must hold numbers, got dtype"):
        tubal.fold([["a", "b"], ["c", "d"]], 2)


def test_observers_measure_the_tensor_and_not_the_matrix():
    instance = ll.problems.tubal_sensing((5, 3), 1, measurements=120, rng=0)
    observe = {"to": ll.distance_to(instance.truth.factors)}
    start = ll.initial.spectral(instance.problem, 1)
    result = ll.solve(instance, "scaledgd", start=start, step_size="exact", observe=observe)
    np.testing.assert_allclose(result.trace["to"], result.trace["rel_error"], atol=1e-14)
    assert result.trace["to"][-1] < 1e-10
    # Of another matrix that is the same tensor as well.
    same = Factors(*2 * (np.roll(instance.truth.factors.left, 5, axis=0),))
    assert same.distance(instance.truth.factors) > 0.1
    options = {"start": start, "step_size": "exact", "max_iter": 30}
    other = ll.solve(instance, "scaledgd", observe={"to": ll.distance_to(same)}, **options)
    np.testing.assert_allclose(other.trace["to"], result.trace["to"][:31], atol=1e-12)
    with pytest.raises(InvalidInputError, match="distance_to needs the truth here"):
        ll.solve(instance.problem, "scaledgd", observe=observe, **options)
    for name in ("gram_error", "subspace_error"):
        with pytest.raises(InvalidInputError, match=f"{name} is about the columns"):
            ll.solve(instance, "scaledgd", observe=getattr(ll, name), **options)
    wrong = ll.distance_to(Factors(np.ones((4, 1)), np.ones((4, 1))))
    with pytest.raises(InvalidInputError, match="target is 4 x 4, the iterates are 15 x 15"):
        ll.solve(instance, "scaledgd", observe={"to": wrong}, **options)
