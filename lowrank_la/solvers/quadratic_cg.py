"""Conjugate gradients for quadratic measurements, above all phase retrieval."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._point import PointState
from .._typing import Array
from ..errors import InvalidInputError
from ..factors import Factors
from ..initial import is_quadratic
from ..losses import Squared
from ..operators._forms import Forms
from ..problem import Evaluation, Problem, relative_gradient
from ..steps import positive_minimiser
from ._conjugate import conjugate, total
from ._descent import divide
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["QuadraticCG"]

PRECISIONS = ("mixed", "full")
# Relative gradient, as a share of the relative misfit, at which the misfit is taken for noise.
SETTLED = 0.02
# Rounding unit of single precision, and the share of the misfit, or of the gradient, that its
# errors may have.
SINGLE, DRIFT, BLUR = 6e-8, 0.02, 0.01
# Share of the largest eigenvalue that is added to all of the metric.
LEAST = 1e-8


@dataclass
class QuadraticCGState(PointState):
    """Factor, projections on it, and the direction of the coming step.

    Attributes
    ----------
    value : float
        The problem's objective.
    left_gradient : array
        Gradient of the loss that is minimised at present.
    projections : array, shape (m, r)
        ``a_i^H F``.
    direction : array
        Direction of the coming step.
    energy : float
        Inner product of the gradient with the preconditioned gradient.
    misfit : float
        Norm of the residual relative to the data, both weighted at first.
    relative, level : float
        The relative gradient, and what the tolerance is compared with.
    drift : float
        Bound on the relative error of the projections from products in single precision.
    weighted, single : bool
        Whether weights are on, and products in single precision.
    floor, natural : float
        The option, and the loss of the data, which tell whether the state fits a problem.
    step : float
        Length of the last step; 0 before the first.
    """

    projections: Array
    direction: Array
    energy: float
    misfit: float
    relative: float
    level: float
    drift: float
    weighted: bool
    single: bool
    floor: float
    natural: float
    step: float = 0.0


def _unfit(problem: Problem) -> str | None:
    if problem.nuclear:
        return "takes no nuclear-norm weight"
    if not (is_quadratic(problem) and hasattr(problem.operator, "forms")):
        return (
            "needs quadratic measurements of a symmetric matrix: RankOneSensing without right "
            "vectors"
        )
    if problem.dtype.kind != problem.operator.dtype.kind:  # type: ignore[union-attr]
        return "needs complex vectors for complex data"
    return None


@register(
    SolverInfo(
        name="quadratic_cg",
        summary="phase retrieval, quadratic sensing: weighted conjugate gradients, exact steps",
        losses=(Squared,),
        asymmetric=False,
        gauge_invariant=True,
        start="weighted_spectral",
        refuses=_unfit,
        references=(
            "Wang, Giannakis, Saad, Chen (2018), Phase retrieval via reweighted amplitude flow, "
            "IEEE Transactions on Signal Processing 66(11) (weights, the loss of amplitudes)",
            "Candes, Li, Soltanolkotabi (2015), Phase retrieval via Wirtinger flow: theory and "
            "algorithms, IEEE Transactions on Information Theory 61(4), arXiv:1407.1065",
            "Nocedal, Wright (2006), Numerical optimization, 2nd edition, Springer, chapter 5 "
            "(PR+)",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class QuadraticCG(Solver):
    """Weighted nonlinear conjugate gradients for quadratic measurements.

    Parameters
    ----------
    floor : float
        The measurements weigh ``1 / (y_i + floor mean|y|)`` until they are fitted as well as
        noise permits; infinite for no weights.
    precision : {"mixed", "full"}
        "mixed" multiplies directions and residuals with vectors rounded to single precision,
        where these are double and larger than caches; the iterates are accurate to double
        precision all the same. It keeps a copy, half as large as the vectors.

    Model
    -----
    ``min 1/4 |A(F F^H) - y|^2`` over F (n x r) with ``A(X)_i = a_i^H X a_i``; phase retrieval
    from intensities if r is one.

    Update
    ------
    With ``u_i = a_i^H F``, residuals ``e_i = |u_i|^2 - y_i``, weights
    ``w_i = mean|y| / (max(y_i, 0) + floor mean|y|)``, the gradient ``g = sum_i w_i e_i a_i u_i``
    and ``z = g (c sum_i w_i u_i^H u_i)^{-1}``, c the mean square of an entry of the vectors,
    ``d <- -z + beta d`` with ``beta = max(0, <g - g_old, z> / <g_old, z_old>)`` and then
    ``F <- F + t d``, ``u_i <- u_i + t a_i^H d`` with t the minimiser of the weighted loss along d,
    a root of a cubic. A d that hardly descends is replaced by -z. Where g becomes small beside
    the residual, this is noise: from there on all weights are one.

    Assumptions
    -----------
    Squared loss; about three to four (real: two to three) times as many measurements as
    unknowns in Gaussian directions, and a start that tells of the solution
    (`weighted_spectral`).

    Guarantee
    ---------
    The weighted loss never rises, nor does the objective once weights are off. Near the solution
    as conjugate gradients on the Gauss-Newton system of ``sum_i (|u_i| - sqrt(y_i))^2``, which
    the weighted loss is there up to `floor`; for rank one and m Gaussian measurements of n real
    or complex numbers its condition number is about ``((1 + q) / (1 - q))^2`` with q the root of
    the number of real unknowns over m.

    Cost
    ----
    Two passes over the vectors per iteration: one with the direction, one for the gradient. Two
    or three more in all in double precision if products are rounded.

    References
    ----------
    Wang, Giannakis, Saad, Chen (2018). Candes, Li, Soltanolkotabi (2015), arXiv:1407.1065.
    Nocedal, Wright (2006), section 5.2.
    """

    floor: float = 0.03
    precision: str = "mixed"
    state_type: ClassVar[type] = QuadraticCGState

    def __post_init__(self) -> None:
        _check.number(self.floor, "floor", low=1e-6)
        if self.precision not in PRECISIONS:
            raise InvalidInputError(
                f"precision must be one of {', '.join(map(repr, PRECISIONS))}, got "
                f"{self.precision!r}"
            )

    def init(self, problem: Problem, start: Factors) -> QuadraticCGState:
        """Projections, gradient and first direction at the start."""
        exact = _forms(problem)
        F, u = start.left, exact.products(start.left)
        single = self.precision == "mixed" and exact.rounded is not exact
        at = _Point(problem, self.floor, F, u, weighted=False)
        forms = exact.rounded if single else exact
        g = at.gradient(forms)
        relative = at.relative(g)
        if np.isfinite(self.floor) and relative > SETTLED * at.misfit:
            at = _Point(problem, self.floor, F, u, weighted=True)
            g = at.gradient(forms)
            relative = at.relative(g)
        z = at.preconditioned(g)
        return QuadraticCGState(
            left=F,
            right=None,
            iteration=0,
            value=at.objective,
            left_gradient=g,
            right_gradient=None,
            projections=u,
            direction=-z,
            energy=total([g], [z]),
            misfit=at.misfit,
            relative=relative,
            level=at.level(relative),
            drift=0.0,
            weighted=at.weighted,
            single=single,
            floor=self.floor,
            natural=problem.loss.value(problem.data),
        )

    def advance(self, problem: Problem, state: QuadraticCGState, k: int) -> None:
        """Take k steps."""
        for _ in range(k):
            self._step(problem, state)

    def _step(self, problem: Problem, state: QuadraticCGState) -> None:
        exact = _forms(problem)
        single, weighted = state.single, state.weighted
        forms = exact.rounded if single else exact
        d, F, u = state.direction, state.left, state.projections
        v = forms.products(d)
        t = _Point(problem, self.floor, F, u, weighted=weighted).length(v)
        factor = F.real.dtype.type(t)
        F, u = F + factor * d, u + factor * v
        at = _Point(problem, self.floor, F, u, weighted=weighted)
        drift = 0.0
        if single:
            drift = state.drift + SINGLE * t * _norm(v) / max(_norm(u), 1e-300)
            if drift > DRIFT * min(at.misfit, state.relative):
                # What single precision leaves out must stay small beside residual and gradient.
                u, drift = exact.products(F), 0.0
                at = _Point(problem, self.floor, F, u, weighted=weighted)
        g = at.gradient(forms)
        if single and at.blurred(g, exact):
            single, drift = False, 0.0
            u = exact.products(F)
            at = _Point(problem, self.floor, F, u, weighted=weighted)
            g = at.gradient(exact)
        relative = at.relative(g)
        if weighted and relative <= SETTLED * at.misfit:
            at = _Point(problem, self.floor, F, u, weighted=False)
            g = at.gradient(exact.rounded if single else exact)
            relative = at.relative(g)
        z = at.preconditioned(g)
        # Gradients of different losses say nothing together.
        energy = state.energy if at.weighted == weighted else 0.0
        (direction,), energy = conjugate([g], [z], [state.left_gradient], [d], energy)
        state.left, state.left_gradient, state.value = F, g, at.objective
        state.projections, state.direction, state.energy = u, direction, energy
        state.misfit, state.relative, state.level = at.misfit, relative, at.level(relative)
        state.drift, state.step = drift, t
        state.weighted, state.single = at.weighted, single
        state.iteration += 1

    def factors(self, state: QuadraticCGState) -> Factors:
        """The present factor, twice."""
        return state.X

    def resume(self, state: QuadraticCGState, previous: QuadraticCGState) -> None:
        """Carry over all that was kept, if problem and weights are those of before."""
        state.iteration = previous.iteration
        if (state.natural, state.floor) != (previous.natural, previous.floor):
            return
        if previous.single and not state.single:
            # Its projections have the errors of single precision.
            return
        gap = _norm(state.projections - previous.projections)
        if not gap <= 1e-4 * _norm(state.projections):
            return
        vars(state).update(vars(previous))

    def evaluation(self, problem: Problem, state: QuadraticCGState) -> Evaluation:
        """The objective, and the gradient of the loss that is minimised at present."""
        return state.at

    def stationarity(self, problem: Problem, state: QuadraticCGState) -> float:
        """Relative gradient; as long as weights are on the relative misfit, if that is larger."""
        return state.level

    def parts(self, state: QuadraticCGState) -> dict[str, bool]:
        """Whether weights were on to the end: "weighted"."""
        return {"weighted": state.weighted}


class _Point:
    """A factor, its projections, and the loss there."""

    def __init__(
        self, problem: Problem, floor: float, F: Array, u: Array, *, weighted: bool
    ) -> None:
        self.problem, self.F, self.u, self.weighted = problem, F, u, weighted
        self.data = problem.data.real
        self.mean = self.data.dtype.type(np.mean(np.abs(self.data)))
        self.residual = _dots(u, u) - self.data
        self.weights: Any = self.data.dtype.type(1)
        if weighted:
            share = self.data.dtype.type(floor)
            self.weights = self.mean / (np.maximum(self.data, 0) + share * self.mean)
        # Of like size for all data.
        self.relative_residual = self.residual / self.mean
        self.weighted_residual = self.weights * self.relative_residual

    @cached_property
    def misfit(self) -> float:
        """Norm of the residual relative to that of the data, with the weights."""
        data = self.data / self.mean
        square = _sum(self.weighted_residual * self.relative_residual)
        return float(np.sqrt(square / _sum(self.weights * data * data)))

    @property
    def objective(self) -> float:
        """The problem's."""
        return 0.5 * self.problem.loss.value(self.residual)

    def gradient(self, forms: Forms) -> Array:
        """``sum_i w_i e_i a_i u_i``."""
        slope = (self.weighted_residual * self.mean)[:, None] * self.u
        self.size = _norm(slope)
        return forms.combination(slope)

    def blurred(self, g: Array, forms: Forms) -> bool:
        """Whether rounding of vectors shows in the gradient."""
        error = SINGLE * self.size * float(np.sqrt(g.shape[0] * forms.mean_square))
        return error > BLUR * _norm(g)

    def preconditioned(self, g: Array) -> Array:
        """``g (c sum_i w_i u_i^H u_i)^{-1}``."""
        metric = self.u.conj().T @ (np.reshape(self.weights, (-1, 1)) * self.u)
        metric = metric * metric.real.dtype.type(_forms(self.problem).mean_square)
        top = float(np.max(metric.diagonal().real))
        if not (0.0 < top < np.inf and np.isfinite(g).all()):
            return g
        return divide(g, metric + np.diag(np.full(len(metric), LEAST * top, metric.real.dtype)))

    def relative(self, g: Array) -> float:
        """The relative gradient."""
        X = Factors(self.F, self.F)
        return relative_gradient(self.problem, X, Evaluation(0.0, g, g))

    def level(self, relative: float) -> float:
        """What the tolerance is compared with."""
        return max(relative, self.misfit) if self.weighted else relative

    def length(self, v: Array) -> float:
        """The positive minimiser of the loss along a direction with projections v."""
        e, we = self.relative_residual, self.weighted_residual
        a1, a2 = 2 * _dots(self.u, v) / self.mean, _dots(v, v) / self.mean
        w1, w2 = self.weights * a1, self.weights * a2
        c = np.array(
            [
                0.5 * _sum(we * e),
                _sum(we * a1),
                _sum(we * a2) + 0.5 * _sum(w1 * a1),
                _sum(w1 * a2),
                0.5 * _sum(w2 * a2),
            ]
        )
        if not np.isfinite(c).all():
            return float("nan")
        return positive_minimiser(c.tolist())


def _forms(problem: Problem) -> Forms:
    return problem.operator.forms  # type: ignore[attr-defined, no-any-return]


def _dots(u: Array, v: Array) -> Array:
    """``Re <u_i, v_i>``, row by row."""
    if u.dtype.kind == "c":
        u, v = u.view(u.real.dtype), v.view(v.real.dtype)
    return np.einsum("ij,ij->i", u, v)


def _sum(values: Array) -> float:
    # Not a BLAS product: its summation order changes with the number of threads.
    return float(np.sum(values, dtype=float))


def _norm(array: Array) -> float:
    return float(np.sqrt(_sum((array.conj() * array).real)))
