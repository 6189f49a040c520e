"""What is solved: one line a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Case:
    """A law of data, how many seeds of it, and who of ours runs.

    Attributes
    ----------
    name : str
        What `--only` looks in, and the first column of the table.
    kind : str
        Key of `generators.GENERATORS`.
    parameters : dict
        Its keywords except for the seed.
    ours : tuple of str
        Solvers by name; "auto" is the one whose ratio to the best package is printed.
    seeds : int
        Instances; with one, the median of five repeats is timed, otherwise of all instances.
    limit : float
        CPU seconds for one run on one instance.
    give_up : int
        Failures in a row from the first instance on after which everybody but "auto" tries no
        more; 0 for never.
    threads : tuple of int
        Settings of threads; more than one thread is for those who succeed on one.
    packages : tuple of str, or None
        The packages that run: parts of their names; None for all that take the kind.
    passes : bool
        Compare with one reading of all entries in both layouts, in the same process.
    """

    name: str
    kind: str
    parameters: dict[str, Any]
    ours: tuple[str, ...] = ("auto",)
    seeds: int = 1
    limit: float = 20.0
    give_up: int = 3
    threads: tuple[int, ...] = (1,)
    packages: tuple[str, ...] | None = None
    passes: bool = False

    def __str__(self) -> str:
        # Not as "rank=10", by which `--only` finds operations.
        inside = ", ".join(f"{key} {value}" for key, value in self.parameters.items())
        return f"recovery: {self.name}: {inside}, seeds {self.seeds}"


def _completion(
    name: str, n: int, rank: int, cond: float, oversampling: float, **more: Any
) -> Case:
    parameters = {"n": n, "rank": rank, "cond": cond, "oversampling": oversampling}
    return Case(name, "completion", parameters, **more)


def _robust(name: str, n: int, share: float, **more: Any) -> Case:
    more = {"ours": ROBUST} | more
    return Case(name, "robust_pca", {"n": n, "rank": 10, "share": share}, **more)


FIRST_ORDER = ("auto", "altmin", "nonlinear_cg", "riemannian_cg", "scaled_asd", "scaledgd")
SECOND_ORDER = ("auto", "rank_path", "gauss_newton")
NEAR_LIMIT = ("auto", "rank_path")
ROBUST = ("auto", "altproj", "soft_scaledgd", "thresholded_scaledgd")
BOTH = (1, 2)

# PyTorch's L-BFGS is SciPy's there, and takes longer to start than to fail.
FEW = ("SciPy", "cmfrec", "Pymanopt")

FULL = [
    _completion("E1", 1000, 10, 1.0, 3.0, ours=FIRST_ORDER + SECOND_ORDER[1:], threads=BOTH),
    _completion("E2", 1000, 5, 100.0, 2.5, ours=(*FIRST_ORDER, "rank_path"), limit=6.0),
    _completion("E3", 5000, 10, 10.0, 5.0, ours=FIRST_ORDER),
    _completion("E4", 20000, 10, 1.0, 5.0, ours=FIRST_ORDER, limit=25.0, threads=BOTH, passes=True),
    *(
        _completion(
            f"E5, oversampling {rho:g}",
            300,
            5,
            10.0,
            rho,
            ours=SECOND_ORDER,
            seeds=10,
            limit=5.0,
            give_up=give_up,
            packages=FEW,
        )
        for rho, give_up in ((2.0, 3), (1.5, 3), (1.35, 2), (1.2, 2), (1.1, 2))
    ),
    *(
        _completion(
            f"1000 x 1000, oversampling {rho:g}, condition {cond:g}",
            1000,
            10,
            cond,
            rho,
            ours=NEAR_LIMIT,
            seeds=seeds,
            limit=8.0,
            give_up=1,
            packages=FEW,
        )
        for rho, cond, seeds in (
            (1.2, 1.0, 10),
            (1.2, 10.0, 10),
            (1.2, 1000.0, 10),
            (1.1, 1.0, 5),
            (1.05, 1.0, 5),
        )
    ),
    *(
        _completion(
            f"200 x 200, oversampling 1.5, condition {cond:g}",
            200,
            4,
            cond,
            1.5,
            ours=NEAR_LIMIT,
            seeds=20,
            limit=3.0,
            give_up=2,
            packages=FEW,
        )
        for cond in (1.0, 10.0, 1000.0)
    ),
    _robust("robust PCA 500", 500, 0.3),
    _robust("robust PCA 2000", 2000, 0.3, limit=15.0, threads=BOTH),
    *(
        _robust(
            f"robust PCA 200, outliers {share:.0%}",
            200,
            share,
            seeds=3,
            limit=5.0,
            give_up=1,
            packages=("rpca",),
        )
        for share in (0.3, 0.4, 0.5, 0.6)
    ),
    *(
        Case(
            f"l1 sensing, outliers {share:.0%}",
            "robust_sensing",
            {"n": 50, "rank": 3, "factor": 10.0, "share": share},
            ours=("auto", "reweighted", "scaled_subgradient"),
            seeds=3,
            limit=10.0,
            give_up=1,
        )
        for share in (0.3, 0.4)
    ),
    Case(
        "Gaussian sensing",
        "sensing",
        {"n": 100, "rank": 3, "factor": 5.0},
        ours=("auto", "gauss_newton", "nonlinear_cg", "scaledgd"),
        threads=BOTH,
    ),
    Case(
        "phase retrieval",
        "phase_retrieval",
        {"n": 1000, "factor": 6.0},
        ours=("auto", "gauss_newton", "nonlinear_cg", "scaledgd"),
        threads=BOTH,
    ),
    _completion("convex 100 x 100", 100, 3, 1.0, 8.45, ours=("auto", "altmin")),
]

# Every kind, at sizes that only show that all of it runs.
QUICK = [
    _completion("small completion", 100, 2, 1.0, 5.0, ours=("auto", "altmin"), limit=2.0),
    _completion("small completion, two seeds", 60, 2, 1.0, 4.0, seeds=2, limit=2.0, packages=()),
    Case("small robust PCA", "robust_pca", {"n": 60, "rank": 2, "share": 0.1}, limit=2.0),
    Case("small sensing", "sensing", {"n": 20, "rank": 2, "factor": 8.0}, limit=2.0),
    Case(
        "small l1 sensing",
        "robust_sensing",
        {"n": 15, "rank": 2, "factor": 12.0, "share": 0.1},
        limit=2.0,
    ),
    Case("small phase retrieval", "phase_retrieval", {"n": 30, "factor": 8.0}, limit=2.0),
]


def select(*, quick: bool, only: str = "") -> list[Case]:
    return [c for c in (QUICK if quick else FULL) if only in str(c)]
