"""What the first use costs: processes of their own, timed from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

REPEATS = {False: 7, True: 2}
SOLVE = """
import lowrank_la as ll
instance = ll.problems.completion((300, 200), 3, oversampling=4, rng=0)
assert ll.solve(instance).trace["rel_error"][-1] < 1e-6
"""


def _seconds(code: str, **environment: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, check=True)
    return time.perf_counter() - begun


def _row(name: str, seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "name": name,
        "median_s": median(seconds),
        "min_s": min(seconds),
        "seconds": [float(f"{s:.4g}") for s in seconds],
    }


def measure(*, quick: bool) -> list[dict[str, Any]]:
    """Wall seconds of whole processes, except for the difference of imports."""
    for code in ("import numpy, lowrank_la", SOLVE):
        _seconds(code)  # fills the caches
    numpy_only, package, solve, plain = [], [], [], []
    for _ in range(REPEATS[quick]):
        numpy_only.append(_seconds("import numpy"))
        package.append(_seconds("import numpy, lowrank_la"))
        solve.append(_seconds(SOLVE))
        plain.append(_seconds(SOLVE, LOWRANK_LA_JIT="0"))
    with tempfile.TemporaryDirectory() as empty:
        cold = _seconds(SOLVE, NUMBA_CACHE_DIR=empty)
    on_top = [b - a for a, b in zip(numpy_only, package, strict=True)]
    return [
        _row("process with `import numpy`", numpy_only),
        _row("`import lowrank_la` on top of it", on_top),
        _row("process with a first small `solve`, compiled kernels in the cache", solve),
        _row("the same, cache empty: kernels are compiled", [cold]),
        _row("the same with `LOWRANK_LA_JIT=0`: NumPy and SciPy only", plain),
    ]
