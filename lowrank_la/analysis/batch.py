"""Many cells at once: in parallel, each stored as soon as it is finished."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from importlib import metadata
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from .. import _check
from .._interrupts import interrupts
from ..errors import OutputError
from .cells import Cell, Outcome, key_of, recall, store

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "LOWRANK_LA_THREADS")


class Batch:
    """Outcomes of cells, by key; what is stored is not run again.

    Parameters
    ----------
    folder : str or path, optional
        Where outcomes are kept; without one they live in memory only.
    workers : int
        Processes, of one thread each; 1 runs the cells in this one.
    """

    def __init__(self, folder: Any = None, *, workers: int = 1) -> None:
        self.workers = _check.count(workers, "workers", low=1)
        self.folder = None if folder is None else made(Path(folder) / "cells")
        self.outcomes: dict[str, Outcome | str] = {}
        self._running: Iterable[str] = ()
        self._version = metadata.version("lowrank_la")

    def key(self, cell: Cell) -> str:
        """The name of a cell, by all that its outcome depends on."""
        return key_of(cell, self._version)

    def recall(self, key: str) -> bool:
        """Whether the outcome is there; looks at what is stored, once."""
        if key not in self.outcomes and self.folder is not None:
            stored = recall(self.folder / f"{key}.npz")
            if stored is not None:
                self.outcomes[key] = stored
        return key in self.outcomes

    def run(
        self,
        cells: Iterable[Cell],
        *,
        budget: float | None = None,
        done: Callable[[str], None] | None = None,
    ) -> bool:
        """Run the cells whose outcome is not known; a failure is kept as its message.

        Parameters
        ----------
        cells : iterable of Cell
        budget : float, optional
            Seconds after which no further cell is begun.
        done : callable, optional
            Called with the key of each cell that ends.

        Returns
        -------
        bool
            Whether all were run; False after Ctrl-C or the end of the budget.
        """
        pending = {key: cell for cell in cells if not self.recall(key := self.key(cell))}
        if not pending:
            return True
        end = None if budget is None else time.monotonic() + budget
        with interrupts() as interrupted:

            def stop() -> bool:
                return interrupted() or (end is not None and time.monotonic() > end)

            if self.workers == 1:
                for key, cell in pending.items():
                    if stop():
                        return False
                    try:
                        outcome = _execute(cell, self._path(key))
                    except KeyboardInterrupt:
                        return False
                    self._take(key, outcome, done)
                return True
            while pending:
                try:
                    with _pool(self.workers) as pool:
                        return self._drain(pool, pending, stop, done)
                except BrokenProcessPool:
                    # A process was killed, and took with it what the others were at.
                    for key in self._running:
                        self._take(key, "a process died while it ran", done)
                pending = {k: c for k, c in pending.items() if k not in self.outcomes}
            return True

    def _drain(
        self,
        pool: Executor,
        pending: dict[str, Cell],
        stop: Callable[[], bool],
        done: Callable[[str], None] | None,
    ) -> bool:
        queue = list(reversed(pending))
        running: dict[Future[Any], str] = {}
        self._running = running.values()
        while True:
            # Few at a time, so that a stop has little to wait for.
            while queue and len(running) <= self.workers and not stop():
                key = queue.pop()
                running[pool.submit(_execute, pending[key], self._path(key))] = key
            if not running:
                return not queue
            ended, _ = wait(running, return_when=FIRST_COMPLETED, timeout=0.5)
            for future in ended:
                outcome = future.result()
                self._take(running.pop(future), outcome, done)

    def _path(self, key: str) -> Path | None:
        return None if self.folder is None else self.folder / f"{key}.npz"

    def _take(self, key: str, outcome: Outcome | str, done: Callable[[str], None] | None) -> None:
        self.outcomes[key] = outcome
        if done is not None:
            done(key)


def _execute(cell: Cell, path: Path | None) -> Outcome | str:
    """Run a cell and store its outcome; what went wrong, if something did."""
    begun = time.perf_counter()
    try:
        columns, info = cell.run()
    except Exception as error:
        # One claim's failure is its own; the others go on.
        return f"{type(error).__name__}: {error}"
    outcome = Outcome(columns, info, time.perf_counter() - begun)
    if path is not None:
        store(path, outcome)
    return outcome


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[Executor]:
    """Fresh processes of one thread each: more would fight for the same cores."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        with ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_leave_ctrl_c_to_the_parent
        ) as pool:
            yield pool
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _leave_ctrl_c_to_the_parent() -> None:
    """Terminals send it to all processes; the one that hands out the work knows what to do."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def made(folder: Path) -> Path:
    """The folder, made if it is not there.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error
    return folder
