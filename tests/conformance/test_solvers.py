"""Every solver: the laws, and a literal transcription of its paper's update."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from transcriptions import Dense, collect

import lowrank_la as ll
from lowrank_la import solvers
from lowrank_la.initial import near
from lowrank_la.testing import check_solver

NAMES = ll.available_solvers()
ITERATIVE = [name for name in NAMES if not ll.solver_info(name).one_shot]
TRANSCRIPTIONS = collect()
# Fixtures of tests/conftest.py.
KINDS = ["completion", "sensing", "symmetric", "robust_sensing", "robust_symmetric"]
KINDS += ["robust_pca", "robust_completion"]
KINDS += ["perturbed", "covariance", "quadratic"]
# Where defaults depend on data in a way that would make a law untestable.
OPTIONS = {"scaledgd_lambda": {"damping": 0.05}}
# Problems that a solver takes but is not made for.
EXEMPT: dict[tuple[str, str], str] = {
    ("one_sided", "completion"): "products of entries give the Gram matrix up to sampling error",
    ("lifted", "symmetric"): "tensors of 30 unknowns do not fit into memory",
    ("lifted", "covariance"): "tensors of 36 unknowns take minutes",
    ("lifted", "quadratic"): "tensors of 24 unknowns take minutes",
    ("convex", "robust_pca"): "the loss alone is minimised by the data themselves",
    ("convex", "robust_completion"): "the loss alone leaves entries undetermined",
}
SCHEDULE = "steps by a schedule neither stay at the truth nor tell when they are done"
EXEMPT |= {
    (name, kind): SCHEDULE
    for name in ("subgradient", "scaled_subgradient")
    for kind in ("robust_pca", "robust_completion")
}


def make(name):
    return solvers.make_solver(name, OPTIONS.get(name))


def fitting(name, kind, request):
    """The instance of this kind, if the solver is made for it."""
    instance = request.getfixturevalue(kind)
    reason = ll.solver_info(name).why_not(instance.problem) or EXEMPT.get((name, kind))
    if reason:
        pytest.skip(reason)
    return instance


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_laws(name, kind, request):
    check_solver(make(name), fitting(name, kind, request))


@pytest.mark.parametrize("name", ITERATIVE)
@pytest.mark.parametrize("kind", ["completion", "sensing", "symmetric"])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_other_types_are_kept_and_solved(name, kind, dtype):
    if kind == "completion":
        instance = ll.problems.completion((40, 30), 2, cond=2, sampling=0.7, dtype=dtype, rng=0)
    else:
        instance = ll.problems.sensing(
            12, 2, cond=2, measurements=500, symmetric=kind == "symmetric", dtype=dtype, rng=0
        )
    reason = ll.solver_info(name).why_not(instance.problem) or EXEMPT.get((name, kind))
    if reason:
        pytest.skip(reason)
    result = ll.solve(instance, make(name), start="spectral", max_iter=400)
    assert result.factors.left.dtype == result.factors.right.dtype == dtype
    assert result.trace["rel_error"][-1] < (3e-4 if dtype == "float32" else 1e-8)


def test_every_iterative_solver_is_transcribed():
    # `auto` has no formula of its own: see test_auto.
    assert {*TRANSCRIPTIONS, "auto"} == set(ITERATIVE)


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name, formula in TRANSCRIPTIONS.items() for kind in formula.kinds],
)
def test_ten_iterations_agree_with_the_formula(name, kind, request):
    formula = TRANSCRIPTIONS[name]
    instance = request.getfixturevalue(kind)
    problem = instance.problem
    solver = solvers.make_solver(name, formula.options)
    start = near(instance, distance=formula.distance, rng=2)
    state = solver.init(problem, start)
    expected = formula.update(Dense(problem), start.left, start.right)
    for k in range(10):
        solver.advance(problem, state, 1)
        X = solver.factors(state).to_dense()
        gap = np.linalg.norm(X - next(expected)) / np.linalg.norm(X)
        assert gap < 1e-10, f"iteration {k + 1}: {gap:.1e}"


RUN = """
import hashlib, sys, lowrank_la as ll
from lowrank_la.solvers import make_solver
name = sys.argv[1]
instances = [
    ll.problems.completion((1500, 1200), 8, cond=5, sampling=0.15, rng=1),
    ll.problems.sensing((60, 50), 3, measurements=2000, rng=0),
    ll.problems.perturbed_completion(7),
    ll.problems.covariance(40, rng=0),
    ll.problems.quadratic_sensing(300, 2, measurements=4000, rng=0),
    ll.problems.robust_completion((600, 500), 5, sampling=0.4, rng=0),
    ll.problems.sensing((60, 50), 2, measurements=1000, outliers=0.1, rng=0),
]
solvers = []
for step_size in (0.3, "exact", "backtracking", "geometric"):
    try:
        solvers.append(make_solver(name, {"step_size": step_size}))
    except ll.errors.LowRankError:
        # No steps, or constant ones only.
        pass
digest = hashlib.sha256()
for solver in solvers or [make_solver(name)]:
    for i in instances:
        if solver.info.why_not(i.problem) is None:
            try:
                result = ll.solve(i, solver, start="spectral", max_iter=5, tol=0)
            except ll.errors.IncompatibleError:
                # A step rule that is not for this operator.
                continue
            digest.update(result.factors.left.tobytes() + result.factors.right.tobytes())
            digest.update(result.trace["objective"].tobytes())
print(digest.hexdigest())
"""


@pytest.mark.parametrize("name", ITERATIVE)
def test_same_bits_with_one_and_two_threads(name):
    digests = set()
    for threads, blas in (("1", "1"), ("2", "1"), ("2", "2")):
        environment = os.environ | {"LOWRANK_LA_THREADS": threads, "OPENBLAS_NUM_THREADS": blas}
        digests.add(
            subprocess.run(
                [sys.executable, "-c", RUN, name],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
        )
    assert len(digests) == 1


@pytest.mark.parametrize("name", ITERATIVE)
def test_kernels_and_their_twins_give_the_same_run(name):
    code = (
        "import sys, lowrank_la as ll, numpy as np\n"
        "of = ll.problems\n"
        "made = of.completion((40, 30), 2, sampling=0.6, rng=0), of.perturbed_completion(5)\n"
        "made += (of.covariance(5, rng=0), of.quadratic_sensing(12, 2, measurements=240, rng=0))\n"
        "made += (of.sensing((12, 10), 2, measurements=400, outliers=0.1, rng=0),)\n"
        "made += (of.robust_completion((40, 30), 2, sampling=0.8, rng=0),)\n"
        "i = next(m for m in made if sys.argv[1] in ll.available_solvers(m))\n"
        "r = ll.solve(i, sys.argv[1], start='spectral', max_iter=15, tol=0)\n"
        "sys.stdout.write(' '.join(map(float.hex, r.trace['rel_error'])))"
    )
    runs = []
    for jit in ("0", "1"):
        out = subprocess.run(
            [sys.executable, "-c", code, name],
            env=os.environ | {"LOWRANK_LA_JIT": jit},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        runs.append([float.fromhex(v) for v in out.split()])
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-6, atol=1e-13)
