"""Laws that the papers state or that follow from them: what a measurement is compared with.

Each function says where it comes from and under which normalisation it holds. The matrix has
singular values ``sigma_1 >= ... >= sigma_r``; eta is a dimensionless step (see `steps`).
"""

from __future__ import annotations

from ._excess import (
    asymmetric_mean_rate,
    asymmetric_rate,
    damping_floor,
    one_step_rate,
    overparameterised_decay,
)
from ._floors import alternating_floor, geometric_accuracy, noise_floor, one_sided_error
from ._rates import bures_wasserstein_bound, bures_wasserstein_rate, gd_rate, scaledgd_bound
from ._small_start import (
    incremental_time,
    sign_share,
    small_start_exponent,
    small_start_iterations,
    subgradient_floor_exponent,
    tubal_exponent,
)

__all__ = [
    "alternating_floor",
    "asymmetric_mean_rate",
    "asymmetric_rate",
    "bures_wasserstein_bound",
    "bures_wasserstein_rate",
    "damping_floor",
    "gd_rate",
    "geometric_accuracy",
    "incremental_time",
    "noise_floor",
    "one_sided_error",
    "one_step_rate",
    "overparameterised_decay",
    "scaledgd_bound",
    "sign_share",
    "small_start_exponent",
    "small_start_iterations",
    "subgradient_floor_exponent",
    "tubal_exponent",
]
