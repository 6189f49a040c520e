"""Conformance checks, for the operators, losses, generators and solvers of anyone.

Each raises AssertionError with a sentence that says what does not hold.
"""

from __future__ import annotations

import inspect
import io
import pickle
from dataclasses import is_dataclass, replace
from typing import Any

import numpy as np

from ._random import stream
from ._typing import Array
from .driver import solve
from .factors import Factors
from .initial import near
from .losses import Loss
from .operators import (
    HasGaussNewton,
    HasInexactRowSolve,
    HasMatrix,
    HasNormalProduct,
    HasRowSolve,
    HasTangentRows,
    MeasurementOperator,
    matrix_of,
)
from .problem import Instance, Problem, Recipe
from .problems import build, problem_info
from .result import Result, pack_result, unpack_result
from .solvers import Solver

__all__ = ["check_generator", "check_loss", "check_operator", "check_solver"]


def _close(a: Any, b: Any, tolerance: float, what: str) -> None:
    scale = max(float(np.max(np.abs(b), initial=0.0)), 1e-300)
    gap = float(np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0.0)) / scale
    assert gap <= tolerance, f"{what}: relative difference {gap:.1e} > {tolerance:.0e}"


def _draw(rng: np.random.Generator, shape: Any, kind: Any) -> Array:
    out = rng.standard_normal(shape)
    if np.dtype(kind).kind == "c":
        out = out + 1j * rng.standard_normal(shape)
    return out.astype(kind)


def check_operator(
    operator: MeasurementOperator,
    *,
    hermitian: bool = False,
    tolerance: float = 1e-10,
    rng: Any = 0,
) -> None:
    """Check the contract of a measurement operator.

    Both dot tests, linearity in each factor, the dense twin, inputs that are read-only or not
    contiguous, float32 kept, the abilities against the three methods, and `isometry`.

    Parameters
    ----------
    operator : MeasurementOperator
        The operator.
    hermitian : bool
        Its measurement functionals only see the Hermitian part of X, with real values.
    tolerance : float
        Relative accuracy asked for.
    rng : int, Generator or None
        Source of the random matrices.

    Raises
    ------
    AssertionError
    """
    assert isinstance(operator, MeasurementOperator), "the methods or attributes are not all there"
    generator = np.random.default_rng(rng)
    n1, n2 = operator.shape
    kind = np.result_type(operator.dtype or float, float)
    L, R = _draw(generator, (n1, 3), kind), _draw(generator, (n2, 3), kind)
    X = Factors(L, R)
    y = operator.forward(X)
    assert y.shape == (operator.size,), f"forward has shape {y.shape}, not ({operator.size},)"
    z = _draw(generator, operator.size, float if hermitian else kind)
    _check_adjoints(operator, X, y, z, hermitian, tolerance)
    other = _draw(generator, (n1, 3), kind)
    _close(
        operator.forward(Factors(2.0 * L - other, R)),
        2.0 * y - operator.forward(Factors(other, R)),
        tolerance,
        "forward is not linear in the left factor",
    )
    _check_layouts(operator, X, y, z, tolerance)
    matrix = matrix_of(operator)
    dense = np.asarray(matrix @ X.to_dense().ravel())
    _close(y, dense.real if hermitian else dense, tolerance, "forward differs from the matrix")
    if isinstance(operator, HasMatrix):
        made = matrix_of(_WithoutAbilities(operator))
        found = np.asarray(matrix @ np.eye(n1 * n2))
        # On single entries a Hermitian operator shows the real part only.
        _close(found.real if hermitian else found, made, tolerance, "as_matrix differs")
    if isinstance(operator, HasNormalProduct):
        direction = Factors(other, _draw(generator, (n2, 3), kind))
        _check_gauss_newton(operator, X, direction, z, tolerance, hermitian)
    if isinstance(operator, HasTangentRows):
        _check_tangent_rows(operator, X, matrix, tolerance)
    _check_single(operator, X)
    if operator.size:
        _check_isometry(operator, generator, kind)


def _check_adjoints(
    operator: MeasurementOperator, X: Factors, y: Array, z: Array, hermitian: bool, tol: float
) -> None:
    measured: Any = np.vdot(z, y)
    through_right = np.vdot(operator.adjoint_right(z, X.right), X.left)
    through_left = np.vdot(X.right, operator.adjoint_left(z, X.left))
    if hermitian:
        through_right, through_left = through_right.real, through_left.real
    size = max(float(np.linalg.norm(z) * np.linalg.norm(y)), 1e-300)
    for value, name in ((through_right, "adjoint_right"), (through_left, "adjoint_left")):
        gap = abs(measured - value) / size
        assert gap <= tol, f"{name} fails the dot test by {gap:.1e}"


