"""What a problem generator promises."""

from __future__ import annotations

import inspect

import numpy as np

from .._typing import Array
from ..problem import Instance, Recipe
from ..problems import build, problem_info
from ._values import close


def check_generator(name: str) -> None:
    """Check a problem generator by its registered example.

    The recipe rebuilds the same bits, through JSON too; the data are the truth's measurements;
    seeds matter; and, where the generator has the parameter: the truth has the stated condition
    number (`cond`), and noise has the stated size and moves neither truth nor operator (`noise`).

    Parameters
    ----------
    name : str
        Registry name.

    Raises
    ------
    AssertionError
    """
    card = problem_info(name)
    has = inspect.signature(card.make).parameters
    first = card.make(**card.example, rng=3)
    assert first.recipe is not None, "there is no recipe"
    again = build(Recipe.from_json(first.recipe.to_json()))
    for a, b in ((first.problem.data, again.problem.data), *_arrays(first, again)):
        assert np.array_equal(a, b), "the recipe does not rebuild the same bits"
    # Where truth and operator are fixed, the seed is that of the noise.
    noise = {"noise": 0.1} if "noise" in has else {}
    one, two = (card.make(**card.example, **noise, rng=seed) for seed in (3, 4))
    assert not np.array_equal(one.problem.data, two.problem.data), "seeds do nothing"
    if "rank" in has or "cond" in has:
        factors = one.truth.factors.left, two.truth.factors.left
        assert not np.array_equal(*factors), "seeds do not move the truth"
    values = first.truth.factors.singular_values()
    close(values, first.truth.singular_values, 1e-10, "the truth's singular values")
    exact = first.problem.operator.forward(first.truth.factors)
    close(first.problem.data, exact, 1e-10, "the data are not the truth's measurements")
    whole = first.problem.loss.value(first.problem.data)
    assert abs(first.truth.f_min) <= 1e-20 * whole, "f_min of exact data is not zero"
    if "cond" in has:
        ill = card.make(**card.example, cond=7.0, rng=3)
        spectrum = ill.truth.factors.singular_values()
        close(spectrum[0] / spectrum[-1], 7.0, 1e-8, "the condition number")
    if "noise" in has:
        _check_noise(first, one)


def _check_noise(exact: Instance, noisy: Instance) -> None:
    """Noise of 0.1 against none, with the same seed."""
    for a, b in _arrays(exact, noisy):
        assert np.array_equal(a, b), "noise moved the truth"
    shift = noisy.problem.data - noisy.problem.operator.forward(noisy.truth.factors)
    # Measurements that are exact by construction have no noise.
    spread = float(np.std(shift[np.abs(shift) > 1e-8]))
    # Four standard errors.
    slack = max(0.03, 0.4 / np.sqrt(2 * shift.size))
    assert abs(spread - 0.1) < slack, f"noise of 0.1 has standard deviation {spread:.3f}"
    close(
        noisy.problem.operator.forward(exact.truth.factors),
        exact.problem.operator.forward(exact.truth.factors),
        1e-12,
        "noise moved the operator",
    )


def _arrays(a: Instance, b: Instance) -> list[tuple[Array, Array]]:
    X, Y = a.truth.factors, b.truth.factors
    return [(X.left, Y.left), (X.right, Y.right)]
