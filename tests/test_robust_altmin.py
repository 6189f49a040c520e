"""Inexact alternating minimisation: its options, hard rows, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import (
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
    UnderdeterminedWarning,
)
from lowrank_la.solvers import RobustAltMin
from lowrank_la.solvers.robust_altmin import clipped

SMALL = {"sketch_size": 8}


def run(instance, **options):
    return ll.solve(instance, "robust_altmin", **({"max_iter": 10, "tol": 0} | options))


def test_accuracy_of_the_row_solves(completion):
    errors, inner = [], []
    for tol in (1e-2, 1e-4, 1e-8):
        result = run(completion, inexact_tol=tol, forcing=0.0, max_iter=30, **SMALL)
        errors.append(result.trace["rel_error"][-1])
        inner.append(result.parts["inner_iterations"])
        assert errors[-1] < 5 * tol
    assert errors == sorted(errors, reverse=True)
    assert inner == sorted(inner)


def test_forcing_saves_iterations_far_from_the_end():
    """Rank 12: a row's conjugate gradients would take up to 12 iterations."""
    case = ll.problems.completion((150, 120), 12, sampling=0.6, rng=0)
    cheap, dear = (
        run(case, forcing=f, max_iter=8, sketch_size=40).parts["inner_iterations"]
        for f in (0.5, 0.0)
    )
    assert cheap < 0.3 * dear
    assert run(case, forcing=0.5, max_iter=60).trace["rel_error"][-1] < 1e-8


def test_default_sketches_are_larger_than_short_rows(completion):
    """Rows of a dozen entries are solved exactly; with a smaller sketch they are not."""
    rows = sum(completion.problem.shape)
    assert run(completion, sketch_size=40).parts["exact_rows"] == 10 * rows
    assert run(completion, sketch_size=40).parts["inner_iterations"] == 0
    assert run(completion, sketch_size=11).parts["exact_rows"] < rows


@pytest.mark.parametrize("sketch", ["leverage", "srht"])
def test_sketches_and_their_seeds(completion, sketch):
    # One row sketches cannot be factored: all rows are solved exactly in the end.
    assert run(completion, sketch=sketch, sketch_size=1).trace["rel_error"][-1] < 1e-4
    runs = [run(completion, sketch=sketch, seed=seed, max_iter=3, **SMALL) for seed in (0, 0, 1)]
    assert np.array_equal(runs[0].factors.left, runs[1].factors.left)
    assert not np.array_equal(runs[0].factors.left, runs[2].factors.left)


def test_the_two_sketches_differ(completion):
    a, b = (run(completion, sketch=s, max_iter=2, **SMALL).factors for s in ("leverage", "srht"))
    assert not np.array_equal(a.left, b.left)


