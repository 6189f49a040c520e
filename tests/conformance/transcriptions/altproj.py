"""Accelerated alternating projections: robust PCA."""

from __future__ import annotations

import numpy as np

from . import Transcription


def altproj(d, L, R, gamma=0.7, beta=0.3):
    """L = H_r P_T(L + P(Y - S - L) / p); z = beta (s_{r+1} + gamma^k s_1); S = T_z(Y - L)."""
    Y = np.full(d.shape, np.nan)
    _, rows, cols = np.nonzero(d.A)
    Y[rows, cols] = d.y
    r = L.shape[1]
    X = L @ R.T
    k, z = 0, beta * np.linalg.svd(X)[1][0]
    while True:
        E = np.nan_to_num(Y - X)
        S = np.where(np.abs(E) > z, E, 0)
        u, _, vh = np.linalg.svd(X)
        U, V = u[:, :r] @ u[:, :r].T, vh[:r].T @ vh[:r]
        M = X + (E - S) / d.c
        u, s, vh = np.linalg.svd(U @ M + M @ V - U @ M @ V)
        k += 1
        z = beta * (s[r] + gamma**k * s[0])
        X = (u[:, :r] * s[:r]) @ vh[:r]
        yield X


TRANSCRIPTIONS = {
    "altproj": Transcription(
        altproj,
        {"decay": 0.7, "scale": 0.3},
        kinds=("robust_pca", "robust_completion"),
        distance=0.2,
    ),
}
