"""Gradient descent on the layers of a linear network for the Bures-Wasserstein loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from .. import _check
from .._typing import Array
from ..bures_wasserstein import BuresWasserstein
from ..errors import SolverBreakdownError
from ..factors import Factors
from ..losses import Squared
from ..operators.full import FullObservation
from ..problem import Evaluation, Problem
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["DeepLinear"]


@dataclass
class DeepLinearState:
    """The layers, and the loss at their product.

    Attributes
    ----------
    hidden : array, shape (depth - 1, r, r)
        Layers W_1, ..., W_{N-1}, the one next to the input first.
    last : array, shape (n, r)
        Layer W_N.
    product : array, shape (n, r)
        ``W = W_N ... W_1``.
    value : float
        Loss at W.
    gradient : array, shape (n, r)
        Its gradient in W.
    step : float
        Length of the steps.
    optimum : float
        Least loss over products of this rank.
    total : float
        ``tr(Sigma)``, the unit of the loss.
    rounding : float
        What rounding may make of a loss.
    iteration : int
        Iterations done.
    """

    hidden: Array
    last: Array
    product: Array
    value: float
    gradient: Array
    step: float
    optimum: float
    total: float
    rounding: float
    iteration: int = 0

    @property
    def relative_gradient(self) -> float:
        """The gradient in W over ``2 |R|_F``: the relative distance to the nearest ``R Q``."""
        return float(np.linalg.norm(self.gradient)) / (2 * float(np.sqrt(self.total)))

    @property
    def excess(self) -> float:
        """Loss above the optimum over `total`, less what rounding may make of it."""
        return max(self.value - self.optimum - self.rounding, 0.0) / self.total


def _refuses(problem: Problem) -> str | None:
    if not isinstance(problem.operator, FullObservation):
        return (
            f"needs the whole covariance, through FullObservation, and not "
            f"{type(problem.operator).__name__}; lowrank_la.problems.covariance makes such problems"
        )
    return "has no term for a nuclear-norm weight; set nuclear=0" if problem.nuclear else None


@register(
    SolverInfo(
        name="deep_linear",
        summary="a deep linear network fitted to a covariance in Bures-Wasserstein distance",
        losses=(Squared,),
        asymmetric=False,
        gauge_invariant=True,
        refuses=_refuses,
        references=(
            "Brechet, Papagiannouli, An, Montufar (2023), Critical points and convergence analysis "
            "of generative deep linear networks trained with Bures-Wasserstein loss, ICML, "
            "arXiv:2303.03027",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class DeepLinear(Solver):
    """Gradient descent on the layers of a deep linear network, Bures-Wasserstein loss.

    The network ``W = W_N ... W_1`` turns white noise of r dimensions into Gaussian data whose
    covariance ``W W^H`` is fitted to the target. Hidden layers are as wide as the rank searched
    for, which is the bottleneck.

    Parameters
    ----------
    depth : int
        Number N of layers; 1 is gradient descent on W itself.
    step_size : float
        In units of ``1 / (2 N lambda_1^{(N-1)/N})`` with lambda_1 the largest eigenvalue of the
        target, about the inverse of the largest curvature: stable below about 1.
    smoothing : float
        The tau of the smoothed loss, in units of the target. Needed where W may lose rank.

    Model
    -----
    ``min BW^2(W W^H + tau I, Sigma)``, which is ``tr(W W^H) + n tau + tr(Sigma) - 2 tr((R (W W^H +
    tau I) R)^{1/2})`` with R^2 = Sigma. The trace records this loss and not the squared one of the
    problem. `tol` is compared with its gradient in W over ``2 |R|_F``, or with the root of how
    far it is above the least loss of this rank, relative to the trace, where that is larger:
    runs that end at a saddle do not count as converged, and say so in their parts. Note that with
    tau > 0 the minimiser has the eigenvalues ``lambda_i - tau`` and not those of Sigma.

    Update
    ------
    ``W_i <- W_i - eta (W_N ... W_{i+1})^H G (W_{i-1} ... W_1)^H`` for all layers at once, with
    ``G = 2 (W - R (R (W W^H + tau I) R)^{-1/2} R W)``. From the start ``F = U S V^H`` all layers
    get the same singular values: ``W_N = U S^{1/N}``, then ``S^{1/N}``, and ``W_1 = S^{1/N} V^H``.

    Assumptions
    -----------
    The covariance is known in full; its spectrum, the default start, is already the optimum if
    there is no smoothing, so give another one, such as `start` = "small_random" with an
    `init_scale` of 0.1 (at 0 the loss of two or more layers is flat). Without smoothing, W keeps
    full rank on the way, which a start of full rank not too far from the target ensures; where
    it loses rank the loss has no gradient, and the run ends with a message that says so.
    Balanced layers stay balanced up to O(step_size).

    Guarantee
    ---------
    Linear convergence from balanced layers within the margin of full rank (Theorems of the paper
    on gradient flow and descent, with far smaller constants). Near a balanced optimum of full
    rank the loss falls by about ``4 N lambda_min^{(N-1)/N}`` per unit of time, for N = 1
    whatever the condition number. With a bottleneck r, minimisers hold the top r eigenvectors.

    Cost
    ----
    O(n^2 r + N r^3) per iteration without smoothing, O(n^3 + N r^3) with it.

    References
    ----------
    Brechet, Papagiannouli, An, Montufar (2023), arXiv:2303.03027.
    """

    depth: int = 2
    step_size: float = 0.5
    smoothing: float = 0.0
    state_type: ClassVar[type] = DeepLinearState

    def __post_init__(self) -> None:
        _check.count(self.depth, "depth", low=1)
        _check.number(self.step_size, "step_size", low=0.0, high=np.finfo(float).max)
        _check.number(self.smoothing, "smoothing", low=0.0, high=np.finfo(float).max)

    def loss(self, problem: Problem) -> BuresWasserstein:
        """The loss, with the Hermitian part of the data as the target."""
        data = problem.data.reshape(problem.shape)
        return BuresWasserstein(0.5 * (data + data.conj().T), self.smoothing)

    def init(self, problem: Problem, start: Factors) -> DeepLinearState:
        """Balanced layers whose product is the start."""
        loss = self.loss(problem)
        u, s, vh = np.linalg.svd(start.left, full_matrices=False)
        root = s ** (1.0 / self.depth)
        rank = start.rank
        hidden = np.zeros((self.depth - 1, rank, rank), start.dtype)
        if self.depth == 1:
            last = start.left
        else:
            hidden[:] = np.diag(root)
            hidden[0] = root[:, None] * vh
            last = u * root
        # The product but for rounding: a resumed run begins with the bits that it ended with.
        product = start.left
        value, gradient = loss.evaluate(product)
        top = float(loss.eigenvalues[0]) ** ((self.depth - 1) / self.depth)
        step = self.step_size / (2 * self.depth * top)
        optimum, _ = loss.optimum(rank)
        total, n = float(loss.eigenvalues.sum(dtype=float)), len(product)
        rounding = 16 * n * float(np.finfo(product.dtype).eps) * (total + n * self.smoothing)
        return DeepLinearState(
            hidden, last, product, value, gradient, step, optimum, total, rounding
        )

    def advance(self, problem: Problem, state: DeepLinearState, k: int) -> None:
        """Take k steps."""
        if k == 0:
            return
        loss = self.loss(problem)
        for _ in range(k):
            step = state.last.real.dtype.type(state.step)
            d_hidden, d_last = layer_gradients(state.hidden, state.last, state.gradient)
            hidden, last = state.hidden - step * d_hidden, state.last - step * d_last
            product = _product(hidden, last)
            if not np.isfinite(product).all():
                raise SolverBreakdownError("the layers are not finite: the step is too long")
            value, gradient = loss.evaluate(product)
            state.hidden, state.last, state.product = hidden, last, product
            state.value, state.gradient = value, gradient
            state.iteration += 1

    def factors(self, state: DeepLinearState) -> Factors:
        """``W W^H``."""
        return Factors(state.product, state.product)

    def resume(self, state: DeepLinearState, previous: DeepLinearState) -> None:
        """Carry over the layers, which their product does not determine."""
        if state.hidden.shape != previous.hidden.shape:
            return
        state.hidden, state.last = previous.hidden, previous.last
        if state.value == previous.value:
            state.iteration = previous.iteration

    def evaluation(self, problem: Problem, state: DeepLinearState) -> Evaluation:
        """The Bures-Wasserstein loss, and its gradient in the factor W."""
        return Evaluation(state.value, state.gradient, state.gradient)

    def stationarity(self, problem: Problem, state: DeepLinearState) -> float:
        """The relative gradient, or the root of the relative excess loss where that is larger.

        Every set of eigenvectors of the target makes a stationary point, and the least loss is
        known: so that a saddle does not count as converged.
        """
        return max(state.relative_gradient, float(np.sqrt(state.excess)))

    def standstill(self, state: DeepLinearState) -> str | None:
        """A saddle, where the gradient is small and the loss is not."""
        gradient, excess = state.relative_gradient, float(np.sqrt(state.excess))
        quiet = gradient <= float(np.sqrt(np.finfo(state.product.dtype).eps))
        if not (quiet and excess > 10 * gradient):
            return None
        return (
            f"a saddle: the loss is {state.value:.3g} and the least of this rank "
            f"{state.optimum:.3g}; perturb the start, or take another one"
        )

    def parts(self, state: DeepLinearState) -> Mapping[str, Any]:
        """The largest ``|W_{i+1}^H W_{i+1} - W_i W_i^H|_F``, and whether this is a saddle.

        "excess" is the loss above the least one of this rank, relative to ``tr(Sigma)``;
        "saddle" that it is not small although the gradient is. The layers are in the state.
        """
        layers = [*state.hidden, state.last]
        gaps = [
            float(np.linalg.norm(above.conj().T @ above - below @ below.conj().T))
            for below, above in pairwise(layers)
        ]
        return {
            "imbalance": max(gaps, default=0.0),
            "excess": state.excess,
            "saddle": self.standstill(state) is not None,
        }


def _product(hidden: Array, last: Array) -> Array:
    out = last
    for layer in hidden[::-1]:
        out = out @ layer
    return out


def layer_gradients(hidden: Array, last: Array, gradient: Array) -> tuple[Array, Array]:
    """Gradients of the layers from that of their product, by one pass up and one down."""
    below = [np.eye(last.shape[1], dtype=last.dtype)]
    for layer in hidden:
        below.append(layer @ below[-1])
    out = np.empty_like(hidden)
    # (W_N ... W_{i+1})^H G, from the top layer down.
    pulled = last.conj().T @ gradient
    for i in range(len(hidden) - 1, -1, -1):
        out[i] = pulled @ below[i].conj().T
        pulled = hidden[i].conj().T @ pulled
    return out, gradient @ below[-1].conj().T
