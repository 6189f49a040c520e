"""The claim engine: verdicts that can turn, stored cells, and the command."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import reproduce
from lowrank_la.analysis.batch import Batch
from lowrank_la.analysis.cells import Call, Outcome, Solve, key_of, recall
from lowrank_la.errors import InvalidInputError, InvalidTypeError, UnknownNameError
from lowrank_la.reproduce import Check, Claim, Curves, Data, Setting, Verdict
from lowrank_la.reproduce._checks import (
    between,
    exponent,
    follows,
    increases,
    overall,
    ratio,
    spread,
)
from lowrank_la.reproduce._data import bootstrap
from lowrank_la.reproduce._measure import slope

pytest.importorskip("matplotlib")


def data(values, **parameters):
    """One parameter over the points, one number with these repeats."""
    ((name, grid),) = parameters.items()
    return Data([Setting(**{name: v}) for v in grid], {"y": np.asarray(values, float)})


# --- data and checks ---


def test_means_are_geometric_for_positive_numbers():
    found = data([[1.0, 100.0], [-1.0, 3.0], [np.inf, 1.0]], k=[1, 2, 3])
    np.testing.assert_allclose(found.mean("y"), [10.0, 1.0, np.inf])
    assert found.at("y", k=1) == pytest.approx(10.0)
    with pytest.raises(InvalidInputError, match="no grid point has"):
        found.where(k=7)
    with pytest.raises(UnknownNameError):
        found.mean("z")


def test_bootstrap_covers_and_is_repeatable():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(100):
        sample = data([np.exp(rng.standard_normal(12))], k=[1])
        value, low, high = bootstrap(sample, lambda d: float(d.mean("y")[0]))
        assert low <= value <= high
        hits += low <= 1.0 <= high
    assert 80 <= hits <= 100
    again = bootstrap(sample, lambda d: float(d.mean("y")[0]))
    assert again == (value, low, high)


@pytest.mark.parametrize(("repeats", "coverage"), [(3, 0.77), (5, 0.86), (10, 0.91)])
def test_coverage_of_few_repeats_is_what_the_docs_say(repeats, coverage):
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(300):
        sample = data([rng.standard_normal(repeats)], k=[1])
        _, low, high = bootstrap(sample, lambda d: float(np.mean(d.numbers["y"])), draws=200)
        hits += low <= 0.0 <= high
    assert hits / 300 == pytest.approx(coverage, abs=0.06)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ([1.0, 1.1, 0.9], Verdict.CONSISTENT),
        ([3.0, 3.1, 2.9], Verdict.NOT_CONSISTENT),
        ([1.0, 1.5, 2.5], Verdict.NOT_DECIDED),
        ([1.0, np.nan, 1.0], Verdict.NOT_DECIDED),
        ([np.inf, np.inf, np.inf], Verdict.NOT_CONSISTENT),
        ([1.0, 1.0], Verdict.NOT_DECIDED),
    ],
)
def test_verdicts(values, verdict):
    check = Check("y is at most 2", lambda d: float(d.mean("y")[0]), high=2.0)
    finding = check.judge(data([values], k=[1]))
    assert finding.verdict is verdict, finding
    assert finding.as_dict()["verdict"] == verdict.value


def test_one_repeat_decides_only_what_is_deterministic():
    check = Check("y is at most 2", lambda d: float(d.mean("y")[0]), high=2.0)
    one = data([[1.0]], k=[1])
    assert check.judge(one).verdict is Verdict.NOT_DECIDED
    assert "1 repeats give no interval" in check.judge(one).why
    assert check.judge(one, deterministic=True).verdict is Verdict.CONSISTENT


def test_the_worst_check_is_the_verdict():
    good = Check("good", lambda d: 1.0).judge(data([[1.0] * 3], k=[1]))
    open_ = Check("open", lambda d: float("nan")).judge(data([[1.0] * 3], k=[1]))
    bad = Check("bad", lambda d: 1.0, high=0.0).judge(data([[1.0] * 3], k=[1]))
    assert overall([good])[0] is Verdict.CONSISTENT
    assert overall([good, open_])[0] is Verdict.NOT_DECIDED
    assert overall([open_, good, bad])[0] is Verdict.NOT_CONSISTENT
    assert overall([open_, good, bad])[1].startswith("bad: ")


def judged(check, found):
    checks = [check] if isinstance(check, Check) else check
    return {c.judge(found).verdict for c in checks}


def test_statistics_of_checks():
    k = np.array([1.0, 2.0, 4.0])
    noise = 1 + 0.01 * np.random.default_rng(0).standard_normal((3, 5))
    square = data(3 * k[:, None] ** 2 * noise, k=k)
    right, wrong = {Verdict.CONSISTENT}, {Verdict.NOT_CONSISTENT}
    assert judged(follows("y", lambda p: 3 * p.k**2, 1.05, what=""), square) == right
    assert judged(follows("y", lambda p: 3 * p.k, 1.05, what=""), square) == wrong
    assert judged(exponent("y", "k", 1.9, 2.1, what=""), square) == right
    assert judged(exponent("y", "k", 0.9, 1.1, what=""), square) == wrong
    assert judged(increases("y", "k", what=""), square) == right
    assert judged(increases("y", "k", what=""), data(-square.numbers["y"], k=k)) == wrong
    assert judged(spread("y", 20, what=""), square) == right
    assert judged(spread("y", 2, what=""), square) == wrong
    assert judged(spread("y", 50, what="", relative=False), square) == right
    assert judged(spread("y", 10, what="", relative=False), square) == wrong
    assert judged(between("y", 2, 60, what=""), square) == right
    assert Verdict.NOT_CONSISTENT in judged(between("y", 2, 20, what=""), square)
    assert judged(ratio("y", {"k": 4}, {"k": 1}, 15, 17, what=""), square) == right
    assert judged(ratio("y", {"k": 4}, {"k": 1}, 3, 5, what=""), square) == wrong


@pytest.mark.parametrize("check", [increases, partial(exponent, low=0, high=3)])
def test_one_value_of_a_parameter_shows_no_dependence(check):
    finding = check("y", "k", what="").judge(data([[1.0] * 3], k=[1]))
    assert finding.verdict is Verdict.NOT_DECIDED
    assert "a single value of k" in finding.why


def test_slopes_of_runs_that_ended_early_or_blew_up():
    def of(error):
        t = np.arange(1, 1 + len(error))
        outcome = Outcome({"iteration": t, "rel_error": np.asarray(error, float)}, {})
        return slope(5, 20, power=True)(outcome, Setting())

    assert of(3.0 / np.arange(1, 21) ** 2) == pytest.approx(-2)
    assert of([1.0, 0.1, 0.01]) == -np.inf
    assert of([1.0, 10.0, np.inf]) == np.inf


# --- cells ---


def numbers(a, seed):
    rng = np.random.default_rng(seed)
    return {"iteration": np.arange(5), "rel_error": a * np.exp(rng.standard_normal(5))}


def failing(**parameters):
    raise ValueError("no luck")


def solve_cell(**changes):
    options = {
        "recipe": ll.Recipe("completion", {"shape": [20, 15], "rank": 2, "sampling": 0.7}, 0),
        "solver": ll.solvers.make_solver("scaledgd", {"step_size": 0.5}),
        "max_iter": 5,
    }
    return Solve(**(options | changes))


def halved(instance, by=2.0):
    problem = instance.problem
    return ll.Instance(problem.replace(data=problem.data / by), instance.truth)


def with_true_size(solver, instance):
    return replace(solver, sigma_max=float(instance.truth.singular_values[0]))


def test_cells_change_instances_and_tune_solvers():
    """The transformed data, half of the truth's, and an option that needs the truth."""
    gd = ll.solvers.make_solver("gd")
    tuned = solve_cell(solver=gd, tune=with_true_size).run()[1]
    assert sorted(tuned["oracle"]) == ["rank", "sigma_max"]
    columns, _ = solve_cell(transform=partial(halved, by=2.0), max_iter=60).run()
    assert columns["rel_error"][-1] == pytest.approx(0.5, rel=1e-2)
    keys = {key_of(solve_cell(transform=partial(halved, by=by)), "1") for by in (2.0, 3.0)}
    assert len(keys) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"max_iter": 6},
        {"solver": ll.solvers.make_solver("gd")},
        {"solver": ll.solvers.make_solver("scaledgd", {"step_size": 0.4})},
        {"solver": ll.solvers.make_solver("scaledgd", {"step_size": ll.steps.Constant(0.5)})},
        {"rank": 3},
        {"start": "small_random"},
        {"start": "small_random", "start_options": {"init_scale": 0.1}},
        {"seed": 1},
        {"stop": ll.stopping.Target("rel_error", 0.1)},
        {"every": 2},
        {"observe": ("stationarity",)},
        {"predict": True},
        {"transform": halved},
        {"transform": partial(halved, by=3.0)},
        {"tune": with_true_size},
        {"recipe": ll.Recipe("completion", {"shape": [20, 15], "rank": 2, "sampling": 0.6}, 0)},
        {"recipe": ll.Recipe("completion", {"shape": [20, 15], "rank": 2, "sampling": 0.7}, 1)},
    ],
)
def test_a_cell_is_named_by_all_that_matters(changes):
    assert key_of(solve_cell(), "1") != key_of(solve_cell(**changes), "1")
    assert key_of(solve_cell(), "1") == key_of(solve_cell(), "1") != key_of(solve_cell(), "2")


