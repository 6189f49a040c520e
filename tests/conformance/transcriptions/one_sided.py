"""One-sided completion."""

from __future__ import annotations

import numpy as np

from . import Transcription

ETA, RIDGE = 0.3, 0.05


def one_sided(d, L, R):
    """U <- U - eta (W o (U U^T - S)) U (U^T U)^{-1}, and ridge regression for the rows."""
    (n1, n2), seen = d.shape, d.A.sum(axis=0)
    M = np.einsum("k,kij->ij", d.y, d.A)
    W = seen.T @ seen
    S = np.where(W > 0, M.T @ M / np.maximum(W, 1), 0)
    # In units of the isometry, that is, of the mean weight over all n2^2 positions.
    pairs = np.triu(W > 0)
    units = np.sum(np.where(pairs, 2 * W - np.diag(np.diag(W)), 0)) / n2**2
    values, vectors = np.linalg.eigh(L.T @ L / n1)
    U = R @ vectors @ np.diag(np.sqrt(values)) @ vectors.T
    ridge = RIDGE * np.mean(d.y**2) * np.eye(L.shape[1])
    while True:
        Z = W * (U @ U.T - S) / units
        U = U - ETA * Z @ U @ np.linalg.inv(U.T @ U)
        rows = [
            np.linalg.solve(U.T @ np.diag(mask) @ U + ridge, U.T @ row)
            for mask, row in zip(seen, M, strict=True)
        ]
        yield np.array(rows) @ U.T


TRANSCRIPTIONS = {
    "one_sided": Transcription(one_sided, {"step_size": ETA, "ridge": RIDGE}, kinds=("completion",))
}
