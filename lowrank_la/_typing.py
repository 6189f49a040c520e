"""Type aliases shared by the package."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, int]
RandomState: TypeAlias = "int | np.random.SeedSequence | np.random.Generator | npt.ArrayLike | None"
