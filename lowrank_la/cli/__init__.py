"""The command line."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of ``lowrank-la``."""
    try:
        from ._application import run

        run()
    except KeyboardInterrupt:
        # While modules are imported, nobody else looks after it.
        sys.exit(130)
