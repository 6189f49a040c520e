"""The ridged rank path: what its tries find, what its options do, and how it ends without."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import initial, losses
from lowrank_la.errors import (
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
)
from lowrank_la.gauss_newton import Ladder, _held_out, parse
from lowrank_la.gauss_newton._held_out import concentration, thinned
from lowrank_la.gauss_newton._step import evaluate
from lowrank_la.solvers import make_solver

RANK, SIZE = 3, 60


def near_limit(seed, *, cond=100.0, oversampling=2.5, **options):
    """Few entries and a large condition number, where descent from a spectral start fails."""
    share = oversampling * RANK * (2 * SIZE - RANK) / SIZE**2
    return ll.problems.completion(
        SIZE, RANK, cond=cond, sampling=share, least=2 * RANK, rng=seed, **options
    )


def error(result):
    return result.trace["rel_error"][-1]


@pytest.mark.parametrize("seed", [4, 7])
def test_it_recovers_where_descent_does_not(seed):
    instance = near_limit(seed)
    result = ll.solve(instance, "rank_path")
    assert result.status is ll.Status.CONVERGED
    assert "to rounding" in result.reason
    assert error(result) < 1e-10
    assert result.parts["verdict"] == result.reason
    descent = ll.solve(instance, "gauss_newton", max_iter=60)
    assert error(descent) > 1e-3


def test_columns_enter_one_by_one():
    problem = near_limit(0).problem
    ranks = [view.X.rank for view in ll.iterate(problem, "rank_path", rank=RANK)]
    assert ranks[0] == 1
    assert ranks[-1] == RANK
    assert set(np.diff(ranks)) == {0, 1}


def test_tries_follow_each_other():
    result = ll.solve(near_limit(0), "rank_path", ladder=("ridge:0.5:0.1", "rank:0.1"), restarts=0)
    assert "try 2 (rank:0.1:0.3)" in result.reason
    assert result.parts["outcomes"].startswith("try 1 (ridge:0.5:0.1): residual")
    assert result.parts["rung"] == "rank:0.1:0.3"


@pytest.mark.parametrize("rung", ["rank:0", "ridge:0.5:0.7", "logdet:0.5:0.8"])
def test_each_kind_of_try_recovers(rung):
    instance = near_limit(1, cond=2.0, oversampling=3.5)
    result = ll.solve(instance, "rank_path", ladder=rung, restarts=0)
    assert f"try 1 ({rung}" in result.reason
    assert error(result) < 1e-10


def hopeless():
    """Data that no matrix of this rank has: neither exact, nor noise around one."""
    instance = near_limit(0)
    data = np.random.default_rng(0).standard_normal(instance.problem.data.size)
    return instance.problem.replace(data=data)


def test_without_success_it_stalls_with_the_best():
    result = ll.solve(hopeless(), "rank_path", rank=RANK, ladder=("rank:0", "rank:0.2"), restarts=1)
    assert result.status is ll.Status.STALLED
    assert "the best of 3 tries" in result.reason
    assert result.parts["outcomes"].count("residual") == 3
    assert result.factors.rank == RANK
    assert result.factors.isfinite()


def test_restarts_and_seed_draw_other_tries():
    def tries(**options):
        result = ll.solve(hopeless(), "rank_path", rank=RANK, ladder=("rank:0",), **options)
        return [piece.split(":", 1)[1] for piece in result.parts["outcomes"].split("; ")]

    none, two = tries(restarts=0), tries(restarts=2)
    assert len(none) == 1
    assert len(two) == 3
    assert two[1] != two[2]
    assert tries(restarts=2, seed=1)[1:] != two[1:]


def test_noise_is_told_from_a_local_minimum():
    instance = near_limit(0, cond=2.0, oversampling=4.0, noise=1e-4)
    result = ll.solve(instance, "rank_path")
    assert result.status is ll.Status.CONVERGED
    assert "held out" in result.parts["verdict"]
    fitted = ll.solve(instance.problem, "gauss_newton", start=instance.truth.factors)
    gap = result.factors.distance(fitted.factors) / fitted.factors.norm()
    assert gap < 1e-6


def test_with_little_more_data_than_unknowns_noise_is_told_at_the_end():
    """Tries that agree say little there: the best one is repeated without some of the data."""
    instance = near_limit(2, cond=2.0, oversampling=1.95, noise=1e-5)
    options = {"ladder": ("rank:0.1", "rank:0"), "restarts": 0}
    result = ll.solve(instance, "rank_path", **options)
    assert result.converged
    assert "held out" in result.parts["verdict"]
    assert result.parts["outcomes"].count("residual") == 2
    assert error(result) < 0.05


def test_the_best_try_is_repeated_as_it_was(monkeypatch):
    """With its seed and without the data that it left out."""
    begun = []

    def begin(ladder, problem, start):
        begun.append((ladder.rungs, whole(ladder, problem, start)))
        return begun[-1][1]

    whole = Ladder.begin
    instance = near_limit(2, cond=2.0, oversampling=1.95, noise=1e-5)
    path = Ladder(rank=RANK, restarts=4)
    state = path.begin(instance.problem, initial.small_random(instance.problem, RANK))
    # Of a steep spectrum, which takes ridges further down.
    state.second, state.spread = 0.5, 0.001
    state.rung = 6
    rung = path.rung(state)
    assert rung.without
    assert rung.seed
    state.place(instance.truth.factors, evaluate(instance.problem, instance.truth.factors))
    monkeypatch.setattr(Ladder, "begin", begin)
    assert path._again(instance.problem, state) < 0.05
    ((rungs, other),) = begun
    assert rungs == (rung,)
    assert (other.second, other.spread) == (state.second, state.spread)
    # Nor is a copy of the data left behind.
    assert instance.problem not in _held_out._THINNED


def test_noise_near_the_limit_is_told_by_two_tries_that_agree_closely():
    instance = near_limit(2, cond=2.0, oversampling=1.8, noise=1e-5)
    result = ll.solve(instance, "rank_path")
    assert result.converged
    assert result.parts["outcomes"].count("residual") == 2
    assert error(result) < 1e-3


def test_restarts_leave_out_data_until_the_ridge_is_gone():
    path = Ladder(rank=RANK, rungs=("rank:0.1",), restarts=4)
    problem = near_limit(0).problem
    state = path.begin(problem, initial.small_random(problem, RANK))
    shares = []
    for state.rung in range(5):
        rung = path.rung(state)
        rest = thinned(problem, rung, 0)
        shares.append(1 - rest.data.size / problem.data.size)
    np.testing.assert_allclose(shares, [0, 0.1, 0.05, 0.1, 0.02], atol=2e-3)
    assert thinned(problem, rung, 0) is rest
    assert thinned(problem, rung, 1) is not rest


def test_ridges_by_direction_have_a_spare_column_until_late():
    problem = near_limit(1, cond=2.0, oversampling=3.5).problem
    options = {"ladder": "logdet:0.3:0.8", "restarts": 0}
    path = Ladder(rank=RANK, rungs=("logdet:0.3:0.8",), restarts=0)
    state = path.begin(problem, initial.small_random(problem, RANK))
    ranks = []
    while state.phase == "anneal":
        ranks.append(state.X.rank)
        path.advance(problem, state)
    assert ranks[0] == RANK + 1
    assert ranks[-1] == RANK
    seen = [view.X.rank for view in ll.iterate(problem, "rank_path", rank=RANK, **options)]
    assert set(seen) == {RANK}


def test_a_good_start_is_the_first_try(completion):
    result = ll.solve(completion, "rank_path", start="spectral")
    assert "the start fits the data" in result.reason
    assert result.n_iter < 15


def test_symmetric_entries():
    rng = np.random.default_rng(0)
    factor = rng.standard_normal((40, 2))
    i, j = np.nonzero(rng.random((40, 40)) < 0.3)
    values = np.einsum("kq,kq->k", factor[i], factor[j])
    problem = ll.observed(i, j, values, (40, 40)).replace(symmetric=True)
    result = ll.solve(problem, "rank_path", rank=2)
    assert result.converged
    truth = factor @ factor.T
    assert np.linalg.norm(result.factors.to_dense() - truth) < 1e-9 * np.linalg.norm(truth)


@pytest.mark.parametrize("name", ["altmin", "scaledgd"])
def test_as_a_start(name):
    instance = near_limit(2)
    result = ll.solve(instance, name, start="rank_path", max_iter=3)
    assert result.trace["rel_error"][0] < 1e-9
    assert error(result) < 1e-9


def test_as_a_start_it_takes_other_losses_but_not_outliers(robust_sensing):
    instance = near_limit(2)
    smooth = instance.problem.replace(loss=losses.Huber(1.0))
    assert instance.truth.relative_error(initial.rank_path(smooth, RANK)) < 1e-9
    with pytest.raises(IncompatibleError, match="outliers"):
        initial.rank_path(robust_sensing.problem, 2)


@pytest.mark.parametrize(
    "text", ["rank", "rank:-1", "rank:x", "ridge:0", "cone:1", "rank:1:1", "rank:1:0.5:2", 3]
)
def test_bad_rungs_are_refused(text):
    with pytest.raises(InvalidInputError, match="a rung is"):
        parse(text)
    with pytest.raises(InvalidInputError, match="a rung is"):
        make_solver("rank_path", {"ladder": (text,)})


def test_bad_options_are_refused():
    with pytest.raises(InvalidInputError, match="restarts"):
        make_solver("rank_path", {"restarts": -1})
    with pytest.raises(InvalidInputError, match="seed"):
        make_solver("rank_path", {"seed": -1})


@pytest.mark.parametrize(
    ("second", "last", "chosen"),
    [
        (0.9, 0.2, "rank:0.5:0.6"),
        (0.6, 0.2, "rank:0:0.3"),
        (0.3, 0.001, "rank:0.01:0.3"),
    ],
)
def test_the_ladder_suits_the_spectrum(second, last, chosen, completion):
    path = Ladder(rank=2)
    state = path.begin(completion.problem, initial.small_random(completion.problem, 2))
    assert str(path.rung(state)) == "rank:0.1:0.3"
    state.second, state.spread = second, last
    state.rung = 1 if second > 0.8 else 2
    assert str(path.rung(state)) == chosen
    state.rung = 100
    assert path.rung(state) is None


def limit(n, rank, cond, oversampling, seed):
    options = {"spectrum": "geometric", "factors": "gaussian", "least": rank + 1}
    return ll.problems.completion(
        n, rank, cond=cond, oversampling=oversampling, rng=seed, **options
    )


@pytest.mark.parametrize(("cond", "seed", "chosen"), [(1.0, 101, "flat"), (1000.0, 100, "steep")])
def test_the_second_column_tells_flat_and_steep_spectra(cond, seed, chosen):
    result = ll.solve(limit(200, 4, cond, 2.0, seed), "rank_path")
    assert error(result) < 1e-9
    assert result.parts["outcomes"] == (
        f"try 1 (rank:0.1:0.3): left at once, the spectrum is {chosen}"
    )


def test_restarts_without_some_of_the_data_find_what_the_ladder_does_not():
    instance = limit(300, 5, 10.0, 1.2, 112)
    alone = ll.solve(instance, "rank_path", restarts=0)
    assert alone.status is ll.Status.STALLED
    assert error(alone) > 1e-3
    result = ll.solve(instance, "rank_path")
    assert "logdet:0.3:0.95#" in result.reason
    assert error(result) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "rank", "cond", "oversampling"),
    [
        (200, 4, 1.0, 1.5),
        (200, 4, 10.0, 1.5),
        (200, 4, 1000.0, 1.5),
        (300, 5, 10.0, 1.2),
        (1000, 10, 10.0, 1.1),
        (1000, 10, 1.0, 1.05),
    ],
)
def test_close_to_the_information_limit(n, rank, cond, oversampling):
    """Hardly more entries than unknowns; published methods recover few of these or none."""
    for seed in (100, 101, 103) if n < 1000 else (100,):
        result = ll.solve(limit(n, rank, cond, oversampling, seed), "rank_path")
        assert "to rounding" in result.reason
        assert error(result) < 1e-8


def test_an_accepted_matrix_is_kept_where_steps_leave_it(completion):
    solver = make_solver("rank_path")
    state = solver.init(completion.problem, ll.initial.near(completion, distance=1e-2, rng=0))
    state.phase, state.verdict, state.best_score = "found", "accepted", 0.1
    state.best_left = 3.0 * state.left
    accepted = state.best
    solver.advance(completion.problem, state, 1)
    assert state.phase == "kept"
    np.testing.assert_array_equal(solver.factors(state).left, accepted.left)
    solver.advance(completion.problem, state, 3)
    np.testing.assert_array_equal(solver.factors(state).left, accepted.left)
    assert "accepted" in solver.standstill(state)


def test_a_ladder_is_a_sequence_of_rungs():
    with pytest.raises(InvalidTypeError, match="ladder must be a sequence of rungs"):
        make_solver("rank_path", {"ladder": 5})


@pytest.mark.parametrize("oversampling", [3.0, 1.8])
@pytest.mark.parametrize("weight", [1e-6, 1e-2, 0.25])
def test_with_a_weight_the_minimum_is_found_and_said(weight, oversampling):
    """Large weights leave most of the data; small ones nothing that rounding would explain."""
    instance = near_limit(0, cond=3.0, oversampling=oversampling)
    problem = instance.problem.replace(nuclear=weight)
    result = ll.solve(problem, "rank_path", rank=RANK)
    assert result.status is ll.Status.CONVERGED
    assert f"nuclear-norm weight {weight:g}" in result.parts["verdict"] or weight == 1e-2
    start = instance.truth.factors if weight < 1e-3 else "spectral"
    other = ll.solve(problem, "gauss_newton", rank=RANK, start=start, max_iter=400)
    assert problem.objective(result.factors) <= problem.objective(other.factors) * (1 + 1e-9)


def test_weights_above_the_leading_singular_value_leave_nothing(symmetric):
    for problem in (near_limit(0).problem, symmetric.problem):
        result = ll.solve(problem.replace(nuclear=1e3), "rank_path", rank=2)
        assert result.status is ll.Status.CONVERGED
        assert result.n_iter == 0
        assert result.factors.norm() == 0
        assert "zero is the minimum with the nuclear-norm weight 1e+03" in result.parts["verdict"]


def noisy_limit(cond, oversampling, seed, noise):
    problem = limit(80, 3, cond, oversampling, seed)
    data = problem.problem.data
    added = np.random.default_rng(0).standard_normal(data.size) * np.sqrt(np.mean(data**2))
    return problem, problem.problem.replace(data=data + noise * added)


@pytest.mark.parametrize(("oversampling", "seed"), [(1.2, 1202), (1.35, 1206)])
def test_two_tries_that_agree_are_evidence_at_the_limit_too(oversampling, seed):
    instance, problem = noisy_limit(10.0, oversampling, seed, 1e-5)
    result = ll.solve(problem, "rank_path", rank=3)
    assert result.status is ll.Status.CONVERGED
    assert "held out" in result.parts["verdict"]
    best = ll.solve(problem, "gauss_newton", start=instance.truth.factors, max_iter=300)
    assert result.factors.distance(best.factors) < 1e-6 * best.factors.norm()


def test_tries_that_agree_on_a_local_minimum_are_no_success():
    """Three kinds of path end there, and predict what is held out as noise would let them."""
    instance, problem = noisy_limit(1.0, 1.2, 1210, 1e-6)
    result = ll.solve(problem, "rank_path", rank=3, restarts=0)
    assert result.parts["outcomes"].count("residual 1.1e-03, held-out error 0.014") == 3
    assert instance.truth.relative_error(result.factors) > 0.05
    assert result.status is ll.Status.STALLED


def test_concentration():
    rng = np.random.default_rng(0)
    assert concentration(rng.standard_normal(100_000)) == pytest.approx(3.0, abs=0.1)
    assert concentration(np.eye(100)[0]) == pytest.approx(100.0)
    assert concentration(np.zeros(3)) == 0.0


def test_a_ladder_is_not_taken_over_by_another_problem():
    first, second = (
        ll.problems.completion((60, 50), 2, oversampling=5, least=6, rng=seed) for seed in (0, 1)
    )
    result = ll.solve(first, "rank_path")
    assert result.converged
    again = ll.solve(second, "rank_path", start=result, max_iter=2000)
    assert again.converged
    assert again.trace["rel_error"][-1] < 1e-8
    assert again.n_iter > result.n_iter


def test_a_callback_gets_the_iterate_at_which_it_stops():
    instance = near_limit(0)
    seen = []

    def stop(view):
        seen.append(view.X)
        return instance.truth.relative_error(view.X) < 1e-3

    result = ll.solve(instance, "rank_path", callback=stop)
    assert result.status is ll.Status.CALLBACK
    np.testing.assert_array_equal(result.factors.left, seen[-1].left)
    assert instance.truth.relative_error(result.factors) < 1e-3


def test_zero_is_not_the_minimum_beside_large_negative_eigenvalues():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((30, 30)))[0]
    values = np.r_[10.0, 5.0, np.full(6, -40.0), np.zeros(22)]
    data = (basis * values) @ basis.T
    problem = ll.Problem(
        ll.operators.FullObservation((30, 30)), data.ravel(), symmetric=True, nuclear=2.0
    )
    result = ll.solve(problem, "rank_path", rank=2)
    # The eigenvalues above the weight, less the weight.
    expected = (basis[:, :2] * [8.0, 3.0]) @ basis[:, :2].T
    np.testing.assert_allclose(result.factors.to_dense(), expected, atol=1e-6)
