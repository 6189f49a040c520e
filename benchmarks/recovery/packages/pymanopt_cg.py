"""Pymanopt: Riemannian conjugate gradient on matrices of fixed rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import Completion
from ._entries import Entries

SETTINGS = ({"step": "exact"}, {"step": "adaptive"})


@contender("Pymanopt CG", "completion", requires=["pymanopt"], settings=SETTINGS)
def conjugate_gradient(task: Completion, run: Run, *, step: str) -> Any:
    """`pymanopt` with `FixedRankEmbedded`, `ConjugateGradient` (its default rule) and the spectral
    start. We supply the Riemannian gradient from a sparse residual, products of three factors in
    the cheap order (as shipped, transport forms the n x n matrix), and as a second line search
    the step that is exact on the tangent space."""
    import pymanopt
    from pymanopt.manifolds import FixedRankEmbedded
    from pymanopt.optimizers import ConjugateGradient
    from pymanopt.optimizers.line_search import AdaptiveLineSearcher

    class Manifold(FixedRankEmbedded):  # type: ignore[misc]
        def _apply_ambient(self, vector: Any, matrix: Any) -> Any:
            if isinstance(vector, (list, tuple)):
                return vector[0] @ (vector[1] @ (vector[2].T @ matrix))
            return vector @ matrix

        def _apply_ambient_transpose(self, vector: Any, matrix: Any) -> Any:
            if isinstance(vector, (list, tuple)):
                return vector[2] @ (vector[1].T @ (vector[0].T @ matrix))
            return vector.T @ matrix

    with run.preparing():
        entries = Entries(task)
    manifold = Manifold(*task.shape, task.rank)

    @pymanopt.function.numpy(manifold)
    def cost(u: Any, s: Any, vt: Any) -> float:
        data = entries.residual(u * s, np.ascontiguousarray(vt.T)).data
        return 0.5 * float(data @ data)

    @pymanopt.function.numpy(manifold)
    def gradient(u: Any, s: Any, vt: Any) -> Any:
        right = np.ascontiguousarray(vt.T)
        run.stop_if_reached(lambda: (u * s, right))
        return manifold.projection((u, s, vt), entries.residual(u * s, right))

    class Exact:
        """The minimiser along the tangent first, halved until the cost falls."""

        def search(self, objective: Any, manifold: Any, x: Any, d: Any, f0: Any, df0: Any) -> Any:
            u, _, vt = x
            tangent = (np.hstack((u @ d.M + d.Up, u)), np.hstack((vt.T, d.Vp)))
            along = entries.at(*tangent)
            alpha = -float(df0) / float(along @ along)
            for _ in range(25):
                new = manifold.retraction(x, alpha * d)
                if objective(new) <= f0 + 1e-4 * alpha * df0:
                    return alpha * manifold.norm(x, d), new
                alpha *= 0.5
            return 0.0, x

    u, s, vt = entries.spectral()
    optimiser = ConjugateGradient(
        line_searcher=Exact() if step == "exact" else AdaptiveLineSearcher(),
        max_iterations=10**6,
        max_time=1e9,
        min_gradient_norm=1e-14,
        min_step_size=1e-14,
        verbosity=0,
    )
    problem = pymanopt.Problem(manifold, cost, riemannian_gradient=gradient)
    # The manifold's own type of point.
    start = type(manifold.random_point())(u.copy(), s.copy(), vt.copy())
    u, s, vt = optimiser.run(problem, initial_point=start).point
    return u * s, np.ascontiguousarray(vt.T)
