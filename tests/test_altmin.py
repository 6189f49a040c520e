"""Over-relaxation of alternating minimisation."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import InvalidInputError
from lowrank_la.solvers import AltMin
from lowrank_la.solvers._over_relaxation import relaxed_rate

COMPLEX = {"dtype": "complex128"}


def instance(n=120, rank=4, oversampling=2.5, **options):
    return ll.problems.completion((n, n - 20), rank, oversampling=oversampling, rng=1, **options)


def dense_solve(problem, fixed, ridge, *, side):
    """Least squares for all rows of one factor, row by row."""
    i, j = problem.operator.positions
    data = problem.data if side == "left" else problem.data.conj()
    mine, other = (i, j) if side == "left" else (j, i)
    rows = []
    for k in range(problem.shape[0 if side == "left" else 1]):
        v = fixed[other[mine == k]].conj()
        gram = v.conj().T @ v + ridge * np.eye(fixed.shape[1])
        rows.append(np.linalg.solve(gram, v.conj().T @ data[mine == k]))
    return np.array(rows)


@pytest.mark.parametrize("ridge", [0.0, 0.1])
@pytest.mark.parametrize("options", [{}, COMPLEX])
@pytest.mark.parametrize("reuse", [None, 0.0])
def test_sweeps_go_beyond_the_least_squares_solutions(ridge, options, reuse):
    """``R + w (solution - R)``, then ``L + w (solution - L)``; the basis does not matter.

    With `reuse` in one pass; without it this is too small for that.
    """
    case = instance(60, 2, 4, **options)
    problem, w = case.problem, 1.3
    start = ll.initial.near(case, distance=0.3, rng=0)
    solver = AltMin(relaxation=w, ridge=ridge, reuse=reuse)
    state = solver.init(problem, start)
    L, R = start.left, start.right
    for _ in range(5):
        solver.advance(problem, state, 1)
        R = R + w * (dense_solve(problem, L, ridge, side="right") - R)
        L = L + w * (dense_solve(problem, R, ridge, side="left") - L)
        X = solver.factors(state).to_dense()
        np.testing.assert_allclose(X, L @ R.conj().T, atol=1e-10 * np.abs(X).max())


@pytest.mark.parametrize("seed", [0, 1])
def test_fewer_sweeps_where_plain_ones_are_slow(seed):
    case = ll.problems.completion((300, 300), 5, oversampling=2.5, rng=seed)
    counts = {
        relaxation: ll.solve(
            case, "altmin", relaxation=relaxation, tol=0, max_iter=200
        ).trace.first("rel_error", 1e-6)
        for relaxation in (1.0, "adaptive")
    }
    assert counts["adaptive"] < 0.55 * counts[1.0], counts


@pytest.mark.parametrize("relaxation", ["adaptive", 0.6, 1.7])
@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("reuse", [None, 0.1])
def test_the_objective_never_rises(relaxation, ridge, reuse):
    case = instance(oversampling=1.5)
    trace = ll.solve(
        case, "altmin", relaxation=relaxation, ridge=ridge, reuse=reuse, max_iter=60, tol=0,
        start="small_random", init_scale=0.1,
    ).trace  # fmt: skip
    objective = trace["objective"]
    assert np.all(np.diff(objective) <= 1e-12 * objective[:-1] + 1e-25 * objective[0])


def test_the_relaxation_that_is_found_is_close_to_the_best():
    case = ll.problems.completion((300, 300), 5, oversampling=2.5, rng=0)
    truth = case.truth.factors
    rate = AltMin(relaxation=1.0).local_rate(case.problem, truth)
    best = 2 / (1 + np.sqrt(1 - rate))
    solver = AltMin()
    state = solver.init(case.problem, ll.initial.spectral(case.problem, 5))
    found = []
    for _ in range(16):
        solver.advance(case.problem, state, 1)
        found.append(state.relaxation)
    assert found[:2] == [1.0, 1.0]
    assert abs(np.mean(found[-6:]) - best) < 0.12, (best, found)


@pytest.mark.parametrize("relaxation", [0.8, 1.1, 1.6])
def test_predicted_rate_of_relaxed_sweeps(relaxation):
    case = ll.problems.completion((60, 60), 2, sampling=0.35, rng=0)
    solver = AltMin(relaxation=relaxation)
    predicted = solver.local_rate(case.problem, case.truth.factors)
    start = ll.initial.near(case, distance=0.02, rng=0)
    error = ll.solve(case, solver, start=start, max_iter=400).trace["rel_error"]
    late = np.flatnonzero((error < 1e-4) & (error > 1e-11))
    measured = (error[late[-1]] / error[late[0]]) ** (1 / (late[-1] - late[0]))
    assert measured == pytest.approx(predicted, rel=0.1)


def test_no_rate_is_predicted_for_adaptive_relaxation():
    case = instance()
    assert AltMin().local_rate(case.problem, case.truth.factors) is None
    assert AltMin(relaxation=1.0).local_rate(case.problem, case.truth.factors) < 1


def test_relation_of_rates():
    assert relaxed_rate(0.36, 1.0) == pytest.approx(0.36)
    best = 2 / (1 + np.sqrt(1 - 0.36))
    assert relaxed_rate(0.36, best) == pytest.approx(best - 1, abs=1e-6)
    assert relaxed_rate(0.36, 1.5) == 0.5


@pytest.mark.parametrize(
    "options",
    [{}, {"ridge": 0.05}, {"reuse": 0.1}, {"reuse": 0.1, "ridge": 0.05}, {"relaxation": 1.2}],
)
@pytest.mark.parametrize("first", [2, 10])
def test_states_go_on_where_they_were(options, first):
    """Both where the normal matrices are new and where they are those of an earlier sweep."""
    case = instance(oversampling=4)
    before = ll.solve(case, "altmin", max_iter=first, tol=0, **options)
    assert (before.state.drift > 0) == (first == 10 and "reuse" in options)
    second = ll.solve(case, "altmin", start=before, max_iter=16, tol=0, **options)
    whole = ll.solve(case, "altmin", max_iter=16, tol=0, **options)
    assert np.array_equal(second.factors.left, whole.factors.left)
    assert second.state.relaxation == whole.state.relaxation
    rows = slice(1, second.trace.n_rows)
    np.testing.assert_array_equal(
        second.trace["objective"][rows], whole.trace["objective"][first + 1 :]
    )


def test_reaches_rounding_accuracy():
    """Relaxation does not amplify rounding errors at the end, in neither precision."""
    for dtype, bar in (("float64", 1e-13), ("float32", 3e-5)):
        case = ll.problems.completion((200, 200), 3, sampling=0.15, dtype=dtype, rng=0)
        result = ll.solve(case, "altmin", tol=0, max_iter=120)
        assert result.trace["rel_error"][-1] < bar


@pytest.mark.parametrize("value", [0, 2, -1.0, 2.5, "fast"])
def test_relaxations_that_do_not_converge_are_refused(value):
    with pytest.raises(InvalidInputError, match=r"relaxation must .*\(0, 2\)"):
        AltMin(relaxation=value)


@pytest.mark.parametrize("cond", [1.0, 10.0])
def test_matrices_that_serve_again_cost_no_sweeps(cond):
    case = ll.problems.completion(
        (300, 250), 5, oversampling=4, cond=cond, spectrum="geometric", rng=0
    )
    runs = {
        reuse: ll.solve(case, "altmin", reuse=reuse, max_iter=60, observe=drift)
        for reuse in (0.0, 0.1)
    }
    counts = {k: run.trace.first("rel_error", 1e-10) for k, run in runs.items()}
    assert abs(counts[0.1] - counts[0.0]) <= 1, counts
    assert not runs[0.0].trace["drift"].any()
    used = runs[0.1].trace["drift"]
    assert np.count_nonzero(used) > len(used) // 3
    assert used.max() <= 0.1


def drift(view):
    return view.state.drift


def test_a_given_relaxation_solves_exactly_unless_told_otherwise():
    case = instance()
    for options, wanted in (({}, False), ({"reuse": 0.5}, True)):
        trace = ll.solve(
            case, "altmin", relaxation=1.1, max_iter=40, observe=drift, **options
        ).trace
        assert trace["drift"].any() == wanted


@pytest.mark.parametrize("options", [{}, {"ridge": 0.2}, {"reuse": 0.0}, {"relaxation": 1.2}])
def test_what_is_known_at_the_factors(options):
    """The objective and the right gradient are those of the factors, the left one nearly."""
    case = instance(oversampling=4)
    problem = case.problem
    solver = AltMin(**options)
    state = solver.init(problem, ll.initial.spectral(problem, 4))
    for k in range(14):
        at = solver.evaluation(problem, state)
        fresh = solver.init(problem, solver.factors(state))
        size = np.linalg.norm(fresh.right_gradient) + np.linalg.norm(fresh.left_gradient)
        rounding = 1e-14 * np.linalg.norm(problem.data)
        assert at.value == pytest.approx(fresh.value, rel=1e-9)
        assert np.linalg.norm(at.right - fresh.right_gradient) <= 1e-8 * size + rounding
        loose = 0.1 if state.drift > 0 else 1e-8
        assert np.linalg.norm(at.left - fresh.left_gradient) <= loose * size + rounding, k
        solver.advance(problem, state, 1)


def test_a_sweep_that_would_raise_the_objective_is_done_again():
    """Matrices of another problem's entries are of no use: the objective falls nonetheless."""
    case = instance(oversampling=3)
    solver = AltMin(reuse=0.5)
    state = solver.init(case.problem, ll.initial.spectral(case.problem, 4))
    while state.drift == 0:
        solver.advance(case.problem, state, 1)
    # Ten times too small: steps are a hundred times too long.
    state.kept_left, state.kept_right = (10 * kept for kept in (state.kept_left, state.kept_right))
    before = state.value
    solver.advance(case.problem, state, 1)
    assert state.value <= before
    assert state.drift == 0


