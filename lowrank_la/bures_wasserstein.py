"""The Bures-Wasserstein loss of a factor against a target covariance.

``L(W) = BW^2(W W^H + tau I, Sigma) = tr(W W^H + tau I) + tr(Sigma) - 2 |R [W, sqrt(tau) I]|_*``
with R^2 = Sigma and the smoothing tau >= 0. It is also ``min_Q |[W, sqrt(tau) I] - R Q|_F^2`` over
Q with orthonormal rows, which is how it is computed here: small values keep their digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from . import _check
from ._typing import Array
from .errors import InvalidInputError, InvalidTypeError, SolverBreakdownError
from .factors import Factors

__all__ = ["BuresWasserstein"]

# Negative eigenvalues of a covariance up to this share of the largest are rounding.
ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class BuresWasserstein:
    """Squared Bures-Wasserstein distance of ``W W^H + smoothing I`` to a covariance.

    Parameters
    ----------
    target : array, shape (n, n)
        The covariance Sigma, Hermitian and positive semidefinite.
    smoothing : float
        The papers' tau. Without it the loss has no gradient where W loses rank.

    Raises
    ------
    InvalidInputError
        If the target is not square, not Hermitian or not positive semidefinite; if the
        smoothing is negative.
    InvalidTypeError
        If the target holds no real or complex floating-point numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from lowrank_la.bures_wasserstein import BuresWasserstein
    >>> loss = BuresWasserstein(np.diag([4.0, 1.0]))
    >>> loss.value(np.eye(2))
    1.0
    >>> loss.optimum(1)[0]
    1.0
    """

    target: Array
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        target = np.asarray(self.target)
        if target.dtype.kind not in "fc":
            target = target.astype(float) if target.dtype.kind in "iub" else target
        if target.dtype.kind not in "fc":
            raise InvalidTypeError(f"target must hold numbers, got dtype {target.dtype}")
        if target.ndim != 2 or target.shape[0] != target.shape[1]:
            raise InvalidInputError(f"target must be a square matrix, got shape {target.shape}")
        if not np.isfinite(target).all():
            raise InvalidInputError("target holds NaN or infinite values")
        gap = float(np.abs(target - target.conj().T).max(initial=0.0))
        if gap > ROUNDING * float(np.abs(target).max(initial=0.0)):
            raise InvalidInputError(f"target is not Hermitian: it differs by {gap:.1e} from X^H")
        object.__setattr__(self, "target", 0.5 * (target + target.conj().T))
        smoothing = _check.number(self.smoothing, "smoothing", low=0.0, high=np.finfo(float).max)
        object.__setattr__(self, "smoothing", smoothing)
        values = self._spectrum[0]
        if values[0] < -ROUNDING * values[-1] or values[-1] <= 0:
            raise InvalidInputError(
                f"target must be positive semidefinite and not zero, its eigenvalues go from "
                f"{values[0]:.2e} to {values[-1]:.2e}; a covariance has no negative ones"
            )

    @cached_property
    def _spectrum(self) -> tuple[Array, Array]:
        values, vectors = np.linalg.eigh(self.target)
        return values, vectors

    @cached_property
    def eigenvalues(self) -> Array:
        """Eigenvalues of the target, descending, those below zero as zero; shape (n,)."""
        return np.maximum(self._spectrum[0][::-1], 0)

    @cached_property
    def root(self) -> Array:
        """The square root R of the target, shape (n, n)."""
        values, vectors = self._spectrum
        return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.conj().T

    def evaluate(self, W: Any) -> tuple[float, Array]:
        """Loss and gradient.

        Parameters
        ----------
        W : array, shape (n, k)
            The factor, of any number of columns.

        Returns
        -------
        value : float
        gradient : array, shape (n, k)
            ``2 (W - M)`` with M the part of ``R Q`` at the place of W, Q the polar factor.

        Raises
        ------
        InvalidInputError
            If W is no matrix with the rows of the target and a column, or is not finite.
        InvalidTypeError
            If it holds no numbers.
        SolverBreakdownError
            Without smoothing, if ``R W`` has lost rank and there is no gradient.
        """
        W = self._factor(W)
        value, nearest, broken = self._nearest(W)
        if broken:
            raise SolverBreakdownError(
                f"the Bures-Wasserstein loss has no gradient where W ({W.shape[0]} x "
                f"{W.shape[1]}) or sqrt(Sigma) W has lost rank: start with W of full rank and at "
                f"most as many columns as the target has rank, or set a smoothing above 0"
            )
        return value, 2 * (W - nearest)

    def value(self, W: Any) -> float:
        """The loss.

        Parameters
        ----------
        W : array, shape (n, k)
            The factor, of any number of columns and any rank.

        Raises
        ------
        InvalidInputError
            If W is no matrix with the rows of the target and a column, or is not finite.
        InvalidTypeError
            If it holds no numbers.
        """
        return self._nearest(self._factor(W))[0]

    def gradient(self, W: Any) -> Array:
        """The gradient, shape (n, k).

        Parameters
        ----------
        W : array, shape (n, k)
            The factor.

        Raises
        ------
        InvalidInputError
            If W is no matrix with the rows of the target and a column, or is not finite.
        InvalidTypeError
            If it holds no numbers.
        SolverBreakdownError
            Without smoothing, if ``R W`` has lost rank and there is no gradient.
        """
        return self.evaluate(W)[1]

    def _factor(self, W: Any) -> Array:
        n = self.target.shape[0]
        array = np.asarray(W)
        if array.dtype.kind not in "fciu":
            raise InvalidTypeError(f"W must hold numbers, got dtype {array.dtype}")
        if array.ndim != 2 or array.shape[0] != n or array.shape[1] == 0:
            raise InvalidInputError(
                f"W must have {n} rows as the target and at least one column, got shape "
                f"{array.shape}"
            )
        if not np.isfinite(array).all():
            raise InvalidInputError("W holds NaN or infinite values")
        return array.astype(float) if array.dtype.kind in "iu" else array

    def _nearest(self, W: Array) -> tuple[float, Array, bool]:
        """Loss, the R Q nearest to W, and whether that is undetermined."""
        n, k = W.shape
        kind = np.result_type(W, self.target)
        root = self.root.astype(kind, copy=False)
        wide = W
        if self.smoothing:
            ridge = np.sqrt(self.smoothing) * np.eye(n, dtype=kind)
            wide = np.hstack([W, ridge]).astype(kind, copy=False)
        u, s, vh = np.linalg.svd(root @ wide, full_matrices=False)
        # Null directions of the root itself may be anything: R Q does not see them.
        nearest = root @ (u @ vh)
        value = _square(wide - nearest)
        if wide.shape[1] < n:
            value += max(float(self.eigenvalues.sum(dtype=float)) - _square(nearest), 0.0)
        lost = not self.smoothing and s[-1] <= np.finfo(s.dtype).eps * max(wide.shape) * s[0]
        return value, nearest[:, :k], bool(lost)

    def optimum(self, rank: int) -> tuple[float, Factors]:
        """The least loss over W with `rank` columns, and a W W^H that has it.

        It holds the top eigenvectors of the target, with the eigenvalues lowered by the
        smoothing (at least to 0); unique if the next eigenvalue is smaller.

        Parameters
        ----------
        rank : int
            Number of columns.

        Returns
        -------
        value : float
        X : Factors
            ``W W^H``, symmetric.
        """
        n = self.target.shape[0]
        rank = _check.rank_of(rank, (n, n))
        values, vectors = self.eigenvalues, self._spectrum[1][:, ::-1]
        lowered = np.zeros_like(values)
        lowered[:rank] = np.maximum(values[:rank] - self.smoothing, 0)
        left = vectors[:, :rank] * np.sqrt(lowered[:rank])
        value = np.sum((np.sqrt(values) - np.sqrt(lowered + self.smoothing)) ** 2, dtype=float)
        return float(value), Factors(left, left)


def _square(a: Array) -> float:
    return float(np.sum(np.abs(a) ** 2, dtype=float))
