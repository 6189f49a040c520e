"""Sorting of positions by row or by column: counting, since the keys are small integers."""

from __future__ import annotations

from ._jit import kernel


@kernel
def counted(keys, others, ends):  # type: ignore[no-untyped-def]
    """ends[i + 1] = number of keys up to i, ends[0] = 0.

    Returns 2 if the pairs (key, other) come in order, 1 if only the keys do, 0 if neither.
    """
    ends[:] = 0
    keys_ascend = True
    pairs_ascend = True
    last = 0
    last_other = 0
    for p in range(keys.size):
        key = keys[p]
        other = others[p]
        keys_ascend &= key >= last
        pairs_ascend &= (key > last) | ((key == last) & (other >= last_other))
        last = key
        last_other = other
        ends[key + 1] += 1
    for i in range(1, ends.size):
        ends[i] += ends[i - 1]
    return 2 if pairs_ascend else int(keys_ascend)


@kernel
def placed(keys, others, before, starts, order, minors):  # type: ignore[no-untyped-def]
    """A stable sort by `keys` of what `before` puts in order; nothing in it: as it stands.

    Writes the places in the sorted order and `others` in it; `starts` has where each key begins
    and is used up.
    """
    for k in range(keys.size):
        p = before[k] if before.size else k
        key = keys[p]
        q = starts[key]
        starts[key] = q + 1
        order[q] = p
        minors[q] = others[p]
