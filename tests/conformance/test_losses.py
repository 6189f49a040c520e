"""Every loss: value against slope."""

from __future__ import annotations

import numpy as np
import pytest

from lowrank_la import losses
from lowrank_la.testing import check_loss

ALL = [losses.Squared(), losses.Absolute(), losses.Huber(), losses.Huber(0.3)]


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_contract(loss):
    check_loss(loss)


def test_every_public_loss_is_checked():
    assert {type(loss).__name__ for loss in ALL} == set(losses.__all__) - {"Loss"}


def test_a_wrong_slope_is_found():
    class Wrong(losses.Squared):
        def slope(self, residual):
            return 1.01 * residual

    with pytest.raises(AssertionError, match=r"subgradient|Taylor"):
        check_loss(Wrong())


def test_values():
    e = np.array([3.0, -4.0])
    assert losses.Squared().value(e) == 12.5
    assert losses.Absolute().value(e) == 7.0
    assert losses.Huber(1.0).value(e) == 2.5 + 3.5
