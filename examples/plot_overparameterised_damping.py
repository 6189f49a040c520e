"""With more columns than the rank, damping decides.

Claim: for symmetric sensing of a rank-3 matrix with factors of 6 columns, from one small random
start, gradient descent waits on a plateau that the condition number makes long; fixed damping
(ScaledGD(lambda)) has hardly any and stops at a floor that the scale of the start sets; damping
that follows the residual (PrecGD) converges linearly down to rounding.

Xu, Shen, Chi, Ma (2023), arXiv:2302.01186; Zhang, Fattahi, Zhang (2021), arXiv:2504.09708.
"""

import sys
from pathlib import Path

import lowrank_la as ll
from lowrank_la import solvers


def main(folder: Path) -> None:
    instance = ll.problems.sensing(40, 3, measurements=720, symmetric=True, cond=20, rng=0)
    smallest = instance.truth.singular_values[-1]
    race = ll.compare(
        instance,
        {
            "gd": solvers.GD(step_size=0.5),
            r"scaledgd_lambda, $\lambda = \sigma_r$": solvers.ScaledGDLambda(
                step_size=0.3, damping=smallest
            ),
            r"precgd, $\lambda_t = \sqrt{f(F_t)}$": solvers.PrecGD(step_size=0.3),
        },
        rank=6,
        start="small_random",
        init_scale=1e-8,
        budget=1000,
    )
    for run in race.runs:
        name, error = run.result.solver.info.name, run.result.trace["rel_error"][-1]
        print(f"{name:15} {run.result.n_iter:4} iterations, relative error {error:.1e}")
    axes = ll.plotting.convergence(race)
    ll.plotting.save_figure(axes, folder / "overparameterised_damping.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
