"""Quantities to watch that not every run has: for ``observe=`` in `solve` and `iterate`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError
from ..factors import Factors
from ..trace import View

__all__ = ["distance_to", "gram_error", "subspace_error"]


def distance_to(target: Factors) -> Callable[[View], float]:
    """An observer: the relative distance of the iterates to a matrix.

    Parameters
    ----------
    target : Factors
        The matrix, for example one of `rank_minimisers`.

    Returns
    -------
    callable
        Of a view, giving ``|X - target|_F / |target|_F``.

    Raises
    ------
    InvalidTypeError
        If the target is no Factors.
    InvalidInputError
        If it is zero or not finite; when called, if the shapes differ.

    Examples
    --------
    >>> import lowrank_la as ll
    >>> instance = ll.problems.completion((40, 30), 2, sampling=0.6, rng=0)
    >>> watch = {"to_truth": ll.distance_to(instance.truth.factors)}
    >>> trace = ll.solve(instance, "scaledgd", observe=watch).trace
    >>> bool(trace["to_truth"][-1] < 1e-10)
    True
    """
    if not isinstance(target, Factors):
        raise InvalidTypeError(
            f"target must be Factors(left, right), got {type(target).__name__}; a result has them "
            f"as result.factors"
        )
    size = target.norm() if target.isfinite() else 0.0
    if size == 0.0:
        raise InvalidInputError("target must be finite and not zero: distances are relative to it")

    def distance(view: View) -> float:
        return view.X.distance(target) / size

    return distance


def _truth(view: View, name: str) -> Factors:
    if view.truth is None:
        raise InvalidInputError(f"{name} needs the truth: solve an Instance, not a bare Problem")
    return view.truth.factors


def gram_error(view: View) -> float:
    """An observer: relative error of the Gram matrix ``X^H X / n1`` of the columns.

    The estimate is that of ``solver.parts(state)["gram"]``, which "one_sided" has, and of the
    iterate otherwise.

    Parameters
    ----------
    view : View
        A view of a run on an Instance.

    Returns
    -------
    float
        ``|G - X*^H X* / n1|_F / |X*^H X* / n1|_F``.

    Raises
    ------
    InvalidInputError
        If there is no truth.
    """
    truth = _gram(_truth(view, "gram_error"))
    found = view.solver.parts(view.state).get("gram")
    return (_gram(view.X) if found is None else found).distance(truth) / truth.norm()


def _gram(X: Factors) -> Factors:
    core = np.linalg.qr(X.left, mode="r") / np.sqrt(X.shape[0])
    factor = X.right @ core.conj().T
    return Factors(factor, factor)


def subspace_error(view: View) -> float:
    """An observer: how much of the true right singular subspace the iterates miss.

    Parameters
    ----------
    view : View
        A view of a run on an Instance.

    Returns
    -------
    float
        ``|(I - P) V*|_F / sqrt(r)`` with P the projection on the columns of the right factor
        and V* an orthonormal basis of the truth's: between 0 and 1.

    Raises
    ------
    InvalidInputError
        If there is no truth.
    """
    truth: Array = np.linalg.qr(_truth(view, "subspace_error").right)[0]
    u, s, _ = np.linalg.svd(view.X.right, full_matrices=False)
    basis = u[:, s > s.size * np.finfo(s.dtype).eps * s.max(initial=0.0)]
    missed = truth - basis @ (basis.conj().T @ truth)
    return float(np.linalg.norm(missed)) / float(np.sqrt(truth.shape[1]))
