"""Conjugate gradients on the factors and on the manifold; alternating steepest descent."""

from __future__ import annotations

import numpy as np

from . import Transcription

inv, norm = np.linalg.inv, np.linalg.norm
REFRESH = 0.15


def minimiser(d, L, R, DL, DR):
    """The t > 0 that minimises |A((L + t DL)(R + t DR)^T) - y|^2."""
    e = d.residual(L @ R.T)
    a1 = d.residual(DL @ R.T + L @ DR.T) + d.y
    a2 = d.residual(DL @ DR.T) + d.y
    quartic = [a2 @ a2, 2 * a1 @ a2, 2 * e @ a2 + a1 @ a1, 2 * e @ a1, e @ e]
    roots = np.roots(np.polyder(quartic))
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return min(real, key=lambda t: np.polyval(quartic, t))


def row_blocks(d, L, R):
    """Normal matrices of the rows of L and of R, and 0.02 of their means."""
    seen = np.abs(d.A).sum(axis=0)
    left = np.einsum("ij,ja,jb->iab", seen, R, R) + 0.02 * d.c * R.T @ R
    right = np.einsum("ij,ia,ib->jab", seen, L, L) + 0.02 * d.c * L.T @ L
    return inv(left), inv(right)


def nonlinear_cg(d, L, R):
    """d <- -P^{-1} g + beta d with beta = max(0, <g - g_old, P^{-1} g> / <g_old, z_old>)."""
    entries = np.all(np.count_nonzero(d.A, axis=(1, 2)) == 1)
    moved, old = np.inf, None
    while True:
        Z = d.Z(L @ R.T)
        g = np.vstack([Z @ R, Z.T @ L])
        n = len(L)
        if entries:
            if moved > REFRESH:
                left, right = row_blocks(d, L, R)
                moved = 0.0
            z = np.vstack(
                [np.einsum("ia,iab->ib", g[:n], left), np.einsum("ia,iab->ib", g[n:], right)]
            )
        else:
            z = np.vstack([g[:n] @ inv(R.T @ R), g[n:] @ inv(L.T @ L)]) / d.c
        beta = 0.0
        if old is not None:
            before, energy, step = old
            beta = max(0.0, np.sum((g - before) * z) / energy)
        direction = -z + (beta * step if beta else 0.0)
        if np.sum(g * direction) > -0.1 * np.sum(g * z):
            direction = -z
        t = minimiser(d, L, R, direction[:n], direction[n:])
        old = g, np.sum(g * z), direction
        DL, DR = t * direction[:n], t * direction[n:]
        moved += np.hypot(norm(DL @ R.T), norm(L @ DR.T)) / norm(L @ R.T)
        L, R = L + DL, R + DR
        yield L @ R.T


def tangent(U, V, Z):
    """The projection of Z onto the tangent space at U S V^T."""
    return U @ U.T @ Z + Z @ V @ V.T - U @ U.T @ Z @ V @ V.T


def truncated(X, rank):
    u, s, vt = np.linalg.svd(X)
    return u[:, :rank], s[:rank], vt[:rank].T


def riemannian_cg(d, L, R):
    """Dense matrices throughout: tangent vectors, transports and retractions are n1 x n2."""
    rank = L.shape[1]
    X = L @ R.T
    before = None
    while True:
        U, _, V = truncated(X, rank)
        g = tangent(U, V, d.Z(X))
        direction = -g
        if before is not None:
            g_old, old = before
            beta = max(0.0, np.sum(g * (g - tangent(U, V, g_old))) / np.sum(g_old**2))
            direction = -g + beta * tangent(U, V, old)
            if np.sum(direction * g) >= 0:
                direction = -g
        e, image = d.residual(X), d.residual(direction) + d.y
        t = -(e @ image) / (image @ image)
        slope = np.sum(g * direction)
        while True:
            u, sigma, v = truncated(X + t * direction, rank)
            if np.sum(d.residual((u * sigma) @ v.T) ** 2) <= e @ e + 2e-4 * t * slope:
                break
            t /= 2
        X = (u * sigma) @ v.T
        before = g, direction
        yield X


def scaled_asd(d, L, R):
    """Each factor along its scaled gradient, with the exact step."""
    while True:
        for side in "LR":
            Z = d.Z(L @ R.T)
            g = Z @ R if side == "L" else Z.T @ L
            D = g @ inv(R.T @ R) if side == "L" else g @ inv(L.T @ L)
            image = d.residual(D @ R.T if side == "L" else L @ D.T) + d.y
            t = np.sum(g * D) / (image @ image)
            L, R = (L - t * D, R) if side == "L" else (L, R - t * D)
        yield L @ R.T


TRANSCRIPTIONS = {
    "nonlinear_cg": Transcription(nonlinear_cg, {"refresh": REFRESH}),
    "riemannian_cg": Transcription(riemannian_cg, kinds=("completion", "sensing")),
    "scaled_asd": Transcription(scaled_asd, kinds=("completion", "sensing")),
}
