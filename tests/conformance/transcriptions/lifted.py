"""Gradient descent on tensors, with the lifted operator as an array of its own."""

from __future__ import annotations

import numpy as np

from . import Transcription


def lifted(d, L, R):
    """w <- w - eta ((A*A)^(x3)(w w^T) - (A*b)^(x3)) w from w = x^(x3); order 3."""
    n = L.shape[0]
    A = 0.5 * (d.A + d.A.transpose(0, 2, 1))
    normal = np.einsum("kij,kab->ijab", A, A)
    back = np.einsum("k,kij->ij", d.y, A)
    cube = np.einsum("il,jm,kn->ijklmn", back, back, back)
    step = 0.3 / np.linalg.eigvalsh(back)[-1] ** 3
    x = L[:, 0]
    w = np.einsum("i,j,k->ijk", x, x, x)
    while True:
        Z = np.einsum("ijk,lmn->ijklmn", w, w)
        # Pairs (i, l), (j, m), (k, n), one after another.
        Z = np.einsum("iapq,pjkqmn->ijkamn", normal, Z)
        Z = np.einsum("japq,ipklqn->ijklan", normal, Z)
        Z = np.einsum("kapq,ijplmq->ijklma", normal, Z)
        w = w - step * np.einsum("ijklmn,lmn->ijk", Z - cube, w)
        # Iterates from a symmetric tensor near rank one: plain power iteration finds the fit.
        v = np.linalg.svd(w.reshape(n, -1))[0][:, 0]
        for _ in range(200):
            v = np.einsum("ijk,j,k->i", w, v, v)
            v /= np.linalg.norm(v)
        size = np.einsum("ijk,i,j,k->", w, v, v, v)
        yield np.abs(size) ** (2 / 3) * np.outer(v, v)


TRANSCRIPTIONS = {"lifted": Transcription(lifted, kinds=("perturbed",))}
