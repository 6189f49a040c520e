"""Numbers and tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MISSING = "–"


def number(value: float) -> str:
    """Two significant digits below ten, whole numbers from 100 on."""
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, left: Iterable[int] = ()) -> str:
    """A Markdown table; columns but the first, and those in `left`, are aligned to the right."""
    aligned = {0, *left}
    rule = [":--" if k in aligned else "--:" for k in range(len(header))]
    lines = [header, rule, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
