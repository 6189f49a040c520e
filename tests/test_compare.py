"""Races: same conditions for all, failures as rows, and files."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import Status, solvers
from lowrank_la.analysis.compare import Comparison, Run
from lowrank_la.errors import (
    FileFormatError,
    InvalidInputError,
    InvalidTypeError,
    UnderdeterminedWarning,
    UnknownNameError,
)
from lowrank_la.kernels import _jit
from lowrank_la.solvers import SolverInfo

posix = pytest.mark.skipif(os.name != "posix", reason="sends POSIX signals")
COLUMNS = [
    "instance", "solver", "repeat", "status", "reason", "n_iter", "seconds", "objective",
    "rel_error", "rate", "rate_low", "rate_high", "predicted_rate", "oracle",
]  # fmt: skip


@pytest.fixture(scope="module")
def race(completion):
    rivals = [solvers.GD(step_size=0.5), solvers.ScaledGD(step_size=0.5)]
    rivals += [solvers.ScaledGDLambda(step_size=0.3), solvers.AltMin(relaxation=1.0)]
    return ll.compare(completion, rivals, budget=400)


def first(run, column="rel_error"):
    return run.result.trace[column][0]


def same_runs(a, b):
    assert [(r.instance, r.solver, r.repeat) for r in a.runs] == [
        (r.instance, r.solver, r.repeat) for r in b.runs
    ]
    for x, y in zip(a.runs, b.runs, strict=True):
        assert (x.error, x.predicted_rate) == (y.error, y.predicted_rate)
        if x.result is not None:
            np.testing.assert_array_equal(x.result.factors.left, y.result.factors.left)
            np.testing.assert_array_equal(x.result.trace["rel_error"], y.result.trace["rel_error"])


# --- the same conditions for all ---


def test_all_begin_at_the_same_start(race):
    assert len({first(run) for run in race.runs}) == 1


@pytest.mark.parametrize("start", ["small_random", "factors", "function"])
def test_the_start_can_be_chosen(start, sensing):
    given = ll.initial.near(sensing, distance=0.2, rng=3)
    choices = {
        "small_random": "small_random",
        "factors": given,
        "function": lambda problem, rank, *, rng: given,
    }
    race = ll.compare(sensing, ["gd", "scaledgd_lambda"], start=choices[start], budget=3)
    assert len({first(run) for run in race.runs}) == 1
    if start != "small_random":
        assert first(race.runs[0]) == pytest.approx(
            given.distance(sensing.truth.factors) / sensing.truth.factors.norm()
        )


def test_init_scale(sensing):
    values = [
        first(
            ll.compare(sensing, "gd", start="small_random", init_scale=s, budget=1).runs[0],
            "objective",
        )
        for s in (1e-6, 1.0)
    ]
    assert values[0] != values[1]


def test_one_iteration_is_run_first_and_thrown_away(sensing):
    calls = []

    @dataclass(frozen=True, kw_only=True)
    class Watched(solvers.GD):
        info = SolverInfo(name="watched", summary="counts")

        def advance(self, problem, state, k):
            calls.append(state.iteration)
            super().advance(problem, state, k)

    ll.compare(sensing, Watched(), budget=3)
    # All is compiled now.
    calls.clear()
    race = ll.compare(sensing, Watched(), budget=3)
    assert calls == [0, 0, 1, 2]
    assert race.runs[0].result.n_iter == 3


def test_a_run_in_which_something_is_compiled_is_thrown_away(sensing):
    numba = pytest.importorskip("numba")
    if not _jit.enabled():
        pytest.skip("nothing is compiled")
    calls = []
    late = numba.njit(lambda x: 2 * x)

    @dataclass(frozen=True, kw_only=True)
    class Late(solvers.GD):
        info = SolverInfo(name="late", summary="compiles in its third iteration")

        def advance(self, problem, state, k):
            calls.append((state.iteration, len(late.signatures)))
            if state.iteration == 2:
                late(1)
            super().advance(problem, state, k)

    race = ll.compare(sensing, Late(), budget=4)
    assert calls == [(0, 0), (0, 0), (1, 0), (2, 0), (3, 1), (0, 1), (1, 1), (2, 1), (3, 1)]
    assert race.runs[0].result.n_iter == 4


def test_a_race_agrees_with_single_runs(race, completion):
    alone = ll.solve(completion, "scaledgd", step_size=0.5, start="spectral", max_iter=400)
    np.testing.assert_array_equal(alone.factors.left, race.runs[1].result.factors.left)


def test_rank_start_and_oracle(sensing):
    race = ll.compare(sensing, ["gd", solvers.GD(sigma_max=1.0)], budget=2)
    assert race.runs[0].result.oracle_used == ("rank",)
    assert race.runs[1].result.oracle_used == ("rank", "sigma_max")
    assert race.rows()[1]["oracle"] == "rank, sigma_max"
    given = ll.compare(sensing, "gd", rank=3, budget=2).runs[0].result
    assert given.factors.rank == 3
    assert given.oracle_used == ()


def test_rng_decides_the_start(sensing):
    def begin(rng):
        return first(
            ll.compare(sensing, "gd", start="small_random", init_scale=1.0, rng=rng, budget=1).runs[
                0
            ],
            "objective",
        )

    assert begin(1) == begin(1) != begin(2)


# --- labels, repeats, several instances ---


def test_labels(sensing, symmetric):
    contenders = {"plain": "gd", "short": solvers.GD(step_size=0.1)}
    race = ll.compare({"A": sensing, "B": symmetric}, contenders, budget=1)
    assert [(r.instance, r.solver) for r in race.runs] == [
        ("A", "plain"), ("A", "short"), ("B", "plain"), ("B", "short"),
    ]  # fmt: skip
    assert set(race.recipes) == {"A", "B"}
    assert race.recipes["A"].startswith("sensing(shape=[15, 12]")


def test_equal_names_are_numbered(sensing):
    race = ll.compare([sensing, sensing], ["gd", "scaledgd", solvers.GD(step_size=0.1)], budget=1)
    assert [r.solver for r in race.runs[:3]] == ["gd 1", "scaledgd", "gd 2"]
    assert [r.instance for r in race.runs[::3]] == ["sensing 1", "sensing 2"]


def test_repeats_draw_fresh_instances_and_keep_the_given_one(sensing):
    race = ll.compare(sensing, ["gd", "scaledgd"], repeats=3, budget=2)
    assert [(r.repeat, r.solver) for r in race.runs] == [
        (k, name) for k in range(3) for name in ("gd", "scaledgd")
    ]
    starts = [first(run) for run in race.runs]
    assert starts[0] == starts[1] != starts[2]
    assert len(set(starts)) == 3
    alone = ll.solve(sensing, "gd", start="spectral", max_iter=2, tol=0)
    np.testing.assert_array_equal(alone.factors.left, race.runs[0].result.factors.left)
    again = ll.compare(sensing, ["gd", "scaledgd"], repeats=3, budget=2)
    same_runs(race, again)
    other = ll.compare(sensing, ["gd", "scaledgd"], repeats=3, budget=2, rng=1)
    assert first(other.runs[0]) == pytest.approx(starts[0], rel=1e-2)
    assert abs(first(other.runs[2]) - starts[2]) > 1e-6


def test_a_bare_problem_has_no_truth(sensing):
    race = ll.compare(sensing.problem, ["gd", "scaledgd"], rank=2, repeats=2, budget=5)
    assert [r.instance for r in race.runs] == ["problem"] * 4
    assert race.runs[0].measure == "objective"
    assert race.runs[0].fit is None
    row = race.rows()[0]
    assert row["rel_error"] is None
    assert row["objective"] > 0
    assert race.recipes == {}


# --- budgets and observers ---


def test_budget(sensing):
    race = ll.compare(sensing, "gd", budget=ll.Budget(max_iter=7, tol=0.0))
    assert race.runs[0].result.n_iter == 7
    assert ll.compare(sensing, "gd", budget=7).runs[0].result.n_iter == 7
    assert ll.compare(sensing, "gd", budget=np.int64(7)).runs[0].result.n_iter == 7
    loose = ll.compare(sensing, "scaledgd", budget=ll.Budget(tol=1e-2)).runs[0].result
    assert loose.status is Status.CONVERGED
    assert loose.n_iter < 30
    quick = ll.compare(sensing, "gd", budget=ll.Budget(max_iter=10**7, max_time=0.02, tol=0.0))
    assert quick.runs[0].result.status is Status.BUDGET
    assert quick.runs[0].result.trace["seconds"][-1] >= 0.02
    assert quick.runs[0].result.n_iter < 10**7
    default = ll.compare(sensing, solvers.GD(step_size=1e-3)).runs[0].result
    assert default.n_iter == 500


def test_observers(sensing):
    race = ll.compare(sensing, "gd", observe=["stationarity", lambda view: view.X.norm()], budget=2)
    assert {"stationarity", "<lambda>"} <= set(race.runs[0].result.trace)


def test_progress_sees_looks_and_ends(sensing, completion):
    seen = []
    ll.compare(
        sensing,
        ["gd", "altmin"],
        budget=2,
        progress=lambda instance, solver, what: seen.append((solver, type(what).__name__)),
    )
    assert ("gd", "View") in seen
    assert [entry for entry in seen if entry[1] == "Run"] == [("gd", "Run"), ("altmin", "Run")]
    assert seen.index(("gd", "View")) < seen.index(("gd", "Run"))


# --- results ---


def test_rows(race):
    rows = race.rows()
    assert [list(row) for row in rows] == [COLUMNS] * 4
    for row, run in zip(rows, race.runs, strict=True):
        assert row["rel_error"] == run.result.trace["rel_error"][-1]
        assert row["status"] == run.result.status.value
        assert row["seconds"] == pytest.approx(
            run.result.trace.init_seconds + run.result.trace["seconds"][-1]
        )
        assert row["rate_low"] < row["rate"] < row["rate_high"]
        assert 0 < row["predicted_rate"] < 1
    json.dumps(rows)


def test_predicted_rates_are_those_of_the_solvers(race, completion):
    for run in race.runs:
        expected = run.result.solver.local_rate(completion.problem, completion.truth.factors)
        assert run.predicted_rate == expected
    wider = ll.compare(completion, "scaledgd_lambda", rank=3, budget=1)
    assert wider.runs[0].predicted_rate is None
    line = ll.compare(completion, solvers.GD(step_size="exact"), budget=1)
    assert line.runs[0].predicted_rate is None


def test_failed_pairs_are_rows_with_their_reason(sensing, completion):
    @dataclass(frozen=True, kw_only=True)
    class Broken(solvers.GD):
        info = SolverInfo(name="broken", summary="raises something of its own")

        def advance(self, problem, state, k):
            raise RuntimeError("out of luck")

    race = ll.compare([sensing, completion], ["altmin", Broken(), "gd"], budget=2)
    rows = race.rows()
    assert [row["status"] for row in rows] == [
        "failed", "failed", "budget", "budget", "failed", "budget",
    ]  # fmt: skip
    assert rows[0]["reason"].startswith("IncompatibleError: altmin needs operator.row_solve")
    assert rows[1]["reason"] == "RuntimeError: out of luck"
    for column in COLUMNS[5:-1]:
        assert rows[0][column] is None
    assert np.isnan(race.runs[0].seconds)
    assert repr(race) == "<Comparison of 6 runs, 3 failed>"
    assert repr(race.runs[0]) == "<Run of altmin on sensing #0: failed>"


def test_a_rank_that_fits_one_instance_only(sensing):
    small = ll.problems.sensing((4, 3), 1, measurements=40, rng=0)
    race = ll.compare([sensing, small], "gd", rank=4, budget=1)
    assert [run.error.partition(":")[0] for run in race.runs] == ["", "InvalidInputError"]


def test_a_diverged_run_is_a_status_and_no_warning(sensing):
    race = ll.compare(sensing, solvers.ScaledGD(step_size=5.0), budget=50)
    assert race.rows()[0]["status"] == "diverged"
    assert "step too long" in race.rows()[0]["reason"]


def test_too_few_measurements_are_warned_of_once():
    few = ll.problems.sensing((6, 5), 2, measurements=10, rng=0)
    with pytest.warns(UnderdeterminedWarning, match="10 measurements for the 18") as seen:
        ll.compare(few, ["gd", "scaledgd"], budget=1, repeats=2)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    ll.compare(few, "scaledgd_lambda", budget=1)


# --- executors ---


class Inline:
    """The least that an executor may be."""

    def submit(self, function, *args):
        future = Future()
        future.set_result(function(*args))
        return future


def test_executors_give_the_same_runs(sensing):
    names = ["gd", "scaledgd", "altmin"]
    alone = ll.compare(sensing, names, budget=5, repeats=2)
    same_runs(alone, ll.compare(sensing, names, budget=5, repeats=2, executor=Inline()))
    with ThreadPoolExecutor(2) as pool:
        same_runs(alone, ll.compare(sensing, names, budget=5, repeats=2, executor=pool))


def test_a_process_pool_gives_the_same_runs(sensing):
    names = ["gd", "scaledgd", "altmin"]
    seen = []
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        race = ll.compare(
            sensing, names, budget=5, executor=pool,
            progress=lambda instance, solver, what: seen.append((instance, solver, type(what))),
        )  # fmt: skip
    same_runs(race, ll.compare(sensing, names, budget=5))
    assert sorted(seen, key=str) == sorted((("sensing", n, Run) for n in names), key=str)


# --- files and frames ---


def test_everything_comes_back_from_a_file(race, sensing, tmp_path):
    mixed = ll.compare({"s": sensing}, ["scaledgd", "altmin"], budget=3, repeats=2)
    for index, original in enumerate((race, mixed)):
        path = original.save(tmp_path / str(index))
        assert path == tmp_path / f"{index}.npz"
        again = Comparison.load(path)
        same_runs(original, again)
        assert again.recipes == original.recipes
        for x, y in zip(original.rows(), again.rows(), strict=True):
            assert x == y
    run = Comparison.load(tmp_path / "0.npz").runs[1]
    rest = ll.solve(sensing.problem, run.result.solver, rank=2, max_iter=1)
    assert rest.n_iter == 1


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_tables(suffix, race, tmp_path):
    pandas = pytest.importorskip("pandas")
    path = race.save(tmp_path / f"race{suffix}")
    read = {".csv": pandas.read_csv, ".json": pandas.read_json, ".parquet": pandas.read_parquet}
    frame = read[suffix](path)
    assert list(frame.columns) == COLUMNS
    assert list(frame["solver"]) == [run.solver for run in race.runs]
    np.testing.assert_allclose(frame["rate"], [row["rate"] for row in race.rows()], rtol=1e-9)


def test_frames(race):
    pandas = pytest.importorskip("pandas")
    frame = race.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.shape == (4, len(COLUMNS))
    tidy = race.traces()
    assert list(tidy.columns[:3]) == ["instance", "solver", "repeat"]
    assert len(tidy) == sum(run.result.trace.n_rows for run in race.runs)
    part = tidy[tidy["solver"] == "altmin"]
    np.testing.assert_array_equal(part["objective"], race.runs[3].result.trace["objective"])


def test_frames_of_failures_only(sensing):
    pytest.importorskip("pandas")
    race = ll.compare(sensing, "altmin", budget=1)
    assert race.traces().empty
    assert race.to_pandas()["status"].tolist() == ["failed"]


def test_files_of_another_kind(race, tmp_path, sensing):
    with pytest.raises(InvalidInputError, match=r"cannot write race\.xlsx; use \.npz, \.csv"):
        race.save(tmp_path / "race.xlsx")
    race.runs[0].result.save(tmp_path / "one.npz")
    with pytest.raises(FileFormatError, match="holds a result, not a comparison"):
        Comparison.load(tmp_path / "one.npz")
    race.save(tmp_path / "race.npz")
    with pytest.raises(FileFormatError, match="holds a comparison, not a result"):
        ll.load(tmp_path / "race.npz")


# --- bad arguments ---


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"solvers": ["gd", "gdd"]}, UnknownNameError, "no solver named 'gdd'; did you mean 'gd'"),
        ({"solvers": []}, InvalidInputError, "no solver to race"),
        ({"solvers": {}}, InvalidInputError, "no solver to race"),
        ({"solvers": 3}, InvalidTypeError, "solvers must be one, a sequence or a mapping"),
        ({"solvers": [3]}, InvalidTypeError, "solver must be a name or a solver, got 3"),
        ({"instances": []}, InvalidInputError, "no instance to solve"),
        ({"instances": {}}, InvalidInputError, "no instance to solve"),
        ({"instances": 3}, InvalidTypeError, "instances must be one, a sequence or a mapping"),
        ({"instances": [3]}, InvalidTypeError, "expected an Instance or a Problem, got 3"),
        ({"start": "spectrl"}, UnknownNameError, "no start named 'spectrl'; did you mean"),
        ({"observe": "rel_err"}, UnknownNameError, "no observer named 'rel_err'; did you mean"),
        ({"budget": 2.5}, InvalidTypeError, "budget must be an integer"),
        ({"budget": -1}, InvalidInputError, "budget must be at least 0"),
        ({"repeats": 0}, InvalidInputError, "repeats must be at least 1"),
        ({"executor": 3}, InvalidTypeError, "an executor has the method submit, got 3"),
        ({"rng": "x"}, InvalidTypeError, "rng must be what numpy"),
    ],
)
def test_bad_arguments(sensing, arguments, error, message):
    good = {"instances": sensing, "solvers": "gd", "budget": 1}
    with pytest.raises(error, match=message):
        ll.compare(**(good | arguments))


def test_bad_budgets():
    with pytest.raises(InvalidTypeError, match="max_iter must be an integer"):
        ll.Budget(max_iter="many")
    with pytest.raises(InvalidInputError, match="max_time must lie in"):
        ll.Budget(max_time=-1)
    with pytest.raises(InvalidTypeError, match="tol must be a number"):
        ll.Budget(tol="small")


# --- Ctrl-C ---


@posix
@pytest.mark.parametrize("moment", ["in a run", "at its last look", "between runs"])
def test_ctrl_c_ends_the_race_and_keeps_what_there_is(moment, sensing):
    def progress(instance, solver, what):
        here = {
            "in a run": not isinstance(what, Run) and what.iteration == 5,
            "at its last look": not isinstance(what, Run) and what.iteration == 19,
            "between runs": isinstance(what, Run),
        }
        if solver == "scaledgd" and here[moment]:
            os.kill(os.getpid(), signal.SIGINT)

    race = ll.compare(
        sensing, ["gd", "scaledgd", "precgd"], budget=ll.Budget(20, tol=0.0), progress=progress
    )
    assert [run.solver for run in race.runs] == ["gd", "scaledgd"]
    assert race.runs[0].result.status is Status.BUDGET
    last = race.runs[1].result
    assert last.status is (Status.BUDGET if moment == "between runs" else Status.INTERRUPTED)
    assert last.factors.isfinite()
    race.rows()


@posix
def test_ctrl_c_in_the_iteration_that_is_thrown_away(sensing):
    @dataclass(frozen=True, kw_only=True)
    class Interrupting(solvers.GD):
        info = SolverInfo(name="interrupting", summary="presses the keys in its first iteration")

        def advance(self, problem, state, k):
            if not sent:
                sent.append(os.kill(os.getpid(), signal.SIGINT))
            super().advance(problem, state, k)

    sent = []
    race = ll.compare(sensing, [Interrupting(), "gd"], budget=ll.Budget(10**7, tol=0.0))
    assert [run.result.status for run in race.runs] == [Status.INTERRUPTED]
    assert race.runs[0].result.n_iter == 1


@posix
def test_ctrl_c_while_a_start_is_computed(sensing):
    def start(problem, rank, *, rng):
        os.kill(os.getpid(), signal.SIGINT)
        return ll.initial.spectral(problem, rank, rng=rng)

    race = ll.compare(sensing, ["gd", "scaledgd"], start=start, budget=ll.Budget(10**7, tol=0.0))
    assert [run.result.status for run in race.runs] == [Status.INTERRUPTED]
    assert race.runs[0].result.n_iter == 0


@posix
def test_a_second_ctrl_c_is_not_held_back(sensing):
    def progress(instance, solver, what):
        if isinstance(what, Run):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        ll.compare(sensing, ["gd", "scaledgd"], budget=2, progress=progress)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@posix
def test_ctrl_c_cancels_what_a_pool_has_not_begun(sensing):
    def progress(instance, solver, what):
        if solver == "gd":
            os.kill(os.getpid(), signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        race = ll.compare(
            sensing,
            ["gd", *[solvers.ScaledGD()] * 50],
            budget=ll.Budget(500, tol=0.0),
            executor=pool,
            progress=progress,
        )
    assert race.runs[0].solver == "gd"
    assert 1 <= len(race.runs) < 40
