"""Claims that can fail: with a deliberately wrong setting each says so."""

from __future__ import annotations

import pytest

from lowrank_la import reproduce
from lowrank_la.reproduce import Verdict
from lowrank_la.reproduce._claim import registry

# Claim, and what makes its statement wrong; the other settings are those of the quick set.
WRONG = [
    # Without the sampling error of two entries per row.
    ("cao2023-error", {"per_row": 10}),
    # Noise on the diagonal does not average out.
    ("cao2023-rows", {"noise": 0.5}),
    # Every pair seen about as often.
    ("cao2023-weights", {"per_row": 40}),
    # The scale of the start grows with the columns.
    ("karnik2025-columns-scripts", {"normalised": False}),
    # The noise is the floor.
    ("karnik2025-scale-many", {"noise": 0.01}),
    # From a large start there is no first phase.
    ("karnik2025-two-phases", {"alpha": 0.5}),
    ("karnik2025-two-phases-scripts", {"alpha": 0.5}),
    # Preconditioned, redundant columns do no harm.
    ("xiong2024-four-cases", {"solver": "precgd", "step_size": 0.5}),
    ("xiong2024-sensing", {"solver": "precgd", "step_size": 0.5}),
    # No redundant column, no dependence on the start.
    ("xiong2024-imbalance", {"columns": 3}),
    # Too small a gap after the step.
    ("xiong2024-one-step", {"beta": 0.5}),
    # A redundant column decays at a time of 1/alpha^2, which is longer than the run.
    ("xiong2024-symmetric", {"alpha": 0.01}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "overrides"), WRONG, ids=[name for name, _ in WRONG])
def test_a_wrong_setting_is_found_out(name, overrides):
    claim = registry[name]
    quick = claim.changed(**(claim.quick or {}))
    result = reproduce.run(quick.changed(**overrides))
    assert result.verdict is Verdict.NOT_CONSISTENT, result
