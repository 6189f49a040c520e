"""Row chunks on a small thread pool.

Borders depend on the data alone and partial sums are added in chunk order, so a result has
the same bits for any number of threads.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

# Below this many multiply-adds, 0.3 milliseconds, a fan-out of about 50 microseconds does not pay.
SERIAL_WORK = 1 << 21
ENTRIES_PER_CHUNK = 1 << 15
MAX_CHUNKS = 64
GROUP = 8


@lru_cache(maxsize=1)
def threads() -> int:
    """Number of threads: LOWRANK_LA_THREADS, or the cores this process may use."""
    given = os.environ.get("LOWRANK_LA_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@lru_cache(maxsize=1)
def _pool(size: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(size, thread_name_prefix="lowrank_la")


if hasattr(os, "register_at_fork"):
    # Threads do not survive a fork; the child makes its own pool.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def borders(indptr: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Row borders of chunks with about equal numbers of stored entries, multiples of eight."""
    rows, entries = indptr.size - 1, int(indptr[-1])
    pieces = max(1, min(MAX_CHUNKS, rows, entries // ENTRIES_PER_CHUNK))
    targets = np.linspace(0, entries, pieces + 1)[1:-1]
    # Some kernels work on so many rows at a time and keep what they find.
    inner = np.searchsorted(indptr, targets).astype(np.int64) // GROUP * GROUP
    return np.unique(np.concatenate(([0], inner, [rows])))


def even_borders(n: int, pieces: int) -> npt.NDArray[np.int64]:
    """Borders of at most `pieces` chunks of about equal length."""
    return np.linspace(0, n, max(1, min(pieces, n)) + 1).astype(np.int64)


def run(
    task: Callable[..., Any], cuts: npt.NDArray[np.int64], work: float, *args: Any
) -> list[Any]:
    """Call `task(lo, hi, *args)` for every chunk and return the results in chunk order."""
    spans = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
    if len(spans) < 2 or threads() < 2 or work < SERIAL_WORK:
        return [task(lo, hi, *args) for lo, hi in spans]
    return _share(task, spans, args)


def _share(
    task: Callable[..., Any], spans: Sequence[tuple[int, int]], args: tuple[Any, ...]
) -> list[Any]:
    results: list[Any] = [None] * len(spans)
    counter = itertools.count()

    def draw() -> None:
        # next() on a counter is atomic, so each chunk is drawn once.
        while (index := next(counter)) < len(spans):
            results[index] = task(*spans[index], *args)

    helpers = min(threads(), len(spans)) - 1
    pool = _pool(threads())
    futures: list[Future[None]] = [pool.submit(draw) for _ in range(helpers)]
    draw()
    for future in futures:
        # A helper that a busy pool has not started yet has nothing left to do.
        if not future.cancel():
            future.result()
    return results
