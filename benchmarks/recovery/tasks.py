"""What a contender is given: plain arrays and the rank; and how its answer is judged."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

Array = np.ndarray[Any, Any]

# Relative error over the whole matrix at which an answer counts.
TARGET = 1e-6


def _pair_norm(left: Array, right: Array) -> float:
    """``|left @ right^H|_F`` without forming the product."""
    return float(np.linalg.norm(np.linalg.qr(left)[1] @ np.linalg.qr(right)[1].conj().T))


@dataclass(frozen=True, eq=False)
class Task:
    """A matrix ``left @ right^H`` of known rank to be found; subclasses hold what is seen of it."""

    left: Array  # (n1, r)
    right: Array  # (n2, r)

    @property
    def rank(self) -> int:
        return int(self.left.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.left), len(self.right)

    def error(self, answer: Any) -> float:
        """Relative Frobenius error of an answer: factors (A, B) of A B^H, or a dense matrix.

        NaN if the answer is not finite.
        """
        if isinstance(answer, tuple):
            a, b = (np.asarray(x) for x in answer)
            if a.shape[0] != self.shape[0] or b.shape[0] != self.shape[1]:
                raise ValueError(f"factors {a.shape}, {b.shape} of a {self.shape} matrix")
            if not (np.isfinite(a).all() and np.isfinite(b).all()):
                return float("nan")
            gap = _pair_norm(np.hstack([self.left, -a]), np.hstack([self.right, b]))
            return gap / _pair_norm(self.left, self.right)
        dense = np.asarray(answer)
        if dense.shape != self.shape:
            raise ValueError(f"an answer of shape {dense.shape} for a {self.shape} matrix")
        gap = float(np.linalg.norm(dense - self.left @ self.right.conj().T))
        return gap / _pair_norm(self.left, self.right)

    def save(self, path: Path) -> None:
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})


@dataclass(frozen=True, eq=False)
class Completion(Task):
    """Some entries, exact."""

    kind: ClassVar[str] = "completion"
    rows: Array  # (m,)
    cols: Array
    values: Array


@dataclass(frozen=True, eq=False)
class RobustPCA(Task):
    """All entries, some grossly wrong."""

    kind: ClassVar[str] = "robust_pca"
    matrix: Array  # (n1, n2)


@dataclass(frozen=True, eq=False)
class Sensing(Task):
    """Inner products with dense matrices, exact."""

    kind: ClassVar[str] = "sensing"
    matrices: Array  # (m, n1, n2)
    values: Array  # (m,)


@dataclass(frozen=True, eq=False)
class RobustSensing(Sensing):
    """The same of a symmetric positive semidefinite matrix, some values grossly wrong."""

    kind: ClassVar[str] = "robust_sensing"


@dataclass(frozen=True, eq=False)
class PhaseRetrieval(Task):
    """Squared moduli ``|a_i^H x|^2``; the matrix is x x^H."""

    kind: ClassVar[str] = "phase_retrieval"
    vectors: Array  # (m, n), row i is a_i
    values: Array  # (m,)


KINDS: dict[str, type[Task]] = {
    kind.kind: kind for kind in (Completion, RobustPCA, Sensing, RobustSensing, PhaseRetrieval)
}


def load(kind: str, path: Path) -> Task:
    with np.load(path) as arrays:
        return KINDS[kind](**arrays)
