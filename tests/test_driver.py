"""The one loop: budgets, looks, callbacks, interrupts, divergence, checkpoints, resumption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import Status, solvers, stopping
from lowrank_la.errors import (
    ConvergenceWarning,
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
    OutputError,
    UnderdeterminedWarning,
    UnknownNameError,
)

posix = pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")


def same(a, b):
    return np.array_equal(a.left, b.left) and np.array_equal(a.right, b.right)


# --- what is solved, and how far ---


def test_an_instance_lends_its_rank_and_says_so(sensing):
    result = ll.solve(sensing, "gd", max_iter=2)
    assert result.factors.rank == 2
    assert result.oracle_used == ("rank",)
    given = ll.solve(sensing, "gd", rank=2, max_iter=2)
    assert given.oracle_used == ()
    start = ll.initial.spectral(sensing.problem, 2)
    assert ll.solve(sensing, "gd", start=start, max_iter=2).oracle_used == ()
    sigma = ll.solve(sensing, "gd", rank=2, sigma_max=1.0, max_iter=2)
    assert sigma.oracle_used == ("sigma_max",)


def test_a_problem_needs_a_rank(sensing):
    with pytest.raises(InvalidInputError, match="rank is needed"):
        ll.solve(sensing.problem, "gd")
    assert ll.solve(sensing.problem, "gd", rank=3, max_iter=1).factors.rank == 3


def test_auto_picks_what_fits_and_says_why(completion, sensing):
    rows = ll.solve(completion)
    assert rows.parts["solver"] == "altmin"
    assert "entries per degree of freedom" in rows.why
    assert rows.why in repr(rows)
    line = ll.solve(sensing)
    assert line.parts["solver"] == "gauss_newton"
    assert line.converged
    huber = ll.solve(sensing.problem.replace(loss=ll.losses.Huber(1.0)), rank=2)
    assert huber.parts["solver"] == "reweighted"
    assert huber.converged
    assert ll.solve(sensing, "gd", max_iter=1).why == ""


def test_a_solver_may_be_a_name_a_class_or_a_configured_value(sensing):
    runs = [
        ll.solve(sensing, "scaledgd", step_size=0.3, max_iter=5),
        ll.solve(sensing, solvers.ScaledGD, step_size=0.3, max_iter=5),
        ll.solve(sensing, solvers.ScaledGD(step_size=0.3), max_iter=5),
        ll.solve(sensing, solvers.ScaledGD(step_size=0.9), step_size=0.3, max_iter=5),
    ]
    assert all(same(run.factors, runs[0].factors) for run in runs)


def test_the_default_start_is_what_the_solver_is_meant_for(sensing):
    default = ll.solve(sensing, "scaledgd_lambda", max_iter=0)
    small = ll.initial.small_random(sensing.problem, 2)
    assert same(default.factors, small)
    scaled = ll.solve(sensing, "scaledgd_lambda", init_scale=1e-3, max_iter=0, start="small_random")
    assert np.linalg.norm(scaled.factors.left) > 1e8 * np.linalg.norm(small.left)


def test_rng_decides_the_start(sensing):
    runs = [ll.solve(sensing, "scaledgd_lambda", rng=r, max_iter=0) for r in (None, 0, 1)]
    assert same(runs[0].factors, runs[1].factors)
    assert not same(runs[0].factors, runs[2].factors)
    generator = np.random.default_rng(3)
    fresh = [ll.solve(sensing, "scaledgd_lambda", rng=generator, max_iter=0) for _ in range(2)]
    assert not same(fresh[0].factors, fresh[1].factors)


def test_no_tolerance_runs_exactly_the_budget(sensing):
    for name in ("gd", "scaledgd", "scaledgd_lambda", "precgd"):
        # Long past convergence, where the default tolerance and a standstill would stop it.
        result = ll.solve(sensing, name, start="spectral", tol=0, max_iter=700)
        assert (result.status, result.n_iter) == (Status.BUDGET, 700)
        assert result.trace.n_rows == 701


def test_no_iterations_return_the_start(sensing):
    start = ll.initial.spectral(sensing.problem, 2)
    result = ll.solve(sensing, "gd", start=start, max_iter=0)
    assert same(result.factors, start)
    assert (result.status, result.n_iter) == (Status.BUDGET, 0)


def test_the_default_tolerance_follows_the_precision():
    for dtype, limit in (("float64", 1e-12), ("float32", 1e-3)):
        instance = ll.problems.sensing((15, 12), 2, measurements=400, dtype=dtype, rng=0)
        result = ll.solve(instance, "scaledgd")
        assert result.converged
        assert result.reason.endswith(f"<= tol {256 * np.finfo(dtype).eps:.1e}")
        assert result.trace["rel_error"][-1] < limit


def test_a_tolerance_that_is_not_met_is_a_warning(sensing):
    with pytest.warns(ConvergenceWarning, match="gd did not reach tol=1e-10: 3 iterations"):
        ll.solve(sensing, "gd", tol=1e-10, max_iter=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Nobody asked for one here.
        assert not ll.solve(sensing, "gd", max_iter=3).converged


def test_every_sets_the_distance_of_looks_and_nothing_else(sensing):
    fine = ll.solve(sensing, "scaledgd", max_iter=23, tol=0)
    coarse = ll.solve(sensing, "scaledgd", max_iter=23, tol=0, every=10)
    np.testing.assert_array_equal(coarse.trace["iteration"], [0, 10, 20, 23])
    assert coarse.n_iter == 23
    assert same(fine.factors, coarse.factors)


def test_iterate_yields_the_looks_of_solve(sensing):
    result = ll.solve(sensing, "scaledgd", max_iter=12, tol=0, every=5)
    views = list(ll.iterate(sensing, "scaledgd", max_iter=12, tol=0, every=5))
    assert [view.iteration for view in views] == list(result.trace["iteration"])
    assert [view.objective for view in views] == list(result.trace["objective"])
    assert same(views[-1].X, result.factors)
    first = next(iter(ll.iterate(sensing, "scaledgd", start="spectral", rank=3)))
    assert (first.iteration, first.X.rank) == (0, 3)


def test_iterate_can_be_left(sensing):
    for view in ll.iterate(sensing, "scaledgd"):
        if view.rel_error < 1e-3:
            break
    assert 0 < view.iteration < 30


def test_one_shot_solvers_need_no_tolerance(sensing):
    pytest.importorskip("cvxpy")
    result = ll.solve(sensing, "convex", tol=1e-3)
    assert result.status is Status.CONVERGED
    assert "SCS says optimal" in result.reason
    assert result.parts["rank"] == 2


# --- callbacks ---


def test_a_true_callback_stops(sensing):
    seen = []

    def callback(view):
        seen.append(view.iteration)
        return view.iteration == 4

    result = ll.solve(sensing, "gd", callback=callback)
    assert (result.status, result.n_iter) == (Status.CALLBACK, 4)
    assert not result.converged
    assert seen == [0, 1, 2, 3, 4]


def test_stop_iteration_stops(sensing):
    def callback(view):
        if view.iteration == 3:
            raise StopIteration

    result = ll.solve(sensing, "gd", callback=callback)
    assert (result.status, result.n_iter) == (Status.CALLBACK, 3)
    assert "StopIteration" in result.reason


def test_other_errors_of_a_callback_are_the_callers(sensing):
    def callback(view):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ll.solve(sensing, "gd", callback=callback)


# --- divergence ---


class Spoilt:
    """An operator whose answers turn to NaN after some calls."""

    def __init__(self, base, calls):
        self.base, self.left = base, calls
        self.shape, self.size, self.dtype = base.shape, base.size, base.dtype
        self.isometry = base.isometry

    def forward(self, X):
        self.left -= 1
        return self.base.forward(X) * (np.nan if self.left < 0 else 1.0)

    def adjoint_right(self, z, R):
        return self.base.adjoint_right(z, R)

    def adjoint_left(self, z, L):
        return self.base.adjoint_left(z, L)


def test_too_long_a_step_diverges_and_returns_the_best(sensing):
    with pytest.warns(ConvergenceWarning, match="scaledgd diverged: .* Try a smaller step"):
        result = ll.solve(sensing, "scaledgd", step_size=5.0)
    assert result.status is Status.DIVERGED
    assert not result.converged
    objective = result.trace["objective"]
    assert sensing.problem.objective(result.factors) == pytest.approx(objective.min())
    assert objective[-1] > objective.min()


@pytest.mark.parametrize("name", ["gd", "scaledgd", "scaledgd_lambda", "precgd"])
def test_an_operator_that_turns_to_nan_ends_in_divergence(name, sensing):
    start = ll.initial.spectral(sensing.problem, 2)
    problem = sensing.problem.replace(operator=Spoilt(sensing.problem.operator, 6))
    solver = solvers.make_solver(name, {"sigma_max": 1.0} if name == "gd" else None)
    if name == "scaledgd_lambda":
        solver = solvers.ScaledGDLambda(damping=0.1)
    with pytest.warns(ConvergenceWarning, match=f"{name} diverged: .*not finite"):
        result = ll.solve(problem, solver, start=start, max_iter=50)
    assert result.status is Status.DIVERGED
    assert result.factors.isfinite()
    finite = result.trace["objective"][np.isfinite(result.trace["objective"])]
    assert sensing.problem.objective(result.factors) == pytest.approx(finite.min())


def test_a_singular_metric_ends_in_divergence(sensing):
    left = np.random.default_rng(0).standard_normal((15, 1)) * np.ones((1, 2))
    start = ll.Factors(left, np.random.default_rng(1).standard_normal((12, 1)) * np.ones((1, 2)))
    with pytest.warns(ConvergenceWarning, match="metric of a factor is singular"):
        result = ll.solve(sensing, "scaledgd", start=start)
    assert result.status is Status.DIVERGED
    assert result.n_iter == 0
    assert same(result.factors, start)


@pytest.mark.parametrize("every", [1, 1000])
def test_a_decomposition_that_fails_ends_in_divergence(every, covariance):
    one_sided = ll.problems.one_sided(60, 12, 2, rng=0)
    for instance, name, options in (
        (covariance, "deep_linear", {"smoothing": 0.1}),
        (one_sided, "one_sided", {}),
    ):
        with pytest.warns(ConvergenceWarning, match=f"{name} diverged: "):
            result = ll.solve(instance, name, step_size=5.0, every=every, **options)
        assert result.status is Status.DIVERGED
        assert result.factors.isfinite()


@pytest.mark.parametrize("step_size", [1e100, 1e200, 1e300])
def test_overflow_is_divergence_and_no_warning_of_numpy(step_size, robust_pca, robust_sensing):
    # pytest turns any other warning into an error.
    for name, instance in (
        ("thresholded_scaledgd", robust_pca),
        ("scaled_subgradient", robust_sensing),
        ("subgradient", robust_sensing),
    ):
        with pytest.warns(ConvergenceWarning, match=f"{name} diverged"):
            result = ll.solve(instance, name, step_size=step_size)
        assert result.factors.isfinite()


def test_what_is_observed_of_an_iterate_that_is_not_finite_is_nan(sensing):
    def spectrum(view):
        return np.linalg.eigvalsh(np.full((2, 2), np.nan) if not view.finite else np.eye(2))[0]

    def broken(view):
        raise np.linalg.LinAlgError("mine")

    problem = sensing.problem.replace(operator=Spoilt(sensing.problem.operator, 6))
    start = ll.initial.spectral(sensing.problem, 2)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        trace = ll.solve(problem, "precgd", start=start, observe={"s": spectrum}).trace
    assert trace["s"][0] == 1
    with pytest.raises(np.linalg.LinAlgError, match="mine"):
        ll.solve(sensing, "precgd", observe=broken)


# --- warnings and refusals ---


def test_too_few_measurements_are_a_warning_with_the_count():
    few = ll.problems.sensing((6, 5), 2, measurements=10, rng=0)
    with pytest.warns(UnderdeterminedWarning, match=r"10 measurements for the 18 degrees") as seen:
        ll.solve(few, "gd", max_iter=1)
    # It points to the line that called solve.
    assert seen[0].filename == __file__
    for quiet in (
        {"problem": few.problem.replace(nuclear=0.1), "solver": "gd", "rank": 2},
        {"problem": few, "solver": "gd", "rank": 1},
        {"problem": few, "solver": "scaledgd_lambda"},
    ):
        ll.solve(**quiet, max_iter=1)
    entries = ll.problems.completion((20, 15), 4, sampling=0.3, rng=0, empty="allow")
    with pytest.warns(UnderdeterminedWarning):
        ll.solve(entries, "altmin", max_iter=1)
    ll.solve(entries, "altmin", ridge=0.1, max_iter=1)
    # It begins near zero too, but not for the sake of more columns than the matrix has rank.
    for start in (None, "small_random"):
        with pytest.warns(UnderdeterminedWarning, match="measurements for the"):
            ll.solve(entries, "rank_path", start=start, max_iter=1)


def test_complex_measurements_count_twice():
    enough = ll.problems.sensing((6, 5), 2, measurements=20, dtype=complex, rng=0)
    ll.solve(enough, "gd", max_iter=1)
    few = ll.problems.sensing((6, 5), 2, measurements=17, dtype=complex, rng=0)
    with pytest.warns(UnderdeterminedWarning, match="34 measurements for the 36"):
        ll.solve(few, "gd", max_iter=1)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"solver": "scaledgdd"}, UnknownNameError, "no solver named 'scaledgdd'; did you mean"),
        ({"solver": "gd", "stepsize": 1}, UnknownNameError, "of gd .*did you mean 'step_size'"),
        ({"solver": 3}, InvalidTypeError, "solver must be a name or a solver, got 3"),
        ({"solver": "altmin"}, IncompatibleError, "altmin needs operator.row_solve.*these can: "),
        ({"rank": 0}, InvalidInputError, "rank must be at least 1, got 0"),
        ({"rank": 13}, InvalidInputError, "rank 13 is larger than the shape 15 x 12"),
        ({"stop": 5}, InvalidTypeError, "stop must come from lowrank_la.stopping, got 5"),
        ({"tol": -1e-6}, InvalidInputError, "tol must lie in"),
        ({"tol": "1e-6"}, InvalidTypeError, "tol must be a number"),
        ({"max_iter": -1}, InvalidInputError, "max_iter must be at least 0"),
        ({"max_iter": 10.0}, InvalidTypeError, "max_iter must be an integer"),
        ({"max_time": -1}, InvalidInputError, "max_time must lie in"),
        ({"every": 0}, InvalidInputError, "every must be at least 1"),
        ({"callback": 3}, InvalidTypeError, "callback must be a function of a view, got 3"),
        ({"rng": "x"}, InvalidTypeError, "rng must be what numpy.random.default_rng takes"),
        ({"checkpoint": 3}, InvalidTypeError, "expected a path, got 3"),
        ({"checkpoint": "a", "checkpoint_every": -1}, InvalidInputError, "checkpoint_every"),
        ({"init_scale": 1.0}, InvalidInputError, "init_scale belongs to start='small_random'"),
    ],
)
def test_bad_arguments(sensing, arguments, error, message):
    with pytest.raises(error, match=message):
        ll.solve(sensing, **({"solver": "gd"} | arguments))


def test_a_problem_of_the_wrong_kind():
    with pytest.raises(InvalidTypeError, match=r"got ndarray; lowrank_la\.observed makes one"):
        ll.solve(np.eye(3), rank=1)


def test_an_incompatible_loss_names_who_can(sensing):
    with pytest.raises(IncompatibleError, match="scaledgd needs a smooth loss, got Absolute"):
        ll.solve(sensing.problem.replace(loss=ll.losses.Absolute()), "scaledgd", rank=2)
    assert ll.available_solvers(sensing) == ll.available_solvers(sensing.problem)
    assert "altmin" not in ll.available_solvers(sensing)


# --- going on ---


@pytest.mark.parametrize("name", ["gd", "scaledgd", "scaledgd_lambda", "precgd", "altmin"])
def test_a_result_goes_on_bit_for_bit(name, completion):
    options = {"start": "spectral", "tol": 0}
    whole = ll.solve(completion, name, max_iter=30, **options)
    part = ll.solve(completion, name, max_iter=11, **options)
    for start in (part, part.state):
        rest = ll.solve(completion, part.solver, start=start, tol=0, max_iter=30)
        assert same(rest.factors, whole.factors)
        assert rest.n_iter == 30
        np.testing.assert_array_equal(rest.trace["iteration"], np.arange(11, 31))
        assert rest.trace["objective"][-1] == whole.trace["objective"][-1]
    # The state that was passed in is not moved on.
    assert part.state.iteration == 11


@pytest.mark.parametrize("rule", ["exact", "backtracking"])
def test_step_rules_that_remember_go_on_too(rule, sensing):
    whole = ll.solve(sensing, "gd", step_size=rule, tol=0, max_iter=30)
    part = ll.solve(sensing, "gd", step_size=rule, tol=0, max_iter=11)
    rest = ll.solve(sensing, "gd", step_size=rule, start=part, tol=0, max_iter=30)
    assert same(rest.factors, whole.factors)


def test_another_solver_goes_on_from_the_factors(completion):
    first = ll.solve(completion, "gd", max_iter=10)
    second = ll.solve(completion, "altmin", start=first)
    assert second.trace["rel_error"][0] == pytest.approx(first.trace["rel_error"][-1])
    assert second.trace["iteration"][0] == 0
    assert second.converged


def test_a_state_of_another_shape_is_refused(sensing, completion):
    state = ll.solve(completion, "gd", max_iter=1).state
    with pytest.raises(InvalidInputError, match="start is 40 x 30, the problem 15 x 12"):
        ll.solve(sensing, "gd", start=state)


# --- checkpoints ---


def test_a_checkpoint_is_there_during_the_run(tmp_path, sensing):
    path = tmp_path / "run.npz"
    found = []

    def callback(view):
        if path.exists():
            found.append((view.iteration, ll.load(path)))

    whole = ll.solve(
        sensing, "scaledgd", max_iter=6, tol=0, checkpoint=path, checkpoint_every=0.0,
        callback=callback,
    )  # fmt: skip
    assert [(k, kept.n_iter) for k, kept in found] == [(k, k - 1) for k in range(1, 6)]
    assert found[0][1].status is Status.INTERRUPTED
    rest = ll.solve(sensing, "scaledgd", start=found[2][1], max_iter=6, tol=0)
    assert same(rest.factors, whole.factors)
    # At the end the file holds the outcome.
    assert ll.load(path).status is Status.BUDGET
    assert same(ll.load(path).factors, whole.factors)


def test_checkpoints_keep_their_distance(tmp_path, sensing):
    path = tmp_path / "run.npz"
    seen = []
    ll.solve(
        sensing, "gd", max_iter=5, checkpoint=path, callback=lambda view: seen.append(path.exists())
    )
    assert not any(seen)
    assert path.exists()


def test_a_checkpoint_that_cannot_be_written_is_refused_before_the_run(tmp_path, sensing):
    called = []
    with pytest.raises(OutputError, match="there is no folder"):
        ll.solve(sensing, "gd", checkpoint=tmp_path / "no" / "run.npz", callback=called.append)
    assert not called


def test_progress_is_shown_on_stderr_only_when_asked_for(sensing, capsys):
    pytest.importorskip("rich")
    ll.solve(sensing, "gd", max_iter=3)
    assert capsys.readouterr() == ("", "")
    ll.solve(sensing, "gd", max_iter=3, progress=True)
    assert capsys.readouterr().out == ""


# --- Ctrl-C ---


def send_interrupt_at(iteration, times=1):
    def callback(view):
        if view.iteration == iteration:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    return callback


@posix
def test_ctrl_c_ends_the_run_with_what_there_is(sensing):
    before = signal.getsignal(signal.SIGINT)
    result = ll.solve(sensing, "gd", tol=0, max_iter=10**6, callback=send_interrupt_at(7))
    assert result.status is Status.INTERRUPTED
    assert result.n_iter in (7, 8)
    best = result.trace["objective"].min()
    assert sensing.problem.objective(result.factors) == pytest.approx(best)
    assert signal.getsignal(signal.SIGINT) is before
    whole = ll.solve(sensing, "gd", tol=0, max_iter=20)
    rest = ll.solve(sensing, "gd", start=result, tol=0, max_iter=20)
    assert same(rest.factors, whole.factors)


@posix
def test_ctrl_c_is_not_lost_to_a_budget_that_ends_at_the_same_look(sensing):
    callback = send_interrupt_at(0)
    result = ll.solve(sensing, "gd", tol=0, max_iter=1, callback=callback)
    assert result.status is Status.INTERRUPTED
    assert result.n_iter == 1


@posix
def test_a_second_ctrl_c_raises(sensing):
    with pytest.raises(KeyboardInterrupt):
        ll.solve(sensing, "gd", tol=0, max_iter=10**6, callback=send_interrupt_at(5, times=2))
    # And the handler of before is back.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@posix
def test_other_handlers_come_back(sensing):
    def mine(number, frame):
        raise AssertionError("not while solve runs")

    old = signal.signal(signal.SIGINT, mine)
    try:
        result = ll.solve(sensing, "gd", tol=0, max_iter=50, callback=send_interrupt_at(3))
        assert result.status is Status.INTERRUPTED
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, old)


def run_script(body):
    head = "import signal, sys, os, numpy as np, lowrank_la as ll\n"
    return subprocess.Popen(
        [sys.executable, "-c", head + textwrap.dedent(body)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


LONG = """
    instance = ll.problems.sensing((15, 12), 2, measurements=400, rng=0)
    def callback(view):
        if view.iteration == 50:
            print("under way", flush=True)
    result = ll.solve(instance, "gd", tol=0, max_iter=10**9, callback=callback)
    print(result.status.name, result.n_iter > 50, flush=True)
    again = ll.solve(instance, "gd", start=result, tol=0, max_iter=result.n_iter + 5)
    print(again.n_iter - result.n_iter, flush=True)
