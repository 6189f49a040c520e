"""Starts: spectral, small and random, near the truth; and what is refused as a start."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import initial, operators
from lowrank_la.errors import InvalidInputError, InvalidTypeError, UnknownNameError
from lowrank_la.initial import spectral_values, start_from

KINDS = ["completion", "sensing", "symmetric"]


def backprojection(problem):
    """A*(data) / isometry as a dense matrix, from the operator's matrix."""
    matrix = operators.matrix_of(problem.operator)
    matrix = matrix.toarray() if hasattr(matrix, "toarray") else matrix
    dense = (matrix.conj().T @ problem.data).reshape(problem.shape) / problem.operator.isometry
    return 0.5 * (dense + dense.conj().T) if problem.symmetric else dense


def best(problem, rank):
    """Best approximation of the back-projection of this rank (and PSD, for symmetric ones)."""
    dense = backprojection(problem)
    if problem.symmetric:
        values, vectors = np.linalg.eigh(dense)
        values, vectors = np.maximum(values[-rank:], 0), vectors[:, -rank:]
        return (vectors * values) @ vectors.conj().T
    u, s, vh = np.linalg.svd(dense)
    return (u[:, :rank] * s[:rank]) @ vh[:rank]


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_is_the_best_approximation_of_the_backprojection(kind, request):
    problem = request.getfixturevalue(kind).problem
    X = initial.spectral(problem, 2)
    expected = best(problem, 2)
    # Lanczos stops at the accuracy of sampling.
    assert np.linalg.norm(X.to_dense() - expected) < 0.02 * np.linalg.norm(expected)
    np.testing.assert_allclose(X.left.T @ X.left, X.right.T @ X.right, atol=1e-8)
    assert X.symmetric == problem.symmetric


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_spectral_for_other_types(dtype, symmetric):
    problem = ll.problems.sensing(
        9, 2, measurements=400, symmetric=symmetric, dtype=dtype, rng=0
    ).problem
    X = initial.spectral(problem, 2)
    assert X.left.dtype == dtype
    expected = best(problem, 2)
    assert np.linalg.norm(X.to_dense() - expected) < 0.02 * np.linalg.norm(expected)


@pytest.mark.parametrize("kind", ["sensing", "symmetric"])
def test_spectral_up_to_full_rank(kind, request):
    problem = request.getfixturevalue(kind).problem
    for rank in (min(problem.shape) - 1, min(problem.shape)):
        X = initial.spectral(problem, rank)
        np.testing.assert_allclose(X.to_dense(), best(problem, rank), atol=1e-3)


