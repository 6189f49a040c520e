"""Subgradient methods for the absolute loss."""

from __future__ import annotations

import numpy as np

from . import Transcription

inv = np.linalg.inv
ETA, SIGMA = 0.4, 1.3
KINDS = ("robust_sensing", "robust_symmetric")


def median_step(e, c):
    """eta |D| / |E Z|: Gaussian e = <A_i, D> have median 0.6745 sqrt(c / m) |D|_F, and
    E sum_i sign(e_i) A_i = sqrt(2 m c / pi) D / |D|_F."""
    return ETA * np.median(np.abs(e)) / 0.6744897501960817 / np.sqrt(2 / np.pi) / c


def subgradient(d, L, R, step=lambda t, e, L, R, Z: None, scaled=False):
    """L <- L - eta Z R, R <- R - eta Z^T L, both with the old factors; inverses if scaled."""
    t = 0
    while True:
        e = d.residual(L @ R.T)
        Z = d.adjoint(np.sign(e))
        eta = step(t, e, L, R, Z)
        left, right = (inv(R.T @ R), inv(L.T @ L)) if scaled else (np.eye(L.shape[1]),) * 2
        if d.symmetric:
            L = R = L - eta * Z @ L @ left
        else:
            L, R = L - eta * Z @ R @ left, R - eta * Z.T @ L @ right
        t += 1
        yield L @ R.T


def plain(d, L, R):
    return subgradient(d, L, R, lambda t, e, L, R, Z: median_step(e, d.c) / SIGMA)


def scaled(d, L, R):
    return subgradient(d, L, R, lambda t, e, L, R, Z: median_step(e, d.c), scaled=True)


TRANSCRIPTIONS = {
    "subgradient": Transcription(
        plain, {"step_size": ETA, "sigma_max": SIGMA}, kinds=KINDS, distance=0.3
    ),
    "scaled_subgradient": Transcription(scaled, {"step_size": ETA}, kinds=KINDS, distance=0.3),
}
