"""The command line: outputs, files, exit codes, and one line for every error."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.analysis.compare import Comparison

pytest.importorskip("typer")
pandas = pytest.importorskip("pandas")
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and terminals")

RATINGS = "user,item,rating\n" + "".join(
    f"{user},{item},{rating}\n"
    for user, item, rating in [
        ("ann", "book", 5), ("ann", "pen", 3), ("bob", "book", 4), ("bob", "cup", 1),
        ("cat", "pen", 2), ("cat", "cup", 2), ("cat", "book", 4), ("dan", "cup", 1),
    ]
)  # fmt: skip


@dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def error(self):
        """The one line of an error."""
        assert self.code == 1
        assert self.out == ""
        assert "Traceback" not in self.err
        lines = [line for line in self.err.splitlines() if line.strip()]
        assert len(lines) == 1
        assert lines[0].startswith("error: ")
        return lines[0]


@pytest.fixture
def cli(tmp_path, monkeypatch, capfd):
    """The application in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "dumb")

    def call(*args):
        from lowrank_la.cli import main

        monkeypatch.setattr(sys, "argv", ["lowrank-la", *map(str, args)])
        capfd.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit) as seen:
                main()
        out, err = capfd.readouterr()
        return Done(int(seen.value.code or 0), out, err)

    return call


