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
        flag.set()
        if outer is not None:
            outer.set()

    on_interrupt.flag = flag  # type: ignore[attr-defined]
    outer = getattr(before, "flag", None)
    if outer is not None and outer.is_set():
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
