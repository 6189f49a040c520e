"""Some entries of a matrix whose columns were blurred by a camera or a slow sensor."""

import numpy as np

from lowrank_la import Factors
from lowrank_la.operators import EntrySampling


class BlurredEntries:
    """``A(X)_k = (B X)[i_k, j_k]`` with B a moving average of three rows, ends joined."""

    dtype = None  # that of the data

    def __init__(self, i, j, shape, *, side=0.15):
        self.entries = EntrySampling(i, j, shape)
        self.shape, self.size = self.entries.shape, self.entries.size
        self.weights = (side, 1 - 2 * side, side)
        self.isometry = self.entries.isometry * sum(w**2 for w in self.weights)

    def _blur(self, factor):
        # B is symmetric; it acts on the left factor alone.
        a, b, c = self.weights
        return a * np.roll(factor, 1, axis=0) + b * factor + c * np.roll(factor, -1, axis=0)

    def forward(self, X):
        """Blurred entries of X."""
        return self.entries.forward(Factors(self._blur(X.left), X.right))

    def adjoint_right(self, z, R):
        """``A*(z) @ R``: z put back at its positions, times R, blurred."""
        return self._blur(self.entries.adjoint_right(z, R))

    def adjoint_left(self, z, L):
        """``A*(z)^H @ L``."""
        return self.entries.adjoint_left(z, self._blur(L))