@pytest.fixture
def ratings(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(RATINGS)
    return path


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def process(*args, cwd, **options):
    return subprocess.run(
        [sys.executable, "-m", "lowrank_la", *args],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )


# --- as a process ---


def test_race_without_options(tmp_path):
    pytest.importorskip("cvxpy")
    done = process("race", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for word in ("gd", "scaledgd", "scaledgd_lambda", "altmin", "convex", "status", "predicted"):
        assert word in done.stdout
    assert "written: race/race.npz" in done.stdout
    assert names(tmp_path) == ["race"]
    folder = tmp_path / "race"
    assert names(folder) == ["convergence.pdf", "convergence.png", "race.npz", "report.html"]
    assert (folder / "convergence.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "convergence.pdf").read_bytes().startswith(b"%PDF")
    page = (folder / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    assert not re.search(r"https?://", page)
    race = Comparison.load(folder / "race.npz")
    assert [run.solver for run in race.runs] == [
        "gd", "scaledgd", "scaledgd_lambda", "altmin", "convex",
    ]  # fmt: skip
    errors = {run.solver: run.result.trace["rel_error"][-1] for run in race.runs}
    assert errors["scaledgd"] < 1e-10
    assert errors["altmin"] < 1e-10
    assert errors["convex"] < 1e-4


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["race", "--solvers", "scaledgdd"], 1),
        (["complete", "nothing.csv"], 1),
        (["race", "--rank", "0"], 2),
        (["race", "--rnak", "3"], 2),
        (["no-such-command"], 2),
    ],
)
def test_failures_of_a_process(args, code, tmp_path):
    done = process(*args, cwd=tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not names(tmp_path)
    if code == 1:
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ")


def test_the_installed_command():
    command = shutil.which("lowrank-la", path=os.path.dirname(sys.executable))
    if command is None:
        pytest.skip("the package is not installed here")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True)
    for name in ("race", "complete", "list", "info", "doctor", "warmup"):
        assert name in done.stdout


class Terminal:
    """A process whose stderr is a terminal, so that its progress can be waited for."""

    def __init__(self, *args, cwd):
        import pty

        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lowrank_la", *args],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=slave,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        )
        os.close(slave)
        os.set_blocking(self.master, False)
        self.err = ""

    def read(self):
        try:
            self.err += os.read(self.master, 1 << 16).decode(errors="replace")
        except OSError:  # nothing there, or the other end is closed
            return

    def wait_for(self, pattern, seconds=60):
        end = time.monotonic() + seconds
        while not re.search(pattern, self.err):
            assert time.monotonic() < end, self.err
            assert self.process.poll() is None, self.err
            time.sleep(0.02)
            self.read()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def end(self, seconds=60):
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, self.err
            time.sleep(0.02)
            self.read()
        self.read()
        os.close(self.master)
        with self.process.stdout as pipe:
            self.out = pipe.read().decode()
        assert "Traceback" not in self.err
        return self.process.returncode


@posix
def test_ctrl_c_in_a_race_writes_what_there_is(tmp_path):
    run = Terminal(
        "race", "--solvers", "altmin,gd,scaledgd", "--max-iter", "100000000", "--cond", "1000",
        cwd=tmp_path,
    )  # fmt: skip
    run.wait_for(r"gd .*iteration \d\d+")
    run.interrupt()
    assert run.end() == 130
    assert names(tmp_path / "race") == [
        "convergence.pdf", "convergence.png", "race.npz", "report.html",
    ]  # fmt: skip
    race = Comparison.load(tmp_path / "race" / "race.npz")
    assert [run.solver for run in race.runs] == ["altmin", "gd"]
    assert race.runs[0].result.converged
    assert race.runs[1].result.status is ll.Status.INTERRUPTED
    assert "interrupted" in run.out


@posix
def test_ctrl_c_in_complete_writes_what_there_is(tmp_path):
    rng = np.random.default_rng(0)
    i, j = np.nonzero(rng.random((200, 150)) < 0.2)
    np.savez(tmp_path / "noise.npz", user=i, item=j, rating=rng.standard_normal(i.size))
    run = Terminal(
        "complete", "noise.npz", "--ridge", "0", "--max-iter", "100000000", "--rank", "25",
        "--out", "filled.npz", cwd=tmp_path,
    )  # fmt: skip
    run.wait_for(r"sweep \d")
    run.interrupt()
    assert run.end() == 130
    assert names(tmp_path) == ["filled.npz", "noise.model.npz", "noise.npz"]
    model = ll.Completion.load(tmp_path / "noise.model.npz")
    assert model.status is ll.Status.INTERRUPTED
    assert model.n_iter >= 1
    assert np.load(tmp_path / "filled.npz")["rating"].size == 200 * 150
    assert "interrupted after" in run.out


# --- race ---

QUICK = ["--rows", 20, "--columns", 15, "--rank", 2, "--max-iter", 30]


def test_race_options(cli, tmp_path):
    done = cli(
        "race", *QUICK, "--solvers", "gd, scaledgd", "--cond", 3, "--spectrum", "geometric",
        "--sampling", 0.8, "--noise", 0.01, "--seed", 7, "--start", "small_random",
        "--out", "out/a",
    )  # fmt: skip
    assert done.code == 0
    race = Comparison.load(tmp_path / "out" / "a" / "race.npz")
    text = next(iter(race.recipes.values()))
    for part in (
        "shape=[20, 15]", "rank=2", "cond=3.0", "spectrum='geometric'", "sampling=0.8",
        "noise=0.01", "rng=7",
    ):  # fmt: skip
        assert part in text
    assert [run.solver for run in race.runs] == ["gd", "scaledgd"]
    assert all(run.result.trace["iteration"][-1] <= 30 for run in race.runs)
    assert race.runs[0].result.trace["rel_error"][0] == pytest.approx(1.0, abs=1e-6)
    assert text in re.sub(r"\s+", " ", done.err)
    page = (tmp_path / "out" / "a" / "report.html").read_text()
    assert "lowrank-la race --rows 20" in page


def test_race_in_sensing(cli, tmp_path):
    done = cli(
        "race", *QUICK, "--problem", "sensing", "--columns", 20, "--symmetric", "--measurements",
        300, "--solvers", "scaledgd,altmin",
    )  # fmt: skip
    assert done.code == 0
    assert "altmin: IncompatibleError: altmin needs operator.row_solve" in done.out
    text = next(iter(Comparison.load(tmp_path / "race" / "race.npz").recipes.values()))
    assert "symmetric=True" in text
    assert "measurements=300" in text


def test_race_settings_of_problems_and_solvers(cli, tmp_path):
    done = cli(
        "race", *QUICK, "--problem", "sensing", "--set", "outliers=0.1", "--set", "shape=[12, 10]",
        "--set", "outlier_model=gaussian", "--set", "measurements=300", "--set", "outlier_scale=3",
        "--solvers", "scaled_subgradient,subgradient", "--option",
        "scaled_subgradient.step_size=median", "--search-rank", 3,
    )  # fmt: skip
    assert done.code == 0, done.err
    race = Comparison.load(tmp_path / "race" / "race.npz")
    text = next(iter(race.recipes.values()))
    for part in ("outliers=0.1", "shape=[12, 10]", "outlier_model='gaussian'"):
        assert part in text
    assert race.runs[0].result.factors.rank == 3
    assert race.runs[0].result.solver.step_size == "median"


def test_race_of_all_that_can(cli, tmp_path):
    done = cli("race", *QUICK, "--problem", "sensing", "--set", "measurements=400", "--json")
    assert done.code == 0
    instance = ll.problems.sensing((20, 15), 2, cond=10, measurements=400, rng=0)
    assert [row["solver"] for row in done.json] == ll.available_solvers(instance)


def test_race_json(cli):
    done = cli("race", *QUICK, "--solvers", "gd,scaledgd", "--repeats", 2, "--json")
    assert [row["solver"] for row in done.json] == ["gd", "scaledgd"] * 2
    assert [row["repeat"] for row in done.json] == [0, 0, 1, 1]
    assert {"status", "n_iter", "seconds", "rel_error", "rate", "predicted_rate"} <= set(
        done.json[0]
    )
    assert "written: " in done.err


def test_race_max_time(cli):
    done = cli("race", "--solvers", "gd", "--max-iter", 10**8, "--max-time", 0.05, "--json")
    assert done.json[0]["seconds"] >= 0.05
    assert done.json[0]["n_iter"] < 10**8
    assert done.json[0]["status"] == "budget"


def test_a_solver_named_twice_runs_once(cli):
    done = cli("race", *QUICK, "--solvers", "gd,gd,", "--json")
    assert [row["solver"] for row in done.json] == ["gd"]


def test_a_race_in_which_all_fail_is_a_failure(cli, tmp_path):
    done = cli("race", *QUICK, "--problem", "sensing", "--solvers", "altmin")
    assert done.code == 1
    assert "failed" in done.out
    assert names(tmp_path / "race") == ["race.npz", "report.html"]


def test_too_few_measurements_are_one_line(cli):
    done = cli("race", *QUICK, "--problem", "sensing", "--measurements", 20, "--solvers", "gd")
    lines = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    assert len(lines) == 1
    assert lines[0].startswith("warning: 20 measurements for the 66 degrees of freedom")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--solvers", "scaledgdd"], "no solver named 'scaledgdd'; did you mean 'scaledgd'"),
        (["--solvers", ","], "--solvers names no solver"),
        (["--problem", "completio"], "no problem named 'completio'; did you mean 'completion'"),
        (["--start", "spectrl"], "no start named 'spectrl'; did you mean 'spectral'"),
        (["--spectrum", "flat"], "spectrum must be 'linear', 'geometric' or an array"),
        (["--rank", 99], "rank 99 is larger than the shape 60 x 50 allows"),
        (["--sampling", 1.5], "sampling must lie in [0, 1]"),
        (["--sampling", 0.03], "without any observed entry"),
        (["--cond", 0.5], "cond must lie in"),
        (["--noise", -1], "noise must lie in"),
        (["--max-time", -1], "max_time must lie in"),
        (["--measurements", 100], "--measurements: completion has no parameter 'measurements'"),
        (["--symmetric"], "--symmetric: completion has no parameter"),
        (["--problem", "sensing", "--sampling", 0.5], "--sampling: sensing has no parameter"),
        (["--set", "samplin=0.4"], "--set samplin: completion has no parameter 'samplin'"),
        (["--set", "sampling"], "expected NAME=VALUE, got 'sampling'"),
        (["--option", "gd=3"], "--option wants SOLVER.NAME=VALUE, got 'gd'"),
        (["--option", "gdd.step_size=3"], "no solver in this race named 'gdd'; did you mean 'gd'"),
        (["--option", "gd.step=3"], "no option of gd named 'step'; did you mean 'step_size'"),
        (["--problem", "sensing", "--symmetric"], "needs a square shape, got 60 x 50"),
    ],
)
def test_bad_races(cli, args, message, tmp_path):
    assert message in cli("race", *args).error
    assert not names(tmp_path)


