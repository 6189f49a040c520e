"""Starts one process for each number of threads and collects what they measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import first_use, machine
from .cases import select
from .recovery import generators
from .recovery.cases import select as select_recoveries
from .recovery.measure import measure_case
from .recovery.registry import abouts, versions

ROOT = Path(__file__).resolve().parent.parent
# Read when a process starts, so each setting needs a process of its own.
KERNEL_THREADS = "LOWRANK_LA_THREADS"
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


def _line(case: dict[str, Any]) -> str:
    ours = case["contenders"][0]["median_s"]
    others = ", ".join(f"{c['name']} {c['over_ours']:.2f}x" for c in case["contenders"][1:])
    noise = f" (others took {case['others_cores']:.2f} cores)"
    return f"  {case['workload']}: {case['label']}: {1e3 * ours:.3g} ms; {others}{noise}"


def environment_of(setting: str) -> dict[str, str]:
    """The variables that say how many threads: "2", or "2:1" with another number for BLAS."""
    kernels, _, blas = setting.partition(":")
    return {KERNEL_THREADS: kernels} | dict.fromkeys(BLAS_THREADS, blas or kernels)


def _measure(setting: str, arguments: list[str]) -> dict[str, Any]:
    kernels, _, blas = setting.partition(":")
    environment = environment_of(setting)
    label = f"{kernels}, BLAS {blas}" if blas else kernels
    print(f"threads: {label}", flush=True)
    cases = []
    command = [sys.executable, "-m", "benchmarks", "worker", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            cases.append(json.loads(line))
            print(_line(cases[-1]), flush=True)
    if process.returncode:
        raise SystemExit(f"the worker with threads {label} failed")
    return {"threads": label, "environment": environment, "cases": cases}


def _recover(*, quick: bool, only: str, threads: Sequence[str]) -> dict[str, Any]:
    cases = select_recoveries(quick=quick, only=only)
    if not cases:
        return {"cases": []}
    print("recovery", flush=True)
    return {
        "completion_data": generators.source(),
        "packages": versions(),
        "about": abouts(),
        "cases": [measure_case(case, threads, environment_of) for case in cases],
    }


def _updated(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`old` with the cases of `new` in the place of those of the same names."""
    for result in (old, new):
        result["machine"].pop("date")
    if old["machine"] != new["machine"]:
        raise SystemExit("the file to be updated comes from another machine or other packages")
    fresh = {run["threads"]: run for run in new["runs"]}
    for run in old["runs"]:
        replacing = {c["label"]: c for c in fresh.get(run["threads"], {"cases": []})["cases"]}
        run["cases"] = [replacing.get(c["label"], c) for c in run["cases"]]
    recovered = {c["name"]: c for c in old.get("recovery", {}).get("cases", [])}
    recovered |= {c["name"]: c for c in new["recovery"]["cases"]}
    # A file may have had none, or not these.
    old["recovery"] = {**old.get("recovery", {}), **new["recovery"]}
    old["recovery"]["cases"] = list(recovered.values())
    return old


def run(
    output: Path, *, quick: bool, only: str, threads: Sequence[str], update: bool = False
) -> None:
    """Measure, and write `output`."""
    begun = time.perf_counter()
    arguments = (["--quick"] if quick else []) + (["--only", only] if only else [])
    some = select(quick=quick, only=only)
    if not some and not select_recoveries(quick=quick, only=only):
        raise SystemExit(f"no case has {only!r} in its name; see python -m benchmarks list")
    result: dict[str, Any] = {
        "machine": machine.describe(),
        "command": " ".join(["python -m benchmarks run", *arguments]),
        "runs": [_measure(setting, arguments) for setting in threads] if some else [],
        "recovery": _recover(quick=quick, only=only, threads=threads),
        "first_use": [] if only else first_use.measure(quick=quick),
    }
    result["total_s"] = time.perf_counter() - begun
    if update:
        date = result["machine"]["date"]
        result = _updated(json.loads(output.read_text(encoding="utf-8")), result)
        result["machine"]["date"] = date
    output.write_text(json.dumps(result) + "\n", encoding="utf-8")
    print(f"{output} written")
