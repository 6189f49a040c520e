"""Starts one process for each contender of each case and collects what they found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

from ..machine import cores
from ..timing import busy_seconds
from . import generators, ours, registry
from .cases import Case
from .tasks import TARGET, Task
from .worker import REPEATS

ROOT = Path(__file__).resolve().parents[2]
# Seconds on the wall for imports and warm-up, and how many limits a process may take in all
# before it is ended from outside: only for code that cannot be interrupted from Python.
START = 90.0
PATIENCE = 6.0
# Who takes longer on one thread (CPU seconds) is not run on several.
WORTH_THREADS = 10.0

AUTO = ours.OURS + "auto"
Environment = Callable[[str], dict[str, str]]


def contenders(case: Case) -> list[tuple[registry.Contender, str | None]]:
    """Ours and then packages, each with the reason why it does not run, or None."""
    registry.load_packages()
    found = [(ours.our(name, {}), ours.missing(name)) for name in case.ours]
    for entry in registry.CONTENDERS.values():
        wanted = case.packages is None or any(part in entry.name for part in case.packages)
        if wanted and case.kind in entry.kinds:
            why = entry.unfit(case.kind, case.parameters) or entry.missing()
            found.append((entry, why))
    return found


def _ask(order: dict[str, Any], environment: dict[str, str], timeout: float) -> tuple[Any, str]:
    """The lines that a worker printed, and what ended it before its time (or nothing)."""
    command = [sys.executable, "-m", "benchmarks", "recovery-worker"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        ended = ""
        try:
            out, err = process.communicate(json.dumps(order), timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            ended = f"ended after {timeout:.0f} s on the wall"
        except BaseException:
            process.kill()
            raise
    if process.returncode and not ended:
        last = err.strip().splitlines()[-1:] or ["no message"]
        ended = f"process failed: {last[0][:200]}"
    return [json.loads(line) for line in out.splitlines()], ended


def _summary(instances: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over repeats, and then over the instances that were solved."""
    good = [i for i in instances if i["reached"]]
    found: dict[str, Any] = {"reached": len(good), "of": len(instances)}
    if good:
        found["cpu_s"] = median(median(i["cpu_s"]) for i in good)
        found["wall_s"] = median(median(i["wall_s"]) for i in good)
        found["prepared_s"] = median(i["prepared_s"] for i in good)
        found["repeats"] = min(len(i["cpu_s"]) for i in good)
    errors = [i["error"] for i in (good or instances) if i["error"] is not None]
    found["error"] = max(errors) if errors else None
    if instances:
        found["peak_mb"] = max(i["peak_mb"] for i in instances)
    return found


def _run(
    case: Case, name: str, files: list[str], threads: int, env: Any, settings: Any
) -> dict[str, Any]:
    mine = name.startswith(ours.OURS)
    order = {
        "contender": name,
        "options": {},
        "kind": case.kind,
        "files": files,
        "limit": case.limit,
        "threads": threads,
        "repeats": -(-REPEATS // len(files)) if len(files) < REPEATS else 1,
        "give_up": 0 if name == AUTO else case.give_up,
        "settings": settings,
        "passes": case.passes and mine,
    }
    timeout = START + PATIENCE * case.limit * max(1.0, len(files) / 2)
    begun, busy = time.perf_counter(), busy_seconds()
    instances, ended = _ask(order, env, timeout)
    took = time.perf_counter() - begun
    row = {
        "contender": name,
        "kind": "ours" if mine else "package",
        "ended": ended,
        **_summary(instances),
        "took_s": took,
        # Of the whole process, this one included: more than `threads` is somebody else.
        "busy_cores": (busy_seconds() - busy) / took,
        "instances": instances,
    }
    passes = [i["pass_s"] for i in instances if "pass_s" in i]
    if passes:
        row["pass_s"] = median(passes)
    return row


def _line(row: dict[str, Any]) -> str:
    error = "none" if row["error"] is None else f"{row['error']:.1e}"
    time_ = f"{row['cpu_s']:.3g} CPU s, {row['wall_s']:.3g} s" if row["reached"] else "not reached"
    more = f"; {row['ended']}" if row["ended"] else ""
    return (
        f"    {row['contender']}: {row['reached']}/{row['of']}, {time_}, error {error}, "
        f"took {row['took_s']:.1f} s{more}"
    )


def _at_once(case: Case, threads: int) -> int:
    """How many processes: small problems of several seeds leave each other their caches."""
    return 2 if case.seeds > 1 and threads == 1 and cores() > 1 else 1


def _instances(case: Case, made: Callable[..., Task], folder: Path) -> list[str]:
    """Files of as many instances as the case has seeds; seeds without one are passed over."""
    files: list[str] = []
    for seed in range(2 * case.seeds + 1):
        try:
            task = made(**case.parameters, seed=seed)
        except generators.EndlessError as error:
            print(f"   passed over: {error}", flush=True)
            continue
        files.append(str(folder / f"{seed}.npz"))
        task.save(Path(files[-1]))
        if len(files) == case.seeds:
            return files
    raise SystemExit(f"{case.name}: no data for {case.seeds} seeds")


def measure_case(case: Case, settings: Sequence[str], environment: Environment) -> dict[str, Any]:
    """All contenders on a case; `settings` of threads as for kernels, "2" or "2:1"."""
    print(f"  {case}", flush=True)
    begun = time.perf_counter()
    made = generators.GENERATORS[case.kind]
    found: dict[str, Any] = {
        "name": case.name,
        "kind": case.kind,
        "parameters": case.parameters,
        "about": " ".join((made.__doc__ or "").split()),
        "seeds": case.seeds,
        "limit": case.limit,
        "target": TARGET,
        "runs": [],
    }
    with tempfile.TemporaryDirectory() as folder:
        files = _instances(case, made, Path(folder))
        # What they found best on the first number of threads; nothing for who failed there.
        best: dict[str, Any] | None = None
        for setting in settings:
            threads = int(setting.partition(":")[0])
            if threads not in case.threads:
                continue
            print(f"   threads {setting}", flush=True)

            def run(
                entry: tuple[registry.Contender, str | None],
                threads: int = threads,
                variables: dict[str, str] = environment(setting),  # noqa: B008
                known: dict[str, Any] | None = best,
            ) -> dict[str, Any] | None:
                contender, why = entry
                if why is not None:
                    kind = "ours" if contender.name.startswith(ours.OURS) else "package"
                    return {"contender": contender.name, "kind": kind, "skipped": why}
                if known is not None and contender.name not in known:
                    return None
                tried = [] if known is None else [known[contender.name]]
                row = _run(case, contender.name, files, threads, variables, tried)
                # In one piece: two of these run at once.
                print(_line(row) + "\n", end="", flush=True)
                return row

            with ThreadPoolExecutor(_at_once(case, threads)) as pool:
                rows = [row for row in pool.map(run, contenders(case)) if row is not None]
            found["runs"].append({"threads": setting, "rows": rows})
            if best is None:
                best = {
                    row["contender"]: row["instances"][0]["setting"]
                    for row in rows
                    if row.get("cpu_s", WORTH_THREADS) < WORTH_THREADS
                }
    found["took_s"] = time.perf_counter() - begun
    print(f"   took {found['took_s']:.0f} s", flush=True)
    return found