def test_a_folder_that_cannot_be_made(cli, tmp_path):
    (tmp_path / "taken").write_text("")
    assert "cannot make the folder taken: File exists" in cli("race", "--out", "taken").error


@pytest.mark.parametrize(
    "args",
    [
        ["race", "--rank", "0"],
        ["race", "--measurements", "0"],
        ["race", "--rows", "many"],
        ["race", "--seed", "-1"],
        ["complete"],
        ["complete", "x.csv", "--holdout", "0.99"],
        ["complete", "x.csv", "--ridge", "much"],
        ["list", "everything"],
        ["info"],
    ],
)
def test_wrong_usage(cli, args, tmp_path):
    done = cli(*args)
    assert done.code == 2
    assert done.out == ""
    assert "Traceback" not in done.err
    assert "Usage: " in done.err
    assert not names(tmp_path)


def test_the_nearest_option_is_offered(cli):
    assert "--rank" in cli("race", "--rnak", 3).err


# --- complete ---


def test_complete(cli, ratings, tmp_path):
    done = cli("complete", ratings.name)
    assert done.code == 0
    assert "4 x 3 table, 8 ratings (66.7 %); rank 3" in done.out
    assert "written: ratings.model.npz" in done.out
    assert names(tmp_path) == ["ratings.csv", "ratings.model.npz"]
    model = ll.Completion.load(tmp_path / "ratings.model.npz")
    assert list(model.row_labels) == ["ann", "bob", "cat", "dan"]
    assert model.bounds == (1.0, 5.0)


