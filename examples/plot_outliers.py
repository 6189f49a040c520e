"""Gross errors in a third of the measurements.

Claim: least squares ends far from the matrix as soon as some measurements are grossly wrong; the
sum of absolute residuals has its minimum there as long as outliers are a minority. The subgradient
method finds it at a rate that depends on the condition number (here 10), the scaled one at a rate
that does not. Their steps go by the median residual: neither the share of outliers nor the loss at
the truth is needed.

Ma, Fattahi (2023), arXiv:2202.08788; Tong, Ma, Chi (2021), arXiv:2010.13364.
"""

import sys
from pathlib import Path

import lowrank_la as ll


def main(folder: Path) -> None:
    robust = ll.problems.sensing((40, 30), 3, cond=10, measurements=2500, outliers=0.3, rng=0)
    squares = ll.Instance(robust.problem.replace(loss=ll.losses.Squared()), robust.truth)
    race = ll.compare(
        {"absolute loss": robust, "squared loss": squares},
        ["subgradient", "scaled_subgradient", "scaledgd"],
        start=ll.initial.truncated(robust.problem, 3),
        budget=300,
    )
    for run in race.runs:
        if run.result is not None:
            error = run.result.trace["rel_error"][-1]
            print(f"{run.instance}, {run.solver}: relative error {error:.1e}")
    axes = ll.plotting.convergence(race, predicted=False)
    ll.plotting.save_figure(axes, folder / "outliers.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