def _check_tangent_rows(operator: Any, X: Factors, matrix: Any, tol: float) -> None:
    """The ability `HasTangentRows` against the measurement matrices."""
    start, stop = operator.size // 3, operator.size
    found = operator.tangent_rows(X.left, X.right, start, stop)
    rows = np.asarray(matrix[start:stop]).conj().reshape(stop - start, *operator.shape)
    _close(found[0], _turned(rows @ X.right), tol, "tangent_rows: A_i R is wrong")
    expected = _turned(_turned(rows.conj()) @ X.left)
    _close(found[1], expected, tol, "tangent_rows: A_i^H L is wrong")
    if getattr(operator, "symmetric", False):
        P, Q = operator.tangent_rows(X.left, X.left, start, stop)
        assert P is Q, "tangent_rows: one factor makes two arrays"
        _close(P, _turned(rows @ X.left), tol, "tangent_rows: A_i L is wrong for one factor")
    assert operator.tangent_limit > 0, "tangent_limit is not positive"


def _turned(matrices: Array) -> Array:
    return np.swapaxes(matrices, 1, 2)


def _check_gauss_newton(
    operator: Any, X: Factors, D: Factors, z: Array, tol: float, hermitian: bool
) -> None:
    """The abilities `HasNormalProduct` and `HasGaussNewton` against `forward` and adjoints."""
    moved = Factors(np.hstack([D.left, X.left]), np.hstack([X.right, D.right]))
    a1, a2 = operator.forward(moved), operator.forward(D)
    products = operator.normal_product(X, D)
    expected = operator.adjoint_right(a1, X.right), operator.adjoint_left(a1, X.left)
    for found, right in zip(products, expected, strict=True):
        _close(found, right, tol, "normal_product differs from the adjoints of the tangent map")
    # Measurements of Hermitian forms are real, whatever the data are said to be.
    parts = (operator.forward(X) - (z.real if hermitian else z), a1, a2)
    sums = [np.vdot(parts[a], parts[b]).real for a in range(3) for b in range(a, 3)]
    prepared = operator.prepare(z)
    _close(operator.line_sums(X, D, prepared), sums, tol, "line_sums differs from forward")
    if not isinstance(operator, HasGaussNewton):
        return
    none = Factors(np.zeros_like(D.left), D.right), Factors(D.left, np.zeros_like(D.right))
    for side, fixed, alone in (("left", X.right, none[1]), ("right", X.left, none[0])):
        blocks = operator.normal_blocks(fixed, side=side)
        direction = alone.left if side == "left" else alone.right
        image = np.einsum("iab,ib->ia", blocks, direction)
        found = operator.normal_product(X, alone)[0 if side == "left" else 1]
        # Exact where measurements are entries; else the diagonal blocks alone.
        if hasattr(operator, "row_counts"):
            _close(image, found, tol, f"normal_blocks of side {side!r} differ from the product")


def _check_layouts(
    operator: MeasurementOperator, X: Factors, y: Array, z: Array, tolerance: float
) -> None:
    frozen = Factors(X.left.copy(), X.right.copy())
    for array in (frozen.left, frozen.right):
        array.flags.writeable = False
    still = z.copy()
    still.flags.writeable = False
    _close(operator.forward(frozen), y, tolerance, "forward differs on read-only factors")
    spread = np.repeat(z, 2)[::2]
    wide_left = np.asfortranarray(X.left)
    wide_right = np.asfortranarray(X.right)
    for name, factor, wide in (
        ("adjoint_right", X.right, wide_right),
        ("adjoint_left", X.left, wide_left),
    ):
        method = getattr(operator, name)
        expected = method(z, factor)
        _close(method(still, factor), expected, tolerance, f"{name} differs on read-only data")
        _close(method(spread, wide), expected, tolerance, f"{name} differs on strided input")


