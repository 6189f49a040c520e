"""Three methods are a measurement operator.

Claim: `forward`, `adjoint_right` and `adjoint_left` are enough for every descent method. Here a
measurement pools three random rows of one column, as laboratories pool samples; both solvers
recover the single entries, none of which was measured.
"""

import sys
from pathlib import Path

import numpy as np
from scipy import sparse

import lowrank_la as ll
from lowrank_la.testing import check_operator


class Pooled:
    """``A(X)_k = a_k^T X b_k`` with the sparse rows a_k of `rows` and b_k of `columns`."""

    dtype = None

    def __init__(self, rows: sparse.csr_array, columns: sparse.csr_array) -> None:
        self.rows, self.columns = rows, columns
        self.size, self.shape = rows.shape[0], (rows.shape[1], columns.shape[1])
        squares = rows.power(2).sum(axis=1) * columns.power(2).sum(axis=1)
        self.isometry = float(squares.sum() / np.prod(self.shape))

    def forward(self, X):
        return np.sum((self.rows @ X.left) * (self.columns @ X.right).conj(), axis=1)

    def adjoint_right(self, z, R):
        return self.rows.T @ (z[:, None] * (self.columns @ R))

    def adjoint_left(self, z, L):
        return self.columns.T @ (z.conj()[:, None] * (self.rows @ L))


def pick(rng, m: int, n: int, k: int) -> sparse.csr_array:
    """m rows, each with k ones at random among n places; float32, to keep float32 data."""
    places = np.argsort(rng.random((m, n)), axis=1)[:, :k].ravel()
    starts = np.arange(0, m * k + 1, k)
    return sparse.csr_array((np.ones(m * k, np.float32), places, starts), shape=(m, n))


def main(folder: Path) -> None:
    rng, (n1, n2, r, m) = np.random.default_rng(0), (80, 60, 3, 2000)
    operator = Pooled(pick(rng, m, n1, 3), pick(rng, m, n2, 1))
    check_operator(operator)
    truth = ll.Factors(rng.standard_normal((n1, r)), rng.standard_normal((n2, r)))
    problem = ll.Problem(operator, operator.forward(truth))
    instance = ll.Instance(problem, ll.Truth(truth, truth.singular_values(), f_min=0.0))
    race = ll.compare(instance, ["gd", "scaledgd"], budget=400)
    for row in race.rows():
        print("{solver:8} {n_iter:3} iterations, relative error {rel_error:.1e}".format(**row))
    ll.plotting.save_figure(ll.plotting.convergence(race), folder / "own_operator.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
