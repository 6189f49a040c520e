"""Quantities to watch that not every run has: for ``observe=`` in `solve` and `iterate`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._typing import Array
from ..errors import InvalidInputError, InvalidTypeError
from ..factors import Factors
from ..problem import Truth
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
        Of a view, giving ``|X - target|_F / |target|_F``; where only a part of the matrix can be
        seen, as of tubal tensors, the same of that part, which takes an Instance.

    Raises
    ------
    InvalidTypeError
        If the target is no Factors.
    InvalidInputError
        If it is zero or not finite; when called, if the shapes differ, or if only a part of the
        matrix can be seen and there is no truth to tell which.

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
        if target.shape != view.X.shape:
            raise InvalidInputError(
                f"shapes differ: target is {target.shape[0]} x {target.shape[1]}, the iterates are "
                f"{view.X.shape[0]} x {view.X.shape[1]}"
            )
        if _seen_in_part(view):
            if view.truth is None:
                raise InvalidInputError(
                    "distance_to needs the truth here, which knows what part of the matrix can be "
                    "seen: solve an Instance, not a bare Problem"
                )
            return replace(view.truth, factors=target).relative_error(view.X)
        return view.X.distance(target) / size

    return distance


def _seen_in_part(view: View) -> bool:
    """Whether other matrices than X are the same thing."""
    if view.truth is None:
        # More columns than rows mean that it is not the matrix that they make.
        return view.problem.max_rank > min(view.problem.shape)
    return type(view.truth).relative_error is not Truth.relative_error


def _truth(view: View, name: str) -> Factors:
    if view.truth is None:
        raise InvalidInputError(f"{name} needs the truth: solve an Instance, not a bare Problem")
    if _seen_in_part(view):
        operator = type(view.problem.operator).__name__
        raise InvalidInputError(
            f"{name} is about the columns of the matrix, of which {operator} sees a part only: "
            f"others fit as well; rel_error measures that part"
        )
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
        If there is no truth, or only a part of the matrix can be seen.
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
        If there is no truth, or only a part of the matrix can be seen.
    """
    truth: Array = np.linalg.qr(_truth(view, "subspace_error").right)[0]
    u, s, _ = np.linalg.svd(view.X.right, full_matrices=False)
    basis = u[:, s > s.size * np.finfo(s.dtype).eps * s.max(initial=0.0)]
    missed = truth - basis @ (basis.conj().T @ truth)
    return float(np.linalg.norm(missed)) / float(np.sqrt(truth.shape[1]))
