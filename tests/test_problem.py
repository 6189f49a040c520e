"""Problem, observed, Recipe, Instance."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowrank_la as ll
from lowrank_la import losses, operators
from lowrank_la.errors import InvalidInputError, InvalidTypeError, UnknownNameError

ROWS, COLUMNS, VALUES = [0, 0, 1], [0, 1, 1], [1.0, 2.0, 4.0]


def factors_like(problem, rank=2, seed=0):
    rng = np.random.default_rng(seed)
    n1, n2 = problem.shape

    def part(n):
        real = rng.standard_normal((n, rank))
        if problem.dtype.kind == "c":
            real = real + 1j * rng.standard_normal((n, rank))
        return real.astype(problem.dtype)

    left = part(n1)
    return ll.Factors(left, left if problem.symmetric else part(n2))


# --- the objective and its gradient ---


@pytest.mark.parametrize("loss", [losses.Squared(), losses.Huber(0.3), losses.Absolute()])
@pytest.mark.parametrize("nuclear", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["completion", "sensing", "symmetric"])
def test_objective(kind, loss, nuclear, request):
    problem = request.getfixturevalue(kind).problem.replace(loss=loss, nuclear=nuclear)
    X = factors_like(problem)
    matrix = operators.matrix_of(problem.operator)
    residual = matrix @ X.to_dense().ravel() - problem.data
    penalty = nuclear * (np.sum(X.left**2) + np.sum(X.right**2)) / 2
    expected = (loss.value(residual) + penalty) * (0.5 if problem.symmetric else 1.0)
    assert problem.objective(X) == pytest.approx(expected, rel=1e-12)
    for keep in (False, True):
        at = problem.evaluate(X, residual=keep)
        assert at.value == pytest.approx(expected, rel=1e-12)
        if keep:
            np.testing.assert_allclose(at.residual, residual, atol=1e-12)
        else:
            assert at.residual is None


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("loss", [losses.Squared(), losses.Huber(0.3)])
@pytest.mark.parametrize("nuclear", [0.0, 0.7])
@pytest.mark.parametrize("kind", ["completion", "sensing", "symmetric"])
def test_gradient_is_that_of_the_objective(kind, loss, nuclear, keep, request):
    problem = request.getfixturevalue(kind).problem.replace(loss=loss, nuclear=nuclear)
    X, D = factors_like(problem), factors_like(problem, seed=1)
    at = problem.evaluate(X, residual=keep)
    h = 1e-6

    def along(t):
        left = X.left + t * D.left
        return problem.objective(
            ll.Factors(left, left if problem.symmetric else X.right + t * D.right)
        )

    slope = np.vdot(at.left, D.left)
    if not problem.symmetric:
        slope += np.vdot(at.right, D.right)
    assert (along(h) - along(-h)) / (2 * h) == pytest.approx(slope, rel=1e-6)


def test_gradient_of_complex_problems():
    problem = ll.problems.sensing((6, 5), 2, measurements=90, dtype=complex, rng=0).problem
    X, D = factors_like(problem), factors_like(problem, seed=1)
    at = problem.evaluate(X)

    def along(t):
        return problem.objective(ll.Factors(X.left + t * D.left, X.right + t * D.right))

    slope = (np.vdot(at.left, D.left) + np.vdot(at.right, D.right)).real
    assert (along(1e-6) - along(-1e-6)) / 2e-6 == pytest.approx(slope, rel=1e-6)


def test_degrees_of_freedom(completion, symmetric):
    assert completion.problem.degrees_of_freedom(2) == 2 * (40 + 30 - 2)
    assert symmetric.problem.degrees_of_freedom(3) == 15 + 14 + 13
    hermitian = ll.problems.sensing(6, 1, measurements=80, symmetric=True, dtype=complex, rng=0)
    assert hermitian.problem.degrees_of_freedom(1) == 11
    rectangular = ll.problems.sensing((6, 5), 1, measurements=80, dtype=complex, rng=0)
    assert rectangular.problem.degrees_of_freedom(2) == 2 * 2 * (6 + 5 - 2)


def test_types_follow_data_and_operator():
    operator = operators.EntrySampling(ROWS, COLUMNS, (2, 2))
    assert ll.Problem(operator, np.array(VALUES, np.float32)).dtype == np.float32
    assert ll.Problem(operator, [1, 2, 4]).dtype == np.float64
    assert ll.Problem(operator, np.array(VALUES, np.float16)).dtype == np.float64
    assert ll.Problem(operator, np.array(VALUES) + 1j).dtype == np.complex128
    hermitian = ll.problems.sensing(5, 1, measurements=60, symmetric=True, dtype="c8", rng=0)
    assert hermitian.problem.data.dtype == np.float32
    assert hermitian.problem.dtype == np.complex64


def test_replace_changes_only_what_is_named():
    problem = ll.observed(ROWS, COLUMNS, VALUES, (2, 2))
    other = problem.replace(nuclear=2.0)
    assert (problem.nuclear, other.nuclear) == (0.0, 2.0)
    assert other.operator is problem.operator


def test_a_problem_survives_pickle_without_its_prepared_data(completion):
    problem = completion.problem
    assert problem.prepared
    again = pickle.loads(pickle.dumps(problem))
    assert "prepared" not in vars(again)
    X = factors_like(problem)
    assert again.objective(X) == problem.objective(X)
    np.testing.assert_array_equal(again.evaluate(X).left, problem.evaluate(X).left)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"data": [1.0]}, InvalidInputError, "data has length 1, expected 3"),
        ({"data": [1.0, np.nan, np.inf]}, InvalidInputError, "2 NaN or infinite .* position 1"),
        ({"data": ["1", "2", "3"]}, InvalidTypeError, "data must be numbers"),
        ({"data": [[1.0, 2.0, 3.0]]}, InvalidInputError, "one-dimensional"),
        ({"data": np.ones(3, np.longdouble)}, InvalidTypeError, "data must be numbers"),
        ({"data": np.zeros(3)}, InvalidInputError, "all data are zero"),
        ({"loss": "squared"}, InvalidTypeError, "loss must have smooth, value and slope"),
        ({"operator": np.eye(3)}, InvalidTypeError, "operator must have .* got ndarray"),
        ({"nuclear": -1.0}, InvalidInputError, "nuclear must lie in"),
        ({"nuclear": np.nan}, InvalidInputError, "nuclear must lie in"),
        ({"nuclear": np.inf}, InvalidInputError, "nuclear must be finite"),
        ({"nuclear": "1"}, InvalidTypeError, "nuclear must be a number"),
        ({"symmetric": True}, InvalidInputError, "needs a square shape, got 2 x 3"),
    ],
)
def test_bad_problems(changes, error, message):
    good = {"operator": operators.EntrySampling([0, 0, 1], [0, 1, 2], (2, 3)), "data": VALUES}
    with pytest.raises(error, match=message):
        ll.Problem(**(good | changes))


# --- observed ---


def test_observed_keeps_the_order_of_the_triples():
    problem = ll.observed([1, 0, 0], [1, 1, 0], [4.0, 2.0, 1.0], (2, 2))
    np.testing.assert_array_equal(problem.data, [4.0, 2.0, 1.0])
    np.testing.assert_array_equal(problem.operator.positions[0], [1, 0, 0])


def test_the_shape_is_just_large_enough_unless_given():
    assert ll.observed([0, 1, 2], [0, 1, 0], [1.0, 2.0, 3.0]).shape == (3, 2)
    assert ll.observed(ROWS, COLUMNS, VALUES, 2).shape == (2, 2)


def test_loss_and_nuclear_are_passed_on():
    problem = ll.observed(ROWS, COLUMNS, VALUES, nuclear=0.5, loss=losses.Huber(2.0))
    assert problem.nuclear == 0.5
    assert problem.loss == losses.Huber(2.0)
    assert ll.observed(ROWS, COLUMNS, VALUES).loss == losses.Squared()


def test_duplicates_are_named_and_averaging_is_offered():
    with pytest.raises(InvalidInputError, match=r"1 position listed .* \(1, 0\); .*'mean'"):
        ll.observed([0, 1, 0, 1], [0, 0, 1, 0], [1.0, 2.0, 3.0, 5.0], (2, 2))
    with pytest.raises(InvalidInputError, match="2 positions listed"):
        ll.observed([0, 1, 0, 0], [0, 0, 0, 0], np.ones(4), (2, 1))


def test_duplicates_are_averaged_on_request():
    problem = ll.observed(
        [1, 0, 1, 1, 0], [0, 0, 0, 0, 1], [2.0, 1.0, 3.0, 7.0, 9.0], (2, 2), duplicates="mean"
    )
    found = dict(zip(zip(*problem.operator.positions, strict=True), problem.data, strict=True))
    assert found == {(0, 0): 1.0, (0, 1): 9.0, (1, 0): 4.0}
    single = ll.observed([0, 0], [0, 0], np.array([1, 2], np.float32), duplicates="mean")
    assert single.data.dtype == np.float32
    assert single.data[0] == 1.5


@settings(max_examples=30, deadline=None)
@given(
    cells=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-9, 9)), min_size=1, max_size=30
    )
)
def test_averages_of_any_triples(cells):
    i, j, v = (np.array(part) for part in zip(*cells, strict=True))
    v = v + 0.5
    problem = ll.observed(i, j, v, (4, 4), duplicates="mean", empty="allow")
    for row, column, value in zip(*problem.operator.positions, problem.data, strict=True):
        assert value == pytest.approx(np.mean(v[(i == row) & (j == column)]))


@pytest.mark.parametrize(("shape", "name"), [((3, 2), "row"), ((2, 3), "column")])
def test_empty_rows_and_columns(shape, name):
    with pytest.raises(InvalidInputError, match=rf"1 {name} without any observed entry \(2\)"):
        ll.observed(ROWS, COLUMNS, VALUES, shape)
    assert ll.observed(ROWS, COLUMNS, VALUES, shape, empty="allow").shape == shape


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        (([0, 1], [0, 1], [1.0, np.nan]), InvalidInputError, "first at position 1"),
        (([0, 1], [0, 1], [-np.inf, 1.0]), InvalidInputError, "first at position 0"),
        (([0, 5], [0, 1], [1.0, 2.0], (2, 2)), InvalidInputError, "row index 5 at position 1"),
        (([0, 1], [0, -2], [1.0, 2.0], (2, 2)), InvalidInputError, "column index -2"),
        (([0, 1], [0, -2], [1.0, 2.0]), InvalidInputError, "column index -2"),
        (([0, 1], [0], [1.0, 2.0]), InvalidInputError, "lengths 2, 1 and 2"),
        (([0, 1], [0, 1], [1.0]), InvalidInputError, "lengths 2, 2 and 1"),
        (([0, 1], [0, 1], ["a", "b"]), InvalidTypeError, "values must be numbers"),
        ((["a", "b"], [0, 1], [1.0, 2.0]), InvalidTypeError, "row indices must be integers"),
        (([0, 1], [0.0, 1.0], [1.0, 2.0]), InvalidTypeError, "column indices must be integers"),
        (([], [], []), InvalidInputError, "no entry is observed"),
        (([0, 1], [0, 1], [1.0, 2.0], "2x2"), InvalidTypeError, "shape must be a pair"),
        (([0, 1], [0, 1], [1.0, 2.0], (2, 0)), InvalidInputError, "n2 must be at least 1"),
        (([0, 1], [0, 1], [1.0, 2.0], (2.0, 2)), InvalidTypeError, "n1 must be an integer"),
        (([0, 1], [0, 1], [1.0, 2.0], (2**33, 2)), InvalidInputError, "32-bit"),
    ],
)
def test_bad_triples(args, error, message):
    with pytest.raises(error, match=message):
        ll.observed(*args)


@pytest.mark.parametrize("option", ["duplicates", "empty"])
def test_bad_choices(option):
    with pytest.raises(InvalidInputError, match=f"{option} must be 'raise' or"):
        ll.observed(ROWS, COLUMNS, VALUES, (2, 2), **{option: "drop"})


def test_the_callers_arrays_are_not_touched():
    i, j, v = np.array([1, 0, 1]), np.array([0, 0, 0]), np.array([1.0, 2.0, 3.0])
    for array in (i, j, v):
        array.flags.writeable = False
    ll.observed(i, j, v, (2, 1), duplicates="mean")
    ll.observed(i[:2], j[:2], v[:2], (2, 1))


# --- recipes and instances ---


def test_a_recipe_is_json_and_rebuilds_the_same_bits(sensing):
    recipe = sensing.recipe
    assert json.loads(recipe.to_json())["name"] == "sensing"
    again = ll.Recipe.from_json(recipe.to_json())
    np.testing.assert_array_equal(
        ll.problems.build(again).problem.data, ll.problems.build(recipe).problem.data
    )


def test_a_recipe_reads_like_a_call():
    recipe = ll.problems.completion((9, 8), 1, sampling=0.9, rng=3, empty="allow").recipe
    text = str(recipe)
    assert text.startswith("completion(shape=[9, 8], rank=1, ")
    again = eval(f"ll.problems.{text}", {"ll": ll})
    assert again.recipe == recipe


def test_bad_recipes():
    with pytest.raises(UnknownNameError, match="no problem named 'complete'; did you mean"):
        ll.problems.build(ll.Recipe("complete", {}, 0))
    parameters = {"shape": (9, 8), "rank": 1, "samplin": 0.9}
    with pytest.raises(UnknownNameError, match=r"parameter of completion .*'sampling'"):
        ll.problems.build(ll.Recipe("completion", parameters, 0))
    for text in ("{", "[]", '{"name": "completion"}', "nothing"):
        with pytest.raises(InvalidInputError, match="not the JSON text of a recipe"):
            ll.Recipe.from_json(text)


def test_the_truth_holds_what_observers_need(completion):
    truth = completion.truth
    np.testing.assert_allclose(truth.factors.singular_values(), truth.singular_values, rtol=1e-12)
    assert truth.corrupted is None
    noisy = ll.problems.completion((40, 30), 2, sampling=0.6, noise=0.1, rng=0)
    assert noisy.truth.f_min == pytest.approx(noisy.problem.objective(noisy.truth.factors))
    assert noisy.truth.f_min > 0


def test_rows_and_columns_with_few_entries_get_more():
    options = {"cond": 10, "oversampling": 1.1, "factors": "gaussian", "rng": 3}
    plain = ll.problems.completion((120, 80), 3, empty="allow", **options).problem.operator
    filled = ll.problems.completion((120, 80), 3, least=4, **options).problem.operator
    assert min(plain.row_counts.min(), plain.column_counts.min()) < 4
    assert min(filled.row_counts.min(), filled.column_counts.min()) >= 4
    assert plain.size == filled.size
    # Only as many entries as needed have moved.
    cells = [set((i * 80 + j).tolist()) for i, j in (plain.positions, filled.positions)]
    missing = sum(np.maximum(4 - c, 0).sum() for c in (plain.row_counts, plain.column_counts))
    assert 0 < len(cells[0] - cells[1]) <= missing


def test_too_few_entries_to_go_round():
    with pytest.raises(InvalidInputError, match="cannot put 9 into each row and column"):
        ll.problems.completion((40, 30), 2, sampling=0.2, least=9, rng=0)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("float64", 1e160), ("float64", 1e-150), ("float32", 1e-15), ("float32", 1e16)],
)
def test_data_whose_squares_leave_their_type(dtype, scale):
    instance = ll.problems.completion((30, 20), 2, sampling=0.6, dtype=dtype, rng=0)
    data = (instance.problem.data.astype(float) * scale).astype(dtype)
    with pytest.raises(InvalidInputError, match="Rescale them"):
        instance.problem.replace(data=data)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("float64", 1e100), ("float64", 1e-100), ("float32", 1e-7), ("float32", 1e10)],
)
@pytest.mark.parametrize("solver", ["altmin", "nonlinear_cg", "auto"])
def test_solutions_scale_with_the_data(dtype, scale, solver):
    instance = ll.problems.completion((40, 30), 2, cond=3, sampling=0.6, dtype=dtype, rng=0)
    problem = instance.problem
    scaled = problem.replace(data=problem.data * problem.data.dtype.type(scale))
    result = ll.solve(scaled, solver, rank=2)
    assert result.converged
    X = result.factors
    error = ll.Factors(X.left.astype(float) / scale, X.right.astype(float)).distance(
        instance.truth.factors
    )
    assert error < (1e-3 if dtype == "float32" else 1e-9)
