"""Bad input: one clear error of the package's own tree for each kind of it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import errors, operators
from lowrank_la.analysis.compare import Comparison
from lowrank_la.errors import LowRankError, UnderdeterminedWarning

ROWS, COLUMNS, VALUES = [0, 0, 1], [0, 1, 1], [1.0, 2.0, 4.0]


def instance():
    return ll.problems.completion((20, 15), 2, sampling=0.7, rng=0)


# What was done wrong -> the call, and what the message must hold.
WRONG = {
    "NaN in the data": (
        lambda: ll.observed(ROWS, COLUMNS, [1.0, np.nan, 2.0]),
        ["1 NaN or infinite value", "position 1"],
    ),
    "infinite data": (
        lambda: ll.Problem(operators.FullObservation((1, 2)), [np.inf, 1.0]),
        ["1 NaN or infinite value", "position 0"],
    ),
    "an infinite cell of a table": (
        lambda: ll.complete(np.array([[np.inf, 1.0], [2.0, 3.0]])),
        ["NaN or infinite"],
    ),
    "an infinite measurement matrix": (
        lambda: operators.GaussianSensing(np.full((2, 3, 3), np.inf)),
        ["NaN or infinite"],
    ),
    "an empty row": (
        lambda: ll.observed(ROWS, COLUMNS, VALUES, (3, 2)),
        ["1 row without any observed entry (2)", "empty='allow'"],
    ),
    "an empty column": (
        lambda: ll.observed([0, 0, 1, 1], [0, 1, 0, 1], np.ones(4), (2, 4)),
        ["2 columns without any observed entry (2, 3)"],
    ),
    "labels in the place of indices": (
        lambda: ll.observed([1, 2, 2 * 10**9], COLUMNS, VALUES),
        ["3 entries cannot reach all rows and columns of a 2000000001 x", "numbered"],
    ),
    "an empty row of a draw": (
        lambda: ll.problems.completion((50, 40), 1, sampling=0.03, rng=0),
        ["rows without any observed entry"],
    ),
    "an index outside the shape": (
        lambda: ll.observed(ROWS, [0, 7, 1], VALUES, (2, 2)),
        ["column index 7 at position 1", "2 x 2"],
    ),
    "a negative index": (lambda: ll.observed([0, 0, -1], COLUMNS, VALUES), ["row index -1"]),
    "duplicates": (
        lambda: ll.observed([0, 0, 0], [0, 1, 1], VALUES, (1, 2)),
        ["1 position listed more than once", "(0, 1)", "duplicates='mean'"],
    ),
    "duplicates in a table": (
        lambda: ll.complete(([0, 0, 0], [0, 1, 1], VALUES), rank=1),
        ["1 cell listed more than once", "row 0, column 1", "duplicates='mean'"],
    ),
    "a rank above the shape": (
        lambda: ll.solve(instance(), "gd", rank=16),
        ["rank 16 is larger than the shape 20 x 15 allows", "at most 15"],
    ),
    "a truth of a rank above the shape": (
        lambda: ll.problems.sensing(4, 5, measurements=10),
        ["rank 5 is larger than the shape 4 x 4"],
    ),
    "rank zero": (lambda: ll.solve(instance(), "gd", rank=0), ["rank must be at least 1, got 0"]),
    "a truth of rank zero": (
        lambda: ll.problems.completion((5, 5), 0, sampling=0.9),
        ["rank must be at least 1, got 0"],
    ),
    "lengths of triples that differ": (
        lambda: ll.observed([0, 1], COLUMNS, VALUES),
        ["lengths 2, 3 and 3"],
    ),
    "data of another length": (
        lambda: ll.Problem(operators.FullObservation((2, 2)), np.ones(5)),
        ["data has length 5, expected 4"],
    ),
    "weights of another length": (
        lambda: operators.Weighted(operators.FullObservation((2, 2)), [1.0]),
        ["weights has length 1, expected 4"],
    ),
    "factors that do not match": (
        lambda: ll.Factors(np.ones((3, 2)), np.ones((4, 3))),
        ["left has 2 columns and right has 3"],
    ),
    "curves of different length": (lambda: ll.fit_rate([1, 2, 3], [1, 2]), ["one length"]),
    "text as data": (
        lambda: ll.observed(ROWS, COLUMNS, ["1", "2", "3"]),
        ["values must be numbers"],
    ),
    "text as a rank": (lambda: ll.solve(instance(), "gd", rank="2"), ["rank must be an integer"]),
    "text as a step": (
        lambda: ll.solve(instance(), "gd", step_size="long"),
        ["no step rule named 'long'"],
    ),
    "text as an index": (
        lambda: ll.observed(["a", "b", "c"], COLUMNS, VALUES),
        ["row indices must be integers"],
    ),
    "text as a share": (
        lambda: ll.problems.completion((9, 9), 1, sampling="half"),
        ["sampling must be a number, got 'half'"],
    ),
    "an unknown solver": (
        lambda: ll.solve(instance(), "scaled_gd"),
        ["no solver named 'scaled_gd'", "did you mean 'scaledgd'"],
    ),
    "an unknown option": (
        lambda: ll.solve(instance(), "scaledgd_lambda", dampin=0.1),
        ["no option of scaledgd_lambda named 'dampin'", "did you mean 'damping'"],
    ),
    "an unknown start": (
        lambda: ll.solve(instance(), "gd", start="small-random"),
        ["no start named 'small-random'", "did you mean 'small_random'"],
    ),
    "an unknown problem": (
        lambda: ll.problems.problem_info("complete"),
        ["no problem named 'complete'", "did you mean 'completion'"],
    ),
    "a solver that cannot take the problem": (
        lambda: ll.solve(ll.problems.sensing(6, 1, measurements=40, rng=0), "altmin"),
        ["altmin needs operator.row_solve", "GaussianSensing", "these can: ", " convex, ", " gd, "],
    ),
    "a loss that the solver cannot take": (
        lambda: ll.solve(instance().problem.replace(loss=ll.losses.Absolute()), "gd", rank=2),
        ["gd needs a smooth loss, got Absolute", "these can: ", "convex"],
    ),
    "a loss that nobody can take": (
        lambda: ll.solve(
            instance().problem.replace(loss=type("Odd", (ll.losses.Absolute,), {})(), nuclear=1.0),
            "gd",
            rank=2,
        ),
        ["gd needs a smooth loss, got Odd"],
    ),
    "a file that is not there": (lambda: ll.load("nothing.npz"), ["no file nothing.npz"]),
    "a race that is not there": (lambda: Comparison.load("nothing.npz"), ["no file nothing.npz"]),
    "a file of something else": (lambda: ll.load(__file__), ["was not written by lowrank_la"]),
    "too many measurement matrices": (
        lambda: ll.problems.sensing(1000, 1, measurements=10**6),
        ["take 8000.0 GB", "limit of 16.0 GB"],
    ),
    "no measurement": (
        lambda: ll.problems.sensing(5, 1, measurements=0),
        ["measurements must be at least 1, got 0"],
    ),
    "both ways to say how many": (
        lambda: ll.problems.completion((9, 9), 1, sampling=0.5, oversampling=2.0),
        ["exactly one of sampling and oversampling"],
    ),
    "more samples than entries": (
        lambda: ll.problems.completion((9, 9), 3, oversampling=10.0),
        ["asks for 450 of 81 entries"],
    ),
    "a condition number below one": (
        lambda: ll.problems.sensing(5, 1, measurements=30, cond=0.5),
        ["cond must lie in [1, 1e+16], got 0.5"],
    ),
    "singular values that are no match": (
        lambda: ll.problems.sensing(5, 2, measurements=30, spectrum=[1.0]),
        ["spectrum has length 1, expected 2"],
    ),
    "an unknown spectrum": (
        lambda: ll.problems.sensing(5, 2, measurements=30, spectrum="flat"),
        ["spectrum must be 'linear', 'geometric' or an array, got 'flat'"],
    ),
    "a spectrum and a condition number": (
        lambda: ll.problems.sensing(5, 2, measurements=30, spectrum=[2.0, 1.0], cond=3),
        ["not both"],
    ),
    "an unknown data type": (
        lambda: ll.problems.sensing(5, 1, measurements=30, dtype="float16"),
        ["dtype must be float64, float32, complex128 or complex64, got float16"],
    ),
    "a storage type that does not fit": (
        lambda: ll.problems.sensing(5, 1, measurements=30, storage="complex64"),
        ["storage complex64 does not fit float64"],
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_one_clear_error(what, tmp_path, monkeypatch):
    call, words = WRONG[what]
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LowRankError) as seen:
            call()
    text = str(seen.value)
    assert "\n" not in text
    for word in words:
        assert word in text
    assert not list(tmp_path.iterdir())


def test_too_few_measurements_are_a_warning_with_the_count():
    few = ll.problems.sensing((20, 10), 3, measurements=40, rng=0)
    with pytest.warns(UnderdeterminedWarning, match="40 measurements for the 81 degrees"):
        ll.solve(few, "gd", max_iter=1)


@pytest.mark.parametrize(("unseen", "told"), [(1.0, False), (1000.0, True)])
def test_a_solution_that_the_data_do_not_determine_is_a_warning(unseen, told):
    # Two blocks that share no row or column: their scales against each other are free.
    rows, columns = [0, 0, 1, 1, 2, 2, 3, 3], [0, 1, 0, 1, 2, 3, 2, 3]
    problem = ll.observed(rows, columns, [1.0, 2.0, 2.0, 4.0] * 2, (4, 4))
    left = np.array([1.0, 2.0, unseen, 2.0 * unseen])
    right = np.array([1.0, 2.0, 1.0 / unseen, 2.0 / unseen])
    start = ll.Factors(left[:, None], right[:, None])
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert ll.solve(problem, "altmin", start=start).converged
    assert [w.category for w in seen] == [UnderdeterminedWarning] * told
    assert all("they do not determine it" in str(w.message) for w in seen)


def test_all_errors_are_documented_and_exported():
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert kind.__doc__
        assert issubclass(kind, LowRankError | errors.LowRankWarning)
    assert issubclass(errors.LowRankWarning, UserWarning)
    for name in ("ConvergenceWarning", "UnderdeterminedWarning"):
        assert issubclass(getattr(errors, name), errors.LowRankWarning)
