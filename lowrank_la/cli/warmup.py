"""``lowrank-la warmup``: compile all kernels ahead of first use."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ..kernels.warmup import warmup as compile_all
from ._console import print_json, stdout


def warmup(
    all_types: Annotated[
        bool, typer.Option("--all-types", help="also float32, complex128 and complex64")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print as JSON")] = False,
) -> None:
    """Compile the kernels and keep them in the cache, so that the first solve is fast."""
    begun = time.perf_counter()
    types = ["float64", "float32", "complex128", "complex64"] if all_types else ["float64"]
    count = compile_all(types)
    seconds = time.perf_counter() - begun
    if json:
        print_json({"kernels": count, "types": types, "seconds": seconds})
        return
    stdout.print(
        f"{count} kernels for {', '.join(types)} ready in {seconds:.1f} s", highlight=False
    )
