"""Runs that the claims about ScaledGD share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..factors import Factors
from ..problem import Instance, Recipe
from ..solvers import Solver, make_solver
from ._data import Setting

PAPER = "Tong, Ma, Chi (2021), arXiv:2005.08898"
NAMES = {"scaledgd": "ScaledGD", "gd": "GD", "altmin": "alternating least squares"}
SAME_SIDES = (
    "The released script draws V with the seed of U, so that its truth is symmetric up to signs. "
    "Independent left and right vectors are in the claim beside this one."
)


def completion(p: Setting, seed: Any) -> Recipe:
    """Square matrices of a condition number, entries drawn with a chance of `sampling`."""
    parameters = {"shape": [p.n, p.n], "rank": p.rank, "cond": p.kappa, "sampling": p.sampling}
    return Recipe("completion", parameters, seed)


def method(name: str, step_size: float) -> Solver:
    """ScaledGD, or GD with the step eta / sigma_1(X*), as in the paper."""
    options: dict[str, Any] = {"scaledgd": {}, "gd": {"sigma_max": 1.0}}[name]
    return make_solver(name, options | {"step_size": step_size})


def same_sides(instance: Instance) -> Instance:
    """The instance with the right singular vectors those on the left, up to signs."""
    u, s, _ = instance.truth.factors.svd()
    root = np.sqrt(s)
    signs = np.where(np.arange(s.size) % 2, -1.0, 1.0)
    truth = Factors(u * root, u * (signs * root))
    problem = instance.problem
    changed = problem.replace(data=problem.operator.forward(truth))
    return Instance.of(changed, truth, recipe=instance.recipe)