def _check_single(operator: MeasurementOperator, X: Factors) -> None:
    small = X.astype(
        np.result_type(np.float32, np.float32 if X.dtype.kind == "f" else np.complex64)
    )
    y = operator.forward(small)
    assert y.real.dtype == np.float32, f"forward turned float32 into {y.dtype}"
    back = operator.adjoint_right(y, small.right)
    assert back.real.dtype == np.float32, f"adjoint_right turned float32 into {back.dtype}"


def _check_isometry(
    operator: MeasurementOperator, generator: np.random.Generator, kind: Any
) -> None:
    n1, n2 = operator.shape
    shares = []
    for _ in range(40):
        X = Factors(_draw(generator, (n1, 4), kind), _draw(generator, (n2, 4), kind))
        if getattr(operator, "symmetric", False):
            X = Factors(np.hstack([X.left, X.right]), np.hstack([X.right, X.left]))
        shares.append((np.linalg.norm(operator.forward(X)) / X.norm()) ** 2)
    ratio = float(np.mean(shares)) / operator.isometry
    assert 0.7 < ratio < 1.4, f"isometry is off by a factor {ratio:.2f}"


class _WithoutAbilities:
    """The three methods of an operator and nothing more."""

    def __init__(self, base: MeasurementOperator) -> None:
        self.shape, self.size, self.dtype = base.shape, base.size, base.dtype
        self.isometry = base.isometry
        self.forward, self.adjoint_right = base.forward, base.adjoint_right
        self.adjoint_left = base.adjoint_left


def check_loss(loss: Loss, *, rng: Any = 0) -> None:
    """Check value against slope.

    Smooth losses: the Taylor remainder shrinks with the square of the distance. All: the
    (sub)gradient inequality of convexity, zero at zero, and the residual's type kept.

    Parameters
    ----------
    loss : Loss
        The loss.
    rng : int, Generator or None
        Source of the random residuals.

    Raises
    ------
    AssertionError
    """
    generator = np.random.default_rng(rng)
    for kind in (float, complex):
        e = _draw(generator, 200, kind)
        slope = loss.slope(e)
        # Partly along the slope, so that an error in its length shows.
        d = _draw(generator, 200, kind) + slope
        assert slope.dtype == e.dtype, f"slope turned {e.dtype} into {slope.dtype}"
        along = np.vdot(slope, d).real
        gap = loss.value(e + d) - loss.value(e) - along
        assert gap >= -1e-10, f"the slope violates the subgradient inequality by {-gap:.1e}"
        if loss.smooth:
            _check_taylor(loss, e, d, along)
        single = e.astype(np.float32 if kind is float else np.complex64)
        assert loss.slope(single).dtype == single.dtype, "slope does not keep single precision"
    assert loss.value(np.zeros(3)) == 0.0, "the loss of a zero residual is not zero"


def _check_taylor(loss: Loss, e: Array, d: Array, along: float) -> None:
    steps = np.geomspace(1e-3, 1e-5, 5)
    remainders = [abs(loss.value(e + t * d) - loss.value(e) - t * along) for t in steps]
    order = np.polyfit(np.log(steps), np.log(remainders), 1)[0]
    assert 1.8 < order < 2.2, f"the Taylor remainder shrinks with power {order:.2f}, not 2"


def check_generator(name: str) -> None:
    """Check a problem generator by its registered example.

    The recipe rebuilds the same bits, through JSON too; the data are the truth's measurements;
    seeds matter; and, where the generator has the parameter: the truth has the stated condition
    number (`cond`), and noise has the stated size and moves neither truth nor operator (`noise`).

    Parameters
    ----------
    name : str
        Registry name.

    Raises
    ------
    AssertionError
    """
    card = problem_info(name)
    has = inspect.signature(card.make).parameters
    first = card.make(**card.example, rng=3)
    assert first.recipe is not None, "there is no recipe"
    again = build(Recipe.from_json(first.recipe.to_json()))
    for a, b in ((first.problem.data, again.problem.data), *_arrays(first, again)):
        assert np.array_equal(a, b), "the recipe does not rebuild the same bits"
    # Where truth and operator are fixed, the seed is that of the noise.
    noise = {"noise": 0.1} if "noise" in has else {}
    one, two = (card.make(**card.example, **noise, rng=seed) for seed in (3, 4))
    assert not np.array_equal(one.problem.data, two.problem.data), "seeds do nothing"
    if "rank" in has or "cond" in has:
        factors = one.truth.factors.left, two.truth.factors.left
        assert not np.array_equal(*factors), "seeds do not move the truth"
    values = first.truth.factors.singular_values()
    _close(values, first.truth.singular_values, 1e-10, "the truth's singular values")
    exact = first.problem.operator.forward(first.truth.factors)
    _close(first.problem.data, exact, 1e-10, "the data are not the truth's measurements")
    whole = first.problem.loss.value(first.problem.data)
    assert abs(first.truth.f_min) <= 1e-20 * whole, "f_min of exact data is not zero"
    if "cond" in has:
        ill = card.make(**card.example, cond=7.0, rng=3)
        spectrum = ill.truth.factors.singular_values()
        _close(spectrum[0] / spectrum[-1], 7.0, 1e-8, "the condition number")
    if "noise" in has:
        _check_noise(first, one)


