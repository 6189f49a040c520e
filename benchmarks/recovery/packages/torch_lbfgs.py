"""PyTorch: its L-BFGS on the factors."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..clock import Run
from ..registry import contender
from ..tasks import Completion
from ._entries import Entries

CHUNK = 8192
SETTINGS = (
    {"history": 10, "gradient": "sparse"},
    {"history": 30, "gradient": "sparse"},
    {"history": 10, "gradient": "autograd"},
)


@contender("PyTorch L-BFGS", "completion", requires=["torch"], settings=SETTINGS)
def lbfgs(task: Completion, run: Run, *, history: int, gradient: str) -> Any:
    """`torch.optim.LBFGS` with its strong Wolfe line search, double precision, on both factors
    from the spectral start; gradients by `autograd` of gathered rows, or by gathers in chunks
    and two sparse products; 10 or 30 pairs of history; whichever is fastest."""
    import torch

    torch.set_num_threads(run.threads)
    with run.preparing():
        entries = Entries(task)
        i, j, y = (torch.from_numpy(x) for x in (entries.rows, entries.cols, entries.values))
        order = np.argsort(entries.cols, kind="stable")
        by_column = torch.from_numpy(order)
        counts = np.bincount(entries.cols, minlength=task.shape[1])
        pointers = np.concatenate(([0], np.cumsum(counts)))
        # Short integers: the products are then those of MKL.
        by_rows = [torch.from_numpy(entries.matrix.indptr), j.int()]
        by_columns = [torch.from_numpy(pointers.astype(np.int32)), i[by_column].int()]
    left, right = (torch.tensor(np.ascontiguousarray(x)) for x in entries.balanced())
    left.requires_grad_(gradient == "autograd")
    right.requires_grad_(gradient == "autograd")
    n1, n2 = task.shape
    optimiser = torch.optim.LBFGS(
        [left, right],
        lr=1.0,
        max_iter=10**6,
        max_eval=10**7,
        history_size=history,
        tolerance_grad=0.0,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def by_autograd() -> Any:
        optimiser.zero_grad()
        loss = 0.5 * ((left[i] * right[j]).sum(1) - y).square().sum()
        loss.backward()
        return loss

    def residual() -> Any:
        # In chunks that stay in cache: seven times as fast as in one piece.
        out = torch.empty_like(y)
        for k in range(0, len(y), CHUNK):
            a, b = left.index_select(0, i[k : k + CHUNK]), right.index_select(0, j[k : k + CHUNK])
            torch.bmm(a[:, None], b[:, :, None], out=out[k : k + CHUNK].view(-1, 1, 1))
        return out.sub_(y)

    def by_products() -> Any:
        e = residual()
        E = torch.sparse_csr_tensor(*by_rows, e, (n1, n2))
        Et = torch.sparse_csr_tensor(*by_columns, e[by_column], (n2, n1))
        left.grad, right.grad = E @ right, Et @ left
        return 0.5 * (e @ e)

    derivative = by_autograd if gradient == "autograd" else by_products

    def closure() -> Any:
        # Here, and not after each step of one iteration, which would evaluate twice.
        run.stop_if_reached(pair)
        return derivative()

    def pair() -> Any:
        return left.detach().numpy(), right.detach().numpy()

    optimiser.step(closure)
    return pair()
