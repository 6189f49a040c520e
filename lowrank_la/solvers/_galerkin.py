"""Orthonormal bases with a small core between them: its spectrum, and what lies outside."""

from __future__ import annotations

import numpy as np

from .._random import stream
from .._typing import Array
from ..factors import Factors
from ..problem import Problem

# Columns and steps of the block power iteration for the leading singular pair of the gradient.
BLOCK, SWEEPS = 4, 8


def leading_pair(problem: Problem, slope: Array, u: Array, v: Array) -> tuple[Array, float, Array]:
    """Leading singular triplet p, s, q of ``-(I - U U^H) G (I - V V^H)``, by power iteration.

    For symmetric problems the largest eigenvalue, negative ones as zero.
    """
    operator = problem.operator
    draw = stream(0, "leading pair").standard_normal((len(v), min(BLOCK, len(v))))
    right = _outside(draw.astype(v.dtype), v)

    def forth(x: Array) -> Array:
        out = operator.adjoint_right(slope, x)
        if problem.symmetric:
            out = 0.5 * (out + operator.adjoint_left(slope, x))
        return -(out - u @ (u.conj().T @ out))

    def back(x: Array) -> Array:
        out = forth(x) if problem.symmetric else -operator.adjoint_left(slope, x)
        return out - v @ (v.conj().T @ out)

    for _ in range(SWEEPS):
        left = _outside(forth(right), u)
        right = _outside(back(left), v)
    if problem.symmetric:
        values, vectors = np.linalg.eigh(hermitian(right.conj().T @ forth(right)))
        p = right @ vectors[:, -1:]
        return p, max(float(values[-1]), 0.0), p
    image = forth(right)
    p, s, qh = np.linalg.svd(image, full_matrices=False)
    return _outside(p[:, :1], u), float(s[0]), _outside(right @ qh[:1].conj().T, v)


def _outside(x: Array, basis: Array) -> Array:
    """Orthonormal columns for those of x, orthogonal to the basis."""
    for _ in range(2):
        x = np.linalg.qr(x - basis @ (basis.conj().T @ x))[0]
    return x


def balanced(left: Array, core: Array, right: Array) -> Factors:
    """``left diag(core) right^H`` as factors of like size, one if the bases are one."""
    root = np.sqrt(core)
    scaled = left * root
    return Factors(scaled, scaled if right is left else right * root)


def hermitian(matrix: Array) -> Array:
    """The Hermitian part."""
    return 0.5 * (matrix + matrix.conj().T)


def spectrum(core: Array, symmetric: bool) -> tuple[Array, Array, Array]:
    """``core = P diag(s) Q^H``, s descending; symmetric: eigenvalues, negative ones as zero."""
    if not np.isfinite(core).all():
        # The driver turns what is not finite into DIVERGED; LAPACK would raise.
        nan = np.full_like(core, np.nan)
        return nan, np.full(min(core.shape), np.nan, core.real.dtype), nan
    if symmetric:
        values, vectors = np.linalg.eigh(core)
        s = np.maximum(values[::-1], 0)
        return vectors[:, ::-1], s, vectors[:, ::-1]
    p, s, qh = np.linalg.svd(core, full_matrices=False)
    return p, s, qh.conj().T


def squared_norm(a: Array) -> float:
    """``|a|_F^2``."""
    return float(np.sum(np.abs(a) ** 2, dtype=float))
