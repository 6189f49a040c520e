"""The benchmarks' own honesty: what misses the accuracy is not timed, and the page renders."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import lowrank_la as ll
from benchmarks import cases as operations
from benchmarks import choice, near_limit
from benchmarks import run as running
from benchmarks.recovery import cases, generators, measure, ours, registry, tasks, worker
from benchmarks.recovery import report as recovery_report
from benchmarks.recovery.clock import Run
from benchmarks.recovery.registry import Contender

ROOT = Path(__file__).resolve().parents[1]
KINDS = tuple(tasks.KINDS)


@pytest.fixture(scope="module")
def small():
    """The small completion task that pays for compilation."""
    return generators.warm_up("completion")


def contender(solve, **more):
    return Contender("stub", "", KINDS, solve, **more)


def attempt(solve, task, limit=60.0):
    return worker.attempt(contender(solve), task, {}, limit=limit, threads=1)


# --- what counts as an answer


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_is_that_of_the_whole_matrix(kind):
    task = generators.warm_up(kind)
    rng = np.random.default_rng(0)
    left = task.left + 1e-3 * rng.standard_normal(task.left.shape)
    dense, truth = left @ task.right.conj().T, task.left @ task.right.conj().T
    expected = np.linalg.norm(dense - truth) / np.linalg.norm(truth)
    assert task.error((left, task.right)) == pytest.approx(expected, rel=1e-8)
    assert task.error(dense) == pytest.approx(expected, rel=1e-8)
    assert task.error((task.left, task.right)) < 1e-14


def test_an_answer_of_another_rank_is_judged_too(small):
    assert small.error((small.left[:, :1], small.right[:, :1])) > 0.1
    wide = [np.hstack([x, np.zeros((len(x), 3))]) for x in (small.left, small.right)]
    assert small.error(tuple(wide)) < 1e-14


def test_what_is_not_finite_is_no_answer(small):
    assert np.isnan(small.error((small.left * np.nan, small.right)))
    found = attempt(lambda task, run: (task.left * np.nan, task.right), small)
    assert not found["reached"]
    assert found["error"] is None


def test_answers_of_a_wrong_shape_are_a_failure(small):
    found = attempt(lambda task, run: (task.left[:-1], task.right), small)
    assert not found["reached"]
    assert "factors (79, 2)" in found["failure"]


@pytest.mark.parametrize(("factor", "reached"), [(1.0, True), (1 + 9e-7, True), (1 + 2e-6, False)])
def test_a_wrong_answer_is_refused(small, factor, reached):
    found = attempt(lambda task, run: (factor * task.left, task.right), small)
    assert found["reached"] is reached
    assert found["error"] == pytest.approx(factor - 1, abs=1e-12)


def test_a_wrong_answer_is_listed_and_not_timed(small):
    row = worker.measure(
        contender(lambda task, run: (1.1 * task.left, task.right)),
        small,
        limit=60.0,
        threads=1,
        repeats=5,
    )
    assert not row["reached"]
    summary = measure._summary([row])
    assert summary["reached"] == 0
    assert summary["of"] == 1
    assert summary["error"] == pytest.approx(0.1)
    assert "cpu_s" not in summary


def test_what_a_package_raises_is_its_failure(small):
    def solve(task, run):
        raise ZeroDivisionError("of their own")

    found = attempt(solve, small)
    assert not found["reached"]
    assert found["failure"] == "ZeroDivisionError: of their own"


def test_a_package_is_left_as_soon_as_it_is_accurate(small):
    def solve(task, run):
        for k in range(20):
            try:
                run.stop_if_reached(((1 + 10.0**-k) * task.left, task.right))
            except Exception:  # as some packages do
                pytest.fail("an `except Exception` must not catch it")

    found = attempt(solve, small)
    assert found["reached"]
    assert found["error"] <= tasks.TARGET


@pytest.mark.parametrize("looks", [True, False])
def test_time_runs_out_with_and_without_a_callback(small, looks):
    def solve(task, run):
        while True:
            if looks:
                run.stop_if_reached((2 * task.left, task.right))

    found = attempt(solve, small, limit=0.005)
    assert not found["reached"]
    assert found["out_of_time"]
    assert found["failure"] is None


def test_the_clock_stands_still_during_looks(small, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.process_time", lambda: now[0])
    monkeypatch.setattr("time.perf_counter", lambda: 2 * now[0])
    run = Run(small, limit=60.0)

    def answer():
        now[0] += 100.0
        return small.left, small.right

    def solve():
        with run.preparing():
            now[0] += 1.0
        now[0] += 2.0
        run.stop_if_reached(answer)

    assert run(solve)
    assert (run.cpu, run.wall, run.prepared) == (3.0, 6.0, 1.0)


# --- settings and repeats


def ladder(monkeypatch, outcomes):
    """Attempts that come out as told: by setting, CPU seconds and whether it succeeds."""
    asked = []

    def stub(contender, task, setting, *, limit, threads):
        cpu, reached = outcomes[setting["k"]]
        asked.append(setting["k"])
        error = 1e-7 if reached else 1.0 + setting["k"]
        rest = {"note": "", "failure": None, "out_of_time": False, "prepared": 0.0}
        return {
            "setting": setting,
            "reached": reached,
            "error": error,
            "cpu": cpu,
            "wall": cpu,
            **rest,
        }

    monkeypatch.setattr(worker, "attempt", stub)
    settings = [{"k": k} for k in range(len(outcomes))]
    return asked, contender(None, settings=lambda task: settings)


def test_the_fastest_setting_that_succeeds_is_repeated(small, monkeypatch):
    asked, stub = ladder(monkeypatch, [(0.1, False), (0.4, True), (0.2, True), (0.3, True)])
    found = worker.measure(stub, small, limit=10.0, threads=1, repeats=5)
    assert found["setting"] == {"k": 2}
    assert asked == [0, 1, 2, 3, 2, 2, 2, 2]
    assert found["cpu_s"] == [0.2] * 5


def test_settings_that_only_get_dearer_are_not_tried(small, monkeypatch):
    asked, stub = ladder(monkeypatch, [(0.1, True)] + [(1.0, True)] * 9)
    worker.measure(stub, small, limit=100.0, threads=1, repeats=2)
    assert asked == [0, 1, 2, 3, 0]


def test_tuning_ends_with_its_budget_and_keeps_the_most_accurate(small, monkeypatch):
    asked, stub = ladder(monkeypatch, [(3.0, False)] * 9)
    found = worker.measure(stub, small, limit=5.0, threads=1, repeats=5)
    assert asked == [0, 1]
    assert not found["reached"]
    assert found["setting"] == {"k": 0}


def test_one_repeat_takes_the_first_setting_that_succeeds(small, monkeypatch):
    asked, stub = ladder(monkeypatch, [(0.1, False), (0.4, True), (0.2, True)])
    worker.measure(stub, small, limit=10.0, threads=1, repeats=1)
    assert asked == [0, 1]


def test_the_slow_are_repeated_less_often():
    assert [worker._repeats(cpu, 5) for cpu in (1.0, 6.0, 20.0)] == [5, 3, 1]


@pytest.mark.parametrize(
    ("give_up", "good", "run"), [(2, (), 2), (0, (), 4), (2, (0,), 4), (2, (1,), 4)]
)
def test_packages_give_up_after_failing_the_first_instances(
    small, tmp_path, monkeypatch, give_up, good, run
):
    small.save(tmp_path / "task.npz")
    calls = []

    def solve(task, run):
        calls.append(task)
        # The first call is the warm-up.
        return (1.0 if len(calls) - 2 in good else 2.0) * task.left, task.right

    monkeypatch.setattr(worker, "find", lambda name, options: contender(solve))
    order = {
        "contender": "stub",
        "options": {},
        "kind": "completion",
        "files": [str(tmp_path / "task.npz")] * 4,
        "limit": 60.0,
        "threads": 1,
        "repeats": 1,
        "give_up": give_up,
        "settings": [],
        "passes": False,
    }
    found = []
    worker.work(order, found.append)
    assert len(found) == run
    assert [k for k, row in enumerate(found) if row["reached"]] == list(good)
    json.dumps(found, allow_nan=False)


def test_a_pass_over_the_entries_is_measured_where_it_is_asked_for(small, tmp_path, monkeypatch):
    small.save(tmp_path / "task.npz")
    monkeypatch.setattr(worker, "find", lambda name, options: contender(lambda t, run: t.left))
    order = {
        "contender": "stub",
        "options": {},
        "kind": "completion",
        "files": [str(tmp_path / "task.npz")],
        "limit": 60.0,
        "threads": 1,
        "repeats": 1,
        "give_up": 0,
        "settings": [],
        "passes": True,
    }
    found = []
    worker.work(order, found.append)
    assert found[0]["pass_s"] > 0


# --- data


@pytest.mark.parametrize("shared", [True, False])
def test_completion_data_obey_the_law(monkeypatch, shared):
    if not shared:
        monkeypatch.setattr(generators, "shared", lambda: None)
    elif generators.shared() is None:
        pytest.skip("the shared file is not here")
    task = generators.completion(n=100, rank=3, cond=20.0, oversampling=1.3, seed=1)
    assert task.values.size == int(1.3 * 3 * (200 - 3))
    for i in (task.rows, task.cols):
        assert np.bincount(i, minlength=100).min() >= 4
    assert np.unique(task.rows * 100 + task.cols).size == task.values.size
    dense = task.left @ task.right.T
    np.testing.assert_allclose(task.values, dense[task.rows, task.cols], atol=1e-12)
    s = np.linalg.svd(dense, compute_uv=False)[:3]
    np.testing.assert_allclose(s / s[-1], np.geomspace(20, 1, 3))
    assert np.mean(dense**2) == pytest.approx(1.0)
    again = generators.completion(n=100, rank=3, cond=20.0, oversampling=1.3, seed=1)
    other = generators.completion(n=100, rank=3, cond=20.0, oversampling=1.3, seed=2)
    np.testing.assert_array_equal(task.values, again.values)
    assert not np.array_equal(task.values, other.values)


def test_a_shared_file_that_is_named_must_exist(monkeypatch, tmp_path):
    generators.shared.cache_clear()
    monkeypatch.setenv(generators.VARIABLE, str(tmp_path / "none.py"))
    try:
        with pytest.raises(SystemExit, match="there is no file"):
            generators.shared()
    finally:
        generators.shared.cache_clear()


def test_a_seed_without_data_is_passed_over(monkeypatch, tmp_path):
    class Shared:
        @staticmethod
        def make(n, rank, cond, oversampling, seed):
            while seed == 1:
                pass
            return replace_names(generators._completion(n, rank, cond, oversampling, seed))

    def replace_names(task):
        names = {"U": task.left, "V": task.right, "rows": task.rows}
        return type("P", (), {**names, "cols": task.cols, "vals": task.values})

    monkeypatch.setattr(generators, "shared", lambda: Shared)
    monkeypatch.setattr(generators, "PATIENCE", 0.5)
    case = replace(cases.QUICK[1], seeds=2)
    files = measure._instances(case, generators.completion, tmp_path)
    assert [Path(f).stem for f in files] == ["0", "2"]


def test_outliers_have_the_share_and_size_that_is_said():
    task = generators.robust_pca(n=200, rank=5, share=0.3, seed=0)
    low = task.left @ task.right.T
    hit = task.matrix != low
    assert hit.mean() == pytest.approx(0.3, abs=0.01)
    assert np.std((task.matrix - low)[hit]) == pytest.approx(np.std(low), rel=0.02)


def test_measurements_are_those_of_the_truth():
    task = generators.sensing(n=12, rank=2, factor=5.0, seed=0)
    expected = [np.sum(A * (task.left @ task.right.T)) for A in task.matrices]
    np.testing.assert_allclose(task.values, expected)
    assert task.values.size == 120
    task = generators.robust_sensing(n=12, rank=2, factor=10.0, share=0.25, seed=0)
    clean = [np.sum(A * (task.left @ task.left.T)) for A in task.matrices]
    wrong = ~np.isclose(task.values, clean)
    assert 0.15 < wrong.mean() < 0.35
    task = generators.phase_retrieval(n=9, factor=6.0, seed=0)
    X = task.left @ task.left.conj().T
    expected = [(a.conj() @ X @ a).real for a in task.vectors]
    np.testing.assert_allclose(task.values, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_was_saved_is_the_same(tmp_path, kind):
    task = generators.warm_up(kind)
    task.save(tmp_path / "task.npz")
    again = tasks.load(kind, tmp_path / "task.npz")
    assert type(again) is type(task)
    for name, value in vars(task).items():
        np.testing.assert_array_equal(getattr(again, name), value)


# --- cases and contenders


@pytest.mark.parametrize("quick", [True, False])
def test_cases_have_names_of_their_own_and_known_kinds(quick):
    found = cases.select(quick=quick)
    assert len({c.name for c in found}) == len(found)
    for case in found:
        assert case.kind in generators.GENERATORS
        assert case.ours[0] == "auto"
    assert {c.kind for c in found} == set(KINDS)


def test_only_finds_operations_and_recoveries_by_different_words():
    assert not cases.select(quick=False, only="rank=10")
    assert not operations.select(quick=False, only="recovery")
    assert len(cases.select(quick=False, only="recovery: E1:")) == 1


def test_a_text_that_no_case_has_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="no case has 'nonsense'"):
        running.run(tmp_path / "r.json", quick=True, only="nonsense", threads=["1"])


def test_who_cannot_run_says_why():
    absent = contender(None, requires=("no_such_package_at_all",))
    assert absent.missing() == "not installed: no_such_package_at_all"
    assert contender(None, requires=("numpy",)).missing() is None
    case = replace(cases.QUICK[0], ours=("auto", "no_such_solver"))
    reasons = {c.name: why for c, why in measure.contenders(case)}
    assert reasons["lowrank_la: auto"] is None
    assert reasons["lowrank_la: no_such_solver"] == "no solver of this name is registered"
    assert "another problem" in reasons["implicit ALS"]


def test_a_case_chooses_its_packages():
    names = [c.name for c, _ in measure.contenders(replace(cases.QUICK[0], packages=("SciPy",)))]
    assert names == ["lowrank_la: auto", "lowrank_la: altmin", "SciPy L-BFGS-B"]


def test_two_contenders_of_one_name_are_refused():
    registry.load_packages()
    with pytest.raises(ValueError, match="two contenders"):
        registry.contender("SciPy L-BFGS-B", "completion")(lambda task, run: None)


@pytest.mark.parametrize("kind", KINDS)
def test_auto_solves_the_small_problem_of_each_kind(kind):
    task = generators.warm_up(kind)
    found = worker.attempt(ours.our("auto", {}), task, {}, limit=60.0, threads=1)
    assert found["failure"] is None
    assert found["reached"]
    assert found["note"]


registry.load_packages()
PACKAGES = [
    (name, kind)
    for name, entry in registry.CONTENDERS.items()
    for kind in entry.kinds
    if entry.unfit(kind, generators.WARM_UP[kind]) is None
]


@pytest.mark.parametrize(("name", "kind"), PACKAGES)
@pytest.mark.filterwarnings("ignore")
def test_packages_that_are_installed_solve_the_small_problem(name, kind):
    entry = registry.CONTENDERS[name]
    if (why := entry.missing()) is not None:
        pytest.skip(why)
    task = generators.warm_up(kind)
    for setting in entry.settings(task):
        found = worker.attempt(entry, task, setting, limit=60.0, threads=1)
        assert found["failure"] is None
        if found["reached"]:
            return
    pytest.fail("no setting solves it")


def test_a_worker_is_a_process_of_its_own(tmp_path):
    generators.warm_up("completion").save(tmp_path / "0.npz")
    order = {
        "contender": "SciPy L-BFGS-B",
        "options": {},
        "kind": "completion",
        "files": [str(tmp_path / "0.npz")],
        "limit": 60.0,
        "threads": 1,
        "repeats": 2,
        "give_up": 3,
        "settings": [],
        "passes": False,
    }
    found, ended = measure._ask(order, running.environment_of("1"), timeout=300.0)
    assert ended == ""
    assert [row["reached"] for row in found] == [True]
    assert len(found[0]["cpu_s"]) == len(found[0]["wall_s"]) == 2
    assert found[0]["peak_mb"] > 10


def test_a_worker_that_dies_says_so(tmp_path):
    order = {"contender": "no such", "options": {}, "kind": "completion"}
    found, ended = measure._ask(order, {}, timeout=300.0)
    assert found == []
    assert ended == "process failed: KeyError: 'no such'"


def test_settings_of_threads():
    assert running.environment_of("2")["OPENBLAS_NUM_THREADS"] == "2"
    mixed = running.environment_of("2:1")
    assert (mixed["LOWRANK_LA_THREADS"], mixed["OMP_NUM_THREADS"]) == ("2", "1")


def test_several_threads_are_for_those_who_succeed_on_one(monkeypatch):
    case = replace(cases.QUICK[0], threads=(1, 2), packages=("SciPy",))
    asked = []

    def stub(case, name, files, threads, env, settings):
        asked.append((name, threads, env["LOWRANK_LA_THREADS"], settings))
        found = row(name, reached=int(name == measure.AUTO), cpu=0.1)
        found["instances"][0]["setting"] = {"k": 7}
        return found | {"took_s": 1.0}

    monkeypatch.setattr(measure, "_run", stub)
    found = measure.measure_case(case, ["1", "2", "4"], running.environment_of)
    assert [a[0] for a in asked if a[1] == 1] == [
        "lowrank_la: auto",
        "lowrank_la: altmin",
        "SciPy L-BFGS-B",
    ]
    assert [a[3] for a in asked if a[1] == 1] == [[]] * 3
    assert [a for a in asked if a[1] != 1] == [("lowrank_la: auto", 2, "2", [{"k": 7}])]
    skipped = [r["contender"] for r in found["runs"][0]["rows"] if "skipped" in r]
    assert "implicit ALS" not in skipped  # it is no SciPy


def test_settings_that_are_given_are_not_tuned(small, monkeypatch):
    asked, stub = ladder(monkeypatch, [(0.1, True), (0.4, True)])
    worker.measure(stub, small, limit=5.0, threads=1, repeats=3, settings=[{"k": 1}])
    assert asked == [1, 1, 1]


# --- the page


def row(name, reached=1, cpu=1.0, of=1, **more):
    instance = {
        "reached": bool(reached),
        "failure": None,
        "out_of_time": False,
        "setting": {},
        "settings": 1,
    }
    found = {
        "contender": name,
        "kind": "ours" if name.startswith(ours.OURS) else "package",
        "reached": reached,
        "of": of,
        "ended": "",
        "error": 3e-7 if reached else 0.25,
        "peak_mb": 100,
        "instances": [instance] * of,
    }
    if reached:
        found |= {"cpu_s": cpu, "wall_s": cpu, "prepared_s": 0.0, "repeats": 5}
    return found | more


def results(*rows, seeds=1):
    case = {
        "name": "E9",
        "kind": "completion",
        "parameters": {"n": 7},
        "about": "A law.",
        "seeds": seeds,
        "limit": 5.0,
        "target": 1e-6,
        "runs": [{"threads": "1", "rows": list(rows)}],
    }
    return {
        "completion_data": "somewhere",
        "packages": {"other": "1.0"},
        "about": {"Other": "Something else."},
        "cases": [case],
    }


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ((1, 1.0), (1, 2.0), ("2.0", "faster")),
        ((1, 1.0), (1, 1.29), ("1.3", "tie")),
        ((1, 1.0), (1, 0.8), ("0.8", "tie")),
        ((1, 1.0), (1, 0.5), ("0.5", "**slower**")),
        ((3, 9.0), (2, 1.0), ("–", "3 against 2 of 3")),
        ((2, 1.0), (3, 9.0), ("–", "**2 against 3 of 3**")),
        ((1, 1.0), (0, 0.1), ("–", "only lowrank_la")),
        ((0, 1.0), (1, 0.1), ("–", "only they")),
        ((0, 1.0), (0, 0.1), ("–", "nobody")),
    ],
)
def test_who_recovers_more_is_ahead_and_near_ties_are_ties(mine, theirs, expected):
    a, b = row("lowrank_la: auto", *mine, of=3), row("Other", *theirs, of=3)
    assert recovery_report.verdict(a, b, 3) == expected


def test_the_best_package_is_the_one_that_solves_most():
    rows = [row("A", 1, 0.1, of=3), row("B", 3, 2.0, of=3), row("C", 3, 1.0, of=3)]
    assert recovery_report._best(rows)["contender"] == "C"
    assert recovery_report._best([row("A", 0)]) is None


def test_several_threads_are_compared_on_the_wall():
    rows = [row("lowrank_la: auto", cpu=2.0), row("Other", cpu=2.0, wall_s=9.0)]
    found = results(*rows)
    found["cases"][0]["runs"].append({"threads": "2", "rows": rows})
    text = page(found)
    assert line(text, "| E9 | 1").endswith("| 1.0 | tie |")
    assert line(text, "| E9 | 2").endswith("| 4.5 | faster |")


def page(recovery, **changes):
    pytest.importorskip("jinja2")
    from benchmarks.report import render

    stored = json.loads((ROOT / "benchmarks" / "results.json").read_text(encoding="utf-8"))
    return render({**stored, "recovery": recovery, **changes})


def choices(*ratios):
    points = [
        {
            "label": f"problem {k}",
            "auto_s": 0.02,
            "solved": ratio is not None,
            "best": "altmin" if ratio or ratio is None else None,
            "ratio": ratio or None,
        }
        for k, ratio in enumerate(ratios)
    ]
    return {"machine": {"date": "2026-01-01"}, "points": points}


def test_what_auto_costs_is_summed_up():
    found = choice.summary(choices(1.2, 0.0, 1.8, None))
    assert found["failed"] == ["problem 3"]
    assert (found["behind"], found["worst"], found["points"]) == (1, 1.8, 4)
    assert line(found["table"], "| problem 0") == "| problem 0 | 20.0 | `altmin` | 1.20 |"
    assert "none reaches it sooner" in line(found["table"], "| problem 1")
    assert "| fails |" in line(found["table"], "| problem 3")


def test_the_stored_choices_are_of_this_grid_and_auto_never_fails_alone():
    if not choice.RESULTS.exists():
        pytest.skip("benchmarks/choice.json has not been made")
    stored = json.loads(choice.RESULTS.read_text(encoding="utf-8"))
    assert [p["label"] for p in stored["points"]] == [p.label for p in choice.GRID]
    assert choice.summary(stored)["failed"] == []


def test_the_diagrams_near_the_limit_are_of_registered_solvers():
    methods = near_limit.METHODS.values()
    assert {m.solver for m in methods} <= set(ll.available_solvers())
    for size in near_limit.SIZES.values():
        for method, diagram in near_limit.stored(size):
            assert diagram.label.startswith(f"{method.solver} on ")
            assert (diagram.x.tolist(), diagram.y.tolist()) == (
                near_limit.OVERSAMPLING,
                near_limit.CONDITION,
            )


def line(text, start):
    return next(li for li in text.splitlines() if li.startswith(start))


def test_the_page_has_ratios_errors_and_reasons():
    text = page(
        results(
            row("lowrank_la: auto", cpu=0.5, pass_s=0.05),
            row("Other", cpu=2.0),
            row("Wrong", reached=0),
            {"contender": "Absent", "kind": "package", "skipped": "not installed: absent"},
        )
    )
    assert line(text, "| E9") == "| E9 | 1 | 0.5 | auto 0.5 | Other 2.0 | 4.0 | faster |"
    assert "| 0 of 1 | – | – | – | – | 2e-01 |" in line(text, "| Wrong")
    assert "| 10.0 |" in line(text, "| lowrank_la: auto | 1 | 1 of 1")
    assert "Not run: Absent (not installed: absent)." in text
    assert "* **Other**: Something else." in text
    assert "Completion data: somewhere." in text


def test_a_contender_that_left_nothing_is_listed():
    lost = row("Lost", reached=0, instances=[], of=0, error=None, ended="ended after 9 s")
    lost.pop("peak_mb")
    text = page(results(row("lowrank_la: auto"), lost))
    assert line(text, "| Lost").endswith("| ended after 9 s |")


def test_remarks_say_who_gave_up_and_fit_into_a_cell():
    gone = row("Gone", reached=0, of=3)
    gone["instances"] = [
        gone["instances"][0]
        | {"failure": "Bad: a | b\nc", "out_of_time": True, "setting": {"k": 1}, "settings": 4}
    ]
    text = page(results(row("lowrank_la: auto", of=9), gone, seeds=9))
    assert line(text, "| Gone").endswith(
        "| gave up after 1 of 9; Bad: a / b c; out of time; k=1 (of 4 settings) |"
    )


def test_all_tables_have_the_same_number_of_cells_in_each_line():
    text = page(results(row("lowrank_la: auto", pass_s=0.1), row("Wrong", reached=0)))
    width = 0
    for li in text.splitlines():
        cells = li.count("|") if li.startswith("|") else 0
        assert not (width and cells) or cells == width
        width = cells


def test_operations_alone_and_recoveries_alone_are_pages_too():
    alone = page(None)
    assert "From data to answer" not in alone
    assert "## Operations" in alone
    only = page(results(row("lowrank_la: auto")), runs=[], first_use=[])
    assert "## Operations" not in only
    assert "### E9" in only


def test_an_update_replaces_the_cases_of_the_same_names():
    machine = {"cpu": "x", "date": "today"}
    a, b = results(row("lowrank_la: auto")), results(row("lowrank_la: auto", cpu=7.0))
    other = results(row("lowrank_la: auto"))
    other["cases"][0]["name"] = "E8"
    a["cases"] += other["cases"]
    old = {"machine": dict(machine), "runs": [], "recovery": a}
    new = {"machine": dict(machine), "runs": [], "recovery": b}
    found = running._updated(old, new)["recovery"]["cases"]
    assert [c["name"] for c in found] == ["E9", "E8"]
    assert found[0]["runs"][0]["rows"][0]["cpu_s"] == 7.0
    # A file of before there were any.
    old = {"machine": dict(machine), "runs": []}
    new["machine"] = dict(machine)
    assert running._updated(old, new)["recovery"]["cases"] == b["cases"]


@pytest.mark.slow
def test_the_quick_run_of_operations_and_recoveries(tmp_path):
    pytest.importorskip("jinja2")
    for name, only in (("a", "completion_gradient"), ("b", "recovery: small sensing")):
        file, text = tmp_path / f"{name}.json", tmp_path / f"{name}.md"
        command = [sys.executable, "-m", "benchmarks"]
        arguments = ["--quick", "--only", only, "--threads", "1", "--output", str(file)]
        subprocess.run([*command, "run", *arguments], cwd=ROOT, check=True, capture_output=True)
        arguments = ["--input", str(file), "--output", str(text)]
        subprocess.run([*command, "report", *arguments], cwd=ROOT, check=True, capture_output=True)
        assert text.read_text(encoding="utf-8").startswith("# Performance")
