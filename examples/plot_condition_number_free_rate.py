"""Scaled gradient descent converges at one rate, whatever the condition number.

Claim: on completion problems that differ in the condition number alone, gradient descent slows
down as it grows; scaled gradient descent keeps its rate. Both take their default constant step
from the same spectral start.

Tong, Ma, Chi (2021), arXiv:2005.08898.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

import lowrank_la as ll

CONDS = (1, 5, 20)
DASHES = {1: "-", 5: "--", 20: ":"}


def main(folder: Path) -> None:
    instances = {
        f"{cond}": ll.problems.completion((200, 150), 5, cond=cond, oversampling=5, rng=1)
        for cond in CONDS
    }
    rivals = {"gd": ll.solvers.GD(step_size=0.5), "scaledgd": ll.solvers.ScaledGD(step_size=0.5)}
    race = ll.compare(instances, rivals, budget=500)
    colours = dict(zip(("gd", "scaledgd"), ll.plotting.COLOURS, strict=False))
    with ll.plotting.style():
        figure, ax = plt.subplots(layout="constrained")
        for run in sorted(race.runs, key=lambda run: run.solver):
            trace, cond = run.result.trace, int(run.instance)
            ax.semilogy(
                trace["iteration"],
                trace["rel_error"],
                color=colours[run.solver],
                linestyle=DASHES[cond],
                label=rf"{run.solver}, $\kappa = {cond}$",
            )
            fit = "no rate yet" if run.fit is None else f"rate {run.fit.rate:.3f}"
            print(f"{run.solver:8} cond {cond:2}: {run.result.n_iter:3} iterations, {fit}")
        ax.set(xlim=(0, 510), xlabel="iteration", ylabel=ll.plotting.LABELS["rel_error"])
        ax.legend(ncols=2, loc="lower left", bbox_to_anchor=(0, 1))
    ll.plotting.save_figure(figure, folder / "condition_number_free_rate.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
