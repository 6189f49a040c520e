"""How good the choice of `auto` is: its time against that of every other solver, on a grid.

``python -m benchmarks.choice run`` solves each problem of the grid with `auto`, then with each
solver that takes it, to the same relative error against the truth, and writes
benchmarks/choice.json; ``table`` prints it as Markdown. A solver is stopped once it has taken
longer than `auto`, since it is then not the best; where `auto` fails, it has a fixed time.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import lowrank_la as ll

from . import machine
from .tables import MISSING, number, table

HERE = Path(__file__).parent
RESULTS = HERE / "choice.json"
REPEATS = 5
# Seconds of a run where `auto` fails, and the least that anybody has.
PATIENCE, LEAST = 5.0, 0.02
# `auto` is behind if it takes longer than this many times the best.
BOUND = 1.5
# Relative error that counts as solved, and how far above the best it may be under noise.
EXACT, SLACK = 1e-6, 1.02
# Not for solving: demonstrators of a paper, and what returns only a part of the matrix.
LEFT_OUT = ("auto", "convex", "deep_linear", "lifted", "one_sided")


@dataclass(frozen=True)
class Point:
    """A generated problem."""

    label: str
    generator: str
    parameters: dict[str, Any] = field(default_factory=dict)


def _completion(n: int, rank: int, cond: float, oversampling: float, **more: Any) -> Point:
    parameters = {
        "shape": (n, n),
        "rank": rank,
        "cond": cond,
        "oversampling": oversampling,
        "spectrum": "geometric",
        "factors": "gaussian",
        "least": rank + 1,
    }
    label = f"completion, n = {n}, r = {rank}, κ = {cond:g}, oversampling {oversampling:g}"
    if "noise" in more:
        label += f", noise {more['noise']:g}"
    return Point(label, "completion", parameters | more)


GRID = [
    *(
        _completion(300, 5, cond, oversampling)
        for oversampling in (1.35, 1.5, 2.0, 3.0, 5.0)
        for cond in (1.0, 10.0, 100.0, 1000.0)
    ),
    *(
        _completion(1000, 10, cond, oversampling)
        for oversampling in (1.2, 1.5, 2.0, 3.0, 5.0)
        for cond in (1.0, 10.0, 1000.0)
    ),
    _completion(5000, 10, 10.0, 5.0),
    # The largest singular value is 1: entries of about 1 / n.
    *(
        _completion(300, 5, cond, oversampling, noise=noise)
        for oversampling in (2.0, 4.0)
        for cond in (1.0, 10.0)
        for noise in (1e-5, 1e-4)
    ),
    *(
        Point(
            f"sensing, n = 50, r = 3, m = {factor} n r, κ = {cond:g}{kind}",
            "sensing",
            {
                "shape": 50,
                "rank": 3,
                "measurements": 150 * factor,
                "cond": cond,
                "symmetric": bool(kind),
            },
        )
        for factor in (3, 5)
        for cond in (1.0, 20.0)
        for kind in ("", ", symmetric")
    ),
    *(
        Point(
            f"phase retrieval, n = 200, m = {factor} n",
            "quadratic_sensing",
            {"n": 200, "rank": 1, "measurements": 200 * factor, "dtype": "complex128"},
        )
        for factor in (4, 6)
    ),
    Point(
        "quadratic sensing, n = 60, r = 3, m = 8 n r",
        "quadratic_sensing",
        {"n": 60, "rank": 3, "measurements": 1440},
    ),
    *(
        Point(
            f"robust PCA, n = 300, r = 5, outliers {share:.0%}",
            "robust_pca",
            {"shape": (300, 300), "rank": 5, "corruption": share, "factors": "gaussian"},
        )
        for share in (0.1, 0.3, 0.5)
    ),
    Point(
        "robust completion, n = 300, r = 3, 40 % seen, outliers 20%",
        "robust_completion",
        {"shape": (300, 300), "rank": 3, "sampling": 0.4, "corruption": 0.2},
    ),
    *(
        Point(
            f"l1 sensing, n = 40, r = 2, m = 20 n r, outliers {share:.0%}{kind}",
            "sensing",
            {
                "shape": 40,
                "rank": 2,
                "measurements": 1600,
                "symmetric": bool(kind),
                "outliers": share,
            },
        )
        for share in (0.1, 0.3)
        for kind in ("", ", symmetric")
    ),
]


def _target(instance: Any) -> float:
    """The relative error that counts as solved: with noise, that of the solution near the truth."""
    if not instance.recipe.parameters.get("noise"):
        return EXACT
    start = ll.initial.near(instance, distance=1e-6, rng=0)
    best = ll.solve(instance.problem, "scaledgd", step_size="exact", start=start, max_iter=2000)
    return SLACK * float(instance.truth.relative_error(best.factors))


def _solve(
    instance: Any, solver: str, target: float, seconds: float | None
) -> tuple[float, float, str]:
    """CPU seconds, relative error, and what `auto` says."""
    begun = time.process_time()
    result = ll.solve(
        instance,
        solver,
        stop=ll.stopping.Target("rel_error", target),
        max_iter=100_000,
        max_time=seconds,
    )
    took = time.process_time() - begun
    return took, instance.truth.relative_error(result.factors), result.why


def measure(point: Point) -> dict[str, Any]:
    """The times of all solvers that take the problem, as multiples of that of `auto`."""
    instance = ll.problems.build(ll.problem.Recipe(point.generator, dict(point.parameters), 0))
    target = _target(instance)
    names = [n for n in ll.available_solvers(instance) if n not in LEFT_OUT]
    _solve(instance, "auto", target, PATIENCE)
    runs = [_solve(instance, "auto", target, 4 * PATIENCE) for _ in range(REPEATS)]
    ours, error, why = float(np.median([r[0] for r in runs])), runs[0][1], runs[0][2]
    solved = error <= target
    limit = max(LEAST, ours) if solved else PATIENCE
    others = {}
    for name in names:
        once = _solve(instance, name, target, limit)
        if once[1] > target:
            continue
        again = [_solve(instance, name, target, limit) for _ in range(REPEATS)]
        reached = [r[0] for r in again if r[1] <= target]
        if reached:
            others[name] = float(np.median(reached))
    best = min(others, key=others.__getitem__, default=None)
    return {
        "label": point.label,
        "recipe": str(instance.recipe),
        "auto_s": ours,
        "solved": bool(solved),
        "error": float(error),
        "why": why,
        "others_s": others,
        "best": best,
        "ratio": ours / others[best] if best and solved else None,
    }


def run(only: str, output: Path) -> None:
    found = []
    for point in GRID:
        if only not in point.label:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.append(measure(point))
        one = found[-1]
        versus = f"{one['ratio']:.2f} x {one['best']}" if one["ratio"] else str(one["others_s"])
        state = "" if one["solved"] else f"FAILED ({one['error']:.1e})"
        print(f"{one['label']}: {one['auto_s']:.3f} s, {versus} {state}", flush=True)
        print(f"    {one['why']}", flush=True)
    if not only:
        output.write_text(
            json.dumps({"machine": machine.describe(), "points": found}, indent=1) + "\n",
            encoding="utf-8",
        )


def summary(results: dict[str, Any]) -> dict[str, Any]:
    """What the page shows: the table, and how often `auto` fails or is behind."""
    rows, ratios, failed = [], [], []
    for p in results["points"]:
        best = f"`{p['best']}`" if p["best"] else "none reaches it sooner"
        rows.append(
            [
                p["label"],
                number(1e3 * p["auto_s"]) if p["solved"] else "fails",
                best,
                f"{p['ratio']:.2f}" if p["ratio"] else MISSING,
            ]
        )
        if p["solved"]:
            ratios.append(p["ratio"] or 0.0)
        elif p["best"]:
            failed.append(p["label"])
    return {
        "table": table(["problem", "`auto`, ms", "best other", "ratio"], rows, left=(2,)),
        "points": len(rows),
        "failed": failed,
        "bound": BOUND,
        "behind": sum(r > BOUND for r in ratios),
        "worst": max(ratios),
        "date": results["machine"]["date"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run")
    runner.add_argument("--only", default="", help="points with this in their label; not stored")
    commands.add_parser("table")
    options = parser.parse_args()
    if options.command == "run":
        run(options.only, RESULTS)
    else:
        print(summary(json.loads(RESULTS.read_text(encoding="utf-8")))["table"])


if __name__ == "__main__":
    main()
