"""The command line."""

from __future__ import annotations


def main() -> None:
    """Entry point of ``lowrank-la``."""
    from .main import run

    run()