"""


@posix
def test_a_real_ctrl_c_in_a_script():
    process = run_script(LONG)
    assert process.stdout.readline() == "under way\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out == "INTERRUPTED True\n5\n"
    assert err == ""
    assert process.returncode == 0


@posix
def test_a_second_real_ctrl_c_breaks_a_long_iteration_off():
    process = run_script(
        """
        import time
        class Slow:
            def __init__(self, base):
                self.base, self.calls = base, 0
                self.shape, self.size, self.dtype = base.shape, base.size, base.dtype
                self.isometry = base.isometry
            def forward(self, X):
                self.calls += 1
                if self.calls > 5:
                    print("slow", flush=True)
                    time.sleep(60)
                return self.base.forward(X)
            def adjoint_right(self, z, R):
                return self.base.adjoint_right(z, R)
            def adjoint_left(self, z, L):
                return self.base.adjoint_left(z, L)
        instance = ll.problems.sensing((15, 12), 2, measurements=400, rng=0)
        problem = instance.problem.replace(operator=Slow(instance.problem.operator))
        start = ll.initial.spectral(instance.problem, 2)
        result = ll.solve(problem, "scaledgd", start=start, tol=0, max_iter=10**6)
        print(result.status.name, result.reason, result.factors.isfinite(), flush=True)
        """
    )
    assert process.stdout.readline() == "slow\n"
    process.send_signal(signal.SIGINT)
    # The first one waits for the iteration; once it has been taken note of, the second ends it.
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert out.startswith("INTERRUPTED interrupted in iteration")
    assert out.endswith("True\n")
    assert err == ""


def test_threads_without_signals_can_solve(sensing):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(ll.solve, sensing, "gd", max_iter=20, tol=0) for _ in range(4)]
        results = [job.result() for job in jobs]
    assert all(same(r.factors, results[0].factors) for r in results)


def test_stops_that_are_classes_are_refused(sensing):
    with pytest.raises(InvalidTypeError, match="stop must come from"):
        ll.solve(sensing, stop=stopping.MaxIter)


def test_small_starts_may_have_many_columns(sensing):
    # pytest turns a warning into an error.
    ll.solve(sensing, "gd", rank=12, start="small_random", init_scale=1e-3, max_iter=2)
    few = ll.problems.sensing((15, 12), 2, measurements=60, rng=0)
    ll.solve(few, "gd", rank=6, start="small_random", init_scale=1e-3, max_iter=2)
    with pytest.warns(ll.errors.UnderdeterminedWarning):
        ll.solve(few, "gd", rank=6, max_iter=2)


def test_a_small_start_is_known_by_its_scale_or_its_size():
    few = ll.problems.sensing((15, 12), 2, measurements=60, outliers=0.1, rng=0)
    options = {"rank": 6, "max_iter": 2, "tol": 0}
    still = ll.solvers.Subgradient(step_size=ll.steps.Geometric(1e-9))

    def small(problem, rank, *, rng):
        return ll.initial.small_random(problem, rank, init_scale=1e-3, rng=rng)

    ll.solve(few, still, start="sign_spectral", init_scale=1e-2, **options)
    ll.solve(few, still, start=small, **options)
    ll.solve(few, still, start=small(few.problem, 6, rng=1), **options)
    ll.compare(few, [still], start=small, rank=6, budget=1)
    for start in (ll.initial.spectral, ll.initial.spectral(few.problem, 6), "sign_spectral"):
        with pytest.warns(ll.errors.UnderdeterminedWarning, match="60 measurements for"):
            ll.solve(few, still, start=start, **options)
    with pytest.warns(ll.errors.UnderdeterminedWarning, match="60 measurements for"):
        ll.compare(few, [still], start=ll.initial.spectral, rank=6, budget=1)
