"""The convex baseline: nuclear norm or trace minimisation by CVXPY."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._lazy import require
from .._typing import Array
from ..errors import InvalidInputError, SolverBreakdownError, TooLargeError, unknown_name
from ..factors import Factors
from ..losses import Absolute, Huber, Squared
from ..operators import matrix_of
from ..problem import Problem
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["Convex"]

# Tolerance options by CVXPY backend, all relative.
_TOLERANCES = {
    "SCS": ("eps_abs", "eps_rel"),
    "CLARABEL": ("tol_gap_abs", "tol_gap_rel", "tol_feas"),
}


@dataclass
class ConvexState:
    """The solution as factors, and what the backend said of it."""

    left: Array
    right: Array | None
    iteration: int = 0
    status: str = ""
    inner_iterations: int = 0
    residual: float = float("nan")
    matrix_rank: int = 0


@register(
    SolverInfo(
        name="convex",
        summary="nuclear norm (symmetric: trace) minimisation by CVXPY, to verify answers",
        losses=(Squared, Absolute, Huber),
        one_shot=True,
        references=(
            "Recht, Fazel, Parrilo (2010), Guaranteed minimum-rank solutions of linear matrix "
            "equations via nuclear norm minimization, SIAM Review 52(3), arXiv:0706.4138",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class Convex(Solver):
    """Nuclear norm minimisation by CVXPY: the baseline that verifies the answers.

    Parameters
    ----------
    backend : str
        CVXPY solver: "SCS" (default) or "CLARABEL".
    accuracy : float
        Tolerances handed to the backend, absolute and relative.
    noise_bound : float
        For `nuclear` = 0: bound on ``|A(X) - y|_2``; 0 asks for equality.
    max_entries : int
        Largest n1 n2 that is taken on; the cost grows like (n1 + n2)^3 per inner iteration.

    Model
    -----
    With ``problem.nuclear = 0``: ``min |X|_*`` subject to ``A(X) = y`` (or within
    `noise_bound`); symmetric problems: ``min trace(X)`` over X positive semidefinite.
    With ``problem.nuclear = w > 0``: ``min f(A(X) - y) + w |X|_*`` (half of it for symmetric
    problems), the objective that the factored solvers minimise. A robust loss without a
    weight is minimised alone, which takes as many measurements as unknowns.

    Update
    ------
    None: the first iteration calls the backend, further ones do nothing.

    Assumptions
    -----------
    A small matrix. The rank asked for is not a constraint: the factors hold all singular
    values above rounding, and ``parts["rank"]`` counts those above 1e-3 of the largest.

    Guarantee
    ---------
    The global optimum to about the accuracy asked for, 1e-5 to 1e-7 in practice. The
    backend's word is not relied on: ``parts["residual"]`` is ``|A(X) - y| / |y|`` as computed
    here.

    Cost
    ----
    A semidefinite program with a cone of size n1 + n2 (symmetric: n).

    References
    ----------
    Recht, Fazel, Parrilo (2010), arXiv:0706.4138.
    """

    backend: str = "SCS"
    accuracy: float = 1e-7
    noise_bound: float = 0.0
    max_entries: int = 10_000
    state_type: ClassVar[type] = ConvexState

    def __post_init__(self) -> None:
        if self.backend not in _TOLERANCES:
            raise unknown_name("CVXPY backend", self.backend, _TOLERANCES)
        _check.number(self.accuracy, "accuracy", low=1e-14, high=1e-1)
        _check.number(self.noise_bound, "noise_bound", low=0.0)
        _check.count(self.max_entries, "max_entries", low=1)

    def init(self, problem: Problem, start: Factors) -> ConvexState:
        """Refuse what is too large; the start is not used."""
        n1, n2 = problem.shape
        if n1 * n2 > self.max_entries:
            cone = n1 if problem.symmetric else n1 + n2
            raise TooLargeError(
                f"convex would have to solve a semidefinite program with a {cone} x {cone} cone "
                f"for this {n1} x {n2} matrix: {n1 * n2} unknowns, more than max_entries="
                f"{self.max_entries}. Use a factored solver, a smaller instance, or raise "
                f"max_entries if you can wait"
            )
        unknowns = n1 * (n1 + 1) // 2 if problem.symmetric else n1 * n2
        if _loss_alone(problem) and problem.data.size < unknowns:
            raise InvalidInputError(
                f"convex with {problem.loss} and nuclear=0 minimises the loss alone, and "
                f"{problem.data.size} measurements do not determine {unknowns} unknowns; set "
                f"problem.nuclear"
            )
        require("cvxpy", extra="convex", purpose="the convex baseline")
        return ConvexState(start.left, None if problem.symmetric else start.right)

    def resume(self, state: ConvexState, previous: ConvexState) -> None:
        """Nothing: the program is solved again."""

    def advance(self, problem: Problem, state: ConvexState, k: int) -> None:
        """Solve at the first iteration."""
        if k and state.iteration == 0:
            self._solve(problem, state)
        state.iteration += k

    def _solve(self, problem: Problem, state: ConvexState) -> None:
        cp: Any = require("cvxpy", extra="convex", purpose="the convex baseline")

        n1, n2 = problem.shape
        is_complex = problem.dtype.kind == "c"
        if problem.symmetric:
            X = (
                cp.Variable((n1, n1), hermitian=True)
                if is_complex
                else cp.Variable((n1, n1), symmetric=True)
            )
            constraints, nuclear = [X >> 0], cp.trace(X)
            if is_complex:
                nuclear = cp.real(nuclear)
        else:
            X = cp.Variable((n1, n2), complex=is_complex)
            constraints, nuclear = [], cp.normNuc(X)
        measured = matrix_of(problem.operator) @ cp.vec(X, order="C")
        if problem.symmetric and problem.data.dtype.kind != "c" and is_complex:
            measured = cp.real(measured)
        # Of order one, whatever the units of the data; losses scale with the data.
        unit = float(np.max(np.abs(problem.data)))
        data = problem.data / unit
        if problem.nuclear or _loss_alone(problem):
            objective = _LOSSES[type(problem.loss)](cp, problem.loss, measured - data, unit)
            objective = objective + (problem.nuclear / unit) * nuclear
        else:
            objective = nuclear
            if self.noise_bound:
                constraints.append(cp.norm(measured - data, 2) <= self.noise_bound / unit)
            else:
                constraints.append(measured == data)
        program = cp.Problem(cp.Minimize(objective), constraints)
        options: dict[str, Any] = dict.fromkeys(_TOLERANCES[self.backend], self.accuracy)
        if self.backend == "SCS":
            options["max_iters"] = 100_000
        try:
            with warnings.catch_warnings():
                # The backend's own accuracy warning is replaced by our residual.
                warnings.simplefilter("ignore", UserWarning)
                program.solve(solver=self.backend, **options)
        except cp.error.SolverError as error:
            raise SolverBreakdownError(
                f"the CVXPY backend {self.backend} failed: {error}"
            ) from error
        if X.value is None:
            raise SolverBreakdownError(
                f"the convex program is {program.status}: no matrix meets the data; with noise "
                f"set problem.nuclear or noise_bound"
            )
        self._keep(problem, state, np.asarray(X.value, problem.dtype) * unit)
        state.status = str(program.status)
        state.inner_iterations = int(program.solver_stats.num_iters or 0)

    @staticmethod
    def _keep(problem: Problem, state: ConvexState, X: Array) -> None:
        if problem.symmetric:
            values, u = np.linalg.eigh(0.5 * (X + X.conj().T))
            values, u = np.maximum(values[::-1], 0), u[:, ::-1]
            v = u
        else:
            u, values, vh = np.linalg.svd(X, full_matrices=False)
            v = vh.conj().T
        kept = values > np.finfo(values.dtype).eps * max(values[0], 1e-300) * values.size
        root = np.sqrt(values[kept])
        state.left = np.ascontiguousarray(u[:, kept] * root)
        state.right = None if problem.symmetric else np.ascontiguousarray(v[:, kept] * root)
        state.matrix_rank = int(np.sum(values > 1e-3 * values[0]))
        residual = problem.residual(Factors(state.left, _right(state)))
        state.residual = float(np.linalg.norm(residual) / np.linalg.norm(problem.data))

    def factors(self, state: ConvexState) -> Factors:
        """The factors of the solution, with all singular values above rounding."""
        return Factors(state.left, _right(state))

    def finished(self, state: ConvexState) -> str | None:
        """After the one call."""
        if state.iteration == 0:
            return None
        return f"{self.backend} says {state.status}; relative residual {state.residual:.1e}"

    def parts(self, state: ConvexState) -> Mapping[str, Any]:
        """The backend's status and iterations, the residual computed here, and the rank."""
        return {
            "backend_status": state.status,
            "backend_iterations": state.inner_iterations,
            "residual": state.residual,
            "rank": state.matrix_rank,
        }


def _right(state: ConvexState) -> Array:
    return state.left if state.right is None else state.right


def _loss_alone(problem: Problem) -> bool:
    """Whether there is nothing but a robust loss to minimise."""
    return problem.nuclear == 0.0 and not isinstance(problem.loss, Squared)


# With X in units of u = max |y| and objectives divided by u^2:
# 1/2 e^2 -> 1/2 e^2;  |e| -> |e| / u;  Huber(e; d) -> Huber(e; d / u);  w |X|_* -> w/u |X|_*.
def _squared(cp: Any, loss: Any, residual: Any, unit: float) -> Any:
    return 0.5 * cp.sum_squares(residual)


def _absolute(cp: Any, loss: Any, residual: Any, unit: float) -> Any:
    return cp.norm1(residual) / unit


def _huber(cp: Any, loss: Any, residual: Any, unit: float) -> Any:
    return 0.5 * cp.sum(cp.huber(cp.abs(residual), loss.delta / unit))


_LOSSES = {Squared: _squared, Absolute: _absolute, Huber: _huber}
