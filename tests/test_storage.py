"""Files: round trips without pickle, written whole or not at all, and clear errors."""

from __future__ import annotations

import errno
import json
import os
import stat

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import Status, solvers, steps, storage
from lowrank_la.analysis.compare import Comparison
from lowrank_la.errors import FileFormatError, InvalidTypeError, OutputError
from lowrank_la.estimators.files import write_table
from lowrank_la.storage import whole_file


def same_state(a, b):
    pairs = zip(vars(a).values(), vars(b).values(), strict=True)
    return all(np.array_equal(x, y) if isinstance(x, np.ndarray) else x == y for x, y in pairs)


SOLVERS = {
    "gd": solvers.GD(),
    "gd with an oracle": solvers.GD(sigma_max=1.5, step_size=0.25),
    "scaledgd": solvers.ScaledGD(),
    "exact": solvers.ScaledGD(step_size="exact"),
    "exact rule": solvers.ScaledGD(step_size=steps.ExactLineSearch()),
    "backtracking": solvers.ScaledGD(step_size=steps.Backtracking(shrink=0.7, growth=1.5)),
    "polyak": solvers.GD(step_size=steps.Polyak(f_min=0.001)),
    "numpy number": solvers.GD(step_size=np.float64(0.3)),
    "scaledgd_lambda": solvers.ScaledGDLambda(),
    "fixed damping": solvers.ScaledGDLambda(damping=0.125),
    "precgd": solvers.PrecGD(damping=0.5),
    "altmin": solvers.AltMin(ridge=0.01, ridge_by_count=True),
}


@pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS)
def test_a_result_comes_back_whole(solver, tmp_path, completion):
    result = ll.solve(completion, solver, start="spectral", max_iter=9, tol=0)
    path = tmp_path / "run.npz"
    result.save(path)
    again = ll.load(path)
    assert again.solver == solver
    assert type(again.status) is Status
    for name in ("status", "reason", "n_iter", "why", "oracle_used", "parts"):
        assert getattr(again, name) == getattr(result, name)
    np.testing.assert_array_equal(again.factors.left, result.factors.left)
    np.testing.assert_array_equal(again.factors.right, result.factors.right)
    assert list(again.trace) == list(result.trace)
    for name in result.trace:
        np.testing.assert_array_equal(again.trace[name], result.trace[name])
    assert again.trace.init_seconds == result.trace.init_seconds
    assert same_state(again.state, result.state)
    whole = ll.solve(completion, solver, start="spectral", max_iter=20, tol=0)
    rest = ll.solve(completion, again.solver, start=again, max_iter=20, tol=0)
    np.testing.assert_array_equal(rest.factors.left, whole.factors.left)
    np.testing.assert_array_equal(rest.factors.right, whole.factors.right)


@pytest.mark.parametrize("dtype", ["float32", "complex128", "complex64"])
def test_types_come_back(dtype, tmp_path):
    instance = ll.problems.sensing(8, 1, measurements=90, symmetric=True, dtype=dtype, rng=0)
    result = ll.solve(instance, "scaledgd", max_iter=4, tol=0)
    result.save(tmp_path / "run.npz")
    again = ll.load(tmp_path / "run.npz")
    assert again.factors.dtype == dtype
    assert again.factors.symmetric
    rest = ll.solve(instance, again.solver, start=again, max_iter=9, tol=0)
    whole = ll.solve(instance, "scaledgd", max_iter=9, tol=0)
    np.testing.assert_array_equal(rest.factors.left, whole.factors.left)


def test_the_convex_baseline_comes_back(tmp_path, symmetric):
    pytest.importorskip("cvxpy")
    result = ll.solve(symmetric, solvers.Convex(backend="SCS", accuracy=1e-6))
    result.save(tmp_path / "run.npz")
    again = ll.load(tmp_path / "run.npz")
    assert again.solver == result.solver
    assert again.parts == result.parts
    assert same_state(again.state, result.state)


def test_the_reason_for_an_automatic_choice_comes_back(tmp_path, completion):
    result = ll.solve(completion, max_iter=2)
    result.save(tmp_path / "run.npz")
    assert ll.load(tmp_path / "run.npz").why == result.why != ""


def test_a_suffix_is_added_and_one_of_yours_kept(tmp_path, sensing):
    result = ll.solve(sensing, "gd", max_iter=1)
    result.save(tmp_path / "run")
    result.save(str(tmp_path / "run.v2"))
    assert {p.name for p in tmp_path.iterdir()} == {"run.npz", "run.v2"}
    assert ll.load(tmp_path / "run.v2").n_iter == 1


def test_no_pickle_inside(tmp_path, sensing):
    path = tmp_path / "run.npz"
    ll.solve(sensing, "gd", max_iter=1).save(path)
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(str(file["header"]))
    assert (header["format"], header["kind"], header["solver"]) == ("lowrank_la", "result", "gd")


def test_an_option_that_is_no_number_is_refused(sensing):
    class Odd(steps.Constant):
        def __init__(self):
            object.__setattr__(self, "value", [1, 2])

        def length(self, line, unit, previous):
            return 0.1

    result = ll.solve(sensing, solvers.GD(step_size=Odd()), max_iter=1)
    with pytest.raises(InvalidTypeError, match=r"option value=\[1, 2\] cannot be written"):
        result.save("never.npz")
    assert not os.path.exists("never.npz")


# --- written whole or not at all ---


