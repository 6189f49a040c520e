"""Rows and columns that the data leave open: found whatever the solver, named, and saved."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.driver._undetermined import in_words, open_lines
from lowrank_la.errors import UnderdeterminedWarning

RANK, SHAPE = 3, (50, 40)


def instance(dtype="float64", **options):
    return ll.problems.completion(
        SHAPE, RANK, cond=2, sampling=0.5, factors="gaussian", dtype=dtype, rng=1, **options
    )


def without(problem, *, row=None, column=None, left=2):
    """The problem with all but `left` entries of a row and a column taken away."""
    i, j = problem.operator.positions
    keep = np.ones(i.size, bool)
    for index, number in ((i, row), (j, column)):
        if number is not None:
            keep &= (index != number) | (np.cumsum(keep & (index == number)) <= left)
    return ll.observed(i[keep], j[keep], problem.data[keep], SHAPE, empty="allow")


@pytest.mark.parametrize(
    "solver", ["auto", "altmin", "gauss_newton", "rank_path", "scaledgd", "nonlinear_cg"]
)
def test_every_solver_tells(solver):
    case = instance()
    with pytest.warns(UnderdeterminedWarning, match="leave row 7 of the matrix open") as seen:
        result = ll.solve(without(case.problem, row=7), solver, rank=RANK)
    assert seen[0].filename == __file__
    # The run did what it was asked to, and all other rows are right.
    assert result.status is ll.Status.CONVERGED
    assert result.reason.endswith("; but the data leave row 7 open")
    assert result.parts["undetermined_rows"].tolist() == [7]
    assert result.parts["undetermined_columns"].size == 0
    error = np.delete(result.factors.to_dense() - case.truth.factors.to_dense(), 7, axis=0)
    assert np.linalg.norm(error) < 1e-9 * case.truth.factors.norm()


@pytest.mark.parametrize("dtype", ["float32", "complex64", "complex128"])
@pytest.mark.parametrize("left", [0, 2])
def test_rows_and_columns_of_any_type(dtype, left):
    problem = without(instance(dtype).problem, row=7, column=3, left=left)
    with pytest.warns(UnderdeterminedWarning, match="leave row 7 and column 3 of"):
        result = ll.solve(problem, "altmin", rank=RANK)
    assert result.parts["undetermined_rows"].tolist() == [7]
    assert result.parts["undetermined_columns"].tolist() == [3]


@pytest.mark.parametrize("tol", [None, 1e-4])
def test_entries_that_say_the_same_are_few_however_many(tol):
    """All that is seen of a row lies in columns that are multiples of each other."""
    case = instance(noise=0.0)
    X = case.truth.factors
    right = X.right.copy()
    right[:12] = np.outer(np.arange(1.0, 13.0), right[0])
    truth = ll.Factors(X.left, right)
    i, j = case.problem.operator.positions
    i, j = i[(i != 7) | (j < 12)], j[(i != 7) | (j < 12)]
    problem = ll.observed(i, j, truth.to_dense()[i, j], SHAPE)
    assert np.count_nonzero(i == 7) > RANK
    with pytest.warns(UnderdeterminedWarning, match="leave row 7 of"):
        ll.solve(problem, "altmin", rank=RANK, tol=tol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_many_entries_as_unknowns_are_enough(dtype):
    problem = without(instance(dtype).problem, row=7, column=3, left=RANK)
    result = ll.solve(problem, "gauss_newton", rank=RANK)
    assert result.converged
    assert result.parts["undetermined_rows"].size == 0


def test_symmetric_entries_count_in_both_directions():
    factor = np.random.default_rng(0).standard_normal((30, 2))
    i, j = np.triu_indices(30)
    keep = (i != 5) & (j != 5)
    i, j = np.append(i[keep], [5]), np.append(j[keep], [20])
    problem = ll.observed(i, j, (factor @ factor.T)[i, j], (30, 30), empty="allow")
    problem = problem.replace(symmetric=True)
    found = open_lines(problem, ll.Factors(factor, factor))
    assert [k.tolist() for k in found.values()] == [[5], [5]]
    i, j = np.append(i, 5), np.append(j, 21)
    both = ll.observed(i, j, (factor @ factor.T)[i, j], (30, 30), empty="allow")
    both = both.replace(symmetric=True)
    assert not any(k.size for k in open_lines(both, ll.Factors(factor, factor)).values())


def test_weights_close_what_the_data_leave_open():
    problem = without(instance().problem, row=7)
    ridged = ll.solve(problem, "altmin", rank=RANK, ridge=1e-3)
    weighted = ll.solve(problem.replace(nuclear=1e-3), "gauss_newton", rank=RANK)
    for result in (ridged, weighted):
        assert result.converged
        assert "undetermined_rows" not in result.parts


def test_spare_columns_need_no_entries():
    """From a small start columns beyond the rank stay small; from a spectral one they do not."""
    problem = without(instance().problem, row=7, left=RANK + 1)
    result = ll.solve(
        problem, "scaledgd_lambda", rank=RANK + 3, stop=ll.stopping.Target("objective", 1e-10)
    )
    assert result.converged
    assert result.parts["undetermined_rows"].size == 0
    noise = 1e-3 * np.random.default_rng(0).standard_normal(problem.data.size)
    noisy = problem.replace(data=problem.data + noise)
    with pytest.warns(UnderdeterminedWarning, match="leave row"):
        ll.solve(noisy, "altmin", rank=RANK + 3, tol=1e-6)


def test_a_matrix_of_lower_rank_needs_as_many_entries_as_that_rank():
    case = instance()
    problem = without(case.problem, row=7, left=RANK)
    X = case.truth.factors
    wide = ll.Factors(*(np.hstack([f, np.zeros((len(f), 2))]) for f in (X.left, X.right)))
    result = ll.solve(problem, "gauss_newton", start=wide)
    assert result.converged
    assert result.parts["undetermined_rows"].size == 0


def test_operators_without_blocks_say_nothing(sensing):
    result = ll.solve(sensing, "scaledgd")
    assert result.converged
    assert "undetermined_rows" not in result.parts
    assert open_lines(sensing.problem, sensing.truth.factors) is None


def test_they_are_saved(tmp_path):
    with pytest.warns(UnderdeterminedWarning):
        result = ll.solve(without(instance().problem, row=7), "altmin", rank=RANK)
    result.save(tmp_path / "run.npz")
    again = ll.load(tmp_path / "run.npz")
    assert again.parts["undetermined_rows"].tolist() == [7]
    assert again.parts["undetermined_columns"].size == 0
    assert again.reason == result.reason


@pytest.mark.parametrize(
    ("rows", "columns", "text"),
    [
        ([7], [], "row 7"),
        ([], [3, 5], "columns 3, 5"),
        ([7], [3, 5], "row 7 and columns 3, 5"),
        (range(7), [1], "rows 0, 1, 2, 3, 4 and 2 more and column 1"),
        ([], [], ""),
    ],
)
def test_in_words(rows, columns, text):
    lines = {"undetermined_rows": np.array(rows), "undetermined_columns": np.array(columns)}
    assert in_words(lines) == text