def test_a_spiky_factor_is_sketched_well():
    """One heavy row in each factor: sampling by norms finds it, and the answer is right."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((120, 3)), rng.standard_normal((100, 3))
    left[7] *= 300
    right[11] *= 300
    X = ll.Factors(left, right)
    i, j = np.nonzero(rng.random((120, 100)) < 0.7)
    problem = ll.observed(i, j, X.entries(i, j), (120, 100))
    start = ll.initial.near(ll.Instance.of(problem, X), distance=0.01, rng=0)
    for sketch in ("leverage", "srht"):
        options = {"start": start, "sketch": sketch, "max_iter": 60, "sketch_size": 20}
        result = run(ll.Instance.of(problem, X), **options)
        assert result.trace["rel_error"][-1] < 1e-6


def test_damping_moves_no_solution_and_slows_rows_down(completion):
    errors = [run(completion, damping=d).trace["rel_error"][-1] for d in (0.0, 1e-2, 1.0)]
    assert errors == sorted(errors)
    assert run(completion, damping=1.0, max_iter=80).trace["rel_error"][-1] < 1e-11


def test_damping_holds_back_rows_with_hardly_enough_entries():
    """Below the sampling threshold, where exact solves run away."""
    case = ll.problems.completion((300, 300), 5, cond=10, sampling=0.08, factors="gaussian", rng=2)
    loose, held = (run(case, damping=d, max_iter=40).trace["rel_error"][-1] for d in (0.0, 1e-2))
    assert loose > 2
    assert held < 0.3 * loose


def test_rows_with_fewer_entries_than_the_rank():
    case = ll.problems.completion((60, 50), 2, sampling=0.4, rng=0)
    i, j = case.problem.operator.positions
    # The first row keeps one entry, the second none.
    kept = (i > 1) | ((i == 0) & (j == j[i == 0][0]))
    operator = ll.operators.EntrySampling(i[kept], j[kept], (60, 50), empty="allow")
    problem = ll.Problem(operator, case.problem.data[kept])
    start = ll.initial.spectral(problem, 2)
    X = run(problem, start=start, max_iter=100, **SMALL).factors
    assert X.isfinite()
    gap = X.to_dense()[2:] - case.truth.factors.to_dense()[2:]
    assert np.abs(gap).max() < 1e-8
    # What nothing determines stays where it was: at zero.
    assert np.abs(X.to_dense()[1]).max() < 1e-8
    assert np.abs(problem.residual(X)).max() < 1e-8


@pytest.mark.parametrize("damping", [0.0, 1e-4])
def test_rows_and_columns_without_entries_become_zero(damping):
    """The start is large there; alternating minimisation does not keep it either."""
    case = ll.problems.completion((60, 50), 2, sampling=0.5, rng=0)
    i, j = case.problem.operator.positions
    kept = (i != 1) & (j != 4)
    operator = ll.operators.EntrySampling(i[kept], j[kept], (60, 50), empty="allow")
    problem = ll.Problem(operator, case.problem.data[kept])
    left, right = (np.array(f) for f in (case.truth.factors.left, case.truth.factors.right))
    left[1], right[4] = 100.0, -100.0
    start = ll.Factors(left, right)
    for size in (8, 40):
        options = {"start": start, "damping": damping, "sketch_size": size, "max_iter": 1}
        X = run(problem, **options).factors.to_dense()
        assert not X[1].any()
        assert not X[:, 4].any()
    # A part of the entries that does not see a row says nothing of it.
    solver = RobustAltMin(resample=40)
    with pytest.warns(UnderdeterminedWarning):
        state = solver.init(problem, case.truth.factors)
    solver.advance(problem, state, 2)
    norms = np.linalg.norm(solver.factors(state).to_dense(), axis=1)
    assert np.count_nonzero(norms == 0) == 1
    assert np.argmin(norms) == 1


def test_the_seed_of_the_sketches_is_not_that_of_the_start(completion):
    solver = RobustAltMin(seed=5)
    first, second = (
        ll.solve(completion, solver, start="small_random", rng=rng, max_iter=0) for rng in (0, 1)
    )
    assert not np.array_equal(first.factors.left, second.factors.left)
    assert run(completion, seed=5, rng=1, max_iter=1).solver.seed == 5


@pytest.mark.parametrize("dtype", ["float32", "complex64", "complex128"])
@pytest.mark.parametrize("sketch", ["leverage", "srht"])
def test_other_types(dtype, sketch):
    case = ll.problems.completion((80, 70), 3, sampling=0.6, dtype=dtype, rng=0)
    result = run(case, sketch=sketch, sketch_size=20, max_iter=40)
    assert result.factors.dtype == dtype
    assert result.parts["inner_iterations"] > 0
    limit = 1e-12 if dtype == "complex128" else 3e-6
    assert result.trace["rel_error"][-1] < limit


def test_clipping(completion):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((200, 3)))[0]
    even, core = clipped(basis)
    np.testing.assert_allclose(even, basis, atol=1e-12)
    np.testing.assert_allclose(core, np.eye(3), atol=1e-12)
    spiked = rng.standard_normal((200, 3))
    spiked[5] *= 100
    spiked = np.linalg.qr(spiked)[0]
    found, core = clipped(spiked)
    assert not found[5].any()
    np.testing.assert_allclose(found.T @ found, np.eye(3), atol=1e-12)
    np.testing.assert_allclose((found @ core)[6:], spiked[6:], atol=1e-12)
    start = ll.initial.spectral(completion.problem, 2)
    heavy = start.left.copy()
    heavy[3] *= 200
    spoilt = ll.Factors(heavy, start.right)
    errors = [
        run(completion, start=spoilt, clip=clip, max_iter=2).trace["rel_error"]
        for clip in (False, True)
    ]
    assert errors[1][0] < 0.1 * errors[0][0]
    assert errors[1][-1] < errors[0][-1]
    # A run that is continued is not clipped again.
    first = run(completion, start=spoilt, clip=True, max_iter=3)
    rest = run(completion, start=first, clip=True, max_iter=6)
    whole = run(completion, start=spoilt, clip=True, max_iter=6)
    assert np.array_equal(rest.factors.left, whole.factors.left)


def test_resampling_uses_each_part_once_in_turn(completion):
    """With one sweep the two halves are disjoint; they need not agree with the rest."""
    problem = completion.problem
    solver = RobustAltMin(resample=1, seed=3)
    parts = [solver._data(problem, half)[0].positions for half in range(3)]
    sets = [set(zip(*(p.tolist() for p in part), strict=True)) for part in parts]
    assert not sets[0] & sets[1]
    assert len(sets[0] | sets[1]) == problem.data.size
    assert sets[2] == sets[0]
    with pytest.warns(UnderdeterminedWarning, match="resample=1 leaves 3.. entries to each half"):
        run(completion, resample=1, max_iter=2)
    big = ll.problems.completion((200, 150), 2, sampling=0.9, rng=0)
    with pytest.warns(UnderdeterminedWarning):
        result = run(big, resample=2, max_iter=12)
    assert result.trace["rel_error"][-1] < 1e-6


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"inexact_tol": -1.0}, InvalidInputError),
        ({"inexact_tol": "low"}, InvalidTypeError),
        ({"forcing": 2.0}, InvalidInputError),
        ({"sketch": "countsketch"}, InvalidInputError),
        ({"sketch_size": 0}, InvalidInputError),
        ({"damping": -1.0}, InvalidInputError),
        ({"resample": True}, InvalidTypeError),
        ({"seed": None}, InvalidTypeError),
        ({"forcing": 1.0}, InvalidInputError),
        ({"inexact_tol": 1.0}, InvalidInputError),
        ({"clip": "no"}, InvalidTypeError),
    ],
)
def test_bad_options(options, error):
    with pytest.raises(error, match=next(iter(options))):
        RobustAltMin(**options)


def test_what_it_refuses(completion, sensing):
    with pytest.raises(
        IncompatibleError, match=r"needs operator\.row_solve_inexact, which Gaussian"
    ):
        run(sensing)
    with pytest.raises(IncompatibleError, match="no nuclear-norm weight: altmin does"):
        run(completion.problem.replace(nuclear=0.1), rank=2)
    counted = completion.problem.replace(operator=ll.operators.Counted(completion.problem.operator))
    with pytest.raises(IncompatibleError, match="resample needs an EntrySampling to split"):
        run(counted, rank=2, resample=2)
    run(counted, rank=2, max_iter=1)
