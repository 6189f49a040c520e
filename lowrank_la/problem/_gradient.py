"""The gradient in the geometry of the matrix."""

from __future__ import annotations

import math

import numpy as np

from .._typing import Array
from ..factors import Factors
from ._problem import Evaluation, Problem


def relative_gradient(
    problem: Problem, X: Factors, at: Evaluation, *, shrinks: bool = False
) -> float:
    """The gradient in the geometry of the matrix, relative to ``isometry |X|_F``.

    The gauge of the factors does not change it; near a well-conditioned solution it is about
    the relative error.

    Parameters
    ----------
    problem : Problem
    X : Factors
        The point.
    at : Evaluation
        Objective and gradient there.
    shrinks : bool
        Whether a weight may have made the zero matrix the answer.
    """
    if not (X.isfinite() and np.isfinite(at.left).all() and np.isfinite(at.right).all()):
        return float("nan")
    gram, top = _scaled_gram(X.right)
    norm = _whitened_norm(at.left, gram, top)
    other, other_top = gram, top
    if X.symmetric:
        norm *= 2**0.5
    else:
        other, other_top = _scaled_gram(X.left)
        norm = math.hypot(norm, _whitened_norm(at.right, other, other_top))
    # |L R^H|^2 = trace(L^H L R^H R).
    share = float(np.vdot(other, gram).real)
    size = problem.operator.isometry * math.sqrt(max(0.0, share)) * top**0.5 * other_top**0.5
    if size == 0.0 and norm == 0.0 and shrinks:
        return 0.0
    return norm / size if size > 0 else float("inf")


def _scaled_gram(factor: Array) -> tuple[Array, float]:
    """``F^H F`` over its largest diagonal entry, and this: products of tiny numbers vanish."""
    gram = factor.conj().T @ factor
    top = float(gram.diagonal().real.max())
    return (gram / gram.real.dtype.type(top), top) if top > 0 else (gram, 0.0)


def _whitened_norm(gradient: Array, gram: Array, top: float) -> float:
    """``|gradient (top gram)^{-1/2}|``, leaving out directions that the other factor lacks."""
    scale = float(np.abs(gradient).max(initial=0.0))
    if scale == 0.0 or top == 0.0:
        return 0.0
    values, vectors = np.linalg.eigh(gram)
    kept = values > np.finfo(values.dtype).eps * values.size * values[-1]
    turned = (gradient / gradient.real.dtype.type(scale)) @ vectors[:, kept]
    squares = np.einsum("ij,ij->j", turned.conj(), turned).real
    return scale * float(np.sum(squares / values[kept], dtype=float)) ** 0.5 / top**0.5
