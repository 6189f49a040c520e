"""Factors with enough columns reach the optimum of the convex problem.

Claim: for noisy completion with a nuclear-norm weight, the objective that alternating
minimisation reaches with r columns lies above the convex optimum as long as r is below the rank
of the convex solution, and from there on agrees with it to the accuracy of the convex solver.

Recht, Fazel, Parrilo (2010), arXiv:0706.4138.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator

import lowrank_la as ll

RANKS = range(1, 9)


def main(folder: Path) -> None:
    instance = ll.problems.completion((40, 30), 4, cond=3, sampling=0.6, noise=0.01, rng=0)
    problem = instance.problem.replace(nuclear=0.1)
    convex = ll.solve(problem, "convex", rank=1, accuracy=1e-10)
    optimum = problem.objective(convex.factors)
    rank = convex.parts["rank"]
    print(f"convex optimum {optimum:.6f} at rank {rank}")
    excess = []
    for columns in RANKS:
        result = ll.solve(problem, "altmin", rank=columns, max_iter=5000)
        excess.append(abs(problem.objective(result.factors) - optimum) / optimum)
        print(f"{columns} columns: {result.status.name}, relative excess {excess[-1]:.1e}")
    with ll.plotting.style():
        figure, ax = plt.subplots(layout="constrained")
        ax.semilogy(RANKS, excess, "o-", color=ll.plotting.COLOURS[0], markersize=4)
        ax.axvline(rank, color="0.4", linestyle=":", zorder=1, label="rank of the convex solution")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set(
            xlabel="columns of the factors",
            ylabel=r"$|f_\mathrm{factored} - f_\mathrm{convex}| \,/\, f_\mathrm{convex}$",
        )
        ax.legend()
    ll.plotting.save_figure(figure, folder / "convex_baseline.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