def test_negative_eigenvalues_count_as_zero():
    operator = operators.FullObservation((6, 6))
    data = np.diag([3.0, -1.0, -2.0, -1.5, -0.5, -4.0]).ravel()
    X = initial.spectral(ll.Problem(operator, data, symmetric=True), 2)
    np.testing.assert_allclose(X.to_dense(), np.diag([3.0, 0, 0, 0, 0, 0]), atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_spectral_values(kind, request):
    problem = request.getfixturevalue(kind).problem
    dense = backprojection(problem)
    exact = np.sort(np.linalg.eigvalsh(dense) if problem.symmetric else np.linalg.svd(dense)[1])
    np.testing.assert_allclose(spectral_values(problem, 3), exact[::-1][:3], rtol=1e-2)
    assert spectral_values(problem, 99).size == min(problem.shape)


def test_spectral_never_asks_for_the_dense_matrix():
    n = 30_000
    rng = np.random.default_rng(0)
    i, j = np.arange(n), rng.permutation(n)
    problem = ll.observed(i, j, np.concatenate([[9.0], np.ones(n - 1)]), (n, n))
    assert initial.spectral(problem, 1).shape == (n, n)


def test_the_start_follows_the_seed(sensing):
    problem = sensing.problem
    for name in ("spectral", "small_random"):
        make = getattr(initial, name)
        a, b, other = make(problem, 2, rng=5), make(problem, 2, rng=5), make(problem, 2, rng=6)
        np.testing.assert_array_equal(a.left, b.left)
        np.testing.assert_array_equal(a.right, b.right)
        assert not np.array_equal(a.left, other.left)


@pytest.mark.parametrize("kind", KINDS)
def test_small_random_has_the_scale_asked_for(kind, request):
    problem = request.getfixturevalue(kind).problem
    X = initial.small_random(problem, 2, init_scale=1e-3, rng=0)
    top = spectral_values(problem, 1)[0]
    assert np.linalg.norm(X.left) ** 2 == pytest.approx(2 * 1e-6 * top, rel=0.5)
    assert np.linalg.norm(X.right) ** 2 == pytest.approx(2 * 1e-6 * top, rel=0.5)
    tiny = initial.small_random(problem, 2, init_scale=1e-9, rng=0)
    np.testing.assert_allclose(tiny.left * 1e6, X.left, rtol=1e-9)
    assert X.symmetric == problem.symmetric


def test_small_random_has_independent_factors_and_no_unit(sensing):
    square = ll.problems.sensing((12, 12), 2, measurements=400, rng=0).problem
    X = initial.small_random(square, 2, rng=0)
    assert not np.array_equal(X.left, X.right)
    larger = square.replace(data=1e4 * square.data)
    Y = initial.small_random(larger, 2, rng=0)
    np.testing.assert_allclose(Y.left, 100 * X.left, rtol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_near_is_at_the_distance_asked_for(kind, request):
    instance = request.getfixturevalue(kind)
    truth = instance.truth.factors.balanced()
    X = initial.near(instance, distance=0.3, rng=0)
    for mine, exact in ((X.left, truth.left), (X.right, truth.right)):
        assert np.linalg.norm(mine - exact) == pytest.approx(0.3 * np.linalg.norm(exact))
    assert X.symmetric == instance.problem.symmetric
    exact = initial.near(instance, distance=0.0)
    assert exact.distance(instance.truth.factors) < 1e-12
    other = initial.near(instance, distance=0.3, rng=1)
    assert not np.array_equal(X.left, other.left)


def test_near_with_more_columns(sensing):
    X = initial.near(sensing, 4, distance=0.01, rng=0)
    assert X.rank == 4
    assert np.linalg.norm(X.left[:, 2:]) > 0
    assert X.distance(sensing.truth.factors) < 0.1 * sensing.truth.factors.norm()


@pytest.mark.parametrize("kind", ["gaussian", "sign"])
def test_a_start_of_the_seed_of_the_instance_knows_nothing_of_the_truth(kind):
    # Both came from the stream "left" once, and had the same column space.
    instance = ll.problems.sensing((60, 50), 2, measurements=300, factors=kind, rng=7)
    truth = instance.truth.factors.balanced()
    moved = initial.near(instance, rng=7)
    perturbation = ll.Factors(moved.left - truth.left, moved.right - truth.right)
    for X in (initial.small_random(instance.problem, 2, rng=7), perturbation):
        for mine, exact in ((X.left, truth.left), (X.right, truth.right)):
            a, b = np.linalg.qr(mine)[0], np.linalg.qr(exact)[0]
            assert np.linalg.norm(a.T @ b, 2) < 0.7


# --- start_from: what people may pass as `start` ---


def test_names_and_the_scale_of_one(sensing):
    problem = sensing.problem
    X = start_from(problem, "small_random", 2, init_scale=1e-5, rng=3)
    Y = initial.small_random(problem, 2, init_scale=1e-5, rng=3)
    np.testing.assert_array_equal(X.left, Y.left)
    with pytest.raises(InvalidInputError, match="init_scale belongs to start='small_random'"):
        start_from(problem, "spectral", 2, init_scale=1e-5, rng=3)


def test_factors_are_taken_in_the_type_of_the_problem(sensing):
    given = initial.spectral(sensing.problem, 2).astype(np.float32)
    X = start_from(sensing.problem, given, None, init_scale=None, rng=0)
    assert X.dtype == np.float64
    np.testing.assert_array_equal(X.left, given.left)


def test_a_function_is_called_with_problem_rank_and_rng(sensing):
    seen = []

    def mine(problem, rank, *, rng):
        seen.append((problem, rank, rng))
        return initial.spectral(problem, rank, rng=rng)

    X = start_from(sensing.problem, mine, 2, init_scale=None, rng=7)
    assert seen == [(sensing.problem, 2, 7)]
    assert X.rank == 2
    with pytest.raises(InvalidTypeError, match="start must be a name"):
        start_from(sensing.problem, lambda p, r, *, rng: np.ones((3, 3)), 2, init_scale=None, rng=0)


@pytest.mark.parametrize(
    ("start", "rank", "error", "message"),
    [
        ("spectrl", 2, UnknownNameError, "no start named 'spectrl'; did you mean 'spectral'"),
        ("spectral", None, InvalidInputError, "rank is needed"),
        ("spectral", 0, InvalidInputError, "rank must be at least 1, got 0"),
        ("spectral", -3, InvalidInputError, "rank must be at least 1, got -3"),
        ("spectral", 13, InvalidInputError, "rank 13 is larger than the shape 15 x 12 allows"),
        ("spectral", 2.0, InvalidTypeError, "rank must be an integer, got 2.0"),
        ("spectral", "2", InvalidTypeError, "rank must be an integer, got '2'"),
        ("spectral", True, InvalidTypeError, "rank must be an integer, got True"),
        (3, 2, InvalidTypeError, "start must be a name .* got int"),
        (np.ones((15, 2)), 2, InvalidTypeError, "start must be a name .* got ndarray"),
        (ll.Factors(np.ones((9, 2)), np.ones((9, 2))), None, InvalidInputError, "start is 9 x 9"),
        (ll.Factors(np.ones((15, 2)), np.ones((12, 2))), 3, InvalidInputError, "rank=3 but"),
        (
            ll.Factors(np.full((15, 2), np.nan), np.ones((12, 2))),
            None,
            InvalidInputError,
            "NaN or infinite",
        ),
        (
            ll.Factors(np.ones((15, 2)) + 1j, np.ones((12, 2))),
            None,
            InvalidInputError,
            "real but the start is complex",
        ),
    ],
)
def test_bad_starts(sensing, start, rank, error, message):
    with pytest.raises(error, match=message):
        start_from(sensing.problem, start, rank, init_scale=None, rng=0)


def test_a_symmetric_problem_needs_one_factor(symmetric):
    two = ll.Factors(np.ones((15, 2)), np.ones((15, 2)))
    with pytest.raises(InvalidInputError, match=r"one factor: Factors\(F, F\)"):
        start_from(symmetric.problem, two, None, init_scale=None, rng=0)


def test_bad_arguments(sensing):
    with pytest.raises(InvalidInputError, match="rank 1 is below the true rank 2"):
        initial.near(sensing, 1)
    with pytest.raises(InvalidInputError, match="distance must lie in"):
        initial.near(sensing, distance=-1)
    with pytest.raises(InvalidTypeError, match="near needs an Instance"):
        initial.near(sensing.problem)
    with pytest.raises(InvalidInputError, match="init_scale must lie in"):
        initial.small_random(sensing.problem, 2, init_scale=-1)
    with pytest.raises(InvalidTypeError, match="init_scale must be a number"):
        initial.small_random(sensing.problem, 2, init_scale="1")
    with pytest.raises(InvalidTypeError, match="rng must be what"):
        initial.spectral(sensing.problem, 2, rng="seed")


def test_more_columns_than_singular_vectors():
    """Tubal problems take more columns than rows; the spectrum of the data has not got them."""
    instance = ll.problems.tubal_sensing((4, 2), 1, measurements=80, rng=0)
    assert initial.spectral(instance.problem, 8).rank == 8
    for start in ("spectral", "sign_spectral", "truncated"):
        with pytest.raises(InvalidInputError, match=r"at most 8 columns.*'small_random'"):
            ll.solve(instance, "gd", rank=9, start=start, max_iter=1)
    assert initial.near(instance, 9).rank == 9
    assert initial.small_random(instance.problem, 9).rank == 9
