"""Data of the tests of robust principal component analysis: a low rank and gross errors."""

from __future__ import annotations

import numpy as np

import lowrank_la as ll


def gaussian(n, rank, share, seed, positive=False):
    """Gaussian factors; outliers on a Bernoulli support, uniform with the entries' own RMS.

    Gives the problem, the truth as factors, and where the outliers are.
    """
    rng = np.random.default_rng(seed)
    truth = ll.Factors(rng.standard_normal((n, rank)), rng.standard_normal((n, rank)))
    L = truth.to_dense()
    hit = rng.random(L.shape) < share
    errors = rng.uniform(-1, 1, L.shape) * np.sqrt(3 * np.mean(L**2))
    data = L + hit * (np.abs(errors) if positive else errors)
    operator = ll.operators.FullObservation(L.shape)
    return ll.Problem(operator, data.ravel(), loss=ll.losses.Absolute()), truth, hit.ravel()


def error(result, truth):
    return result.factors.distance(truth) / truth.norm()
