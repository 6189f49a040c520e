"""``lowrank-la doctor``: what the package finds on this machine."""

from __future__ import annotations

import os
import platform
from typing import Annotated, Any

import typer

from ..kernels import _chunks, _jit
from ..kernels.warmup import cache_folder
from ..report import versions
from ._console import FAILED, print_json, stdout


def doctor(
    json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Print versions, threads, kernel compilation and cache, and try one small solve."""
    facts: dict[str, Any] = {
        "versions": versions(),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "threads": _chunks.threads(),
        "blas_threads": {
            name: os.environ.get(name, "not set")
            for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
        },
        "compiled_kernels": _jit.enabled(),
        "kernel_cache_path": cache_folder() or "none: kernels are compiled in every process",
        "self_test": _self_test(),
    }
    if json:
        print_json(facts)
    else:
        for name, value in facts.items():
            shown = (
                ", ".join(f"{k} {v}" for k, v in value.items())
                if isinstance(value, dict)
                else value
            )
            stdout.print(
                f"{name.replace('_', ' ')}: {shown}", markup=False, highlight=False, soft_wrap=True
            )
    if facts["self_test"] != "passed":
        raise typer.Exit(FAILED)


def _self_test() -> str:
    from ..driver import solve
    from ..problems.matrix_completion import completion

    instance = completion((60, 50), 2, sampling=0.5, rng=0)
    error = float(solve(instance, "altmin").trace["rel_error"][-1])
    return "passed" if error < 1e-10 else f"failed: relative error {error:.1e}"
