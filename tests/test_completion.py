"""ll.complete: tables in, completed tables out."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lowrank_la as ll
from lowrank_la import Status
from lowrank_la.errors import FileFormatError, InvalidInputError, InvalidTypeError, TooLargeError
from lowrank_la.estimators._effects import AdditiveEffects

posix = pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")


def table(n1=60, n2=40, rank=2, share=0.5, noise=0.1, seed=0):
    """Cells of mean + row + column + low rank + noise; and the whole of it."""
    rng = np.random.default_rng(seed)
    whole = 3.0 + rng.standard_normal((n1, 1)) + rng.standard_normal(n2)
    whole = whole + 2 * rng.standard_normal((n1, rank)) @ rng.standard_normal((rank, n2))
    seen = rng.random((n1, n2)) < share
    i, j = np.nonzero(seen)
    return i, j, whole[i, j] + noise * rng.standard_normal(i.size), whole


@pytest.fixture(scope="module")
def cells():
    return table()


def dense_of(i, j, v, shape):
    out = np.full(shape, np.nan)
    out[i, j] = v
    return out


def rmse(model, whole):
    return float(np.sqrt(np.mean((model.filled - whole) ** 2)))


# --- containers ---


def test_all_containers_give_the_same_answer(cells):
    sparse = pytest.importorskip("scipy.sparse")
    pandas = pytest.importorskip("pandas")
    i, j, v, whole = cells
    dense = dense_of(i, j, v, whole.shape)
    containers = {
        "triples": (i, j, v),
        "lists": (list(i), list(j), list(v)),
        "array": dense,
        "masked": np.ma.masked_array(np.nan_to_num(dense, nan=999.0), np.isnan(dense)),
        "masked, with holes": np.ma.masked_array(dense, np.isnan(dense)),
        "coo": sparse.coo_array((v, (i, j)), shape=whole.shape),
        "csr": sparse.csr_array((v, (i, j)), shape=whole.shape),
        "csc matrix": sparse.csc_matrix((v, (i, j)), shape=whole.shape),
        "frame": pandas.DataFrame(dense),
    }
    expected = ll.complete((i, j, v), rank=2).filled
    for name, container in containers.items():
        filled = ll.complete(container, rank=2).filled
        np.testing.assert_allclose(filled, expected, rtol=1e-10, err_msg=name)


def test_stored_zeros_are_observed():
    sparse = pytest.importorskip("scipy.sparse")
    stored = sparse.coo_array(([4.0, 0.0, 2.0, 3.0], ([0, 0, 1, 1], [0, 1, 0, 1])), shape=(2, 2))
    model = ll.complete(stored, rank=1)
    assert model.effects.mean == pytest.approx(2.25)


def test_a_sparse_table_is_not_written_to():
    sparse = pytest.importorskip("scipy.sparse")
    twice = sparse.coo_array(([1.0, 3.0, 5.0], ([0, 0, 1], [0, 0, 1])), shape=(2, 2))
    with pytest.raises(InvalidInputError, match="listed more than once"):
        ll.complete(twice, rank=1)
    assert twice.nnz == 3
    model = ll.complete(twice, rank=1, duplicates="mean")
    assert model.effects.mean == pytest.approx((2.0 + 5.0) / 2)


def test_arrays_are_not_written_to(cells):
    i, j, v, whole = cells
    dense = dense_of(i, j, v, whole.shape)
    for array in (i, j, v, dense):
        array.flags.writeable = False
    ll.complete((i, j, v), rank=1)
    ll.complete(dense, rank=1, holdout=0.1)
    for array in (i, j, v):
        array.flags.writeable = True


def test_labels_of_a_frame_are_kept():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        [[1.0, np.nan], [2.0, 3.0], [np.nan, 4.0]], index=["ann", "bob", "cat"], columns=["x", "y"]
    )
    model = ll.complete(frame, rank=1)
    assert list(model.row_labels) == ["ann", "bob", "cat"]
    assert list(model.column_labels) == ["x", "y"]
    assert ll.complete(frame.to_numpy(), rank=1).row_labels is None


def test_nullable_and_integer_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1, None, 3], "b": [2, 4, None]}, dtype="Int64")
    assert ll.complete(frame, rank=1).shape == (3, 2)
    assert ll.complete(pandas.DataFrame({"a": [1, 2], "b": [3, 4]}), rank=1).shape == (2, 2)


def test_another_value_can_mark_a_hole():
    given = np.array([[1.0, -99.0, 3.0], [2.0, 4.0, -99.0]])
    holes = np.where(given == -99, np.nan, given)
    a, b = ll.complete(given, missing=-99, rank=1), ll.complete(holes, rank=1)
    np.testing.assert_array_equal(a.filled, b.filled)
    whole = np.array([[1, 0], [2, 4]])
    assert ll.complete(whole, missing=0, rank=1).effects.mean == pytest.approx(7 / 3)


def test_shape_of_triples(cells):
    i, j, v, _ = cells
    assert ll.complete((i, j, v), rank=1).shape == (i.max() + 1, j.max() + 1)
    larger = ll.complete((i, j, v), shape=(100, 50), rank=1)
    assert larger.shape == (100, 50)
    # Of a row without any cell only the columns are known.
    column = larger.predict([99], [3])[0]
    assert column == pytest.approx(larger.effects.mean + larger.effects.columns[3])


# --- the model ---


def test_effects_and_low_rank_are_recovered(cells):
    i, j, v, whole = cells
    model = ll.complete((i, j, v), rank=2, max_iter=300, damping=0.1, ridge=0.01)
    assert model.converged
    assert rmse(model, whole) < 0.12
    without = ll.complete((i, j, v), rank=2, effects="none", max_iter=300, ridge=0.01)
    assert rmse(without, whole) > 2 * rmse(model, whole)


def test_each_kind_of_effects(cells):
    i, j, v, _ = cells
    none = ll.complete((i, j, v), rank=1, effects="none").effects
    assert none.mean == 0.0
    assert not none.rows.any()
    mean = ll.complete((i, j, v), rank=1, effects="mean").effects
    assert mean.mean == pytest.approx(v.mean())
    assert not mean.rows.any()
    both = ll.complete((i, j, v), rank=1).effects
    assert both.rows.any()
    assert both.columns.any()


def test_a_heavy_ridge_leaves_the_effects_alone(cells):
    i, j, v, whole = cells
    heavy = ll.complete((i, j, v), rank=2, ridge=1e3)
    assert heavy.factors.norm() < 1e-6 * np.linalg.norm(whole)
    norms = [ll.complete((i, j, v), rank=2, ridge=r).factors.norm() for r in (0.1, 0.5, 1.0)]
    assert norms == sorted(norms, reverse=True)


def test_the_ridge_has_no_unit(cells):
    i, j, v, _ = cells
    a = ll.complete((i, j, v), rank=2)
    b = ll.complete((i, j, 1000 * v - 7), rank=2)
    np.testing.assert_allclose(b.filled, 1000 * a.filled - 7, rtol=1e-6)
    assert b.ridge == pytest.approx(1000 * a.ridge, rel=1e-6)


def test_damping_shrinks_effects(cells):
    i, j, v, _ = cells
    sizes = [
        np.abs(ll.complete((i, j, v), rank=1, ridge=1e3, damping=d).effects.rows).sum()
        for d in (0.0, 5.0, 50.0)
    ]
    assert sizes == sorted(sizes, reverse=True)


def test_rank_and_its_default(cells):
    i, j, v, _ = cells
    assert ll.complete((i, j, v), rank=3).rank == 3
    assert ll.complete((i, j, v)).rank == 10
    assert ll.complete(np.arange(12.0).reshape(4, 3)).rank == 3
    with pytest.raises(InvalidInputError, match="rank 4 is larger than the shape 4 x 3 allows"):
        ll.complete(np.arange(12.0).reshape(4, 3), rank=4)


def test_bounds(cells):
    i, j, v, _ = cells
    middle = np.clip(v, 2, 4)
    free = ll.complete((i, j, middle), rank=2)
    assert free.bounds is None
    assert free.filled.max() > 4
    kept = ll.complete((i, j, middle), rank=2, bounds="observed")
    assert kept.bounds == (2.0, 4.0)
    np.testing.assert_array_equal(kept.filled, np.clip(free.filled, 2, 4))
    given = ll.complete((i, j, v), rank=2, bounds=(2.0, 3.0))
    assert given.filled.min() == 2.0
    rows, columns = (index.ravel() for index in np.indices(given.shape))
    np.testing.assert_allclose(given.predict(rows, columns), given.filled.ravel())


def test_stopping(cells):
    i, j, v, _ = cells
    short = ll.complete((i, j, v), rank=2, max_iter=3)
    assert (short.status, short.n_iter) == (Status.BUDGET, 3)
    assert not short.converged
    loose = ll.complete((i, j, v), rank=2, max_iter=500, tol=1e-1)
    tight = ll.complete((i, j, v), rank=2, max_iter=500, tol=1e-6)
    assert loose.converged
    assert tight.converged
    assert loose.n_iter < tight.n_iter


def test_progress(cells):
    i, j, v, _ = cells
    seen = []
    model = ll.complete(
        (i, j, v), rank=2, max_iter=9, tol=0, progress=lambda *what: seen.append(what)
    )
    assert [sweep for sweep, _ in seen] == list(range(1, 10))
    objectives = np.array([value for _, value in seen])
    assert np.all(np.diff(objectives) < 1e-6 * objectives[0])
    squares = np.sum((v - model.effects.at(i, j) - model.factors.entries(i, j)) ** 2)
    penalty = model.ridge * model.factors.singular_values().sum()
    effects = np.sum(model.effects.rows**2) + np.sum(model.effects.columns**2)
    assert objectives[-1] == pytest.approx(squares / 2 + penalty + 5.0 * effects / 2, rel=1e-3)


def test_a_table_that_the_effects_fit_exactly():
    exact = np.add.outer(np.arange(6.0), np.arange(5.0))
    exact[2, 3] = np.nan
    model = ll.complete(exact, damping=0)
    assert model.predict([2], [3])[0] == pytest.approx(5.0, abs=1e-6)
    flat = ll.complete(np.full((4, 3), 2.5))
    assert flat.converged
    assert flat.reason == "the effects alone fit all cells"
    np.testing.assert_array_equal(flat.filled, 2.5)


def test_one_cell():
    model = ll.complete(([0], [0], [3.0]))
    assert model.predict([0], [0])[0] == pytest.approx(3.0)


@settings(max_examples=25, deadline=None)
@given(
    n1=st.integers(1, 12),
    n2=st.integers(1, 12),
    share=st.floats(0.2, 1.0),
    rank=st.integers(1, 3),
    seed=st.integers(0, 10**6),
)
def test_any_small_table(n1, n2, share, rank, seed):
    rng = np.random.default_rng(seed)
    given = np.where(rng.random((n1, n2)) < share, rng.integers(1, 6, (n1, n2)), np.nan)
    given[0, 0] = 3.0
    model = ll.complete(given, rank=min(rank, n1, n2), bounds="observed")
    assert np.isfinite(model.filled).all()
    assert np.nanmin(given) <= model.filled.min()
    assert model.filled.max() <= np.nanmax(given)


# --- the hold-out ---


def test_the_score_is_that_of_a_fit_without_the_cells(cells):
    i, j, v, _ = cells
    model = ll.complete((i, j, v), rank=2, holdout=0.2, rng=0)
    score = model.score
    assert score.cells == round(0.2 * v.size)
    assert score.low_rank < score.additive < score.mean
    assert score.mean == pytest.approx(v.std(), rel=0.1)
    assert score.low_rank > 0.1
    # The model itself has seen all cells.
    alone = ll.complete((i, j, v), rank=2, rng=0)
    np.testing.assert_array_equal(model.filled, alone.filled)
    assert alone.score is None


def test_the_held_out_cells_follow_the_seed(cells):
    i, j, v, _ = cells
    scores = [ll.complete((i, j, v), rank=1, holdout=0.2, rng=r).score.mean for r in (0, 0, 1)]
    assert scores[0] == scores[1] != scores[2]


def test_the_additive_score_is_that_of_the_effects_alone(cells):
    i, j, v, _ = cells
    score = ll.complete((i, j, v), rank=1, ridge=1e6, holdout=0.3, rng=0).score
    assert score.low_rank == pytest.approx(score.additive, rel=1e-3)


def test_scores_are_clipped_like_predictions(cells):
    i, j, v, _ = cells
    clipped = np.clip(v, 2, 4)
    free = ll.complete((i, j, clipped), rank=2, holdout=0.2, rng=0).score
    kept = ll.complete((i, j, clipped), rank=2, holdout=0.2, rng=0, bounds=(2, 4)).score
    assert kept.additive < free.additive


# --- predictions and files ---


def test_predictions(cells):
    i, j, v, _ = cells
    model = ll.complete((i, j, v), rank=2)
    rows, columns = np.array([0, 59, 3]), np.array([39, 0, 3])
    np.testing.assert_allclose(model.predict(rows, columns), model.filled[rows, columns])
    assert model.predict([], []).shape == (0,)
    with pytest.raises(InvalidInputError, match="row index 60 at position 0 lies outside"):
        model.predict([60], [0])
    with pytest.raises(InvalidTypeError, match="row indices must be integers"):
        model.predict(["ann"], [0])


def test_nothing_of_the_size_of_the_table_is_formed():
    rng = np.random.default_rng(0)
    i, j = rng.integers(0, 200_000, 3000), rng.integers(0, 100_000, 3000)
    model = ll.complete((i, j, rng.random(3000)), shape=(200_000, 100_000), rank=1)
    assert model.predict(i[:5], j[:5]).shape == (5,)
    with pytest.raises(TooLargeError, match=r"200000 x 100000 matrix has 2e\+10 entries"):
        _ = model.filled


@pytest.mark.parametrize("labels", ["none", "text", "numbers"])
def test_a_model_comes_back_from_its_file(labels, cells, tmp_path):
    i, j, v, _ = cells
    given = (i, j, v)
    if labels != "none":
        pandas = pytest.importorskip("pandas")
        given = pandas.DataFrame(dense_of(i, j, v, (60, 40)))
        if labels == "text":
            given.index = [f"row {k}" for k in range(60)]
    model = ll.complete(given, rank=2, holdout=0.1, bounds=(0, 6))
    path = model.save(tmp_path / "model")
    assert path == tmp_path / "model.npz"
    again = ll.Completion.load(path)
    np.testing.assert_array_equal(again.filled, model.filled)
    for name in ("bounds", "ridge", "status", "reason", "n_iter", "seconds", "score"):
        assert getattr(again, name) == getattr(model, name)
    if labels == "none":
        assert again.row_labels is None
    else:
        np.testing.assert_array_equal(again.row_labels, model.row_labels)
        np.testing.assert_array_equal(again.column_labels, model.column_labels)


def test_a_file_of_something_else(tmp_path, sensing):
    ll.solve(sensing, "gd", max_iter=1).save(tmp_path / "run.npz")
    with pytest.raises(FileFormatError, match="holds a result, not a completed table"):
        ll.Completion.load(tmp_path / "run.npz")


def test_repr_says_what_matters(cells):
    i, j, v, _ = cells
    text = repr(ll.complete((i, j, v), rank=2, holdout=0.1))
    for word in ("60 x 40", "rank 2", "RMSE", "sweeps"):
        assert word in text


# --- bad input ---


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (np.full((3, 3), np.nan), InvalidInputError, "no cell of the table is observed"),
        (np.array([[1.0, np.inf], [2.0, 3.0]]), InvalidInputError, "1 NaN or infinite"),
        (([0, 1], [0, 1], [1.0, np.nan]), InvalidInputError, "1 NaN or infinite"),
        (([0, 1], [0, 1], [1.0]), InvalidInputError, "lengths 2, 2 and 1"),
        (([0, 1], [0, 1]), InvalidInputError, r"triples are \(i, j, values\), got 2 items"),
        (([0, -1], [0, 1], [1.0, 2.0]), InvalidInputError, "row index -1"),
        ((["a", "b"], [0, 1], [1.0, 2.0]), InvalidTypeError, "row indices must be integers"),
        (([0, 1], [0, 1], ["1", "2"]), InvalidTypeError, "the table's values must be numbers"),
        (([0, 1], [0, 1], [1j, 2.0]), InvalidTypeError, "real numbers, got complex"),
        ([["a", "b"]], InvalidTypeError, "a table holds real numbers, got dtype"),
        (np.ones(3), InvalidInputError, "a table has two dimensions"),
        (np.ones((2, 2, 2)), InvalidInputError, "a table has two dimensions"),
        ("ratings.csv", InvalidTypeError, "a table is data, got the path 'ratings.csv'"),
        (([], [], []), InvalidInputError, "no cell of the table is observed"),
    ],
)
def test_bad_tables(given, error, message):
    with pytest.raises(error, match=message):
        ll.complete(given, rank=1)


def test_bad_frames():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InvalidTypeError, match="column 'b' holds"):
        ll.complete(pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))
    with pytest.raises(InvalidTypeError, match="column 'when' holds datetime64"):
        ll.complete(pandas.DataFrame({"when": pandas.to_datetime(["2020-01-01", "2020-01-02"])}))


def test_duplicates_are_named_by_label_and_before_any_fit():
    pandas = pytest.importorskip("pandas")
    triples = ([0, 1, 0, 1, 1], [0, 1, 0, 0, 0], [1.0, 2.0, 3.0, 4.0, 5.0])
    with pytest.raises(InvalidInputError, match=r"2 cells .* row 0, column 0; .*'mean'"):
        ll.complete(triples, rank=1)
    # A hold-out could put the two into different parts.
    with pytest.raises(InvalidInputError, match="listed more than once"):
        ll.complete(triples, rank=1, holdout=0.4)
    assert ll.complete(triples, rank=1, duplicates="mean").effects.mean == pytest.approx(8.5 / 3)
    assert pandas is not None


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rank": 0}, InvalidInputError, "rank must be at least 1, got 0"),
        ({"rank": 3}, InvalidInputError, "rank 3 is larger than the shape 2 x 3"),
        ({"rank": "auto"}, InvalidTypeError, "rank must be an integer"),
        ({"ridge": -1.0}, InvalidInputError, "ridge must lie in"),
        ({"ridge": "1"}, InvalidTypeError, "ridge must be a number"),
        ({"damping": -1.0}, InvalidInputError, "damping must lie in"),
        ({"effects": "rows"}, InvalidInputError, "effects must be one of additive, mean, none"),
        ({"bounds": "seen"}, InvalidInputError, "bounds must be 'observed', a pair or None"),
        ({"bounds": (2, 1)}, InvalidInputError, "low < high"),
        ({"bounds": 3}, InvalidTypeError, "bounds must be a pair"),
        ({"bounds": ("a", "b")}, InvalidTypeError, "bounds must be a pair"),
        ({"holdout": 0.95}, InvalidInputError, "holdout must lie in"),
        ({"holdout": 0.01}, InvalidInputError, "holdout=0.01 of 5 cells leaves nothing"),
        ({"duplicates": "drop"}, InvalidInputError, "duplicates must be 'raise' or 'mean'"),
        ({"max_iter": 0}, InvalidInputError, "max_iter must be at least 1"),
        ({"tol": -1}, InvalidInputError, "tol must lie in"),
        ({"missing": "NA"}, InvalidTypeError, "missing must be the number"),
        ({"shape": (2, 3)}, InvalidInputError, "shape belongs to triples"),
        ({"rng": "x"}, InvalidTypeError, "rng must be what numpy"),
    ],
)
def test_bad_options(options, error, message):
    given = np.array([[1.0, 2.0, np.nan], [3.0, 4.0, 5.0]])
    with pytest.raises(error, match=message):
        ll.complete(given, **options)


@pytest.mark.parametrize("shape", [(1, 1), 1])
def test_triples_outside_the_shape(shape):
    with pytest.raises(InvalidInputError, match="row index 1 at position 1 lies outside"):
        ll.complete(([0, 1], [0, 0], [1.0, 2.0]), shape=shape, rank=1)


# --- Ctrl-C ---


@posix
@pytest.mark.parametrize("holdout", [0.0, 0.2])
def test_ctrl_c_keeps_what_there_is(holdout, cells):
    i, j, v, _ = cells

    def progress(sweep, objective):
        if sweep == 3:
            os.kill(os.getpid(), signal.SIGINT)

    model = ll.complete(
        (i, j, v), rank=2, tol=0, max_iter=10**6, holdout=holdout, progress=progress
    )
    assert model.status is Status.INTERRUPTED
    assert not model.converged
    assert model.n_iter == 3
    assert np.isfinite(model.filled).all()
    assert (model.score is not None) == bool(holdout)
    if holdout:
        assert model.score.low_rank < model.score.mean


@posix
def test_a_second_ctrl_c_raises(cells):
    i, j, v, _ = cells

    def progress(sweep, objective):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ll.complete((i, j, v), rank=2, tol=0, max_iter=10**6, progress=progress)


# --- additive effects ---


def test_additive_effects_solve_their_normal_equations():
    i, j, v, whole = table(12, 9, share=0.6)
    effects = AdditiveEffects.fit(i, j, v, whole.shape, damping=3.0, sweeps=500)
    residual = v - effects.at(i, j)
    for index, found in ((i, effects.rows), (j, effects.columns)):
        pull = np.bincount(index, residual, found.size)
        np.testing.assert_allclose(pull, 3.0 * found, atol=1e-8)
    assert effects.mean == pytest.approx(v.mean())
    given = AdditiveEffects.fit(i, j, v, whole.shape, mean=1.0)
    assert given.mean == 1.0
