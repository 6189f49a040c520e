"""Factors: every method against the dense matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowrank_la as ll
from lowrank_la.errors import InvalidInputError, InvalidTypeError, TooLargeError
from lowrank_la.factors import check_positions, enclosing_shape


def draw(n1, n2, rank, kind=float, seed=0):
    rng = np.random.default_rng(seed)

    def part(n):
        real = rng.standard_normal((n, rank))
        return (real + 1j * rng.standard_normal((n, rank)) if kind is complex else real).astype(
            kind
        )

    return ll.Factors(part(n1), part(n2))


def hermitian(n, rank, kind=float):
    left = draw(n, n, rank, kind).left
    return ll.Factors(left, left)


SAMPLES = {
    "real": draw(7, 5, 3),
    "complex": draw(7, 5, 3, complex),
    "wide": draw(3, 9, 2),
    "more columns than rows": draw(3, 4, 6),
    "one column": draw(4, 4, 1),
    "symmetric": hermitian(6, 2),
    "hermitian": hermitian(6, 2, complex),
}
EACH = pytest.mark.parametrize("X", SAMPLES.values(), ids=SAMPLES)


@EACH
def test_dense(X):
    np.testing.assert_allclose(X.to_dense(), X.left @ X.right.conj().T)


@EACH
def test_norm(X):
    assert X.norm() == pytest.approx(np.linalg.norm(X.to_dense()))


@EACH
def test_svd(X):
    u, s, v = X.svd()
    np.testing.assert_allclose((u * s) @ v.conj().T, X.to_dense(), atol=1e-12)
    np.testing.assert_allclose(u.conj().T @ u, np.eye(u.shape[1]), atol=1e-12)
    np.testing.assert_allclose(v.conj().T @ v, np.eye(v.shape[1]), atol=1e-12)
    exact = np.linalg.svd(X.to_dense(), compute_uv=False)
    np.testing.assert_allclose(s, exact[: s.size], atol=1e-12)
    np.testing.assert_allclose(X.singular_values(), s, atol=1e-12)


@EACH
def test_balanced(X):
    Y = X.balanced()
    np.testing.assert_allclose(Y.to_dense(), X.to_dense(), atol=1e-12)
    gram = Y.left.conj().T @ Y.left
    np.testing.assert_allclose(gram, Y.right.conj().T @ Y.right, atol=1e-12)
    diagonal = np.diag(gram).real
    np.testing.assert_allclose(gram, np.diag(diagonal), atol=1e-12)
    assert np.all(np.diff(diagonal) <= 1e-12)
    assert Y.symmetric == X.symmetric


@EACH
def test_conjugate_transpose(X):
    np.testing.assert_allclose(X.H.to_dense(), X.to_dense().conj().T, atol=1e-12)
    assert X.H.symmetric == X.symmetric


@EACH
def test_inner_product_and_distance(X):
    n1, n2 = X.shape
    Y = draw(n1, n2, 4, complex if X.dtype.kind == "c" else float, seed=3)
    x, y = X.to_dense(), Y.to_dense()
    assert X.inner(Y) == pytest.approx(np.vdot(x, y))
    assert X.distance(Y) == pytest.approx(np.linalg.norm(x - y))
    assert X.distance(X) <= 1e-14 * X.norm()


@EACH
def test_entries(X):
    n1, n2 = X.shape
    i, j = np.array([0, n1 - 1, 0, n1 - 1]), np.array([0, n2 - 1, n2 - 1, 0])
    np.testing.assert_allclose(X.entries(i, j), X.to_dense()[i, j], atol=1e-12)
    assert X.entries([], []).shape == (0,)


def test_entries_beyond_one_chunk(monkeypatch):
    monkeypatch.setattr("lowrank_la.factors._CHUNK", 5)
    X = SAMPLES["real"]
    i, j = (a.ravel() for a in np.indices(X.shape))
    np.testing.assert_allclose(X.entries(i, j), X.to_dense().ravel(), atol=1e-12)


def test_the_distance_of_near_neighbours_keeps_its_digits():
    # Through |X|^2 + |Y|^2 - 2 <X, Y> this would be rounding noise of 1e-8.
    X = draw(30, 20, 3)
    Y = ll.Factors(X.left * (1 + 1e-11), X.right)
    assert X.distance(Y) == pytest.approx(1e-11 * X.norm(), rel=1e-3)


def test_an_inner_product_of_real_factors_is_a_float():
    X = SAMPLES["real"]
    assert isinstance(X.inner(X), float)
    assert isinstance(SAMPLES["complex"].inner(SAMPLES["complex"]), complex)


def test_types():
    X = draw(4, 3, 2)
    assert X.dtype == np.float64
    single = X.astype(np.float32)
    assert single.left.dtype == single.right.dtype == np.float32
    assert X.astype(float).left is X.left
    assert ll.Factors(X.left, X.right.astype(complex)).dtype == np.complex128
    assert hermitian(4, 2).astype(np.float32).symmetric
    whole = ll.Factors([[1], [2]], [[3]])
    assert whole.dtype == np.float64


def test_symmetric_means_one_array():
    left = np.ones((3, 2))
    assert ll.Factors(left, left).symmetric
    assert not ll.Factors(left, left.copy()).symmetric
    # Also where the array had to be copied first.
    strided = np.ones((3, 4))[:, ::2]
    assert ll.Factors(strided, strided).symmetric


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_isfinite(bad):
    X = draw(3, 3, 1)
    assert X.isfinite()
    spoilt = X.right.copy()
    spoilt[1, 0] = bad
    assert not ll.Factors(X.left, spoilt).isfinite()
    assert not ll.Factors(spoilt, X.right).isfinite()
    assert not ll.Factors(spoilt, spoilt).isfinite()


def test_nothing_large_is_formed_by_accident():
    X = ll.Factors(np.ones((20_000, 1)), np.ones((20_000, 1)))
    with pytest.raises(TooLargeError, match=r"20000 x 20000 .* limit of 1e\+08; use entries"):
        X.to_dense()
    with pytest.raises(TooLargeError, match="15 entries, more than the limit of 14"):
        draw(5, 3, 1).to_dense(limit=14)
    assert draw(5, 3, 1).to_dense(limit=15).shape == (5, 3)
    assert X.norm() == pytest.approx(20_000)


def test_repr_names_shape_rank_and_type():
    assert repr(SAMPLES["complex"]) == "<Factors 7 x 5, rank 3, complex128>"
    assert repr(SAMPLES["symmetric"]) == "<symmetric Factors 6 x 6, rank 2, float64>"


def test_bad_factors():
    with pytest.raises(InvalidInputError, match="left must be a matrix, got shape"):
        ll.Factors(np.ones(3), np.ones((3, 1)))
    with pytest.raises(InvalidInputError, match="left has 2 columns and right has 1"):
        ll.Factors(np.ones((3, 2)), np.ones((3, 1)))
    with pytest.raises(InvalidTypeError, match="right must hold numbers, got dtype <U1"):
        ll.Factors(np.ones((1, 1)), [["a"]])
    with pytest.raises(InvalidInputError, match="shapes differ"):
        draw(3, 2, 1).distance(draw(2, 3, 1))
    with pytest.raises(InvalidInputError, match="shapes differ"):
        draw(3, 2, 1).inner(draw(2, 3, 1))


@pytest.mark.parametrize(
    ("i", "j", "message"),
    [
        ([0, 3], [0, 0], r"row index 3 at position 1 lies outside the shape 3 x 2"),
        ([0, 1], [0, 2], r"column index 2 at position 1"),
        ([-1], [0], r"row index -1 at position 0"),
        ([0, 1], [0], r"2 row indices but 1 column indices"),
        ([[0]], [[0]], r"row indices must be one-dimensional, got shape \(1, 1\)"),
    ],
)
def test_positions_outside_the_shape(i, j, message):
    with pytest.raises(InvalidInputError, match=message):
        draw(3, 2, 1).entries(i, j)


@pytest.mark.parametrize("wrong", [[0.0], ["0"], [True], [None]])
def test_positions_that_are_no_integers(wrong):
    with pytest.raises(InvalidTypeError, match="row indices must be integers"):
        check_positions(wrong, [0], (3, 3))


def test_unsigned_and_short_positions_are_taken():
    i, j = check_positions(np.array([200], np.uint8), np.array([1], np.int16), (300, 2))
    assert i.dtype == j.dtype == np.int64
    assert i[0] == 200


def test_the_enclosing_shape():
    assert enclosing_shape(np.array([4, 0]), np.array([1, 7])) == (5, 8)
    assert enclosing_shape(np.array([], int), np.array([], int)) == (1, 1)


@settings(max_examples=50, deadline=None)
@given(
    n1=st.integers(1, 12),
    n2=st.integers(1, 12),
    rank=st.integers(1, 6),
    kind=st.sampled_from([float, complex]),
    seed=st.integers(0, 10**6),
)
def test_any_shape(n1, n2, rank, kind, seed):
    X, Y = draw(n1, n2, rank, kind, seed), draw(n1, n2, rank + 1, kind, seed + 1)
    x, y = X.to_dense(), Y.to_dense()
    assert X.norm() == pytest.approx(np.linalg.norm(x))
    assert X.distance(Y) == pytest.approx(np.linalg.norm(x - y), abs=1e-12)
    np.testing.assert_allclose(X.balanced().to_dense(), x, atol=1e-10)
