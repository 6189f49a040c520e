"""The laws of the data. Same parameters and seed, same arrays."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .tasks import Array, Completion, PhaseRetrieval, RobustPCA, RobustSensing, Sensing, Task

# A file with `make(n, r, kappa, rho, seed)`, whose data other codes were measured on.
VARIABLE = "LOWRANK_LA_BENCH_PROBLEMS"
# Exchanging entries can go on for ever: where the one poor row meets the one poor column in an
# entry that is there already. Seconds, hundreds of times what it takes otherwise.
PATIENCE, PATIENCE_PER_ROW = 10.0, 0.003
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "bench" / "problems.py"


@lru_cache(maxsize=1)
def shared() -> ModuleType | None:
    """The file that the variable names, or that lies beside the checkout; None without one."""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else BESIDE
    if not path.is_file():
        if named:
            raise SystemExit(f"{VARIABLE} is {named!r}, where there is no file")
        return None
    spec = importlib.util.spec_from_file_location("benchmark_problems", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up while they are made.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def source() -> str:
    """Where completion data come from, for the report."""
    if shared() is None:
        return "lowrank_la.problems.completion"
    return "the shared file of fixed seeds"


class EndlessError(Exception):
    """A generator that does not come to an end with this seed."""


@contextmanager
def _alarm(seconds: float, what: str) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise EndlessError(f"{what}: no data after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def completion(*, n: int, rank: int, cond: float, oversampling: float, seed: int) -> Completion:
    """Orthonormal Gaussian factors, geometric spectrum; oversampling x degrees of freedom uniform
    entries, exchanged until each row and column has more than rank of them."""
    module = shared()
    if module is not None:
        with _alarm(PATIENCE + n * PATIENCE_PER_ROW, f"seed {seed}"):
            p = module.make(n, rank, cond, oversampling, seed)
        return Completion(p.U, p.V, p.rows, p.cols, p.vals)
    return _completion(n, rank, cond, oversampling, seed)


def _completion(n: int, rank: int, cond: float, oversampling: float, seed: int) -> Completion:
    """The same law from `lowrank_la.problems`."""
    from lowrank_la.problems import completion as generate

    instance = generate(
        n,
        rank,
        cond=cond,
        spectrum="geometric",
        factors="gaussian",
        oversampling=oversampling,
        least=rank + 1,
        rng=seed,
    )
    truth, (i, j) = instance.truth.factors, instance.problem.operator.positions
    # Mean square entry 1, and column order, as in the shared file.
    scale, order = np.sqrt(n / truth.norm()), np.lexsort((i, j))
    left, right, i, j = truth.left * scale, truth.right * scale, i[order], j[order]
    return Completion(left, right, i, j, np.einsum("pq,pq->p", left[i], right[j]))


def robust_pca(*, n: int, rank: int, share: float, seed: int) -> RobustPCA:
    """Gaussian factors; each entry is hit with probability `share`, by an error that is uniform
    with the root mean square of the low-rank matrix."""
    rng = np.random.default_rng([7, n, rank, round(1000 * share), seed])
    left, right = rng.standard_normal((2, n, rank))
    low = left @ right.T
    bound = np.sqrt(3 * np.mean(low**2))
    hit = rng.random((n, n)) < share
    return RobustPCA(left, right, low + hit * rng.uniform(-bound, bound, (n, n)))


def sensing(*, n: int, rank: int, factor: float, seed: int) -> Sensing:
    """Independent N(0, 1/m) matrices, ``m = factor n rank`` of them; Gaussian factors."""
    rng = np.random.default_rng([8, n, rank, round(1000 * factor), seed])
    left, right = rng.standard_normal((2, n, rank))
    m = round(factor * n * rank)
    matrices = rng.standard_normal((m, n, n)) / np.sqrt(m)
    values = matrices.reshape(m, -1) @ (left @ right.T).ravel()
    return Sensing(left, right, matrices, values)


def robust_sensing(*, n: int, rank: int, factor: float, share: float, seed: int) -> RobustSensing:
    """As `sensing`, of a symmetric positive semidefinite matrix; a share of the values has
    Gaussian errors of ten standard deviations of the values."""
    rng = np.random.default_rng([9, n, rank, round(1000 * factor), round(1000 * share), seed])
    left = rng.standard_normal((n, rank))
    m = round(factor * n * rank)
    matrices = rng.standard_normal((m, n, n)) / np.sqrt(m)
    values = matrices.reshape(m, -1) @ (left @ left.T).ravel()
    hit = rng.random(m) < share
    values = values + hit * rng.standard_normal(m) * (10 * values.std())
    return RobustSensing(left, left, matrices, values)


def phase_retrieval(*, n: int, factor: float, seed: int) -> PhaseRetrieval:
    """Complex standard Gaussian vectors, ``m = factor n`` of them, and a Gaussian signal."""
    rng = np.random.default_rng([10, n, round(1000 * factor), seed])
    m = round(factor * n)

    def draw(*shape: int) -> Array:
        return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2)

    signal, vectors = draw(n, 1), draw(m, n)
    values = np.abs(vectors.conj() @ signal[:, 0]) ** 2
    return PhaseRetrieval(signal, signal, vectors, values)


GENERATORS: dict[str, Callable[..., Task]] = {
    "completion": completion,
    "robust_pca": robust_pca,
    "sensing": sensing,
    "robust_sensing": robust_sensing,
    "phase_retrieval": phase_retrieval,
}

# Small problems of each kind, whose first solution pays for imports and compilation.
WARM_UP: dict[str, dict[str, Any]] = {
    "completion": {"n": 80, "rank": 2, "cond": 1.0, "oversampling": 6.0},
    "robust_pca": {"n": 200, "rank": 2, "share": 0.1},
    "sensing": {"n": 15, "rank": 2, "factor": 8.0},
    "robust_sensing": {"n": 15, "rank": 2, "factor": 10.0, "share": 0.1},
    "phase_retrieval": {"n": 20, "factor": 8.0},
}


def warm_up(kind: str) -> Task:
    return GENERATORS[kind](**WARM_UP[kind], seed=0)
