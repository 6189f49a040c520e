"""The clock of one run: it stands still while the error is looked at, and has an alarm."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .tasks import TARGET, Task


class Finished(BaseException):
    """Leaves a package from inside of its callback; no `except Exception` catches it."""


class ReachedError(Finished):
    """The answer last looked at is accurate enough."""


class OutOfTimeError(Finished):
    """The limit of CPU seconds is used up."""


class Run:
    """What a contender may ask while it works.

    Attributes
    ----------
    threads : int
        How many threads it may use.
    error : float
        Relative error when last looked at.
    cpu, wall, prepared : float
        Seconds of all threads, seconds on the wall, and CPU seconds of `preparing`; without those
        of looking at the error.
    note : str
        What the contender has to say about the run.
    """

    def __init__(self, task: Task, *, limit: float, threads: int = 1) -> None:
        self.task, self.limit, self.threads = task, limit, threads
        self.error, self.note = float("nan"), ""
        self.cpu = self.wall = self.prepared = 0.0
        self._since: tuple[float, float] | None = None

    def _start(self) -> None:
        self._since = time.process_time(), time.perf_counter()

    def _stop(self) -> None:
        assert self._since is not None
        self.cpu += time.process_time() - self._since[0]
        self.wall += time.perf_counter() - self._since[1]
        self._since = None

    def reached(self, answer: Any) -> bool:
        """Whether an answer, or what the function `answer` returns, is accurate enough.

        Raises
        ------
        OutOfTimeError
        """
        self._stop()
        try:
            self.error = self.task.error(answer() if callable(answer) else answer)
            if self.error <= TARGET:
                return True
            if self.cpu > self.limit:
                raise OutOfTimeError
            return False
        finally:
            self._start()

    def stop_if_reached(self, answer: Any) -> None:
        """Leave the package as soon as its answer is accurate enough, or time is used up."""
        if self.reached(answer):
            raise ReachedError

    @contextmanager
    def preparing(self) -> Iterator[None]:
        """Around what is done once to the data; part of the time, and also told apart."""
        begun = time.process_time()
        yield
        self.prepared += time.process_time() - begun

    def _ring(self, *_: Any) -> None:
        if self._since is not None:
            left = self.limit - self.cpu - (time.process_time() - self._since[0])
            if left < 0:
                # Again, if this one is raised where exceptions are lost (`__del__`).
                signal.setitimer(signal.ITIMER_REAL, 0.5)
                raise OutOfTimeError
            signal.setitimer(signal.ITIMER_REAL, left + 0.01)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0.1)

    def __call__(self, solve: Callable[[], Any]) -> bool:
        """Run `solve`; whether its answer is accurate enough. Its own failure is an answer too."""
        # Of the wall, and asked again if the CPU has done less: while a timer of CPU time runs,
        # Linux rounds the clock of the process to ticks of milliseconds.
        before = signal.signal(signal.SIGALRM, self._ring)
        signal.setitimer(signal.ITIMER_REAL, self.limit)
        answer: Any = None
        self._start()
        try:
            answer = solve()
        except Finished:
            pass
        finally:
            if self._since is not None:
                self._stop()
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        if answer is not None:
            self.error = self.task.error(answer)
        return self.error <= TARGET
