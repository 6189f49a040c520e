"""CVXPY with SCS: nuclear norm minimisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import Completion, RobustSensing, Sensing

SETTINGS = ({"eps": 1e-5}, {"eps": 1e-6}, {"eps": 1e-7}, {"eps": 1e-8})
# Unknowns, and coefficients of the constraints: beyond them building the program takes minutes
# and gigabytes.
UNKNOWNS, COEFFICIENTS = 40_000, 5_000_000


def _unfit(kind: str, parameters: dict[str, Any]) -> str | None:
    n = parameters["n"]
    if n * n > UNKNOWNS:
        return f"a semidefinite cone of size {2 * n}: more than it can take"
    if kind == "sensing" and parameters["factor"] * parameters["rank"] * n**3 > COEFFICIENTS:
        return "too many coefficients: the program takes gigabytes before it is solved"
    if kind == "completion" and parameters["oversampling"] < 2:
        return "nuclear norm minimisation needs more entries than these"
    return None


def _solve(run: Run, objective: Any, constraints: Any, X: Any, eps: float) -> Any:
    import cvxpy as cp

    problem = cp.Problem(objective, constraints)
    problem.solve(
        solver=cp.SCS,
        eps_abs=eps,
        eps_rel=eps,
        max_iters=10**6,
        time_limit_secs=run.limit,
    )
    if X.value is None:
        raise RuntimeError(f"SCS: {problem.status}")
    return np.asarray(X.value)


@contender(
    "CVXPY + SCS",
    "completion",
    "sensing",
    requires=["cvxpy", "scs"],
    settings=SETTINGS,
    unfit=_unfit,
)
def nuclear_norm(task: Completion | Sensing, run: Run, *, eps: float) -> Any:
    """`cvxpy`: the least nuclear norm that fits the data, by SCS; the loosest tolerance from 1e-5
    to 1e-8 that is enough. It is not told the rank."""
    import cvxpy as cp

    X = cp.Variable(task.shape)
    if isinstance(task, Sensing):
        matrix = task.matrices.reshape(len(task.values), -1)
        constraints = [matrix @ cp.vec(X, order="C") == task.values]
    else:
        constraints = [X[task.rows, task.cols] == task.values]
    return _solve(run, cp.Minimize(cp.normNuc(X)), constraints, X, eps)


@contender("CVXPY + SCS, l1", "robust_sensing", requires=["cvxpy", "scs"], settings=SETTINGS)
def least_absolute(task: RobustSensing, run: Run, *, eps: float) -> Any:
    """`cvxpy`: least absolute residuals over positive semidefinite matrices, by SCS."""
    import cvxpy as cp

    X = cp.Variable(task.shape, PSD=True)
    matrix = task.matrices.reshape(len(task.values), -1)
    objective = cp.Minimize(cp.norm1(matrix @ cp.vec(X, order="C") - task.values))
    return _solve(run, objective, [], X, eps)
