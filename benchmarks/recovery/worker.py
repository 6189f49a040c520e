"""One process: one contender on the instances of one case; a JSON line for each on stdout."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from . import generators, ours, registry
from .clock import Run
from .registry import Contender
from .tasks import Completion, Task, load

# A package's settings are tried until one limit is used up, or until so many in a row took so
# many times as long as the best.
PAST, DEARER = 3, 1.15
# Enough for compiling; nothing is timed.
WARM_UP_LIMIT = 60.0
REPEATS = 5
# Contenders that take longer (CPU seconds) are run less often.
SLOW, VERY_SLOW = 5.0, 10.0
# Of one pass over the entries.
PASSES = 7


def find(name: str, options: dict[str, Any]) -> Contender:
    if name.startswith(ours.OURS):
        return ours.our(name.removeprefix(ours.OURS), options)
    registry.load_packages()
    return registry.CONTENDERS[name]


def _status(key: str) -> float | None:
    """A line of /proc/self/status in megabytes; None where there is no such file."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith(key + ":")]
    return int(found[0]) / 1024 if found else None


def _forget_peak() -> None:
    """Let the peak start from the memory in use, where Linux permits it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_mb() -> float:
    """Largest memory of this process, megabytes."""
    # A child of a large process inherits that one's ru_maxrss, but not its VmHWM.
    high = _status("VmHWM")
    if high is not None:
        return high
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def attempt(
    contender: Contender, task: Task, setting: dict[str, Any], *, limit: float, threads: int
) -> dict[str, Any]:
    """One run, and what is known of it."""
    gc.collect()
    run = Run(task, limit=limit, threads=threads)
    failure = None
    try:
        reached = run(lambda: contender.solve(task, run, **setting))
    except Exception as error:  # whatever packages raise: their failure, not ours
        reached, failure = False, f"{type(error).__name__}: {error}"[:200]
    return {
        "setting": setting,
        "reached": reached,
        # JSON has no NaN.
        "error": run.error if run.error == run.error else None,
        "cpu": run.cpu,
        "wall": run.wall,
        "prepared": run.prepared,
        "note": run.note,
        "failure": failure,
        "out_of_time": not reached and run.cpu >= limit,
    }


def _repeats(cpu: float, wanted: int) -> int:
    if cpu > VERY_SLOW:
        return 1
    return min(wanted, 3) if cpu > SLOW else wanted


def _past_the_best(tried: list[dict[str, Any]]) -> bool:
    """Whether the last ones took clearly longer than the best: settings begin with the cheap."""
    best = min((t["cpu"] for t in tried if t["reached"]), default=float("inf"))
    return len(tried) > PAST and all(t["cpu"] > DEARER * best for t in tried[-PAST:])


def measure(
    contender: Contender,
    task: Task,
    *,
    limit: float,
    threads: int,
    repeats: int,
    settings: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """The best of the settings (with one repeat: the first that succeeds), and its times.

    Without any, those of the contender are tried.
    """
    _forget_peak()
    before = _status("VmRSS")
    tried: list[dict[str, Any]] = []
    spent, settings = 0.0, settings or contender.settings(task)
    for setting in settings:
        tried.append(attempt(contender, task, setting, limit=limit, threads=threads))
        spent += tried[-1]["cpu"]
        good = [t for t in tried if t["reached"]]
        if (good and repeats == 1) or spent > limit or _past_the_best(tried):
            break
    if good:
        best = min(good, key=lambda t: t["cpu"])
    else:
        # The most accurate one; NaN and nothing last.
        best = min(tried, key=lambda t: float("inf") if t["error"] is None else t["error"])
    runs = [best]
    while best["reached"] and len(runs) < _repeats(best["cpu"], repeats):
        again = attempt(contender, task, best["setting"], limit=3 * limit, threads=threads)
        runs.append(again)
        if not again["reached"]:
            # It succeeds by luck; the failure is what is reported.
            best, runs = again, [again]
    peak = peak_mb()
    return {
        **{key: best[key] for key in ("setting", "reached", "note", "failure", "out_of_time")},
        "error": best["error"],
        "cpu_s": [float(f"{r['cpu']:.4g}") for r in runs],
        "wall_s": [float(f"{r['wall']:.4g}") for r in runs],
        "prepared_s": median(r["prepared"] for r in runs),
        "tried": len(tried),
        "settings": len(settings),
        "peak_mb": round(peak),
        "added_mb": None if before is None else round(peak - before),
    }


def _one_pass(task: Completion) -> float:
    """CPU seconds of reading all entries in both layouts: index, value, row of the factor."""
    import numpy as np

    from .. import floors
    from ..workloads import Layout

    layouts = []
    for major, minor, n in (
        (task.rows, task.cols, task.shape[0]),
        (task.cols, task.rows, task.shape[1]),
    ):
        order = np.lexsort((minor, major))
        counts = np.bincount(major, minlength=n)
        pointers = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        cols, rows = (x[order].astype(np.int32) for x in (minor, major))
        layouts.append(Layout(pointers, cols, rows, order))
    left, right = np.array(task.left), np.array(task.right)
    run = floors._gather_both(*layouts, task.values, left, right)
    run()
    seconds = []
    for _ in range(PASSES):
        begun = time.process_time()
        run()
        seconds.append(time.process_time() - begun)
    return median(seconds)


def work(order: dict[str, Any], emit: Any) -> None:
    """Measure what the order says; `emit` takes one dictionary for each instance."""
    warnings.simplefilter("ignore")
    contender = find(order["contender"], order["options"])
    small = generators.warm_up(order["kind"])
    first = contender.settings(small)[0]
    attempt(contender, small, first, limit=WARM_UP_LIMIT, threads=order["threads"])
    failures = 0
    for k, file in enumerate(order["files"]):
        task = load(order["kind"], Path(file))
        found = measure(
            contender,
            task,
            limit=order["limit"],
            threads=order["threads"],
            repeats=order["repeats"],
            settings=order["settings"],
        )
        if order["passes"] and isinstance(task, Completion):
            found["pass_s"] = _one_pass(task)
        emit({"instance": k, **found})
        # In a row, from the first one on.
        failures = failures + 1 if not found["reached"] and failures == k else failures
        if order["give_up"] and failures == k + 1 == order["give_up"]:
            return


def main(arguments: Sequence[str] = ()) -> None:
    """Read an order from stdin; packages that print do it to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def emit(found: dict[str, Any]) -> None:
        print(json.dumps(found), file=answers, flush=True)

    work(json.load(sys.stdin), emit)
