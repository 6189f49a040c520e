"""What is measured: one line a case. The keywords are those of the workload's constructor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# Entries of a matrix whose factors leave the cache of one core, and of one that fits into it.
LARGE = {"n": 20_000, "entries": 5_000_000}
SMALL = {"n": 1_000, "entries": 200_000}
SENSING = {"n": 100, "measurements": 5_000}
QUADRATIC = {"n": 1_000, "measurements": 6_000}


@dataclass(frozen=True)
class Case:
    workload: str
    parameters: dict[str, Any]

    def __str__(self) -> str:
        inside = ", ".join(f"{key}={value}" for key, value in self.parameters.items())
        return f"{self.workload}: {inside}"


def case(workload: str, *parts: dict[str, Any], **parameters: Any) -> Case:
    merged: dict[str, Any] = {}
    for part in (*parts, parameters):
        merged |= part
    return Case(workload, merged)


FULL = [
    case("completion_gradient", LARGE, rank=10, dtype="float64"),
    case("completion_gradient", LARGE, rank=10, dtype="float32"),
    case("completion_gradient", LARGE, rank=32, dtype="float64"),
    case("completion_gradient", LARGE, rank=32, dtype="float32"),
    case("completion_gradient", SMALL, rank=10, dtype="float64"),
    case("completion_gradient", SMALL, rank=10, dtype="float32"),
    case("completion_gradient", SMALL, rank=32, dtype="float64"),
    case("completion_gradient", SMALL, rank=32, dtype="float32"),
    case("als_sweep", LARGE, rank=10, ridge=0.0),
    case("als_sweep", LARGE, rank=10, ridge=0.1),
    case("als_sweep", LARGE, rank=32, ridge=0.0),
    case("als_sweep", LARGE, rank=32, ridge=0.1),
    case("als_sweep", SMALL, rank=10, ridge=0.0),
    case("als_sweep", SMALL, rank=10, ridge=0.1),
    case("als_sweep", SMALL, rank=32, ridge=0.0),
    case("als_sweep", SMALL, rank=32, ridge=0.1),
    case("gauss_newton_product", LARGE, rank=10),
    case("gauss_newton_product", SMALL, rank=10),
    case("robust_pass", n=2000, rank=10),
    case("robust_pass", n=500, rank=10),
    case("sensing_gradient", SENSING, symmetric=False, storage="float64"),
    case("sensing_gradient", SENSING, symmetric=False, storage="float32"),
    case("sensing_gradient", SENSING, symmetric=True, storage="float64"),
    case("sensing_gradient", SENSING, symmetric=True, storage="float32"),
    case("quadratic_gradient", QUADRATIC, rank=1, dtype="complex128"),
    case("quadratic_gradient", QUADRATIC, rank=3, dtype="float64"),
]

# Every workload, with and without its options, at sizes that only show that all of it runs.
TINY = {"n": 300, "entries": 20_000}
QUICK = [
    case("completion_gradient", TINY, rank=10, dtype="float64"),
    case("completion_gradient", TINY, rank=10, dtype="float32"),
    case("als_sweep", TINY, rank=10, ridge=0.0),
    case("als_sweep", TINY, rank=10, ridge=0.1),
    case("gauss_newton_product", TINY, rank=10),
    case("robust_pass", n=300, rank=10),
    case("quadratic_gradient", n=50, measurements=400, rank=1, dtype="complex128"),
    case("quadratic_gradient", n=50, measurements=400, rank=3, dtype="float64"),
    case("sensing_gradient", n=30, measurements=500, symmetric=False, storage="float64"),
    case("sensing_gradient", n=30, measurements=500, symmetric=True, storage="float32"),
]


def select(*, quick: bool, only: str = "") -> list[Case]:
    return [c for c in (QUICK if quick else FULL) if only in str(c)]
