"""The operations that are measured, with their inputs.

A workload has `ours` (what is timed), `answer` (the numbers in it that peers must agree with),
and whatever of its inputs peers may want. Its constructor takes the keywords of a case.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lowrank_la.factors import Factors
from lowrank_la.losses import Absolute
from lowrank_la.operators.entries import EntrySampling
from lowrank_la.operators.full import FullObservation
from lowrank_la.operators.gaussian import GaussianSensing
from lowrank_la.operators.rank_one import RankOneSensing
from lowrank_la.problem import Problem
from lowrank_la.solvers import _outliers
from lowrank_la.solvers.altmin import AltMin

Array = np.ndarray[Any, Any]

# Relative difference up to which two answers are the same numbers.
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


@dataclass(frozen=True)
class Layout:
    """Observed entries sorted by row, the way `scipy.sparse.csr_array` keeps them."""

    indptr: Array
    cols: Array
    rows: Array
    order: Array  # position of each entry in the row-sorted layout


@dataclass(frozen=True)
class Sampled:
    """Random positions: the operator, and both layouts for peers."""

    operator: EntrySampling
    by_row: Layout
    by_column: Layout


# Neighbouring cases differ in rank and data type only.
@lru_cache(maxsize=1)
def sampled(n: int, entries: int) -> Sampled:
    rng = np.random.default_rng(0)
    # A few more than needed, as some are drawn twice.
    flat = np.unique(rng.integers(0, n * n, entries + entries * entries // (n * n) + 1000))
    flat = np.sort(rng.permutation(flat)[:entries])
    i, j = (flat // n).astype(np.int32), (flat % n).astype(np.int32)
    order = np.argsort(j, kind="stable")
    return Sampled(
        EntrySampling(i, j, (n, n)),
        Layout(_pointers(i, n), j, i, np.arange(entries)),
        Layout(_pointers(j, n), i[order], j[order], order),
    )


def _pointers(major: Array, n: int) -> Array:
    counts = np.bincount(major, minlength=n)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int32)


def _gaussian(seed: int, *shape: int, dtype: str = "float64") -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


class CompletionGradient:
    """`Problem.evaluate` on observed entries: the squared loss and both slopes."""

    title = "Gradient on observed entries"

    def __init__(self, *, n: int, entries: int, rank: int, dtype: str) -> None:
        self.sampled = sampled(n, entries)
        self.left = _gaussian(1, n, rank, dtype=dtype)
        self.right = _gaussian(2, n, rank, dtype=dtype)
        self.data = _gaussian(3, entries, dtype=dtype)
        self.point = Factors(self.left, self.right)
        self.problem = Problem(self.sampled.operator, self.data)
        self.tolerance = TOLERANCE[dtype]
        self.label = f"n = {n:,}, {entries:,} entries, r = {rank}, {dtype}"

    def ours(self) -> Any:
        found = self.problem.evaluate(self.point)
        return found.value, found.left, found.right

    def answer(self, output: Any) -> tuple[Any, ...]:
        return tuple(output)


class ALSSweep:
    """`AltMin.advance`, one iteration after the first: exact least squares for all rows of both
    factors."""

    title = "ALS sweep"

    def __init__(self, *, n: int, entries: int, rank: int, ridge: float) -> None:
        self.sampled = sampled(n, entries)
        self.rank, self.ridge = rank, ridge
        # Low rank plus noise, far from the start.
        truth = Factors(_gaussian(4, n, rank), _gaussian(5, n, rank))
        self.data = self.sampled.operator.forward(truth) + 0.1 * _gaussian(3, entries)
        self.problem = Problem(self.sampled.operator, self.data)
        self.solver = AltMin(ridge=ridge)
        start = Factors(_gaussian(1, n, rank), _gaussian(2, n, rank))
        self.state = self.solver.init(self.problem, start)
        # The first iteration has to solve for one factor more.
        self.solver.advance(self.problem, self.state, 1)
        self.left, self.right = self.state.left, self.state.right
        self.tolerance = TOLERANCE["float64"]
        self.label = f"n = {n:,}, {entries:,} entries, r = {rank}, ridge {ridge:g}"

    def ours(self) -> Any:
        state = copy(self.state)
        self.solver.advance(self.problem, state, 1)
        return state.left, state.right

    def answer(self, output: Any) -> tuple[Any, ...]:
        # Factors are unique up to a change of basis, the matrix is unique.
        n, samples = self.left.shape[0], 100_000
        rng = np.random.default_rng(6)
        left, right = output
        i, j = rng.integers(0, n, (2, samples))
        return (np.einsum("pq,pq->p", left[i], right[j]),)


class GaussNewtonProduct:
    """`EntrySampling.normal_product`: what one inner step of Gauss-Newton takes, J* J times a
    direction."""

    title = "Gauss-Newton product on observed entries"

    def __init__(self, *, n: int, entries: int, rank: int) -> None:
        self.sampled = sampled(n, entries)
        self.data = np.zeros(entries)
        self.point = Factors(_gaussian(1, n, rank), _gaussian(2, n, rank))
        self.direction = Factors(_gaussian(3, n, rank), _gaussian(4, n, rank))
        self.tolerance = TOLERANCE["float64"]
        self.label = f"n = {n:,}, {entries:,} entries, r = {rank}"

    def ours(self) -> Any:
        return self.sampled.operator.normal_product(self.point, self.direction)

    def answer(self, output: Any) -> tuple[Any, ...]:
        return tuple(output)


class RobustPass:
    """The pass of robust PCA: residual of a matrix, what stands out left away, and the products
    of the rest with both factors, in one reading."""

    title = "Thresholded products of robust PCA"
    # About a third of the residuals, which are normal with this deviation, are above it.
    threshold = 1.0

    def __init__(self, *, n: int, rank: int) -> None:
        self.left = np.linalg.qr(_gaussian(1, n, rank))[0]
        self.right = np.linalg.qr(_gaussian(2, n, rank))[0]
        self.values = np.linspace(2.0, 1.0, rank)
        self.data = (self.left * self.values) @ self.right.T + _gaussian(3, n, n)
        self.problem = Problem(FullObservation((n, n)), self.data.ravel(), loss=Absolute())
        self.tolerance = TOLERANCE["float64"]
        self.label = f"n = {n:,}, r = {rank}"

    def ours(self) -> Any:
        found = _outliers.cut(
            self.problem, self.left, self.values, self.right, self.threshold, soft=False
        )
        return found.squares, found.rows, found.columns

    def answer(self, output: Any) -> tuple[Any, ...]:
        return tuple(output)


class QuadraticGradient:
    """`Problem.evaluate` of quadratic measurements, phase retrieval for r = 1: the squared loss
    and its slope."""

    title = "Gradient of quadratic sensing"

    def __init__(self, *, n: int, measurements: int, rank: int, dtype: str) -> None:
        self.measurements = measurements
        self.vectors = _gaussian(1, measurements, n)
        self.left = _gaussian(2, n, rank)
        if dtype == "complex128":
            self.vectors = self.vectors + 1j * _gaussian(4, measurements, n)
            self.left = self.left + 1j * _gaussian(5, n, rank)
        self.data = np.abs(_gaussian(3, measurements))
        self.point = Factors(self.left, self.left)
        self.problem = Problem(RankOneSensing(self.vectors), self.data, symmetric=True)
        self.tolerance = TOLERANCE["float64"]
        self.label = f"n = {n:,}, m = {measurements:,}, r = {rank}, {dtype}"

    def ours(self) -> Any:
        found = self.problem.evaluate(self.point)
        return found.value, found.left

    def answer(self, output: Any) -> tuple[Any, ...]:
        return tuple(output)


class SensingGradient:
    """`Problem.evaluate` with dense measurement matrices, arithmetic in float64."""

    title = "Gradient of dense sensing"
    rank = 5

    def __init__(self, *, n: int, measurements: int, symmetric: bool, storage: str) -> None:
        self.operator = GaussianSensing.draw(
            measurements, (n, n), symmetric=symmetric, storage=storage, rng=0
        )
        self.symmetric, self.measurements = symmetric, measurements
        self.left = _gaussian(1, n, self.rank)
        self.right = self.left if symmetric else _gaussian(2, n, self.rank)
        self.data = _gaussian(3, measurements)
        self.point = Factors(self.left, self.right)
        self.problem = Problem(self.operator, self.data, symmetric=symmetric)
        self.tolerance = TOLERANCE["float64"]
        kind = "symmetric" if symmetric else "rectangular"
        self.label = f"n = {n}, m = {measurements:,}, {kind}, stored as {storage}"

    def full_matrix(self) -> Array:
        """The same numbers as a full m x n^2 float64 matrix."""
        matrix = self.operator._matrix.astype(float)
        if not self.symmetric:
            return matrix
        # `as_matrix` would unpack in float32, and lose digits on the way.
        return np.stack([self.operator._unpack(row).ravel() for row in matrix])

    @property
    def stored(self) -> int:
        """Count of numbers that the operator keeps."""
        n = self.left.shape[0]
        return self.measurements * (n * (n + 1) // 2 if self.symmetric else n * n)

    @property
    def storage(self) -> Any:
        return self.operator._matrix.dtype

    def ours(self) -> Any:
        found = self.problem.evaluate(self.point)
        return found.value, found.left, found.right

    def answer(self, output: Any) -> tuple[Any, ...]:
        return tuple(output)


WORKLOADS: dict[str, type] = {
    "completion_gradient": CompletionGradient,
    "als_sweep": ALSSweep,
    "gauss_newton_product": GaussNewtonProduct,
    "robust_pass": RobustPass,
    "sensing_gradient": SensingGradient,
    "quadratic_gradient": QuadraticGradient,
}
