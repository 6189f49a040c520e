"""How far to go along a direction.

A `Step` is a frozen value; what it remembers of the last step is passed in. Lengths are in
units of the method (`unit`), which makes defaults hold across operators and scales.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import IncompatibleError, InvalidTypeError, unknown_name
from ._descent import Automatic, Backtracking, Constant, ExactLineSearch, Polyak
from ._line import Line
from ._protocol import Step
from ._quartic import positive_minimiser as positive_minimiser
from ._subgradient import Geometric, LossProportional, MedianResidual
from ._subgradient import norm_of_mean as norm_of_mean

__all__ = [
    "Automatic",
    "Backtracking",
    "Constant",
    "ExactLineSearch",
    "Geometric",
    "Line",
    "LossProportional",
    "MedianResidual",
    "Polyak",
    "Step",
]

RULES: dict[str, type] = {
    "auto": Automatic,
    "constant": Constant,
    "backtracking": Backtracking,
    "exact": ExactLineSearch,
    "polyak": Polyak,
}
SUBGRADIENT_RULES: dict[str, type] = {
    "median": MedianResidual,
    "loss": LossProportional,
    "geometric": Geometric,
    "polyak": Polyak,
}


def as_step(value: Any) -> Step:
    """A step rule from a number, a name or a rule.

    Raises
    ------
    UnknownNameError
        If there is no rule of that name.
    InvalidTypeError
        If it is none of the three.
    """
    if isinstance(value, str):
        if value not in RULES:
            raise unknown_name("step rule", value, RULES)
        return RULES[value]()  # type: ignore[no-any-return]
    if isinstance(value, (MedianResidual, LossProportional, Geometric)):
        raise IncompatibleError(
            f"{type(value).__name__} is for the absolute loss, whose subgradients do not shrink: "
            f"use it with the solvers subgradient and scaled_subgradient"
        )
    if isinstance(value, Step):
        return value
    if _is_number(value):
        return Constant(float(value))
    raise InvalidTypeError(
        f"step_size must be a number, one of {', '.join(RULES)}, or a rule from "
        f"lowrank_la.steps, got {value!r}"
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, bool)


def as_subgradient_step(value: Any) -> Step:
    """A step rule for the absolute loss from a number, a name or a rule.

    Parameters
    ----------
    value : float, str or Step
        A number is that of `MedianResidual`.

    Returns
    -------
    Step

    Raises
    ------
    UnknownNameError
        If there is no rule of that name.
    IncompatibleError
        For rules that do not converge on a loss that is not smooth, and for `Polyak` by name,
        which leaves out the optimal objective.
    InvalidTypeError
        If it is none of the three.
    """
    names = ", ".join(SUBGRADIENT_RULES)
    if isinstance(value, str) and value in RULES and value not in ("polyak", "auto"):
        value = RULES[value]()
    if isinstance(value, str):
        if value not in SUBGRADIENT_RULES:
            raise unknown_name("step rule", value, SUBGRADIENT_RULES)
        if value == "polyak":
            raise IncompatibleError(
                "the Polyak step on the absolute loss needs the objective at the solution, which "
                "outliers and noise keep above zero: steps.Polyak(f_min=...), with f_min=0 for "
                "exact data; or step_size='median', which needs nothing"
            )
        return SUBGRADIENT_RULES[value]()  # type: ignore[no-any-return]
    if isinstance(value, Constant):
        raise IncompatibleError(
            "constant steps do not converge on the absolute loss: its subgradients do not "
            "shrink, and the iterates end at a distance proportional to the step. Use a number "
            "or step_size='median', or steps.Geometric"
        )
    if isinstance(value, (Automatic, Backtracking, ExactLineSearch)):
        raise IncompatibleError(
            f"{type(value).__name__} needs a direction of descent, which a subgradient of the "
            f"absolute loss need not be: the search ends at a kink. Use step_size='median' or "
            f"steps.Geometric; or a smooth loss such as losses.Huber with scaledgd"
        )
    if isinstance(value, Step):
        return value
    if _is_number(value):
        return MedianResidual(float(value))
    raise InvalidTypeError(
        f"step_size must be a number, one of {names}, or a rule from lowrank_la.steps, "
        f"got {value!r}"
    )
