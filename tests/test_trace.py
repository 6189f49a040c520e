"""Views of single iterates, observers, and the trace of a run."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import InvalidInputError, InvalidTypeError, UnknownNameError
from lowrank_la.trace import OBSERVERS, Trace


def test_columns_of_a_run(sensing):
    trace = ll.solve(sensing, "scaledgd", max_iter=7, tol=0).trace
    assert list(trace) == ["iteration", "seconds", "objective", "rel_error"]
    np.testing.assert_array_equal(trace["iteration"], np.arange(8))
    assert trace["iteration"].dtype == int
    assert trace["seconds"][0] == 0.0
    assert np.all(np.diff(trace["seconds"]) > 0)
    assert trace.n_rows == 8
    assert len(trace) == 4
    bare = ll.solve(sensing.problem, "scaledgd", rank=2, max_iter=3, tol=0).trace
    assert "rel_error" not in bare
    assert bare.get("rel_error") is None
    assert bare.get("objective")[0] == trace["objective"][0]


def test_a_column_that_does_not_exist(sensing):
    trace = ll.solve(sensing, "gd", max_iter=2, tol=0).trace
    with pytest.raises(UnknownNameError, match="no trace column named 'rel_err'; did you mean"):
        trace["rel_err"]


def test_the_first_iteration_below_a_threshold(sensing):
    trace = ll.solve(sensing, "scaledgd", max_iter=60, tol=0).trace
    k = trace.first("rel_error", 1e-3)
    assert trace["rel_error"][k] <= 1e-3 < trace["rel_error"][k - 1]
    assert trace.first("rel_error", 0.0) is None
    sparse = ll.solve(sensing, "scaledgd", max_iter=60, tol=0, every=10).trace
    assert sparse.first("rel_error", 1e-3) == 10 * -(-k // 10)


def test_to_pandas(sensing):
    pytest.importorskip("pandas")
    trace = ll.solve(sensing, "gd", max_iter=3, tol=0).trace
    frame = trace.to_pandas()
    assert list(frame.columns) == list(trace)
    np.testing.assert_array_equal(frame["objective"], trace["objective"])
    assert frame["iteration"].dtype == int


def test_columns_survive_a_round_trip(sensing):
    trace = ll.solve(sensing, "gd", max_iter=3, tol=0).trace
    again = Trace.from_columns(dict(trace), trace.init_seconds)
    for name in trace:
        np.testing.assert_array_equal(again[name], trace[name])
    assert again.init_seconds == trace.init_seconds > 0
    empty = Trace()
    assert (len(empty), empty.n_rows) == (0, 0)


def test_views_and_traces_are_shown_in_a_line(sensing):
    views = list(ll.iterate(sensing, "gd", max_iter=2, tol=0))
    assert repr(views[2]).startswith("<View of iteration 2, ")
    trace = ll.solve(sensing, "gd", max_iter=2, tol=0).trace
    assert repr(trace) == "<Trace of 3 looks: iteration, seconds, objective, rel_error>"
    assert "\n" not in repr(views[0]) + repr(trace)


# --- observers ---


def test_every_observer_by_its_name(symmetric):
    trace = ll.solve(symmetric, "scaledgd", max_iter=40, tol=0, observe=list(OBSERVERS)).trace
    assert set(OBSERVERS) <= set(trace)
    assert all(np.isfinite(trace[name]).all() for name in OBSERVERS)


def test_objective_and_error_are_what_they_say(sensing):
    seen = []
    trace = ll.solve(
        sensing, "gd", max_iter=4, tol=0, callback=lambda view: seen.append(view.X)
    ).trace
    truth = sensing.truth.factors
    # The budget ends the run before the last look is shown.
    for k, X in enumerate(seen):
        assert trace["objective"][k] == pytest.approx(sensing.problem.objective(X), rel=1e-12)
        dense = np.linalg.norm(X.to_dense() - truth.to_dense()) / np.linalg.norm(truth.to_dense())
        assert trace["rel_error"][k] == pytest.approx(dense, rel=1e-10)


def test_the_step_of_each_iteration(sensing):
    fixed = ll.solve(sensing, "scaledgd", step_size=0.3, max_iter=3, tol=0, observe="step")
    np.testing.assert_allclose(fixed.trace["step"], [0.0, 0.3, 0.3, 0.3], rtol=0.1)
    free = ll.solve(sensing, "scaledgd", step_size="exact", max_iter=3, tol=0, observe="step")
    assert len(set(free.trace["step"][1:])) == 3
    none = ll.solve(
        ll.problems.completion((20, 15), 1, sampling=0.8, rng=0), "altmin", observe="step"
    )
    assert np.isnan(none.trace["step"]).all()


def test_imbalance(sensing):
    start = ll.initial.spectral(sensing.problem, 2)
    skewed = ll.Factors(3 * start.left, start.right / 3)
    result = ll.solve(sensing, "gd", start=skewed, max_iter=0, observe="imbalance")
    expected = np.linalg.norm(skewed.left.T @ skewed.left - skewed.right.T @ skewed.right)
    assert result.trace["imbalance"][0] == pytest.approx(expected)


def test_excess_singular_value(symmetric):
    result = ll.solve(
        symmetric, "scaledgd_lambda", rank=4, max_iter=0, start="spectral",
        observe="excess_singular_value",
    )  # fmt: skip
    values = result.factors.singular_values()
    expected = values[2] / symmetric.truth.singular_values[0]
    assert result.trace["excess_singular_value"][0] == pytest.approx(expected)
    larger = ll.problems.sensing(
        15, 2, measurements=300, symmetric=True, spectrum=[8.0, 4.0], rng=0
    )
    again = ll.solve(
        larger, "scaledgd_lambda", rank=4, max_iter=0, start="spectral",
        observe="excess_singular_value",
    )  # fmt: skip
    third = again.factors.singular_values()[2]
    assert again.trace["excess_singular_value"][0] == pytest.approx(third / 8.0)
    exact = ll.solve(symmetric, "gd", max_iter=0, observe="excess_singular_value")
    assert exact.trace["excess_singular_value"][0] == 0.0


def test_functions_and_mappings(sensing):
    def size(view):
        return view.X.norm()

    for observe, label in ((size, "size"), ([size], "size"), ({"|X|": size}, "|X|")):
        result = ll.solve(sensing, "gd", max_iter=3, tol=0, observe=observe)
        assert result.trace[label][-1] == pytest.approx(result.factors.norm())
    mixed = {"a": "stationarity", "b": size, "c": lambda view: view.iteration**2}
    trace = ll.solve(sensing, "gd", max_iter=3, tol=0, observe=mixed).trace
    np.testing.assert_array_equal(trace["c"], [0, 1, 4, 9])
    assert trace["a"][0] > 0
    both = ll.solve(sensing, "gd", max_iter=1, tol=0, observe=["imbalance", size]).trace
    assert {"imbalance", "size"} <= set(both)


def test_numpy_scalars_and_flags_are_numbers(sensing):
    observe = {"flag": lambda view: view.rel_error < 1, "zero_d": lambda view: np.array(3.0)}
    trace = ll.solve(sensing, "gd", max_iter=1, tol=0, observe=observe).trace
    assert trace["zero_d"][0] == 3.0
    assert trace["flag"][0] in (0.0, 1.0)


def test_observers_see_the_truth_and_solvers_do_not(sensing):
    seen = []
    ll.solve(sensing, "gd", max_iter=1, tol=0, callback=lambda view: seen.append(view.truth))
    assert seen[0] is sensing.truth
    views = list(ll.iterate(sensing.problem, "gd", rank=2, max_iter=1, tol=0))
    assert views[0].truth is None
    with pytest.raises(InvalidInputError, match="rel_error needs the truth"):
        _ = views[0].rel_error


@pytest.mark.parametrize(
    ("observe", "error", "message"),
    [
        ("rel_err", UnknownNameError, "no observer named 'rel_err'; did you mean 'rel_error'"),
        (["objective", "nope"], UnknownNameError, "no observer named 'nope'"),
        ({"x": "nope"}, UnknownNameError, "no observer named 'nope'"),
        ({"x": 3}, InvalidTypeError, "an observer must be a name or a function, got 3"),
        (3, InvalidTypeError, "observe must be names or functions"),
        ([lambda v: 1, lambda v: 2], InvalidInputError, "two columns .*<lambda>.* labels"),
        ({"seconds": lambda v: 1}, InvalidInputError, "two columns .*'seconds'"),
        (lambda v: "much", InvalidTypeError, "must return a number, got 'much'"),
        ({"x": lambda v: v.X.left}, InvalidTypeError, "the observer 'x' must return a number"),
    ],
)
def test_bad_observers(sensing, observe, error, message):
    with pytest.raises(error, match=message):
        ll.solve(sensing, "gd", max_iter=1, observe=observe)


@pytest.mark.parametrize("name", ["rel_error", "excess_singular_value"])
def test_what_needs_the_truth_says_so(sensing, name):
    with pytest.raises(InvalidInputError, match=f"{name} needs the truth: solve an Instance"):
        ll.solve(sensing.problem, "gd", rank=2, max_iter=1, observe=name)


def test_costly_quantities_are_computed_only_when_asked_for(completion):
    operator = ll.operators.Counted(completion.problem.operator)
    problem = completion.problem.replace(operator=operator)
    for view in ll.iterate(problem, "robust_altmin", rank=2, max_iter=3, tol=0, every=3):
        operator.calls.clear()
        _ = view.iteration, view.seconds, view.X, view.objective
        assert not operator.calls
        _ = view.gradient
        assert sum(operator.calls.values()) == 1
