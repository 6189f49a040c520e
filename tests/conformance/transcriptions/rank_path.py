"""The ridged rank path, with dense linear algebra and conjugate gradients written out."""

from __future__ import annotations

import numpy as np

from lowrank_la._random import stream

from . import Transcription
from .second_order import metric, tangent


def gradients(d, F, w):
    """Objective and gradient with the ridge; one factor for symmetric problems."""
    L, R = F[0], F[-1]
    e = d.residual(L @ R.T)
    Z = d.adjoint(e)
    share = 0.5 if d.symmetric else 1.0
    f = share * 0.5 * (e @ e + w * (np.sum(L**2) + np.sum(R**2)))
    return f, [Z @ R + w * L] if d.symmetric else [Z @ R + w * L, Z.T @ L + w * R]


def direction(d, F, g, w, tol, limit):
    """Conjugate gradients on (J^T J + w) D = -g, preconditioned by blocks, from zero."""
    L, R = F[0], F[-1]
    entries = np.allclose(np.count_nonzero(d.A, axis=(1, 2)), 1)
    J, K = tangent(d, L, R)
    M = metric(d, L, R, entries)
    B = np.hstack([J, K])
    if d.symmetric:
        B, M = (J + K) / np.sqrt(2), M[: L.size, : L.size]
    H = B.T @ B + w * np.eye(B.shape[1])
    C = np.linalg.inv(M + w * np.eye(len(M)))
    if not entries:
        # Dense measurements, in orthonormal bases of the factors: that is the metric alone.
        C, tol, limit = np.linalg.inv(M), tol**2, 1000
    r = -np.concatenate([p.ravel() for p in g])
    x, z = np.zeros_like(r), C @ r
    p, gamma = z, r @ z
    first, k = gamma, 0
    while k < limit and gamma > tol**2 * first:
        t = gamma / (p @ H @ p)
        x, r = x + t * p, r - t * (H @ p)
        z = C @ r
        p, gamma, k = z + (r @ z) / gamma * p, r @ z, k + 1
    cut = L.size
    parts = [x] if d.symmetric else [x[:cut], x[cut:]]
    return [p.reshape(f.shape) for p, f in zip(parts, F, strict=True)]


def step(d, F, w, tol, limit):
    """One step with the exact line search; also the objectives before and after."""
    before, g = gradients(d, F, w)
    D = direction(d, F, g, w, tol, limit)
    t = np.linspace(-1, 1, 5)
    values = [gradients(d, [f + s * p for f, p in zip(F, D, strict=True)], w)[0] for s in t]
    c = np.polyfit(t, values, 4)
    roots = np.roots(np.polyder(c))
    real = roots.real[(np.abs(roots.imag) < 1e-6 * np.abs(roots)) & (roots.real > 0)]
    t = min(real, key=lambda t: np.polyval(c, t))
    # Sharpened by Newton on the derivative along the line, free of the fit's cancellation.
    for _ in range(3):
        slope = slope_at(d, F, D, w, t)
        t -= slope / np.polyval(np.polyder(c, 2), t)
    F = [f + t * p for f, p in zip(F, D, strict=True)]
    return F, before, gradients(d, F, w)[0]


def slope_at(d, F, D, w, t):
    g = gradients(d, [f + t * p for f, p in zip(F, D, strict=True)], w)[1]
    return sum(np.sum(a * b) for a, b in zip(g, D, strict=True))


def balanced(d, F):
    u, s, vh = np.linalg.svd(F[0] @ F[-1].T)
    k = F[0].shape[1]
    if d.symmetric:
        u, s, _ = np.linalg.svd(F[0], full_matrices=False)
        return [u * s]
    return [u[:, :k] * np.sqrt(s[:k]), vh[:k].T * np.sqrt(s[:k])]


def leading(d, X, V):
    """Ten sweeps of block power iterations on A*(y - A(X))."""
    Z = -d.Z(X)
    for _ in range(10):
        V = np.linalg.qr(Z @ V if d.symmetric else Z.T @ (Z @ V))[0]
    if d.symmetric:
        s, turn = np.linalg.eigh(V.T @ Z @ V)
        V = V @ turn[:, ::-1]
        return V[:, :1], s[-1], V[:, :1], V
    u, s, vh = np.linalg.svd(V.T @ Z.T @ np.linalg.qr(Z @ V)[0])
    return np.linalg.qr(Z @ V)[0] @ vh.T[:, :1], s[0], V @ u[:, :1], V @ u


def added(d, F, V):
    """One more column along the leading pair of the residual, with its best coefficient."""
    X = F[0] @ F[-1].T
    u, s, v, V = leading(d, X, V)
    a = d.residual(u @ v.T) + d.y
    c = np.sqrt(-a @ d.residual(X) / (a @ a))
    return [np.hstack([f, c * p]) for f, p in zip(F, (u, v), strict=False)], s, V


def rank_path(d, L, R):
    n2, r = R.shape
    V = np.linalg.qr(stream(0, "block 0").standard_normal((n2, min(4, n2, len(L)))))[0]
    F = [np.zeros((len(L), 0))] if d.symmetric else [np.zeros((len(L), 0)), np.zeros((n2, 0))]
    F, s, V = added(d, F, V)
    while True:
        w = 0.1 * s
        while True:
            F, before, after = step(d, F, w, 0.1, 60)
            if after > (1 - 0.003) * before:
                break
            yield F[0] @ F[-1].T
        F = balanced(d, F)
        if F[0].shape[1] == r:
            break
        F, s, V = added(d, F, V)
        yield F[0] @ F[-1].T
    yield F[0] @ F[-1].T
    bottom = 1e-4 * w
    w *= 0.3
    while w >= bottom:
        for _ in range(2):
            F, before, after = step(d, F, w, 0.1, 60)
            yield F[0] @ F[-1].T
            if after > 0.95 * before:
                break
        F, w = balanced(d, F), 0.3 * w


# A start so far off that it explains nothing: the first try is a path.
TRANSCRIPTIONS = {
    "rank_path": Transcription(rank_path, {"ladder": ("rank:0.1:0.3",)}, distance=30.0)
}
