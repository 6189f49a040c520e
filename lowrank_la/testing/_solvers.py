"""The laws of a solver."""

from __future__ import annotations

import io
import pickle
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np

from .._random import stream
from ..driver import solve
from ..factors import Factors
from ..initial import near
from ..problem import Instance, Problem
from ..result import Result, pack_result, unpack_result
from ..solvers import Solver
from ._transposed import transposed
from ._values import draw


def check_solver(solver: Solver, instance: Instance, *, tolerance: float = 1e-6) -> None:
    """Check the laws of a solver on a noiseless instance that it can solve.

    `advance` adds up bit for bit, through pickle, and through a saved result; the truth is a
    fixed point; neither problem nor start is written to; gauge invariance where it is claimed;
    the transposed problem gives the transposed answer; the objective does not rise where that
    is claimed; a tighter tolerance never stops earlier; float32 is kept.

    Parameters
    ----------
    solver : Solver
        The configured solver.
    instance : Instance
        Without noise, small, well conditioned, with enough measurements.
    tolerance : float
        Relative error at which a final answer counts as right.

    Raises
    ------
    AssertionError
    """
    problem = instance.problem
    assert solver.info.why_not(problem) is None, solver.info.why_not(problem)
    start = near(instance, distance=0.05, rng=1)
    kept = start.left.copy(), start.right.copy(), problem.data.copy()
    _check_advance(solver, problem, start)
    result = solve(instance, solver, start=start, max_iter=20, tol=0.0)
    _check_resume(solver, instance, start, result)
    for before, after in zip(kept, (start.left, start.right, problem.data), strict=True):
        assert np.array_equal(before, after), "the start or the data were written to"
    assert result.factors.dtype == problem.dtype, f"{problem.dtype} became {result.factors.dtype}"
    if solver.info.monotone:
        objective = result.trace["objective"]
        rises = np.diff(objective) > 1e-12 * objective[0]
        assert not rises.any(), f"the objective rose at look {int(np.argmax(rises)) + 1}"
    if solver.info.one_shot:
        assert result.trace["rel_error"][-1] < 1e-4, "the answer is not the truth"
        return
    _check_fixed_point(solver, problem, instance.truth.factors.balanced())
    if solver.info.gauge_invariant:
        _check_gauge(solver, problem, start)
    _check_tolerances(solver, problem, start)
    if not problem.symmetric:
        _check_transposed(solver, instance, start, tolerance)


def _same_state(a: Any, b: Any) -> bool:
    def same(x: Any, y: Any) -> bool:
        if isinstance(x, np.ndarray):
            return np.array_equal(x, y)
        if is_dataclass(x) and not isinstance(x, type):
            return type(x) is type(y) and _same_state(x, y)
        # NaN stands for what is not known yet.
        return bool(x == y or (x != x and y != y))

    return all(same(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


def _check_advance(solver: Solver, problem: Problem, start: Factors) -> None:
    whole = solver.init(problem, start)
    solver.advance(problem, whole, 7)
    halves = solver.init(problem, start)
    solver.advance(problem, halves, 3)
    halves = pickle.loads(pickle.dumps(halves))
    pickle.loads(pickle.dumps(solver)).advance(problem, halves, 4)
    assert _same_state(whole, halves), "advance(3), pickle, advance(4) differs from advance(7)"
    if not solver.info.one_shot:
        assert whole.iteration == 7, f"after 7 iterations the state counts {whole.iteration}"
    solver.advance(problem, whole, 0)
    assert _same_state(whole, halves), "advance(0) does something"


def _check_resume(solver: Solver, instance: Instance, start: Factors, whole: Result) -> None:
    file = io.BytesIO()
    part = solve(instance, solver, start=start, max_iter=8, tol=0.0)
    header, arrays = pack_result(part)
    np.savez(file, allow_pickle=False, **arrays)  # type: ignore[arg-type]
    file.seek(0)
    loaded = unpack_result(header, dict(np.load(file)))
    rest = solve(instance, loaded.solver, start=loaded, max_iter=20, tol=0.0)
    assert _same_state(rest.state, whole.state), (
        "a saved and resumed run differs; what the factors do not determine belongs into resume()"
    )
    assert rest.n_iter == whole.n_iter, "a resumed run counts iterations wrongly"


def _check_fixed_point(solver: Solver, problem: Problem, truth: Factors) -> None:
    truth = truth.astype(problem.dtype)
    state = solver.init(problem, truth)
    solver.advance(problem, state, 3)
    moved = solver.factors(state).distance(truth) / truth.norm()
    limit = 1e3 * np.finfo(problem.dtype).eps
    assert moved <= limit, f"three iterations move away from the truth by {moved:.1e}"


def _check_gauge(solver: Solver, problem: Problem, start: Factors) -> None:
    generator = stream(5, "gauge")
    turn = np.eye(start.rank) + 0.3 * draw(generator, (start.rank, start.rank), start.dtype)
    if problem.symmetric:
        turned = start.left @ np.linalg.qr(turn)[0]
        other = Factors(turned, turned)
    else:
        other = Factors(start.left @ turn, start.right @ np.linalg.inv(turn).conj().T)
    states = [solver.init(problem, X.astype(problem.dtype)) for X in (start, other)]
    for state in states:
        solver.advance(problem, state, 5)
    X, Y = (solver.factors(state) for state in states)
    gap = X.distance(Y) / X.norm()
    limit = 1e5 * np.finfo(problem.dtype).eps
    assert gap <= limit, f"not gauge invariant: matrices differ by {gap:.1e}"


def _check_tolerances(solver: Solver, problem: Problem, start: Factors) -> None:
    counts = [
        solve(problem, solver, start=start, tol=tol, max_iter=300, callback=None).n_iter
        for tol in (1e-1, 1e-2, 1e-3)
    ]
    assert counts == sorted(counts), f"tighter tolerances stopped earlier: {counts}"
    assert counts[0] < counts[-1], "the tolerance does not matter"


def _check_transposed(solver: Solver, instance: Instance, start: Factors, tolerance: float) -> None:
    problem = instance.problem
    flipped = replace(problem, operator=transposed(problem.operator), data=problem.data.conj())
    answers = [
        solve(p, solver, start=s, max_iter=2000).factors
        for p, s in ((problem, start), (flipped, start.H))
    ]
    gap = answers[0].distance(answers[1].H) / answers[0].norm()
    assert gap <= tolerance, f"the transposed problem has another answer, by {gap:.1e}"
    error = answers[0].distance(instance.truth.factors) / instance.truth.factors.norm()
    assert error <= tolerance, f"the answer is off the truth by {error:.1e}"