def test_complete_with_a_holdout(cli, tmp_path):
    rng = np.random.default_rng(0)
    whole = 3 + rng.standard_normal((50, 1)) + rng.standard_normal((50, 1)) @ np.ones((1, 40))
    i, j = np.nonzero(rng.random((50, 40)) < 0.5)
    np.savez(tmp_path / "t.npz", user=i, item=j, rating=whole[i, j])
    done = cli("complete", "t.npz", "--holdout", 0.1)
    assert f"RMSE on {round(0.1 * i.size)} held-out ratings" in done.out
    scores = [float(s) for s in re.findall(r"(\d\.\d{4})$", done.out, re.MULTILINE)]
    assert len(scores) == 3
    assert scores[1] < scores[0] / 2
    for name in ("global mean", "row + column effects", "effects + low rank"):
        assert name in done.out
    plain = cli("complete", "t.npz")
    assert "RMSE" not in plain.out


def test_complete_json(cli, ratings):
    found = cli("complete", ratings.name, "--holdout", 0.3, "--json").json
    assert (found["rows"], found["columns"], found["cells"], found["rank"]) == (4, 3, 8, 3)
    assert found["holdout_rmse"]["cells"] == 2
    assert found["status"] in ("converged", "budget")
    assert found["written_paths"] == ["ratings.model.npz"]
    assert cli("complete", ratings.name, "--json").json["holdout_rmse"] is None


def test_options_of_complete_reach_the_model(cli, ratings, tmp_path):
    def model(*args):
        assert cli("complete", ratings.name, "--model", "m.npz", *args).code == 0
        return ll.Completion.load(tmp_path / "m.npz")

    base = model()
    assert model("--rank", 1).rank == 1
    assert model("--ridge", 0.4).ridge == pytest.approx(base.ridge / 2)
    assert model("--no-clip").bounds is None
    assert model("--max-iter", 1).n_iter == 1
    scores = [model("--holdout", 0.4, "--seed", s).score.mean for s in (0, 0, 5)]
    assert scores[0] == scores[1] != scores[2]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_predictions_for_all_cells(suffix, cli, ratings, tmp_path):
    done = cli("complete", ratings.name, "--out", f"filled{suffix}")
    assert f"filled{suffix}" in done.out
    read = {".csv": pandas.read_csv, ".parquet": pandas.read_parquet, ".npz": np.load}
    table = read[suffix](tmp_path / f"filled{suffix}")
    assert len(table["rating"]) == 12
    model = ll.Completion.load(tmp_path / "ratings.model.npz")
    for user, item, rating in zip(table["user"], table["item"], table["rating"], strict=True):
        i = list(model.row_labels).index(user)
        j = list(model.column_labels).index(item)
        assert rating == pytest.approx(model.predict([i], [j])[0])


