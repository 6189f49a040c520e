"""Gradient descent with thresholding: robust PCA."""

from __future__ import annotations

import numpy as np

from . import Transcription

inv = np.linalg.inv


def T(M, share):
    """Keep what is among the floor(share k) largest of its row and of its column; NaN is unseen."""
    size = np.abs(M)
    keep = np.ones(M.shape, bool)
    for axis in (0, 1):
        for line, kept in zip(np.moveaxis(size, axis, 0), np.moveaxis(keep, axis, 0), strict=True):
            seen = np.sort(line[~np.isnan(line)])[::-1]
            count = int(np.floor(share * seen.size + 1e-9))
            kept &= line >= seen[count - 1] if count else False
    return np.where(keep, M, 0)


def thresholded_scaledgd(d, L, R, eta=0.5, alpha=0.1):
    """S = T_{2 alpha}(Y - L R^T), then a scaled step on 1/2 |P(L R^T + S - Y)|^2."""
    Y = np.full(d.shape, np.nan)
    _, rows, cols = np.nonzero(d.A)
    Y[rows, cols] = d.y
    while True:
        S = T(Y - L @ R.T, 2 * alpha)
        Z = np.nan_to_num(L @ R.T + S - Y) / d.c
        L, R = L - eta * Z @ R @ inv(R.T @ R), R - eta * Z.T @ L @ inv(L.T @ L)
        yield L @ R.T


TRANSCRIPTIONS = {
    "thresholded_scaledgd": Transcription(
        thresholded_scaledgd,
        {"corruption": 0.1, "visible": 0.0},
        kinds=("robust_pca", "robust_completion"),
    ),
}