def test_outcomes_are_stored_and_recalled(tmp_path):
    batch = Batch(tmp_path)
    cells = [solve_cell(predict=True), Call(numbers, {"a": 2.0, "seed": 0})]
    assert batch.run(cells)
    again = Batch(tmp_path)
    assert all(again.recall(again.key(cell)) for cell in cells)
    for cell in cells:
        first, second = (b.outcomes[b.key(cell)] for b in (batch, again))
        assert first.info == second.info
        assert list(first.columns) == list(second.columns)
        for name in first.columns:
            np.testing.assert_array_equal(first[name], second[name])
    outcome = batch.outcomes[batch.key(cells[0])]
    assert "seconds" not in outcome.columns
    assert 0 < outcome.info["predicted_rate"] < 1
    assert outcome.first("rel_error", 1e-300) == np.inf
    assert outcome.last("rel_error") == outcome["rel_error"][-1]


def test_a_damaged_file_is_no_outcome(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(b"PK\x03\x04 broken")
    assert recall(path) is None


def test_processes_and_this_one_give_the_same(tmp_path):
    cells = [solve_cell(seed=seed) for seed in range(3)]
    alone, pool = Batch(), Batch(workers=2)
    alone.run(cells)
    pool.run(cells)
    for cell in cells:
        a, b = (x.outcomes[x.key(cell)] for x in (alone, pool))
        np.testing.assert_array_equal(a["rel_error"], b["rel_error"])


def test_the_budget_ends_a_batch():
    batch = Batch()
    assert not batch.run([solve_cell(seed=s) for s in range(50)], budget=0.0)
    assert len(batch.outcomes) < 50


# --- claims ---


def claim(function=numbers, **changes):
    options = {
        "id": "test",
        "paper": "Nobody (2026)",
        "source": "nowhere",
        "statement": "y equals a",
        "settings": "ours",
        "grid": {"a": [1.0, 2.0]},
        "cell": lambda p, seed: Call(function, {"a": p.a, "seed": seed}),
        "numbers": {"y": lambda o, p: o["rel_error"].mean()},
        "checks": [follows("y", lambda p: p.a, 10.0, what="y over a")],
        "drawing": Curves(label=lambda p: f"a = {p.a}"),
        "repeats": 4,
    }
    return Claim(**(options | changes))


def test_a_claim_in_a_script(tmp_path):
    result = reproduce.run(claim(), a=[1.0, 4.0], repeats=3)
    assert result.verdict is Verdict.CONSISTENT
    assert [row["a"] for row in result.table] == [1.0, 4.0]
    assert result.claim.repeats == 3
    assert result.figure.axes
    written = result.save(tmp_path / "out")
    assert sorted(p.name for p in written) == [
        "figure.pdf", "figure.png", "result.json", "table.csv",
    ]  # fmt: skip
    text = json.loads((tmp_path / "out" / "result.json").read_text())
    assert text["verdict"] == "consistent"
    assert (tmp_path / "out" / "table.csv").read_text().startswith("a,y,y low,y high\n")


def test_the_legend_names_oracle_quantities():
    one = claim(
        grid={"a": [0.4, 0.5]},
        cell=lambda p, seed: solve_cell(
            solver=ll.solvers.make_solver("gd", {"step_size": p.a, "sigma_max": 1.0}), seed=seed
        ),
        checks=[],
    )
    figure = reproduce.run(one).figure
    assert figure.legends[0].get_title().get_text() == "oracle: rank, sigma_max"
    assert reproduce.run(claim()).figure.legends[0].get_title().get_text() == ""


def test_overrides():
    assert claim().changed(a=3).grid == {"a": [3]}
    with pytest.raises(UnknownNameError, match="no parameter of the claim test named 'b'"):
        reproduce.run(claim(), b=1)
    with pytest.raises(UnknownNameError, match="did you mean 'xu2023-kappa'"):
        reproduce.run("xu2023-kapa")
    with pytest.raises(InvalidInputError, match="settings must be one of"):
        claim(settings="theirs")


def test_a_failed_cell_decides_nothing():
    result = reproduce.run(claim(failing))
    assert result.verdict is Verdict.NOT_DECIDED
    assert result.why == "ValueError: no luck"
    assert result.table == []
    assert result.figure is None


def test_a_check_about_a_point_that_is_not_there_decides_nothing():
    one = claim(checks=[between("y", 0, 9, what="y at a = 1", a=1.0)])
    assert reproduce.run(one).verdict is Verdict.CONSISTENT
    result = reproduce.run(one, a=[2.0])
    assert result.verdict is Verdict.NOT_DECIDED
    assert "no grid point has {'a': 1.0}" in result.why


def test_fresh_seeds_for_every_repeat():
    cells = claim().cells()
    seeds = [json.dumps(cell.parameters["seed"]) for cell in cells]
    assert len(set(seeds)) == 4
    assert len(cells) == 8


@pytest.mark.parametrize("name", [c.id for c in reproduce.claims()])
def test_every_claim_is_well_formed(name):
    found = reproduce._claim.registry[name]
    assert found.statement.endswith(".")
    assert len(found.statement) <= 100
    assert "arXiv" in found.paper
    cells = found.cells()
    assert len({key_of(cell, "") for cell in cells}) == len(cells), "two cells are the same"
    assert found.cost in ("seconds", "minutes", "an hour")
    if found.quick is not None:
        found.changed(**found.quick)


# --- files, and what a crash leaves ---


def comparable(path):
    """A result file without what names seconds or the machine."""

    def stripped(value):
        if isinstance(value, dict):
            return {
                k: stripped(v) for k, v in value.items() if "seconds" not in k and k != "machine"
            }
        return [stripped(v) for v in value] if isinstance(value, list) else value

    return stripped(json.loads(path.read_text()))


QUICK = ["xiong2024-symmetric", "--set", "max_iter=400", "--set", "columns=[3, 4, 6]"]


def command(*args, cwd, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "lowrank_la", "reproduce", *args],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_killed_and_run_again_gives_the_same_file(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir()
    broken.mkdir()
    for folder in (whole, whole):
        # The second time from stored cells, and a third time from nothing, below.
        process = command(*QUICK, "--workers", "1", cwd=folder)
        process.communicate(timeout=300)
    first = comparable(whole / "reproduce" / QUICK[0] / "result.json")

    process = command(*QUICK, "--workers", "1", cwd=broken)
    cells = broken / "reproduce" / "cells"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(list(cells.glob("*.npz"))) < 3:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = {p.name: p.stat().st_mtime_ns for p in cells.glob("*.npz")}
    assert kept
    process = command(*QUICK, "--workers", "1", cwd=broken)
    process.communicate(timeout=300)
    assert comparable(broken / "reproduce" / QUICK[0] / "result.json") == first
    after = {p.name: p.stat().st_mtime_ns for p in cells.glob("*.npz")}
    assert all(after[name] == stamp for name, stamp in kept.items()), "a finished cell ran again"


def stop_after(cells, count, process, what):
    """Send a signal once so many cells are stored."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and len(list(cells.glob("*.npz"))) < count:
        time.sleep(0.005)
    time.sleep(0.05)
    os.killpg(process.pid, what)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_stores_no_half_run(tmp_path, workers):
    """A terminal sends it to all processes; what is stored must be whole runs."""
    args = ["xiong2024-symmetric", "--set", "max_iter=2000", "--workers", workers]
    process = command(*args, cwd=tmp_path, start_new_session=True)
    cells = tmp_path / "reproduce" / "cells"
    stop_after(cells, 2, process, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    stored = [recall(path) for path in cells.glob("*.npz")]
    assert stored
    for outcome in stored:
        assert outcome.info["status"] == "BUDGET"
        assert outcome.info["n_iter"] == 2000


def test_functions_without_a_name_are_refused():
    with pytest.raises(InvalidTypeError, match="functions of a module"):
        key_of(Call(lambda a: {"y": a}, {"a": 1}), "")

    def local(a):
        return {"y": a}

    with pytest.raises(InvalidTypeError, match="functions of a module"):
        key_of(Call(local, {"a": 1}), "")


def test_an_edited_function_is_another_cell():
    spaces = [{}, {}, {}]
    bodies = ("return {'y': 1.0 * a}", "return {'y': 2.0 * a}", "return {'y': 1.0 * a}")
    for space, body in zip(spaces, bodies, strict=True):
        exec(f"def measure(a):\n    {body}", space)
        space["measure"].__module__ = "somewhere"
    keys = [key_of(Call(space["measure"], {"a": 1}), "") for space in spaces]
    assert keys[0] == keys[2] != keys[1]


def test_agreement_needs_two_points():
    one = data([[1.0, 1.1, 0.9]], k=[1])
    assert judged(spread("y", 2, what=""), one) == {Verdict.NOT_DECIDED}
    signs = data([[1.0] * 3, [-1.0] * 3], k=[1, 2])
    assert judged(spread("y", 2, what=""), signs) == {Verdict.NOT_DECIDED}


def test_a_number_that_fails_decides_nothing():
    broken = claim(numbers={"y": lambda o, p: o["nothing"][0]})
    result = reproduce.run(broken)
    assert result.verdict is Verdict.NOT_DECIDED
    assert "KeyError" in result.why


def test_settings_that_leave_nothing():
    with pytest.raises(InvalidInputError, match="a needs at least one value"):
        claim().changed(a=[])
    with pytest.raises(InvalidInputError, match="repeats"):
        claim().changed(repeats=0)


def test_other_condition_numbers():
    cells = reproduce._claim.registry["xu2023-kappa"].changed(kappa=[4.5, 10]).cells()
    assert 0 < cells[1].start_options["init_scale"] < cells[0].start_options["init_scale"] < 1e-16


def dying(**parameters):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_process_that_dies_takes_no_other_cell_with_it():
    batch = Batch(workers=2)
    good = [solve_cell(seed=seed) for seed in range(4)]
    bad = Call(dying, {})
    assert batch.run([good[0], bad, *good[1:]])
    assert batch.outcomes[batch.key(bad)] == "a process died while it ran"
    whole = [not isinstance(batch.outcomes[batch.key(cell)], str) for cell in good]
    assert sum(whole) >= 2
