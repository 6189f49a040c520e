"""Covariances that a generative model is fitted to."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _check
from .._random import Seed, seed_of, stream
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors
from ..operators.full import FullObservation
from ..problem import Instance, Problem
from ._parts import assemble, orthonormal, singular_values
from ._registry import register

__all__ = ["covariance"]


@register("a covariance matrix, known in full", n=6, spectrum="geometric")
def covariance(
    n: int,
    *,
    spectrum: Any = "zipf",
    cond: float = 1.0,
    smallest: float | None = None,
    dtype: Any = float,
    rng: Any = None,
) -> Instance:
    """A covariance that is known in full, as the target of a generative model.

    The eigenvectors are uniformly random. The truth has all n columns; give `rank` to a solver
    to look for the best approximation of a smaller one.

    Parameters
    ----------
    n : int
        Size of the covariance.
    spectrum : {"zipf", "linear", "geometric"} or array, shape (n,)
        Eigenvalues. "zipf": ``s / i + N(0, 1)``, i = 1, ..., n, with s the largest singular
        value of a Gaussian n x n matrix, shifted to the least eigenvalue `smallest` (Brechet,
        Papagiannouli, An, Montufar 2023). "linear", "geometric": spaced between the ends of
        ratio `cond`. Or the positive values themselves.
    cond : float
        Condition number, for "linear" and "geometric".
    smallest : float, optional
        The least eigenvalue, not with explicit values. Default: 0.05 for "zipf", otherwise
        1 / cond, which makes the largest 1.
    dtype : data type
        float64, float32, complex128 or complex64.
    rng : int, Generator or None
        The seed; eigenvectors and eigenvalues have streams of their own.

    Returns
    -------
    Instance

    Raises
    ------
    InvalidInputError
        For impossible parameters.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.covariance(10, spectrum="geometric", cond=20, rng=0)
    >>> instance.truth.factors.rank
    10
    """
    n = _check.count(n, "n", low=1)
    kind = _check.float_type(dtype, "dtype")
    seed = seed_of(rng)
    values = _eigenvalues(seed, n, spectrum, cond, smallest)
    vectors = orthonormal(seed, "left", n, n, kind, "gaussian")
    root = (vectors * np.sqrt(values)).astype(kind)
    truth = Factors(root, root)
    operator = FullObservation(n)
    parameters = {
        "n": n,
        "spectrum": spectrum,
        "cond": cond,
        "smallest": smallest,
        "dtype": kind.name,
    }
    problem = Problem(operator, operator.forward(truth), symmetric=True)
    return assemble(problem, truth, "covariance", parameters, seed)


def _eigenvalues(seed: Seed, n: int, spectrum: Any, cond: float, smallest: Any) -> Array:
    if smallest is not None:
        smallest = _check.number(smallest, "smallest", low=1e-300, high=1e300)
    if not isinstance(spectrum, str):
        if smallest is not None:
            raise InvalidInputError("give smallest or the eigenvalues themselves, not both")
        return singular_values(n, cond, spectrum)
    if spectrum == "zipf":
        if cond != 1.0:
            raise InvalidInputError("cond belongs to spectrum='linear' or 'geometric', not 'zipf'")
        generator = stream(seed, "eigenvalues")
        top = np.linalg.norm(generator.standard_normal((n, n)), 2)
        values = np.sort(top / np.arange(1, n + 1) + generator.standard_normal(n))[::-1]
        return values - values[-1] + (0.05 if smallest is None else smallest)
    if spectrum not in ("linear", "geometric"):
        raise InvalidInputError(
            f"spectrum must be 'zipf', 'linear', 'geometric' or an array, got {spectrum!r}"
        )
    values = singular_values(n, cond, spectrum)
    return values if smallest is None else values * (smallest / values[-1])
