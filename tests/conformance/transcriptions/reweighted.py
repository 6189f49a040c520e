"""Reweighted Gauss-Newton for the absolute loss."""

from __future__ import annotations

import numpy as np

from . import Transcription


def reweighted(d, L, R):
    """h <- min(h, min(median|e|, 6 quarter|e|) / 5), w = min(1, h / |e|), and the weighted step."""
    (n1, r), n2 = L.shape, len(R)
    freedom = n1 * r - r * (r - 1) // 2 if d.symmetric else r * (n1 + n2 - r)
    k, low = (
        max(int(np.ceil(c)), int(np.ceil(1.25 * freedom))) - 1
        for c in (0.5 * len(d.y), 0.25 * len(d.y))
    )

    def threshold(e, h):
        size = np.sort(np.abs(e))
        h = min(h, 0.2 * min(size[k], 6 * size[low]))
        return max(h, np.finfo(float).eps * np.mean(np.abs(d.y)))

    h = np.inf
    while True:
        e = d.residual(L @ R.T)
        h = threshold(e, h)
        U, S = np.linalg.qr(L)
        V, T = np.linalg.qr(R)
        J = np.einsum("kij,jb->kib", d.A, V).reshape(len(d.A), -1)
        K = np.einsum("kij,ib->kjb", d.A, U).reshape(len(d.A), -1)
        # Least norm in orthonormal coordinates, dL = DL T^{-T} and dR = DR S^{-T}.
        B = J + K if d.symmetric else np.hstack([J, K])
        last, predicted = h, e
        for time in range(3):
            last = threshold(predicted, last) if time else h
            w = last / np.maximum(np.abs(predicted), last)
            x = np.linalg.lstsq(np.sqrt(w)[:, None] * B, -np.sqrt(w) * e, rcond=1e-10)[0]
            predicted = e + B @ x
        dL = x[: L.size].reshape(L.shape) @ np.linalg.inv(T).T
        dR = dL if d.symmetric else x[L.size :].reshape(R.shape) @ np.linalg.inv(S).T

        def huber(t, L=L, R=R, dL=dL, dR=dR, h=last):
            z = np.abs(d.residual((L + t * dL) @ (R + t * dR).T))
            return np.sum(np.where(z <= h, 0.5 * z**2, h * (z - 0.5 * h)))

        t = next((t for t in 0.5 ** np.arange(12) if huber(t) <= huber(0)), 0.0)
        L, R = L + t * dL, R + t * dR
        yield L @ R.T


KINDS = ("robust_sensing", "robust_symmetric")
TRANSCRIPTIONS = {"reweighted": Transcription(reweighted, {"inner_tol": 0.0}, KINDS, distance=0.2)}
