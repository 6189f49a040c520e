"""Completion near the information limit: who still recovers the matrix.

``python -m benchmarks.near_limit run`` measures, for each solver and size, the share of recovered
matrices over oversampling and condition number, with the phase-transition engine; runs that are
done are kept and reused. ``draw`` makes the figures and the tables of docs/near-limit.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import lowrank_la as ll
from lowrank_la.analysis.phase import PhaseDiagram
from lowrank_la.solvers import make_solver

HERE = Path(__file__).parent
DIAGRAMS = HERE / "near-limit"
DOCS = HERE.parent / "docs"
OVERSAMPLING = [1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0]
CONDITION = [1.0, 10.0, 100.0, 1000.0]
# Relative error over the whole matrix that counts as recovery.
TARGET = 1e-4


@dataclass(frozen=True)
class Size:
    """Size of the matrix, and how much is spent on it."""

    n: int
    rank: int
    repeats: int


SIZES = {300: Size(300, 5, 10), 1000: Size(1000, 10, 4)}


@dataclass(frozen=True)
class Method:
    """A solver, its options, and the iterations that it may take.

    Sizes that would take hours are not in `sizes`. With `repeats` every cell is measured so many
    times, without as many times as the size says, where the border is.
    """

    solver: str
    iterations: int
    label: str
    options: tuple[tuple[str, Any], ...] = ()
    sizes: tuple[int, ...] = (300, 1000)
    repeats: int | None = None


METHODS = {
    m.label: m
    for m in (
        Method("rank_path", 5000, "rank path", repeats=10),
        Method("matrix_irls", 400, "MatrixIRLS", sizes=(300,)),
        Method("gauss_newton", 300, "Gauss-Newton"),
        Method("nonlinear_cg", 2000, "scaled nonlinear CG"),
        Method("riemannian_cg", 2000, "Riemannian CG"),
        Method("scaled_asd", 2000, "ScaledASD"),
        Method("altmin", 1000, "alternating minimisation"),
        Method("scaledgd", 2000, "ScaledGD, exact steps", (("step_size", "exact"),)),
        Method("agn", 2000, "AGN, exact steps", (("step_size", "exact"),)),
        Method("gd", 2000, "gradient descent, exact steps", (("step_size", "exact"),)),
        Method("precgd", 2000, "PrecGD, exact steps", (("step_size", "exact"),), sizes=(300,)),
        Method(
            "scaledgd_lambda",
            2000,
            "ScaledGD(λ), exact steps",
            (("step_size", "exact"),),
            sizes=(300,),
        ),
        Method("robust_altmin", 1000, "robust alternating min.", sizes=(300,)),
        Method("bug", 2000, "BUG", sizes=(300,)),
    )
}


def path_of(size: Size, method: Method) -> Path:
    return DIAGRAMS / f"{method.solver}-{size.n}.npz"


def measure(
    size: Size, method: Method, *, folder: Path, workers: int, budget: float | None
) -> PhaseDiagram:
    return ll.phase_transition(
        "completion",
        make_solver(method.solver, dict(method.options)),
        x={"oversampling": OVERSAMPLING},
        y={"cond": CONDITION},
        fixed={
            "shape": (size.n, size.n),
            "rank": size.rank,
            "spectrum": "geometric",
            "factors": "gaussian",
            # A row with fewer than r + 1 entries would spoil the instance for all methods.
            "least": size.rank + 1,
        },
        target=TARGET,
        max_iter=method.iterations,
        repeats=method.repeats or size.repeats,
        adaptive=method.repeats is None,
        folder=folder,
        workers=workers,
        budget=budget,
        rng=0,
    )


def run(options: argparse.Namespace) -> None:
    for size in (SIZES[n] for n in options.n):
        for label in options.only or METHODS:
            begun = time.perf_counter()
            method = METHODS[label]
            if size.n not in method.sizes:
                continue
            diagram = measure(
                size,
                method,
                folder=options.folder,
                workers=options.workers,
                budget=options.budget,
            )
            DIAGRAMS.mkdir(exist_ok=True)
            diagram.save(path_of(size, method))
            took = time.perf_counter() - begun
            state = "" if diagram.complete else ", not complete"
            print(f"n = {size.n}, {label}: {took:.0f} s{state}", flush=True)
            for kappa, row in zip(diagram.y, diagram.share, strict=True):
                print(f"  {kappa:6g}", *(f"{share:5.2f}" for share in row), flush=True)


def stored(size: Size) -> Iterator[tuple[Method, PhaseDiagram]]:
    for method in METHODS.values():
        if path_of(size, method).exists():
            yield method, PhaseDiagram.load(path_of(size, method))


def least_oversampling(diagram: PhaseDiagram, share: float) -> list[float]:
    """For each condition number, the oversampling from which on at least `share` succeed."""
    found = []
    for row in diagram.share:
        low = np.flatnonzero(row < share)
        first = low[-1] + 1 if low.size else 0
        found.append(float(diagram.x[first]) if first < diagram.x.size else float("inf"))
    return found


def table(size: Size) -> list[str]:
    """Rows of a Markdown table: from which oversampling on nine in ten are recovered."""
    lines = [
        "| method | " + " | ".join(f"κ = {k:g}" for k in CONDITION) + " |",
        "| :-- |" + " --: |" * len(CONDITION),
    ]
    for method, diagram in stored(size):
        cells = [
            f"{x:g}" if np.isfinite(x) else f"> {OVERSAMPLING[-1]:g}"
            for x in least_oversampling(diagram, 0.9)
        ]
        lines.append(f"| {method.label} | " + " | ".join(cells) + " |")
    return lines


def draw(size: Size) -> Any:
    """One panel per method: shares of recovered matrices."""
    from matplotlib.figure import Figure

    found = list(stored(size))
    columns = min(5, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(2.1 * columns, 1.9 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for ax in axes.flat[len(found) :]:
        ax.set_visible(False)
    for ax in axes.flat[max(0, len(found) - columns) : len(found)]:
        # The lowest of its column.
        ax.xaxis.set_tick_params(labelbottom=True)
    mesh = None
    for ax, (method, diagram) in zip(axes.flat, found, strict=False):
        mesh = ax.pcolormesh(
            np.arange(diagram.x.size + 1),
            np.arange(diagram.y.size + 1),
            diagram.share,
            cmap="cividis",
            vmin=0,
            vmax=1,
            rasterized=True,
        )
        ax.set_title(method.label, fontsize=8)
        ax.set_xticks(np.arange(diagram.x.size) + 0.5, [f"{x:g}" for x in diagram.x], rotation=90)
        ax.set_yticks(np.arange(diagram.y.size) + 0.5, [f"{y:g}" for y in diagram.y])
        ax.tick_params(labelsize=7, length=0)
    figure.supxlabel("entries / degrees of freedom", fontsize=9)
    figure.supylabel(r"condition number $\sigma_1 / \sigma_r$", fontsize=9)
    figure.colorbar(mesh, ax=axes, label="share recovered", shrink=0.8, pad=0.01)
    return figure


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    runner = commands.add_parser("run")
    runner.add_argument("--n", type=int, nargs="+", default=list(SIZES), choices=list(SIZES))
    runner.add_argument("--only", nargs="+", choices=list(METHODS))
    runner.add_argument("--folder", type=Path, default=Path("near-limit"), help="finished runs")
    runner.add_argument("--workers", type=int, default=2)
    runner.add_argument("--budget", type=float, help="seconds for each diagram")
    drawer = commands.add_parser("draw")
    drawer.add_argument("--n", type=int, nargs="+", default=list(SIZES), choices=list(SIZES))
    options = parser.parse_args(arguments)
    if options.command == "run":
        run(options)
        return
    for size in (SIZES[n] for n in options.n):
        figure = draw(size)
        path = DOCS / "figures" / f"near-limit-{size.n}.png"
        figure.savefig(path, dpi=200)
        # Included by the page.
        rows = path.with_suffix(".md")
        rows.write_text("\n".join([*table(size), ""]), encoding="utf-8")
        print(path, rows)


if __name__ == "__main__":
    main()
