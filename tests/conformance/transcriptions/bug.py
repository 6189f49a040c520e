"""Integrators of the gradient flow on matrices of low rank."""

from __future__ import annotations

import numpy as np

from . import Transcription

ETA, TAU = 0.5, 0.1


def bug(d, L, R):
    """Rank-adaptive: K and L steps, bases that keep the old ones, Galerkin step, truncation."""
    U, s, Vt = np.linalg.svd(L @ R.T, full_matrices=False)
    k = L.shape[1]
    U, S, V = U[:, :k], np.diag(s[:k]), Vt[:k].T
    while True:
        G = d.Z(U @ S @ V.T) / d.c
        Uh, _ = np.linalg.qr(np.hstack([U @ S - ETA * G @ V, U]))
        Vh, _ = np.linalg.qr(np.hstack([V @ S.T - ETA * G.T @ U, V]))
        if d.symmetric:
            Vh = Uh
        S0 = (Uh.T @ U) @ S @ (V.T @ Vh)
        S1 = S0 - ETA * Uh.T @ (d.Z(Uh @ S0 @ Vh.T) / d.c) @ Vh
        P, s, Qt = np.linalg.svd(S1)
        tails = np.sqrt(np.cumsum(s[::-1] ** 2)[::-1])
        k = max(1, np.sum(tails > TAU * tails[0]))
        U, S, V = Uh @ P[:, :k], np.diag(s[:k]), Vh @ Qt[:k].T
        yield U @ S @ V.T


TRANSCRIPTIONS = {"bug": Transcription(bug, {"step_size": ETA, "adaptive": True, "tolerance": TAU})}
