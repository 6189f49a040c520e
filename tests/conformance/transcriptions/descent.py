"""Gradient descent and its preconditioned relatives."""

from __future__ import annotations

import numpy as np

from . import Transcription

inv = np.linalg.inv
SIGMA = 1.3


def descent(d, L, R, eta, metrics):
    """L <- L - eta Z R M_L^{-1}, R <- R - eta Z^T L M_R^{-1}, both with the old factors."""
    while True:
        X = L @ R.T
        Z = d.Z(X) / d.c
        left, right = metrics(L, R, X)
        if d.symmetric:
            L = R = L - eta * Z @ L @ inv(left)
        else:
            L, R = L - eta * Z @ R @ inv(left), R - eta * Z.T @ L @ inv(right)
        yield L @ R.T


def gd(d, L, R):
    eye = np.eye(L.shape[1])
    return descent(d, L, R, 0.5 / SIGMA, lambda L, R, X: (eye, eye))


def scaledgd(d, L, R):
    return descent(d, L, R, 0.5, lambda L, R, X: (R.T @ R, L.T @ L))


def scaledgd_lambda(d, L, R):
    shift = 0.05 * np.eye(L.shape[1])
    return descent(d, L, R, 0.3, lambda L, R, X: (R.T @ R + shift, L.T @ L + shift))


def precgd(d, L, R):
    def metrics(L, R, X):
        f = np.sum(d.residual(X) ** 2) / d.c * (0.25 if d.symmetric else 0.5)
        shift = np.sqrt(f) * np.eye(L.shape[1])
        return R.T @ R + shift, L.T @ L + shift

    return descent(d, L, R, 0.3, metrics)


TRANSCRIPTIONS = {
    "gd": Transcription(gd, {"sigma_max": SIGMA, "step_size": 0.5}),
    "scaledgd": Transcription(scaledgd, {"step_size": 0.5}),
    "scaledgd_lambda": Transcription(scaledgd_lambda, {"damping": 0.05, "step_size": 0.3}),
    "precgd": Transcription(precgd, {"step_size": 0.3}),
}
