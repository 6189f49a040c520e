"""What is solved (`Problem`), what only observers see (`Truth`), and both (`Instance`)."""

from ._gradient import relative_gradient
from ._instance import Instance, Recipe, Truth
from ._problem import Evaluation, Problem
from ._triples import averaged, observed

__all__ = [
    "Evaluation",
    "Instance",
    "Problem",
    "Recipe",
    "Truth",
    "averaged",
    "observed",
    "relative_gradient",
]
