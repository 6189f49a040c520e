"""Gauss-Newton on both factors, with the linear problem solved exactly."""

from __future__ import annotations

import numpy as np

from . import Transcription


def tangent(d, L, R):
    """The measurements of dL R^T + L dR^T as a matrix on (vec dL, vec dR), rows first."""
    J = np.einsum("kij,jb->kib", d.A, R).reshape(len(d.A), -1)
    K = np.einsum("kij,ib->kjb", d.A, L).reshape(len(d.A), -1)
    return J, K


def metric(d, L, R, entries):
    """The preconditioner: r x r blocks for entries, Gram matrices times isometry otherwise."""
    blocks = []
    for A, F in ((d.A, R), (d.A.transpose(0, 2, 1), L)):
        for i in range(A.shape[1]):
            G = d.c * F.T @ F
            if entries:
                v = A[:, i] @ F
                G = v.T @ v
            blocks.append(G)
    r, n = L.shape[1], len(blocks)
    M = np.zeros((n * r, n * r))
    for i, G in enumerate(blocks):
        M[i * r : i * r + r, i * r : i * r + r] = G
    return M


def gauss_newton(d, L, R):
    entries = np.allclose(np.count_nonzero(d.A, axis=(1, 2)), 1)
    while True:
        e = d.residual(L @ R.T)
        J, K = tangent(d, L, R)
        M = metric(d, L, R, entries)
        if d.symmetric:
            # One factor: both parts of J act on it, and M is that of one factor.
            B, M = J + K, M[: L.size, : L.size] * 2.0
        else:
            B = np.hstack([J, K])
        # Least norm in M: x = M^{-1/2} z with the least z.
        C = np.linalg.inv(np.linalg.cholesky(M)).T
        x = C @ np.linalg.lstsq(B @ C, -e, rcond=1e-10)[0]
        dL = x[: L.size].reshape(L.shape)
        dR = dL if d.symmetric else x[L.size :].reshape(R.shape)
        a1, a2 = (d.residual(Z) + d.y for Z in (dL @ R.T + L @ dR.T, dL @ dR.T))
        c = [a2 @ a2, 2 * a1 @ a2, a1 @ a1 + 2 * e @ a2, 2 * e @ a1, e @ e]
        roots = np.roots(np.polyder(c))
        real = roots.real[np.abs(roots.imag) < 1e-8 * np.abs(roots)]
        t = min(real[real > 0], key=lambda t: np.polyval(c[:-1], t) * t)
        L, R = L + t * dL, R + t * dR
        yield L @ R.T


EXACT = {"inner_tol": 1e-15, "inner_limit": 2000}
TRANSCRIPTIONS = {"gauss_newton": Transcription(gauss_newton, EXACT)}
