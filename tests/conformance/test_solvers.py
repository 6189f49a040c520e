"""Every solver: the laws, and a literal transcription of its paper's update."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import solvers
from lowrank_la.initial import near
from lowrank_la.testing import check_solver

NAMES = ll.available_solvers()
ITERATIVE = [name for name in NAMES if not ll.solver_info(name).one_shot]
# Where defaults depend on data in a way that would make a law untestable.
OPTIONS = {"scaledgd_lambda": {"damping": 0.05}}


def make(name):
    return solvers.make_solver(name, OPTIONS.get(name))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["completion", "sensing", "symmetric"])
def test_laws(name, kind, request):
    instance = request.getfixturevalue(kind)
    reason = ll.solver_info(name).why_not(instance.problem)
    if reason:
        pytest.skip(reason)
    check_solver(make(name), instance)


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
    reason = ll.solver_info(name).why_not(instance.problem)
    if reason:
        pytest.skip(reason)
    result = ll.solve(instance, make(name), start="spectral", max_iter=400)
    assert result.factors.left.dtype == result.factors.right.dtype == dtype
    assert result.trace["rel_error"][-1] < (3e-4 if dtype == "float32" else 1e-8)


# --- transcriptions: dense, from the formula, knowing nothing of the package's internals ---


class Dense:
    """Measurement matrices A_i as an (m, n1, n2) array, with what formulas need."""

    def __init__(self, problem):
        n1, n2 = problem.shape
        matrix = ll.operators.matrix_of(problem.operator)
        matrix = matrix.toarray() if hasattr(matrix, "toarray") else matrix
        self.A = matrix.conj().reshape(-1, n1, n2)
        self.y, self.c = problem.data, problem.operator.isometry

    def residual(self, X):
        return np.einsum("kij,ij->k", self.A.conj(), X) - self.y

    def Z(self, X):
        """A*(A(X) - y)."""
        return np.einsum("k,kij->ij", self.residual(X), self.A)


def gd(d, L, R, symmetric):
    eta = 0.5 / d.sigma  # option sigma_max
    Z = d.Z(L @ R.T) / d.c
    if symmetric:
        F = L - eta * 0.5 * (Z + Z.T) @ L
        return F, F
    return L - eta * Z @ R, R - eta * Z.T @ L


def scaledgd(d, L, R, symmetric):
    Z = d.Z(L @ R.T) / d.c
    if symmetric:
        F = L - 0.5 * 0.5 * (Z + Z.T) @ L @ np.linalg.inv(L.T @ L)
        return F, F
    return L - 0.5 * Z @ R @ np.linalg.inv(R.T @ R), R - 0.5 * Z.T @ L @ np.linalg.inv(L.T @ L)


def scaledgd_lambda(d, L, R, symmetric):
    Z = d.Z(L @ R.T) / d.c
    shift = 0.05 * np.eye(L.shape[1])
    if symmetric:
        F = L - 0.3 * 0.5 * (Z + Z.T) @ L @ np.linalg.inv(L.T @ L + shift)
        return F, F
    return (
        L - 0.3 * Z @ R @ np.linalg.inv(R.T @ R + shift),
        R - 0.3 * Z.T @ L @ np.linalg.inv(L.T @ L + shift),
    )


def precgd(d, L, R, symmetric):
    X = L @ R.T
    Z = d.Z(X) / d.c
    f = np.sum(d.residual(X) ** 2) / d.c * (0.25 if symmetric else 0.5)
    shift = np.sqrt(f) * np.eye(L.shape[1])
    if symmetric:
        F = L - 0.3 * 0.5 * (Z + Z.T) @ L @ np.linalg.inv(L.T @ L + shift)
        return F, F
    return (
        L - 0.3 * Z @ R @ np.linalg.inv(R.T @ R + shift),
        R - 0.3 * Z.T @ L @ np.linalg.inv(L.T @ L + shift),
    )


def altmin(d, L, R, symmetric):
    """V = argmin_V |A(U V^T) - y|, then U = argmin_U, over all coefficients at once."""

    def argmin(fixed, transpose):
        A = d.A.transpose(0, 2, 1) if transpose else d.A
        # <A_i, W fixed^T> = <A_i fixed, W>
        columns = np.einsum("kij,jq->kiq", A, fixed).reshape(d.y.size, -1)
        return np.linalg.lstsq(columns, d.y, rcond=None)[0].reshape(A.shape[1], -1)

    V = argmin(L, transpose=True)
    return argmin(V, transpose=False), V


TRANSCRIPTIONS = {
    "gd": gd,
    "scaledgd": scaledgd,
    "scaledgd_lambda": scaledgd_lambda,
    "precgd": precgd,
    "altmin": altmin,
}


def test_every_iterative_solver_is_transcribed():
    assert set(TRANSCRIPTIONS) == set(ITERATIVE)


@pytest.mark.parametrize("name", ITERATIVE)
@pytest.mark.parametrize("kind", ["completion", "sensing", "symmetric"])
def test_ten_iterations_agree_with_the_formula(name, kind, request):
    instance = request.getfixturevalue(kind)
    problem = instance.problem
    if ll.solver_info(name).why_not(problem):
        pytest.skip(ll.solver_info(name).why_not(problem))
    dense = Dense(problem)
    dense.sigma = 1.3
    solver = make(name)
    if name == "gd":
        solver = solvers.GD(sigma_max=1.3)
    start = near(instance, distance=0.3, rng=2)
    state = solver.init(problem, start)
    L, R = start.left, start.right
    for k in range(10):
        solver.advance(problem, state, 1)
        L, R = TRANSCRIPTIONS[name](dense, L, R, problem.symmetric)
        X = solver.factors(state).to_dense()
        gap = np.linalg.norm(X - L @ R.T) / np.linalg.norm(X)
        assert gap < 1e-10, f"iteration {k + 1}: {gap:.1e}"


RUN = """
import hashlib, sys, lowrank_la as ll
instance = ll.problems.completion((1500, 1200), 8, cond=5, sampling=0.15, rng=1)
if sys.argv[1] != "altmin":
    other = ll.problems.sensing((60, 50), 3, measurements=2000, rng=0)
digest = hashlib.sha256()
options = [{"step_size": s} for s in (0.3, "exact", "backtracking")]
for option in [{}] if sys.argv[1] == "altmin" else options:
    for i in [instance] if sys.argv[1] == "altmin" else [instance, other]:
        result = ll.solve(i, sys.argv[1], start="spectral", max_iter=5, tol=0, **option)
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
        "i = ll.problems.completion((40, 30), 2, sampling=0.6, rng=0)\n"
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