@pytest.mark.parametrize("value", [-0.1, "often"])
def test_a_bad_reuse(value):
    with pytest.raises((InvalidInputError, ll.errors.InvalidTypeError), match="reuse"):
        AltMin(reuse=value)


def test_the_objective_never_rises_where_reuse_is_given_up():
    rng = np.random.default_rng(29)
    n1, n2 = int(rng.integers(6, 80)), int(rng.integers(6, 80))
    r = int(rng.integers(1, 4))
    scales = np.array([1, 0.3, 0.05])[:r]
    X = rng.standard_normal((n1, r)) * scales @ rng.standard_normal((r, n2))
    i, j = np.nonzero(rng.random((n1, n2)) < rng.uniform(0.35, 1.0))
    y = X[i, j] + 0.1 * rng.standard_normal(i.size)
    problem = ll.observed(i, j, y, (n1, n2), empty="allow")
    objective = ll.solve(problem, "altmin", rank=r, max_iter=400).trace["objective"]
    assert (np.diff(objective) <= 1e-12 * objective[:-1]).all()


@pytest.mark.filterwarnings("ignore::lowrank_la.errors.UnderdeterminedWarning")
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("ridge", [0.0, 1e-3])
def test_rows_and_columns_without_entries_are_zero_whatever_the_start(dtype, ridge):
    case = ll.problems.completion((30, 25), 2, sampling=0.6, rng=0, dtype=dtype)
    i, j = case.problem.operator.positions
    keep = (i != 4) & (j != 7)
    problem = ll.observed(i[keep], j[keep], case.problem.data[keep], (30, 25), empty="allow")
    rng = np.random.default_rng(3)
    start = ll.Factors(*(rng.standard_normal((n, 2)).astype(dtype) for n in (30, 25)))
    found = ll.solve(problem, "altmin", rank=2, start=start, ridge=ridge).factors
    np.testing.assert_array_equal(found.left[4], 0)
    np.testing.assert_array_equal(found.right[7], 0)
    assert np.all(start.left[4])