def _check_noise(exact: Instance, noisy: Instance) -> None:
    """Noise of 0.1 against none, with the same seed."""
    for a, b in _arrays(exact, noisy):
        assert np.array_equal(a, b), "noise moved the truth"
    shift = noisy.problem.data - noisy.problem.operator.forward(noisy.truth.factors)
    # Measurements that are exact by construction have no noise.
    spread = float(np.std(shift[np.abs(shift) > 1e-8]))
    # Four standard errors.
    slack = max(0.03, 0.4 / np.sqrt(2 * shift.size))
    assert abs(spread - 0.1) < slack, f"noise of 0.1 has standard deviation {spread:.3f}"
    _close(
        noisy.problem.operator.forward(exact.truth.factors),
        exact.problem.operator.forward(exact.truth.factors),
        1e-12,
        "noise moved the operator",
    )


def _arrays(a: Instance, b: Instance) -> list[tuple[Array, Array]]:
    X, Y = a.truth.factors, b.truth.factors
    return [(X.left, Y.left), (X.right, Y.right)]


class _Transposed:
    """The measurements of the conjugate transpose: ``A'(Y) = conj(A(Y^H))``."""

    def __init__(self, base: Any) -> None:
        self.base = base
        self.shape = base.shape[::-1]
        self.size, self.dtype, self.isometry = base.size, base.dtype, base.isometry

    def forward(self, X: Factors) -> Array:
        return self.base.forward(X.H).conj()

    def adjoint_right(self, z: Array, R: Array) -> Array:
        return self.base.adjoint_left(z.conj(), R)

    def adjoint_left(self, z: Array, L: Array) -> Array:
        return self.base.adjoint_right(z.conj(), L)


class _TransposedRows(_Transposed):
    """The same with exact row solves, sides exchanged."""

    @property
    def row_counts(self) -> Array:
        return self.base.column_counts

    @property
    def column_counts(self) -> Array:
        return self.base.row_counts

    @property
    def positions(self) -> tuple[Array, Array]:
        return self.base.positions[::-1]

    def prepare(self, data: Array) -> Any:
        return self.base.prepare(data.conj())

    def row_solve(self, prepared: Any, fixed: Array, ridge: Any, *, side: str) -> Array:
        other = "right" if side == "left" else "left"
        return self.base.row_solve(prepared, fixed, ridge, side=other)


class _TransposedInexactRows(_TransposedRows):
    """And with iterative ones."""

    def row_solve_inexact(
        self, prepared: Any, fixed: Array, start: Array, *, side: str, **options: Any
    ) -> tuple[Array, Array]:
        other = "right" if side == "left" else "left"
        return self.base.row_solve_inexact(prepared, fixed, start, side=other, **options)


def _transposed(operator: MeasurementOperator) -> Any:
    if isinstance(operator, HasInexactRowSolve):
        return _TransposedInexactRows(operator)
    return (_TransposedRows if isinstance(operator, HasRowSolve) else _Transposed)(operator)


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
    turn = np.eye(start.rank) + 0.3 * _draw(generator, (start.rank, start.rank), start.dtype)
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
    flipped = replace(problem, operator=_transposed(problem.operator), data=problem.data.conj())
    answers = [
        solve(p, solver, start=s, max_iter=2000).factors
        for p, s in ((problem, start), (flipped, start.H))
    ]
    gap = answers[0].distance(answers[1].H) / answers[0].norm()
    assert gap <= tolerance, f"the transposed problem has another answer, by {gap:.1e}"
    error = answers[0].distance(instance.truth.factors) / instance.truth.factors.norm()
    assert error <= tolerance, f"the answer is off the truth by {error:.1e}"
