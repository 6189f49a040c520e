"""MatrixIRLS, with the square root of the weight operator written down as a matrix on vec(X)."""

from __future__ import annotations

import numpy as np

from . import Transcription


def matrix_irls(d, L, R):
    """X minimises <X, W(X)> under A(X) = y; then smoothing and weights anew."""
    n1, n2 = d.shape
    rank = L.shape[1]
    known = d.A.reshape(len(d.y), -1).argmax(axis=1)
    unknown = np.setdiff1d(np.arange(n1 * n2), known)
    X = L @ R.T
    X = X - d.Z(X)
    eps = np.inf
    while True:
        U, s, Vh = np.linalg.svd(X)
        eps = max(min(eps, s[rank]), np.finfo(float).eps * s[0])
        # Padded: directions outside of the smaller side have the weight of eps too.
        left, right = np.full(n1, eps), np.full(n2, eps)
        left[: s.size], right[: s.size] = np.maximum(s, eps), np.maximum(s, eps)
        # <X, W(X)> is the sum of (u_i^T X v_j)^2 / (left_i right_j), rows first. Least squares in
        # the unknown entries keeps the digits that a system with W^{-1} loses with small eps.
        root = np.kron(U.T / np.sqrt(left)[:, None], Vh / np.sqrt(right)[:, None])
        Q, T = np.linalg.qr(root[:, unknown])
        x = np.empty(n1 * n2)
        x[known] = d.y
        x[unknown] = -np.linalg.solve(T, Q.T @ (root[:, known] @ d.y))
        X = x.reshape(n1, n2)
        U, s, Vh = np.linalg.svd(X)
        yield (U[:, :rank] * s[:rank]) @ Vh[:rank]


TRANSCRIPTIONS = {
    "matrix_irls": Transcription(
        matrix_irls, {"inner_tol": 1e-14}, kinds=("completion",), distance=3.0
    ),
}
