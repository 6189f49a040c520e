"""Weighted conjugate gradients for quadratic forms."""

from __future__ import annotations

import numpy as np

from . import Transcription

FLOOR = 0.03


def quadratic_cg(d, L, R):
    """PR+ on ``1/4 sum_i w_i (a_i^T F F^T a_i - y_i)^2`` with w_i = mean / (y_i + FLOOR mean).

    Preconditioned by the mean over directions of the curvature, ``c sum_i w_i u_i u_i^T``.
    """
    F, m = L, len(d.y)
    # A_i = a_i a_i^T.
    top = np.linalg.eigh(d.A)
    a = top.eigenvectors[:, :, -1] * np.sqrt(top.eigenvalues[:, -1:])
    mean = np.abs(d.y).mean()
    w = mean / (np.maximum(d.y, 0) + FLOOR * mean)
    old = None
    while True:
        u = a @ F
        e = np.sum(u**2, axis=1) - d.y
        g = sum(w[i] * e[i] * np.outer(a[i], u[i]) for i in range(m))
        M = np.mean(a**2) * sum(w[i] * np.outer(u[i], u[i]) for i in range(m))
        z = g @ np.linalg.inv(M + 1e-8 * np.max(np.diag(M)) * np.eye(len(M)))
        direction = -z
        if old is not None:
            before, energy, step = old
            beta = max(0.0, np.sum((g - before) * z) / energy)
            turned = beta * step - z
            if np.sum(g * turned) <= -0.1 * np.sum(g * z):
                direction = turned
        v = a @ direction
        a1, a2 = 2 * np.sum(u * v, axis=1), np.sum(v**2, axis=1)
        quartic = [
            np.sum(w * a2 * a2),
            2 * np.sum(w * a1 * a2),
            np.sum(w * (2 * e * a2 + a1 * a1)),
            2 * np.sum(w * e * a1),
            np.sum(w * e * e),
        ]
        roots = np.roots(np.polyder(quartic))
        real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
        t = min(real, key=lambda t: np.polyval(quartic, t))
        old = g, np.sum(g * z), direction
        F = F + t * direction
        yield F @ F.T


TRANSCRIPTIONS = {"quadratic_cg": Transcription(quadratic_cg, kinds=("quadratic",))}
