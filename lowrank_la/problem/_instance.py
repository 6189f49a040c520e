"""A problem with what only observers see, and how it was made."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors
from ._problem import Problem


@dataclass(frozen=True, eq=False)
class Truth:
    """All that only observers may see.

    Attributes
    ----------
    factors : Factors
        The matrix to be recovered.
    singular_values : array, shape (r,)
        Its singular values, descending.
    f_min : float
        The objective at the truth.
    corrupted : array of bool, shape (m,), or None
        Which measurements are outliers.
    """

    factors: Factors
    singular_values: Array
    f_min: float
    corrupted: Array | None = None

    def relative_error(self, X: Factors) -> float:
        """``|X - X*|_F / |X*|_F``."""
        return X.distance(self.factors) / self.factors.norm()


@dataclass(frozen=True)
class Recipe:
    """How an instance was made: `lowrank_la.problems.build(recipe)` makes the same bits.

    Attributes
    ----------
    name : str
        Registry name of the generator.
    parameters : dict
        Its keyword arguments, JSON-able.
    seed : int or list of int
        The seed.
    """

    name: str
    parameters: dict[str, Any]
    seed: int | list[int]

    def to_json(self) -> str:
        """The recipe as a JSON object."""
        return json.dumps(
            {"name": self.name, "parameters": self.parameters, "seed": self.seed}, sort_keys=True
        )

    @classmethod
    def from_json(cls, text: str) -> Recipe:
        """The recipe that `to_json` wrote.

        Raises
        ------
        InvalidInputError
            If the text is no recipe.
        """
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"not the JSON text of a recipe: {error}") from error

    def __str__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.parameters.items())
        return f"{self.name}({inside}, rng={self.seed!r})"


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem together with its truth and its recipe.

    Attributes
    ----------
    problem : Problem
    truth : Truth
    recipe : Recipe or None
    """

    problem: Problem
    truth: Truth
    recipe: Recipe | None = None

    @classmethod
    def of(
        cls,
        problem: Problem,
        factors: Factors,
        *,
        corrupted: Array | None = None,
        recipe: Recipe | None = None,
        truth: Callable[[Factors, Array, float, Array | None], Truth] = Truth,
    ) -> Instance:
        """A problem and the matrix that its data come from.

        Parameters
        ----------
        problem : Problem
            The problem.
        factors : Factors
            The true matrix.
        corrupted : array of bool, optional
            Which measurements are outliers.
        recipe : Recipe, optional
            How it was made.
        truth : callable
            What makes the truth of factors, singular values, objective and corruption: a
            subclass of Truth where errors are measured otherwise.
        """
        values = factors.singular_values()
        return cls(problem, truth(factors, values, problem.objective(factors), corrupted), recipe)
