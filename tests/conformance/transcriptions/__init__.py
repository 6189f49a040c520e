"""Updates as the papers print them, in dense NumPy that knows nothing of the package.

A transcription is a generator ``f(d, L, R)``: d holds the measurement matrices and the data, L
and R the start; it yields the dense matrix after each iteration. Every iterative solver has one,
in the file of its family.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import lowrank_la as ll


class Dense:
    """Measurement matrices A_i as an (m, n1, n2) array, with what formulas need."""

    def __init__(self, problem):
        n1, n2 = self.shape = problem.shape
        matrix = ll.operators.matrix_of(problem.operator)
        matrix = matrix.toarray() if hasattr(matrix, "toarray") else matrix
        self.A = matrix.conj().reshape(-1, n1, n2)
        self.y, self.c = problem.data, problem.operator.isometry
        self.symmetric = problem.symmetric
        self.nuclear = problem.nuclear

    def residual(self, X):
        return np.einsum("kij,ij->k", self.A.conj(), X) - self.y

    def adjoint(self, z):
        """A*(z), its symmetric part for symmetric problems."""
        Z = np.einsum("k,kij->ij", z, self.A)
        return 0.5 * (Z + Z.T) if self.symmetric else Z

    def Z(self, X):
        """A*(A(X) - y)."""
        return self.adjoint(self.residual(X))


@dataclass
class Transcription:
    """A transcription, the options that it fixes, and the instances that it is run on."""

    update: Any
    options: dict[str, Any] = field(default_factory=dict)
    kinds: tuple[str, ...] = ("completion", "sensing", "symmetric")
    distance: float = 0.3


def collect():
    """The `TRANSCRIPTIONS` of all files of this folder."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        found |= importlib.import_module(f"{__name__}.{module.name}").TRANSCRIPTIONS
    return found
