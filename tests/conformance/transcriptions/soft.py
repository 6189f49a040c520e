"""Scaled gradient descent with soft thresholding: robust PCA."""

from __future__ import annotations

import numpy as np

from . import Transcription

inv = np.linalg.inv


def soft(M, z):
    """sign(M) max(|M| - z, 0)."""
    return np.sign(M) * np.maximum(np.abs(M) - z, 0)


def soft_scaledgd(d, L, R, eta=0.7, zeta=0.3, gamma=0.8):
    """S = soft(Y - L R^T, gamma^k zeta), then a scaled step on 1/2 |P(L R^T + S - Y)|^2."""
    Y = np.full(d.shape, np.nan)
    _, rows, cols = np.nonzero(d.A)
    Y[rows, cols] = d.y
    while True:
        S = soft(Y - L @ R.T, zeta)
        Z = np.nan_to_num(L @ R.T + S - Y) / d.c
        L, R = L - eta * Z @ R @ inv(R.T @ R), R - eta * Z.T @ L @ inv(L.T @ L)
        zeta *= gamma
        yield L @ R.T


TRANSCRIPTIONS = {
    "soft_scaledgd": Transcription(
        soft_scaledgd,
        {"step_size": 0.7, "threshold": 0.3, "decay": 0.8},
        kinds=("robust_pca", "robust_completion"),
        distance=0.2,
    ),
}
