"""The one decorator of all kernels."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from . import reference

F = TypeVar("F", bound=Callable[..., Any])

# Full fastmath would drop NaN checks; these two let sums be reordered and fused.
REORDER = {"contract", "reassoc"}
# Files whose functions kernels of other files call.
SHARED = tuple(Path(__file__).with_name(name) for name in ("_losses.py", "_vectors.py"))


def enabled() -> bool:
    """Whether kernels are compiled: numba is there and LOWRANK_LA_JIT is not 0."""
    if os.environ.get("LOWRANK_LA_JIT", "1") == "0":
        return False
    try:
        import numba  # noqa: F401
    except ImportError:
        return False
    return True


def kernel(function: F) -> F:
    """Compile at first use and cache on disk, or stand back for the NumPy twin.

    With compilation off, the function of the same name in `reference` is returned.
    """
    if not enabled():
        return getattr(reference, function.__name__)  # type: ignore[no-any-return]
    return _compile(function)


def _stamped(compiled: Any) -> Any:
    """Make edits of shared files count for a cached function.

    Numba notices edits of a function's own file only, by a stamp; here it covers those too.
    """
    try:
        index = compiled._cache._cache_file
        index._source_stamp = (index._source_stamp, *map(_stamp, SHARED))
    except AttributeError:
        # Not cached, or a numba that keeps its stamp elsewhere.
        pass
    return compiled


def _stamp(path: Path) -> tuple[float, int]:
    found = path.stat()
    return found.st_mtime, found.st_size


def inline(function: F) -> F:
    """A scalar helper of kernels, in their own file or in one of `SHARED`."""
    return _compile(function) if enabled() else function


def _compile(function: F) -> F:
    import numba

    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": REORDER}
    try:
        return _stamped(numba.njit(cache=True, **options)(function))
    except RuntimeError:
        # No cache folder can be written (a read-only install): the package must still import.
        return numba.njit(**options)(function)  # type: ignore[no-any-return]


@contextlib.contextmanager
def compilations() -> Iterator[list[Any]]:
    """What is compiled, or read from the cache on disk, while this is open: one item for each."""
    if not enabled():
        yield []
        return
    from numba.core import event

    # The lock is taken for both, and by no call of what is ready.
    with event.install_recorder("numba:compiler_lock") as recorder:
        yield recorder.buffer
