"""Claims that can fail: with a deliberately wrong setting each says so."""

from __future__ import annotations

import pytest

from lowrank_la import reproduce
from lowrank_la.reproduce import Verdict
from lowrank_la.reproduce._claim import registry

SMALL = {"noise": 0.01, "columns": 20, "step_size": 0.0912, "max_iter": 600, "repeats": 3}

# Claim, and what makes its statement wrong; the other settings are those of the quick set.
WRONG = [
    # Differences so short that rounding is all that they show.
    ("brechet2023-gradient", {"distance": [1e-9, 1e-8, 1e-4]}),
    # Not long enough.
    ("brechet2023-bottleneck", {"max_iter": 200}),
    # Steps beyond stability.
    ("brechet2023-depth", {"rate": 0.05}),
    ("brechet2023-loss", {"rate": 0.05}),
    # More than one layer feels the spectrum.
    ("brechet2023-shallow", {"depth": 3}),
    # Without the sampling error of two entries per row.
    ("cao2023-error", {"per_row": 10}),
    # Noise on the diagonal does not average out.
    ("cao2023-rows", {"noise": 0.5}),
    # Every pair seen about as often.
    ("cao2023-weights", {"per_row": 40}),
    # Too short for any rank.
    ("jin2023-over", {"max_iter": 40}),
    # A rank between the one stated and that of the truth.
    ("jin2023-exact", {"columns": 4}),
    ("jin2023-under", {"columns": 4}),
    # From starts of the size of the truth there is no growth to be timed.
    ("jin2023-times", {"alpha": [0.5, 0.3, 0.1]}),
    # The start is still there.
    ("gu2024-floor", {"max_iter": 2}),
    # Another method, which takes more iterations.
    ("gu2024-sweeps", {"solver": "scaledgd"}),
    # The scale of the start grows with the columns.
    ("karnik2025-columns-scripts", {"normalised": False}),
    (
        "karnik2025-columns",
        {"normalised": False, "columns": [10, 50, 200], "step_size": 0.0912, "max_iter": 1000},
    ),
    # The noise is the floor.
    ("karnik2025-scale-many", {"noise": 0.01}),
    ("karnik2025-scale", SMALL),
    ("karnik2025-scale-scripts", SMALL),
    # From a large start there is no first phase.
    ("karnik2025-two-phases", {"alpha": 0.5}),
    ("karnik2025-two-phases-scripts", {"alpha": 0.5}),
    # Steps beyond stability, or far too small to arrive in time.
    ("tong2021-completion", {"step_size": 0.1, "n": 150, "rank": 3}),
    ("tong2021-completion-released", {"step_size": 0.1, "n": 150, "rank": 3}),
    ("tong2021-cost", {"step_size": 1.5}),
    ("tong2021-hankel", {"step_size": 0.1}),
    ("tong2021-noise", {"step_size": 0.1}),
    (
        "tong2021-robust-pca",
        {"step_size": 0.2, "n": 200, "rank": 3, "kappa": [1, 5], "repeats": 3},
    ),
    ("tong2021-samples", {"step_size": 1.9, "n": [12], "ranks": [1, 2], "runs": 1, "max_iter": 50}),
    ("tong2021-sensing", {"step_size": 0.1, "max_iter": 300}),
    (
        "tong2021-sensing-published",
        {"step_size": 0.1, "n": 30, "rank": 2},
    ),
    ("tong2021-sensing-released", {"step_size": 0.1, "max_iter": 300}),
    # Too few entries for the spectral start.
    ("tong2021-steps", {"sampling": 0.05}),
    # A bound on the share of outliers below the share itself.
    ("tong2021-outliers", {"share": 0.02, "n": [40], "ranks": [2, 4], "runs": 1}),
    # Too short to leave the start.
    ("ma2023-floor", {"max_iter": 20}),
    # Moves that add up to less than the way from the start.
    ("ma2023-noise", {"decay": 0.98}),
    ("ma2023-outliers", {"decay": 0.98}),
    # Half of the measurements are outliers.
    ("tong2021b-counts", {"share": 0.5}),
    ("tong2021b-geometric", {"share": 0.5}),
    ("tong2021b-kappa", {"share": 0.5}),
    ("tong2021b-noise", {"share": 0.5}),
    ("tong2021b-outliers", {"share": 0.5}),
    ("tong2021b-quadratic", {"share": 0.5}),
    # Without weak weights nothing keeps a run off rank one.
    ("ma2023-lifted-trend", {"eps": 1.0}),
    # Other instances, which need other orders.
    ("ma2023-lifted-hessian", {"eps": 0.1}),
    ("ma2023-lifted-order", {"n": 3}),
    ("ma2023-lifted-saddle", {"eps": 0.1}),
    # Weights that join the signs.
    ("ma2023-lifted-start", {"eps": 0.5}),
    # Over before the start has grown.
    ("ma2023-quadratic-network", {"max_iter": 100}),
    # Preconditioned, redundant columns do no harm.
    ("xiong2024-four-cases", {"solver": "precgd", "step_size": 0.5}),
    ("xiong2024-sensing", {"solver": "precgd", "step_size": 0.5}),
    # No redundant column, no dependence on the start.
    ("xiong2024-imbalance", {"columns": 3}),
    # Too small a gap after the step.
    ("xiong2024-one-step", {"beta": 0.5}),
    # A redundant column decays at a time of 1/alpha^2, which is longer than the run.
    ("xiong2024-symmetric", {"alpha": 0.01}),
    # A damping that slows growth down by far.
    ("xu2023-alpha", {"damping": 30.0}),
    ("xu2023-columns", {"damping": 30.0}),
    # With the lambda of the theorem there is no floor.
    ("xu2023-damping", {"damping": 1.0, "alpha": [1e-16, 1e-20]}),
    # So well conditioned that GD is not slow.
    ("xu2023-gd", {"kappa": [1, 2]}),
    ("xu2023-kappa", {"damping": 0.1, "n": 30}),
    ("xu2023-kappa-published", {"damping": 0.1, "n": 30}),
    # Stopped while noise does not matter yet.
    ("xu2023-noise", {"max_iter": 100}),
    # So many measurements that PrecGD has its isometry at any rank.
    ("xu2023-rank", {"per_row": 20, "n": 30}),
    # So few measurements that the start grows far faster than on average.
    ("xu2023-start", {"per_row": 3}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "overrides"), WRONG, ids=[name for name, _ in WRONG])
def test_a_wrong_setting_is_found_out(name, overrides):
    claim = registry[name]
    quick = claim.changed(**(claim.quick or {}))
    result = reproduce.run(quick.changed(**overrides))
    assert result.verdict is Verdict.NOT_CONSISTENT, result
