"""Gradient descent with the one-step acceleration for too many columns."""

from __future__ import annotations

import numpy as np

from . import Transcription

ETA, BETA, SWITCH, SIGMA = 0.4, 0.9, 4, 1.2


def gd_one_step(d, F, G):
    """F <- F - eta Z G, G <- G - eta Z^T F; with F = P S Q^T once (beta P, G Q S / beta)."""
    t = 0
    while True:
        if t == SWITCH:
            P, S, Qt = np.linalg.svd(F, full_matrices=False)
            F, G = BETA * P, G @ Qt.T @ np.diag(S) / BETA
        Z = d.Z(F @ G.T) / (d.c * SIGMA)
        F, G = F - ETA * Z @ G, G - ETA * Z.T @ F
        t += 1
        yield F @ G.T


TRANSCRIPTIONS = {
    "gd_one_step": Transcription(
        gd_one_step,
        {"step_size": ETA, "sigma_max": SIGMA, "switch_at": SWITCH, "beta": BETA},
        kinds=("completion", "sensing"),
    )
}
