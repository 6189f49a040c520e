"""Methods that move one factor at a time."""

from __future__ import annotations

import numpy as np

from . import Transcription


def argmin(d, fixed, *, transpose):
    """argmin_W |A(W fixed^T) - y|, or of |A(fixed W^T) - y| if `transpose`."""
    A = d.A.transpose(0, 2, 1) if transpose else d.A
    # <A_i, W fixed^T> = <A_i fixed, W>
    columns = np.einsum("kij,jq->kiq", A, fixed).reshape(d.y.size, -1)
    return np.linalg.lstsq(columns, d.y, rcond=None)[0].reshape(A.shape[1], -1)


def altmin(d, L, R):
    """V = argmin_V |A(U V^T) - y|, then U = argmin_U."""
    while True:
        R = argmin(d, L, transpose=True)
        L = argmin(d, R, transpose=False)
        yield L @ R.T


def agn(d, L, R):
    """L <- L - eta Z (R^T)^+, then R <- R - eta Z^T (L^T)^+ with the residual of the new L."""
    pinv = np.linalg.pinv
    while True:
        L = L - 0.4 * d.Z(L @ R.T) / d.c @ pinv(R.T)
        R = R - 0.4 * d.Z(L @ R.T).T / d.c @ pinv(L.T)
        yield L @ R.T


# With solves to rounding accuracy and all entries in each, the inexact method is the exact one.
EXACT = {"inexact_tol": 0.0, "forcing": 0.0, "damping": 0.0, "sketch_size": 6}

TRANSCRIPTIONS = {
    "altmin": Transcription(altmin, {"relaxation": 1.0}, kinds=("completion",)),
    "agn": Transcription(agn, {"step_size": 0.4}, kinds=("completion", "sensing")),
    "robust_altmin": Transcription(altmin, EXACT, kinds=("completion",)),
}