def test_predictions_for_pairs(cli, ratings, tmp_path):
    (tmp_path / "pairs.csv").write_text("item,user\ncup,ann\npen,bob\n")
    done = cli("complete", ratings.name, "--pairs", "pairs.csv", "--out", "wanted.csv")
    assert done.code == 0
    table = pandas.read_csv(tmp_path / "wanted.csv")
    assert list(table["user"]) == ["ann", "bob"]
    assert list(table["item"]) == ["cup", "pen"]
    assert list(table.columns) == ["user", "item", "rating"]


def test_other_names_and_kinds_of_files(cli, tmp_path):
    frame = pandas.DataFrame({"who": ["a", "a", "b"], "what": [1, 2, 1], "how": [5.0, 3.0, 4.0]})
    frame.to_parquet(tmp_path / "t.parquet")
    done = cli("complete", "t.parquet", "--row", "who", "--col", "what", "--value", "how")
    assert "2 x 2 table, 3 ratings" in done.out
    frame.to_csv(tmp_path / "t.csv.gz", index=False)
    done = cli("complete", "t.csv.gz", "--row", "who", "--col", "what", "--value", "how")
    assert done.code == 0
    assert "t.model.npz" in done.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nothing.csv"], "no file nothing.csv"),
        (["ratings.csv", "--row", "users"], "named 'users'; did you mean 'user'"),
        (["ratings.csv", "--rank", 4], "rank 4 is larger than the shape 4 x 3 allows"),
        (["ratings.csv", "--duplicates", "drop"], "duplicates must be 'raise' or 'mean'"),
        (["ratings.csv", "--holdout", 0.01], "holdout=0.01 of 8 cells leaves nothing"),
        (["ratings.csv", "--out", "x.xlsx"], "cannot write x.xlsx; use .csv, .parquet or .npz"),
        (["ratings.csv", "--out", "no/x.csv"], "there is no folder no"),
        (["ratings.csv", "--model", "no/x.npz"], "there is no folder no"),
        (["ratings.csv", "--pairs", "ratings.csv"], "--pairs needs --out"),
        (["ratings.csv", "--pairs", "no.csv", "--out", "x.csv"], "no file no.csv"),
        (["ratings.csv", "--pairs", "bad.csv", "--out", "x.csv"], "line 3: user 'zoe' is not in"),
        (["text.csv"], "text.csv, line 3: rating is 'good', not a finite number"),
        (["wide.csv"], "Expected 3 fields in line 3, saw 4"),
        (["twice.csv"], "1 cell listed more than once, for example row ann, column pen"),
        (["empty.csv"], "empty.csv is empty"),
        (["broken.npz"], "cannot read broken.npz"),
        (["ratings.txt.doc"], "is neither CSV, Parquet nor NPZ"),
    ],
)
def test_bad_tables(cli, args, message, ratings, tmp_path):
    contents = {
        "bad.csv": "user,item\nann,pen\nzoe,pen\n",
        "text.csv": "user,item,rating\nann,pen,3\nbob,pen,good\n",
        "wide.csv": "user,item,rating\nann,pen,3\nbob,pen,3,4\n",
        "twice.csv": "user,item,rating\nann,pen,3\nann,pen,4\nbob,pen,3\n",
        "empty.csv": "",
        "broken.npz": "not really",
        "ratings.txt.doc": RATINGS,
    }
    for name, text in contents.items():
        (tmp_path / name).write_text(text)
    before = names(tmp_path)
    assert message in cli("complete", *args).error
    assert names(tmp_path) == before