def test_the_file_appears_at_the_end_with_usual_rights(tmp_path):
    path = tmp_path / "a.txt"
    with whole_file(path, "w") as file:
        file.write("now")
        assert not path.exists()
    assert path.read_text() == "now"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, ValueError])
def test_the_old_file_stays_if_writing_fails(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with whole_file(path, "w") as file:
            file.write("half of")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def full_disk(*_args):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def race(sensing):
    return ll.compare(sensing, ["gd", "scaledgd"], budget=5)


WRITERS = {
    "result": lambda race, folder: race.runs[0].result.save(folder / "out.npz"),
    "race": lambda race, folder: race.save(folder / "out.npz"),
    "race as csv": lambda race, folder: race.save(folder / "out.csv"),
    "race as json": lambda race, folder: race.save(folder / "out.json"),
    "race as parquet": lambda race, folder: race.save(folder / "out.parquet"),
    "figure": lambda race, folder: ll.plotting.save_figure(
        ll.plotting.convergence(race), folder / "out.png"
    ),
    "report": lambda race, folder: ll.report.race_report(race, folder / "out.html"),
    "completion": lambda race, folder: ll.complete(np.eye(4), rank=1).save(folder / "out.npz"),
    "table": lambda race, folder: write_table(folder / "out.csv", {"a": np.ones(3)}),
    "table as npz": lambda race, folder: write_table(folder / "out.npz", {"a": np.ones(3)}),
}
EACH_WRITER = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@EACH_WRITER
def test_a_full_disk_is_one_clear_error_and_leaves_nothing(write, race, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OutputError, match=r"cannot write .*out\.\w+: No space left on device"):
        write(race, tmp_path)
    assert list(tmp_path.iterdir()) == []


@EACH_WRITER
def test_a_folder_that_does_not_exist(write, race, tmp_path):
    with pytest.raises(
        OutputError, match=r"cannot write .*out\.\w+: (No such file|there is no folder)"
    ):
        write(race, tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_disk_that_fills_up_while_writing(race, tmp_path, monkeypatch):
    def half(file, *rest, **options):
        file.write(b"half of")
        full_disk()

    path = tmp_path / "out.npz"
    path.write_text("old")
    monkeypatch.setattr(np.lib.format, "write_array", half)
    with pytest.raises(OutputError, match="No space left"):
        race.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["out.npz"]
    assert path.read_text() == "old"


@EACH_WRITER
def test_a_folder_that_may_not_be_written(write, race, tmp_path, monkeypatch):
    # Root may write anywhere, so rights alone would not do.
    def refuse(**_kwargs):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(OutputError, match=r"cannot write .*out\.\w+: Permission denied"):
        write(race, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_the_file(race, tmp_path):
    (tmp_path / "out.npz").mkdir()
    with pytest.raises(OutputError, match=r"Is a directory|it is a folder"):
        race.save(tmp_path / "out.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["out.npz"]


# --- read or refused ---

LOADERS = {"result": ll.load, "race": Comparison.load, "completion": ll.Completion.load}
EACH_LOADER = pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)


@EACH_LOADER
def test_files_that_are_none_of_ours(load, tmp_path):
    contents = {
        "text.npz": b"nothing of the kind",
        "empty.npz": b"",
        "zip.npz": b"PK\x03\x04 and then rubbish",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    np.savez(tmp_path / "words.npz", header=np.array("no JSON"))
    np.savez(tmp_path / "list.npz", header=np.array("[1]"))
    np.save(tmp_path / "array.npy", np.ones(3))
    np.savez(tmp_path / "objects.npz", header=np.array([{}], object))
    (tmp_path / "folder").mkdir()
    for path in tmp_path.iterdir():
        with pytest.raises(FileFormatError, match=f"{path.name} was not written by lowrank_la"):
            load(path)


@EACH_LOADER
def test_a_file_that_does_not_exist(load, tmp_path):
    with pytest.raises(FileFormatError, match=r"no file .*nothing\.npz"):
        load(tmp_path / "nothing.npz")


@EACH_LOADER
def test_a_file_of_another_kind_or_release(load, tmp_path):
    storage.save(tmp_path / "other.npz", {"kind": "something else"}, {})
    with pytest.raises(FileFormatError, match="holds a something else, not a"):
        load(tmp_path / "other.npz")
    text = json.dumps({"format": "lowrank_la", "version": 99})
    np.savez(tmp_path / "later.npz", header=np.array(text))
    with pytest.raises(FileFormatError, match="version 99; this release reads"):
        load(tmp_path / "later.npz")


@pytest.mark.parametrize("kind", ["result", "comparison", "completion"])
def test_a_file_with_parts_missing(kind, tmp_path):
    load = dict(zip(("result", "comparison", "completion"), LOADERS.values(), strict=True))[kind]
    storage.save(tmp_path / "part.npz", {"kind": kind}, {})
    with pytest.raises(FileFormatError, match=r"part\.npz is incomplete or damaged"):
        load(tmp_path / "part.npz")


def test_a_truncated_file(tmp_path, sensing):
    path = tmp_path / "run.npz"
    ll.solve(sensing, "gd", max_iter=1).save(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileFormatError, match="was not written by lowrank_la"):
        ll.load(path)


def test_a_damaged_file(tmp_path, sensing):
    path = tmp_path / "run.npz"
    ll.solve(sensing, "gd", max_iter=1).save(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(FileFormatError):
        ll.load(path)
