"""Ctrl-C that ends an iteration instead of breaking it off."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Let the first Ctrl-C end the iteration under way; a second one raises as usual.

    May be nested, as the solves of a race are: each learns what the others were told.
    """
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def on_interrupt(number: int, frame: Any) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        for one in flags:
            one.set()

    outer: list[threading.Event] = getattr(before, "flags", [])
    flags = [flag, *outer]
    on_interrupt.flags = flags  # type: ignore[attr-defined]
    if any(one.is_set() for one in outer):
        flag.set()
    try:
        signal.signal(signal.SIGINT, on_interrupt)
    except ValueError:
        yield flag.is_set
        return
    try:
        yield flag.is_set
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
