"""What the checks share: random arrays, and how far two may be apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array


def close(a: Any, b: Any, tolerance: float, what: str) -> None:
    scale = max(float(np.max(np.abs(b), initial=0.0)), 1e-300)
    gap = float(np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0.0)) / scale
    assert gap <= tolerance, f"{what}: relative difference {gap:.1e} > {tolerance:.0e}"


def draw(rng: np.random.Generator, shape: Any, kind: Any) -> Array:
    out = rng.standard_normal(shape)
    if np.dtype(kind).kind == "c":
        out = out + 1j * rng.standard_normal(shape)
    return out.astype(kind)
