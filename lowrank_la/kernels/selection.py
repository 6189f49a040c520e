"""Selection of the largest magnitudes of each row, without sorting."""

from __future__ import annotations

import numpy as np

from ._jit import kernel


@kernel
def kept_thresholds(lo, hi, values, indptr, kept, out):  # type: ignore[no-untyped-def]
    """out[i] = the kept[i]-th largest of values[indptr[i]:indptr[i + 1]] for rows lo..hi-1.

    Infinity where none is kept, zero where all are; values are magnitudes. Hoare's selection.
    """
    longest = 0
    for i in range(lo, hi):
        longest = max(longest, indptr[i + 1] - indptr[i])
    scratch = np.empty(longest, values.dtype)
    for i in range(lo, hi):
        start = indptr[i]
        n = indptr[i + 1] - start
        if kept[i] <= 0:
            out[i] = np.inf
            continue
        if kept[i] >= n:
            out[i] = 0
            continue
        for p in range(n):
            scratch[p] = values[start + p]
        target = n - kept[i]
        left = 0
        right = n - 1
        while left < right:
            pivot = scratch[target]
            a = left
            b = right
            while a <= b:
                # A NaN stops both scans, so that they stay inside.
                while scratch[a] < pivot:
                    a += 1
                while pivot < scratch[b]:
                    b -= 1
                if a <= b:
                    held = scratch[a]
                    scratch[a] = scratch[b]
                    scratch[b] = held
                    a += 1
                    b -= 1
            if b < target:
                left = a
            if target < a:
                right = b
        out[i] = scratch[target]
