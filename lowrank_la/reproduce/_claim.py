"""What a claim is: a grid, what is run at each point, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from .. import _check
from .._random import seed_of, stream
from .._registry import Registry
from ..analysis.cells import Cell, Outcome
from ..errors import InvalidInputError, unknown_name
from ._checks import Check
from ._data import Setting
from ._figures import Drawing

COSTS = ("seconds", "minutes", "an hour")
SETTINGS = ("published", "as released", "ours")


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of a paper that can be checked by running something.

    Attributes
    ----------
    id : str
        Name on the command line.
    paper : str
        Authors, year, arXiv number.
    statement : str
        One line.
    source : str
        Where in the paper: figure, theorem, or the number of a check of ours.
    settings : {"published", "as released", "ours"}
        Whose settings: those that the paper describes, those of its released scripts where
        they differ, or ours where the published ones are not known.
    grid : mapping from str to sequence
        Parameters and the values that they take; all combinations are run.
    fixed : mapping
        Further parameters.
    repeats : int
        Repeats of each grid point, with fresh instances and fresh starts.
    deterministic : bool
        No randomness: one repeat is all that there is.
    cell : callable
        ``cell(setting, seed)``: what is run at a grid point.
    numbers : mapping from str to callable
        ``number(outcome, setting)``: what is measured on it.
    checks : sequence of Check, or of sequences of them
        How it is judged.
    drawing : Drawing
        How it is drawn.
    quick : mapping or None
        Changes to parameters for the quick set; None to leave the claim out of it.
    seconds : float
        About how long it takes on two cores.
    notes : str
        What the released code does differently, and the like.
    """

    id: str
    paper: str
    statement: str
    source: str
    settings: str
    grid: Mapping[str, Sequence[Any]]
    cell: Callable[[Setting, Any], Cell]
    numbers: Mapping[str, Callable[[Outcome, Setting], float]]
    checks: Sequence[Check | Iterable[Check]]
    drawing: Drawing
    fixed: Mapping[str, Any] = field(default_factory=dict)
    repeats: int = 3
    deterministic: bool = False
    quick: Mapping[str, Any] | None = None
    seconds: float = 10.0
    notes: str = ""

    def __post_init__(self) -> None:
        if self.settings not in SETTINGS:
            raise InvalidInputError(f"settings must be one of {SETTINGS}, got {self.settings!r}")

    @property
    def all_checks(self) -> list[Check]:
        """The checks in one list."""
        return [
            one for check in self.checks for one in ([check] if isinstance(check, Check) else check)
        ]

    @property
    def cost(self) -> str:
        """Cost class."""
        return COSTS[int(np.searchsorted([60, 1800], self.seconds, side="right"))]

    def changed(self, **overrides: Any) -> Claim:
        """The claim with other parameters.

        A list or tuple replaces the values of a grid parameter, a single value reduces the
        grid to it; `repeats` changes the number of repeats.

        Raises
        ------
        UnknownNameError
            For a parameter that the claim does not have.
        """
        grid, fixed, repeats = dict(self.grid), dict(self.fixed), self.repeats
        for name, value in overrides.items():
            if name == "repeats":
                repeats = _check.count(value, "repeats", low=1)
            elif name in grid:
                grid[name] = list(value) if isinstance(value, (list, tuple)) else [value]
                if not grid[name]:
                    raise InvalidInputError(f"{name} needs at least one value")
            elif name in fixed:
                fixed[name] = value
            else:
                known = ["repeats", *grid, *fixed]
                raise unknown_name(f"parameter of the claim {self.id}", name, known)
        return replace(self, grid=grid, fixed=fixed, repeats=repeats)

    def points(self) -> list[Setting]:
        """All grid points."""
        names = list(self.grid)
        return [
            Setting(**dict(self.fixed), **dict(zip(names, values, strict=True)))
            for values in product(*self.grid.values())
        ]

    def cells(self) -> list[Cell]:
        """All cells: for each repeat, all grid points."""
        # A repeat has the same instance at all points where the recipe is the same.
        return [
            self.cell(point, self.seed(repeat))
            for repeat in range(self.repeats)
            for point in self.points()
        ]

    def seed(self, repeat: int) -> Any:
        """The seed of a repeat."""
        return seed_of(stream(0, f"reproduce {repeat}"))


registry: Registry[Claim] = Registry("claim", "lowrank_la.reproduce")


def register(claim: Claim) -> Claim:
    """Put a claim into the registry under its id.

    Parameters
    ----------
    claim : Claim
        The claim.

    Returns
    -------
    Claim
        The same.
    """
    registry.add(claim.id, claim)
    return claim
