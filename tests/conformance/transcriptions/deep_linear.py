"""Layers of a linear network, with the matrix square root as the paper writes it."""

from __future__ import annotations

import numpy as np

from . import Transcription

ETA, TAU = 0.2, 0.1


def power(M, exponent):
    values, vectors = np.linalg.eigh(M)
    return (vectors * values**exponent) @ vectors.T


def deep_linear(d, L, R):
    """W_i <- W_i - eta (W_N ... W_{i+1})^T grad (W_{i-1} ... W_1)^T; N = 3, tau = 0.1."""
    sigma = d.y.reshape(d.shape)
    root, eye = power(sigma, 0.5), np.eye(len(sigma))
    step = ETA / (6 * np.linalg.eigvalsh(sigma)[-1] ** (2 / 3))
    u, s, vh = np.linalg.svd(L)
    S = np.diag(s ** (1 / 3))
    A, B, C = S @ vh, S, u @ S
    while True:
        W = C @ B @ A
        inner = power(root @ (W @ W.T + TAU * eye) @ root, -0.5)
        G = 2 * (W - root @ inner @ root @ W)
        A, B, C = (
            A - step * B.T @ C.T @ G,
            B - step * C.T @ G @ A.T,
            C - step * G @ A.T @ B.T,
        )
        W = C @ B @ A
        yield W @ W.T


TRANSCRIPTIONS = {
    "deep_linear": Transcription(
        deep_linear, {"depth": 3, "step_size": ETA, "smoothing": TAU}, kinds=("covariance",)
    )
}