def test_duplicates_are_averaged_on_request(cli, tmp_path):
    (tmp_path / "t.csv").write_text("user,item,rating\na,1,3\na,1,4\nb,1,3\nb,2,5\n")
    found = cli("complete", "t.csv", "--duplicates", "mean", "--json").json
    assert (found["rows"], found["columns"]) == (2, 2)


@pytest.mark.parametrize("command", ["race", "complete"])
def test_a_full_disk(command, cli, ratings, tmp_path, monkeypatch):
    def full_disk(descriptor):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full_disk)
    args = [*QUICK, "--solvers", "gd"] if command == "race" else [ratings.name]
    done = cli(command, *args)
    assert done.code == 1
    assert "Traceback" not in done.err
    assert re.search(r"^error: cannot write .*: No space left on device$", done.err, re.MULTILINE)
    written = [p.name for p in tmp_path.rglob("*") if p.is_file()]
    assert written == ["ratings.csv"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("args", [["list"], ["list", "--json"], ["info", "gd"]])
def test_a_full_disk_behind_a_redirection(args, tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lowrank_la", *args],
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: cannot write the output: No space left on device\n"


# --- list, info, doctor, warmup ---


def test_list(cli):
    done = cli("list")
    for name in ll.available_solvers():
        assert re.search(rf"^{name}\s", done.out, re.MULTILINE)
    rows = cli("list", "--json").json
    assert [row["name"] for row in rows] == ll.available_solvers()
    assert {row["name"]: row["needs"] for row in rows}["altmin"] == "row_solve"
    problems = cli("list", "problems", "--json").json
    assert {"completion", "sensing"} <= {row["name"] for row in problems}
    assert "completion" in cli("list", "problems").out


@pytest.mark.parametrize("name", [*ll.available_solvers(), "completion", "sensing"])
def test_info(name, cli):
    done = cli("info", name)
    assert done.code == 0
    assert done.out.startswith(name)
    found = cli("info", name, "--json").json
    assert found["name"] == name
    assert found["summary"] in done.out
    if name in ll.available_solvers():
        for section in ("Model", "Update", "Guarantee", "References"):
            assert section in found["description"]
        assert found["references"]


def test_info_of_nothing(cli):
    assert "no solver or problem named 'gdd'; did you mean 'gd'" in cli("info", "gdd").error


def test_doctor(cli):
    done = cli("doctor")
    assert done.code == 0
    assert "self test: passed" in done.out
    facts = cli("doctor", "--json").json
    assert facts["self_test"] == "passed"
    assert facts["versions"]["lowrank_la"] == ll.__version__
    assert facts["threads"] >= 1


def test_a_failing_self_test_is_a_failure(cli, monkeypatch):
    from lowrank_la.cli import doctor

    monkeypatch.setattr(doctor, "_self_test", lambda: "failed: relative error 1.0")
    done = cli("doctor", "--json")
    assert done.code == 1
    assert done.json["self_test"].startswith("failed")


def test_warmup(cli):
    done = cli("warmup")
    assert re.search(r"^\d+ kernels for float64 ready in [\d.]+ s", done.out)
    found = cli("warmup", "--json").json
    assert found["types"] == ["float64"]
    assert found["kernels"] > 0


def test_warmup_of_all_types(cli):
    one, four = cli("warmup", "--json").json, cli("warmup", "--all-types", "--json").json
    # Those with explicit vectors are for the two real types.
    assert 2 * one["kernels"] < four["kernels"] <= 4 * one["kernels"]


def test_help_of_every_command(cli):
    for name in ("race", "complete", "list", "info", "doctor", "warmup"):
        done = cli(name, "--help")
        assert done.code == 0
        assert "--help" in done.out
    # Defaults in brackets must not be taken for markup.
    assert "5 (n1" in cli("race", "--help").out
    assert "NAME.model.npz" in cli("complete", "--help").out
    assert "race" in cli().out + cli().err


def test_json_holds_no_nan(cli):
    done = cli("race", *QUICK, "--problem", "sensing", "--solvers", "altmin,gd", "--json")
    assert "NaN" not in done.out
    assert done.json[0]["seconds"] is None


# --- reproduce and phase ---

CLAIM = ["xiong2024-symmetric", "--quick", "--set", "max_iter=400", "--workers", 1]


def test_reproduce_list(cli, tmp_path):
    plain = cli("reproduce", "--list")
    assert plain.code == 0
    assert "xu2023-kappa" in plain.out
    rows = cli("reproduce", "--list", "--json").json
    assert [row["id"] for row in rows] == [c.id for c in ll.reproduce.claims()]
    assert {"id", "paper", "statement", "cost", "verdict"} <= set(rows[0])
    assert rows[0]["verdict"] is None
    assert not names(tmp_path)


def test_reproduce_one_claim(cli, tmp_path):
    done = cli("reproduce", *CLAIM)
    assert done.code == 0, done.err
    assert "xiong2024-symmetric: " in done.out
    folder = tmp_path / "reproduce"
    assert names(folder) == ["cells", "report.html", "xiong2024-symmetric"]
    assert names(folder / "xiong2024-symmetric") == [
        "figure.pdf", "figure.png", "result.json", "table.csv",
    ]  # fmt: skip
    page = (folder / "report.html").read_text()
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:|#)""", page)
    result = json.loads((folder / "xiong2024-symmetric" / "result.json").read_text())
    assert result["fixed"]["max_iter"] == 400
    again = cli("reproduce", *CLAIM, "--json")
    assert again.json[0]["checks"] == result["checks"]
    (row,) = (r for r in cli("reproduce", "--list", "--json").json if r["id"] == CLAIM[0])
    assert row["verdict"] == result["verdict"]


def test_reproduce_strict(cli):
    wrong = ["xiong2024-symmetric", "--quick", "--set", "alpha=0.002", "--workers", 1]
    done = cli("reproduce", *wrong)
    assert done.code == 0
    assert "not consistent" in done.out
    assert cli("reproduce", *wrong, "--strict").code == 1


def test_reproduce_within_a_budget(cli):
    done = cli("reproduce", *CLAIM, "--budget", "0s")
    assert done.code == 130
    assert "not decided" in done.out
    assert "runs were not made" in done.out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "name claims, or pass --all or --quick"),
        (["xu2023-kapa"], "no claim named 'xu2023-kapa'; did you mean 'xu2023-kappa'"),
        (["xu2023-kappa", "--all"], "name claims, or pass --all or --quick"),
        (["xu2023-kappa", "--set", "m=3"], "no parameter of the claim xu2023-kappa named 'm'"),
        (["xu2023-kappa", "--set", "n"], "expected NAME=VALUE"),
        (["xu2023-kappa", "--budget", "soon"], "expected a time such as 90s, 20m or 1h"),
    ],
)
def test_bad_reproductions(cli, args, message, tmp_path):
    assert message in cli("reproduce", *args).error
    assert not names(tmp_path)


PHASE = [
    "--x", "oversampling=1,2,4", "--y", "rank=1:2:2", "--repeats", 3, "--max-iter", 50,
    "--set", "shape=[30, 30]",
]  # fmt: skip


def test_phase(cli, tmp_path):
    done = cli("phase", *PHASE)
    assert done.code == 0, done.err
    assert "oversampling at one half" in done.out
    assert names(tmp_path / "phase") == ["cells", "phase.npz", "phase.pdf", "phase.png"]
    diagram = ll.PhaseDiagram.load(tmp_path / "phase" / "phase.npz")
    assert diagram.share.shape == (2, 3)
    rows = cli("phase", *PHASE, "--json").json
    assert [row["rank"] for row in rows] == [1, 2]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--x", "oversampling"], "expected NAME=FIRST:LAST:COUNT"),
        (["--x", "oversampling=1:2"], "expected NAME=FIRST:LAST:COUNT"),
        (["--y", "rnk=1,2"], "no parameter of completion named 'rnk'; did you mean 'rank'"),
        (["--solver", "altmn"], "did you mean 'altmin'"),
        (["--option", "ridg=2"], "no option of altmin named 'ridg'"),
    ],
)
def test_bad_phases(cli, args, message):
    assert message in cli("phase", *args).error
