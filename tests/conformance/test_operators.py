"""Every operator keeps the contract of three methods, and its abilities agree with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

import lowrank_la as ll
from lowrank_la import losses, operators
from lowrank_la.factors import Factors
from lowrank_la.testing import check_operator

RNG = np.random.default_rng(7)


def entries(shuffled=True, empty_row=False, shape=(13, 11)):
    mask = RNG.random(shape) < 0.5
    mask[:2] = mask[:, :2] = True
    if empty_row:
        mask[4] = False
    i, j = np.nonzero(mask)
    order = RNG.permutation(i.size) if shuffled else slice(None)
    return operators.EntrySampling(i[order], j[order], shape, empty="allow")


def linear(kind=float):
    matrix = RNG.standard_normal((60, 30))
    if kind is complex:
        matrix = matrix + 1j * RNG.standard_normal((60, 30))
    wrapped = LinearOperator(
        matrix.shape,
        matvec=lambda x: matrix @ x,
        rmatvec=lambda z: matrix.conj().T @ z,
        dtype=matrix.dtype,
    )
    return operators.FromLinearOperator(wrapped, (6, 5))


def gaussian(m=150, shape=(9, 7), **options):
    return operators.GaussianSensing.draw(m, shape, rng=1, **options)


def rank_one(m=600, shape=(9, 7), **options):
    return operators.RankOneSensing.draw(m, shape, rng=1, **options)


def weighted():
    base = entries()
    return operators.Weighted(base, 1 + RNG.random(base.size))


EXAMPLES = {
    "entries": entries,
    "entries sorted": lambda: entries(shuffled=False),
    "entries, empty row": lambda: entries(empty_row=True),
    "entries, one row": lambda: operators.EntrySampling([0, 0, 0], [2, 0, 1], (1, 3)),
    "full": lambda: operators.FullObservation((8, 6)),
    "gaussian": gaussian,
    "gaussian, blocks": lambda: gaussian(m=90, shape=(70, 60)),
    "gaussian complex": lambda: gaussian(dtype=complex),
    "gaussian symmetric": lambda: gaussian(shape=(8, 8), symmetric=True),
    "gaussian given": lambda: operators.GaussianSensing(RNG.standard_normal((100, 6, 5))),
    "gaussian given symmetric": lambda: operators.GaussianSensing(
        RNG.standard_normal((100, 6, 6)), symmetric=True
    ),
    "linear": linear,
    "linear complex": lambda: linear(complex),
    "subset": lambda: operators.Subset(gaussian(), np.arange(140)[::-1]),
    "subset of entries": lambda: operators.Subset(entries(), np.arange(0, 60)),
    "weighted": weighted,
    "stacked": lambda: operators.Stacked([gaussian(), operators.FullObservation((9, 7))]),
    "tubal": lambda: operators.TubalSensing.draw(150, (4, 3, 5), rng=1),
    "tubal complex": lambda: operators.TubalSensing.draw(150, (4, 3, 4), dtype=complex, rng=1),
    "tubal symmetric": lambda: operators.TubalSensing.draw(150, (4, 4, 4), symmetric=True, rng=1),
    "tubal given": lambda: operators.TubalSensing(RNG.standard_normal((150, 4, 4, 3))),
    "counted": lambda: operators.Counted(entries()),
    "hankel": lambda: operators.HankelSampling([0, 3, 4, 7, 8, 11, 13, 14], (9, 7)),
    "hankel, one row": lambda: operators.HankelSampling([2, 0], (1, 4)),
    "rank one": lambda: rank_one(),
    "rank one complex": lambda: rank_one(dtype=complex),
    "rank one quadratic": lambda: rank_one(shape=(12, 12), symmetric=True),
    "rank one given": lambda: operators.RankOneSensing(
        RNG.standard_normal((70, 6)), RNG.standard_normal((70, 5))
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_contract(name):
    check_operator(EXAMPLES[name](), rng=2)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("make", [gaussian, rank_one])
def test_hermitian_contract(make, seed):
    operator = make(shape=(7, 7), symmetric=True, dtype=complex)
    assert operator.forward(_hermitian(7, seed)).dtype == np.float64
    check_operator(operator, hermitian=True, rng=seed)


def _hermitian(n, seed):
    rng = np.random.default_rng(seed)
    left = rng.standard_normal((n, 2)) + 1j * rng.standard_normal((n, 2))
    return Factors(left, left)


def test_every_public_operator_has_an_example():
    shown = {type(make()).__name__ for make in EXAMPLES.values()}
    classes = {n for n in dir(operators) if n[0].isupper() and not n.startswith("Has")}
    assert classes - {"MeasurementOperator"} <= shown


@pytest.mark.parametrize("loss", [losses.Squared(), losses.Absolute(), losses.Huber(0.5)])
@pytest.mark.parametrize(
    "name",
    [
        "entries",
        "entries, empty row",
        "gaussian",
        "gaussian, blocks",
        "gaussian complex",
        "rank one",
        "rank one complex",
        "rank one quadratic",
        "hankel",
    ],
)
def test_one_pass_gradient_agrees_with_the_three_methods(name, loss):
    operator = EXAMPLES[name]()
    rng = np.random.default_rng(0)
    kind = operator.dtype or np.dtype(float)
    n1, n2 = operator.shape

    def draw(*shape):
        real = rng.standard_normal(shape)
        return real + 1j * rng.standard_normal(shape) if kind.kind == "c" else real

    X = Factors(draw(n1, 3), draw(n2, 3))
    data = draw(operator.size)
    value, left, right = operator.loss_gradient(X, operator.prepare(data), loss)
    residual = operator.forward(X) - data
    slope = loss.slope(residual)
    assert value == pytest.approx(loss.value(residual), rel=1e-12)
    np.testing.assert_allclose(left, operator.adjoint_right(slope, X.right), atol=1e-11)
    np.testing.assert_allclose(right, operator.adjoint_left(slope, X.left), atol=1e-11)
    if isinstance(operator, operators.HasResidualGradient):
        again = operator.residual_gradient(X, operator.prepare(data), loss)
        assert again[0] == value
        np.testing.assert_array_equal(again[1], left)
        np.testing.assert_array_equal(again[2], right)
        np.testing.assert_allclose(again[3], residual, atol=1e-11)


def test_a_loss_without_a_kernel_takes_the_generic_way():
    class Quartic:
        smooth = True

        def value(self, e):
            return 0.25 * float(np.sum(e**4))

        def slope(self, e):
            return e**3

    operator = entries()
    X = Factors(RNG.standard_normal((13, 2)), RNG.standard_normal((11, 2)))
    data = RNG.standard_normal(operator.size)
    value, left, _ = operator.loss_gradient(X, operator.prepare(data), Quartic())
    residual = operator.forward(X) - data
    assert value == pytest.approx(0.25 * np.sum(residual**4))
    np.testing.assert_allclose(left, operator.adjoint_right(residual**3, X.right), atol=1e-11)


@pytest.mark.parametrize("kind", [float, complex, np.float32])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
def test_row_solve_is_least_squares(kind, side, ridge):
    operator = entries(shape=(25, 20))
    rng = np.random.default_rng(3)
    n_fixed = operator.shape[1] if side == "left" else operator.shape[0]
    fixed = rng.standard_normal((n_fixed, 3)).astype(kind)
    data = rng.standard_normal(operator.size).astype(kind)
    if kind is complex:
        fixed = fixed + 1j * rng.standard_normal(fixed.shape)
        data = data + 1j * rng.standard_normal(data.shape)
    out = operator.row_solve(operator.prepare(data), fixed, ridge, side=side)
    assert out.dtype == np.dtype(kind)
    rows, cols = operator.positions if side == "left" else operator.positions[::-1]
    target = data if side == "left" else data.conj()
    for i in range(out.shape[0]):
        mine = rows == i
        matrix = np.vstack([fixed[cols[mine]].conj(), np.sqrt(ridge) * np.eye(3)])
        rhs = np.concatenate([target[mine], np.zeros(3)])
        expected = np.linalg.lstsq(matrix, rhs, rcond=None)[0]
        np.testing.assert_allclose(out[i], expected, atol=2e-3 if kind is np.float32 else 1e-9)


def test_row_solve_gives_a_basic_solution_where_a_row_has_too_few_entries():
    operator = operators.EntrySampling([0, 1, 1, 1], [0, 0, 1, 2], (2, 3))
    fixed = np.random.default_rng(0).standard_normal((3, 2))
    data = np.array([2.0, 1.0, 0.0, 3.0])
    out = operator.row_solve(operator.prepare(data), fixed, 0.0, side="left")
    assert fixed[0] @ out[0] == pytest.approx(2.0)
    assert np.count_nonzero(out[0]) == 1


def test_row_solve_takes_one_ridge_per_row():
    operator = entries()
    fixed = RNG.standard_normal((11, 2))
    data = operator.prepare(RNG.standard_normal(operator.size))
    ridges = np.linspace(0.1, 3, 13)
    together = operator.row_solve(data, fixed, ridges, side="left")
    for i in (0, 12):
        alone = operator.row_solve(data, fixed, ridges[i], side="left")
        np.testing.assert_allclose(together[i], alone[i])


def test_measurements_keep_the_order_of_the_positions():
    i, j = np.array([2, 0, 1, 0]), np.array([1, 1, 0, 0])
    operator = operators.EntrySampling(i, j, (3, 2))
    X = Factors(np.arange(1.0, 4)[:, None], np.array([[1.0], [10.0]]))
    np.testing.assert_array_equal(operator.forward(X), X.to_dense()[i, j])
    np.testing.assert_array_equal(operator.positions[0], i)
    np.testing.assert_array_equal(operator.positions[1], j)


@settings(max_examples=40, deadline=None)
@given(
    n1=st.integers(1, 20),
    n2=st.integers(1, 20),
    rank=st.integers(1, 6),
    share=st.floats(0.05, 1.0),
    seed=st.integers(0, 10**6),
)
def test_entries_of_any_shape(n1, n2, rank, share, seed):
    rng = np.random.default_rng(seed)
    i, j = np.nonzero(rng.random((n1, n2)) < share)
    if i.size == 0:
        i, j = np.array([0]), np.array([0])
    order = rng.permutation(i.size)
    operator = operators.EntrySampling(i[order], j[order], (n1, n2), empty="allow")
    X = Factors(rng.standard_normal((n1, rank)), rng.standard_normal((n2, rank)))
    z = rng.standard_normal(i.size)
    dense = np.zeros((n1, n2))
    dense[i[order], j[order]] = z
    np.testing.assert_allclose(operator.forward(X), X.to_dense()[i[order], j[order]], atol=1e-12)
    np.testing.assert_allclose(operator.adjoint_right(z, X.right), dense @ X.right, atol=1e-12)
    np.testing.assert_allclose(operator.adjoint_left(z, X.left), dense.T @ X.left, atol=1e-12)


def test_float32_storage_computes_in_float64():
    exact = gaussian(m=200, shape=(10, 8), symmetric=False)
    stored = gaussian(m=200, shape=(10, 8), storage="float32")
    X = Factors(RNG.standard_normal((10, 2)), RNG.standard_normal((8, 2)))
    y = stored.forward(X)
    assert y.dtype == np.float64
    gap = np.linalg.norm(y - exact.forward(X)) / np.linalg.norm(y)
    assert 1e-9 < gap < 1e-6  # the matrices are rounded, the arithmetic is not
    twin = stored.as_matrix().astype(float) @ X.to_dense().ravel()
    np.testing.assert_allclose(y, twin, rtol=1e-12)


def test_symmetric_storage_is_half():
    whole = gaussian(m=50, shape=(20, 20))
    half = gaussian(m=50, shape=(20, 20), symmetric=True)
    assert half._matrix.nbytes / whole._matrix.nbytes == pytest.approx(21 / 40)


def test_half_vectorisation_has_the_scale_of_the_gaussian_orthogonal_ensemble():
    operator = gaussian(m=4000, shape=(6, 6), symmetric=True)
    matrices = operator.as_matrix().reshape(-1, 6, 6) * np.sqrt(4000)
    assert np.var(matrices[:, 0, 0]) == pytest.approx(1.0, rel=0.1)
    assert np.var(matrices[:, 0, 1]) == pytest.approx(0.5, rel=0.1)


def test_no_measurements():
    empty = operators.GaussianSensing(np.empty((0, 4, 3)))
    X = Factors(np.ones((4, 1)), np.ones((3, 1)))
    assert empty.forward(X).shape == (0,)
    assert not empty.adjoint_right(np.empty(0), X.right).any()
    nothing = operators.Subset(gaussian(), [False] * 150)
    assert nothing.forward(Factors(np.ones((9, 1)), np.ones((7, 1)))).shape == (0,)


def test_counted_counts_abilities_too(completion):
    operator = operators.Counted(completion.problem.operator)
    problem = completion.problem.replace(operator=operator)
    ll.solve(problem, "scaledgd", step_size=0.5, rank=2, max_iter=5, tol=0)
    assert operator.calls["loss_gradient"] == 6
    assert operator.calls["forward"] == 0
    # Smaller than what takes one pass by itself.
    ll.solve(problem, "altmin", rank=2, max_iter=3, tol=0, reuse=0.0)
    # Two half sweeps each, and one to know the gradient at the end.
    assert operator.calls["row_steps"] == 7


def test_exact_line_search_costs_two_more_forward_calls(completion):
    operator = operators.Counted(completion.problem.operator)
    problem = completion.problem.replace(operator=operator)
    start = ll.initial.spectral(problem, 2)
    operator.calls.clear()
    ll.solve(problem, "scaledgd", start=start, step_size="exact", max_iter=4, tol=0)
    # Per iteration: the residual of the new point, and two for the quartic.
    assert operator.calls["forward"] == 1 + 4 * 3
