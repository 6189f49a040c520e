"""What the claims on subgradient methods share: losses, oracle steps, bounded noise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .._random import stream
from ..analysis.cells import Solve
from ..initial import frobenius_estimate
from ..losses import Absolute, Squared
from ..problem import Instance, Recipe
from ..solvers import make_solver
from ..steps import Geometric, Polyak
from ._data import Setting

MA = "Ma, Fattahi (2023), arXiv:2202.08788"
TONG = "Tong, Ma, Chi (2021b), arXiv:2010.13364"
SCALED, VANILLA = "scaled_subgradient", "subgradient"
NAMES = {SCALED: "scaled subgradients", VANILLA: "vanilla subgradients"}
MA_SPECTRUM = [1.0, 0.8]
MA_SHARED = {"n": 30, "measurements": 1500}
START_NOTES = (
    "The released start is the mean of y_i A_i over the smaller measurements; ours is scaled to "
    "fit besides, and its share of kept measurements is the paper's, which knows that of the "
    "outliers."
)


def absolute(instance: Instance) -> Instance:
    """With the sum of moduli as loss."""
    return Instance.of(
        instance.problem.replace(loss=Absolute()), instance.truth.factors, recipe=instance.recipe
    )


def squared(instance: Instance) -> Instance:
    """With the sum of squares as loss."""
    return Instance.of(
        instance.problem.replace(loss=Squared()), instance.truth.factors, recipe=instance.recipe
    )


def bounded_noise(instance: Instance, snr: float) -> Instance:
    """With uniform noise of size ``mean|A(X*)| / snr`` in every measurement."""
    assert instance.recipe is not None
    clean = instance.problem.operator.forward(instance.truth.factors)
    size = float(np.mean(np.abs(clean))) / snr
    noise = stream(instance.recipe.seed, "bounded noise").uniform(-size, size, clean.size)
    problem = instance.problem.replace(data=instance.problem.data + noise.astype(clean.dtype))
    return Instance.of(problem, instance.truth.factors, recipe=instance.recipe)


def polyak(solver: Any, instance: Instance) -> Any:
    """The solver with Polyak's steps, told the loss at the truth."""
    return replace(solver, step_size=Polyak(instance.truth.f_min))


def geometric(solver: Any, instance: Instance, initial: float, decay: float) -> Any:
    """The solver with steps ``initial decay^t``, the unit being the least singular value."""
    unit = frobenius_estimate(instance.problem) / float(instance.truth.singular_values[-1])
    return replace(solver, step_size=Geometric(initial / unit, decay))


def ma_recipe(p: Setting, seed: Any, **corruption: Any) -> Recipe:
    """Symmetric Gaussian sensing of a matrix of rank 2."""
    return Recipe(
        "sensing",
        {"shape": p.n, "rank": 2, "measurements": p.measurements, "symmetric": True,
         "spectrum": MA_SPECTRUM, **corruption},
        seed,
    )  # fmt: skip


def tong_cell(p: Setting, seed: Any, **changes: Any) -> Solve:
    """8 n r Gaussian measurements with outliers of ten times the largest one."""
    recipe = Recipe(
        "sensing",
        {"shape": [p.n, p.n], "rank": p.rank, "measurements": 8 * p.n * p.rank,
         "cond": p.kappa, "outliers": p.share, "outlier_scale": 10.0, "storage": "float32"},
        seed,
    )  # fmt: skip
    options = {
        "recipe": recipe,
        "solver": make_solver(p.solver),
        "start": "truncated",
        "start_options": {"keep": 1 - p.share},
        "seed": seed,
        "max_iter": p.max_iter,
        "tune": polyak,
    }
    return Solve(**(options | changes))
