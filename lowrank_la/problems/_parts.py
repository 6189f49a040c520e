"""What generators share: truths of given spectrum, noise, and the assembly of instances."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _check
from .._random import Seed, stream
from .._typing import Array, Shape
from ..errors import BreakdownWarning, InvalidInputError
from ..factors import Factors
from ..problem import Instance, Problem, Recipe, Truth

SHAPES = ("linear", "geometric")
KINDS = ("gaussian", "sign")
OUTLIERS = ("uniform", "gaussian")
LAWS = ("uniform", "power")


def singular_values(rank: int, cond: float, spectrum: Any) -> Array:
    """Singular values from 1 down to 1 / cond, or those given, descending."""
    cond = _check.number(cond, "cond", low=1.0, high=1e16)
    if isinstance(spectrum, str):
        if spectrum not in SHAPES:
            raise InvalidInputError(
                f"spectrum must be 'linear', 'geometric' or an array, got {spectrum!r}"
            )
        space = np.linspace if spectrum == "linear" else np.geomspace
        return space(1.0, 1.0 / cond, rank) if rank > 1 else np.ones(1)
    values = np.sort(_check.vector(spectrum, "spectrum", size=rank))[::-1].astype(float)
    if cond != 1.0:
        raise InvalidInputError("give cond or an explicit spectrum, not both")
    if values[-1] <= 0:
        raise InvalidInputError("all singular values must be positive")
    return values


def orthonormal(seed: Seed, name: str, n: int, rank: int, dtype: np.dtype[Any], kind: str) -> Array:
    """Orthonormal columns from the stream `name`.

    "gaussian": uniform over the orthogonal (unitary) group. "sign": left singular vectors of
    a matrix of random signs (complex: of +-1 +- i), whose rows have nearly equal norms.
    """
    if kind not in KINDS:
        raise InvalidInputError(f"factors must be 'gaussian' or 'sign', got {kind!r}")
    generator = stream(seed, name)

    def draw() -> Array:
        part = generator.standard_normal((n, rank))
        return np.sign(part) if kind == "sign" else part

    while True:
        matrix = draw() + 1j * draw() if dtype.kind == "c" else draw()
        u, s, vh = np.linalg.svd(matrix, full_matrices=False)
        # Small sign matrices can be singular.
        if s[-1] > 1e-6 * s[0]:
            break
    # The polar factor of a Gaussian matrix is uniform; its singular vectors alone have
    # signs that LAPACK chose.
    return u @ vh if kind == "gaussian" else u


def draw_truth(
    seed: Seed,
    shape: Shape,
    values: Array,
    dtype: np.dtype[Any],
    kind: str,
    *,
    symmetric: bool = False,
) -> Factors:
    """A matrix with the given singular values; left and right are drawn independently."""
    root = np.sqrt(values)

    def factor(name: str, n: int) -> Array:
        return (orthonormal(seed, name, n, values.size, dtype, kind) * root).astype(dtype)

    left = factor("left", shape[0])
    return Factors(left, left if symmetric else factor("right", shape[1]))


def draw_mask(
    seed: Seed,
    shape: Shape,
    rank: int,
    sampling: float | None,
    oversampling: float | None,
    *,
    law: str = "uniform",
    exponent: float = 0.5,
    least: int = 0,
) -> tuple[Array, Array]:
    """Rows and columns of random entries from the stream "mask", in row order.

    "uniform", or "power": rows and columns, in random order, have weights ``k^-exponent``.
    Entries are then moved until each row and each column has at least `least`.
    """
    if law not in LAWS:
        raise InvalidInputError(f"law must be 'uniform' or 'power', got {law!r}")
    exponent = _check.number(exponent, "exponent", low=0.0, high=10.0)
    if (sampling is None) == (oversampling is None):
        raise InvalidInputError("give exactly one of sampling and oversampling")
    n1, n2 = shape
    generator = stream(seed, "mask")
    if sampling is not None:
        p = _check.number(sampling, "sampling", low=0.0, high=1.0)
        # Given their number, the entries of a Bernoulli mask are a uniform subset.
        m = int(generator.binomial(n1 * n2, p))
    else:
        factor = _check.number(oversampling, "oversampling", low=0.0)
        m = int(factor * rank * (n1 + n2 - rank))
        if m > n1 * n2:
            raise InvalidInputError(
                f"oversampling {oversampling:g} asks for {m} of {n1 * n2} entries; it can be at "
                f"most {n1 * n2 / (rank * (n1 + n2 - rank)):.3g} here"
            )
    if law == "power":
        weights = [generator.permutation(np.arange(1.0, n + 1) ** -exponent) for n in shape]
        flat = _weighted_choice(generator, weights[0], weights[1], m)
    else:
        flat = np.sort(generator.choice(n1 * n2, size=m, replace=False, shuffle=False))
    if least:
        flat = _moved(stream(seed, "moves"), flat, shape, least)
    return flat // n2, flat % n2


def _moved(generator: np.random.Generator, flat: Array, shape: Shape, least: int) -> Array:
    """Cells after random ones, from rows and columns that can spare them, went where few are."""
    n1, n2 = shape
    if flat.size < least * max(shape) or least > min(shape):
        raise InvalidInputError(
            f"{flat.size} entries cannot put {least} into each row and column of a "
            f"{n1} x {n2} matrix"
        )
    i, j, taken = flat // n2, flat % n2, set(flat.tolist())
    counts = [np.bincount(k, minlength=n) for k, n in ((i, n1), (j, n2))]
    for _ in range(100 * sum(shape)):
        few = [np.flatnonzero(count < least) for count in counts]
        if not any(one.size for one in few):
            return np.sort(i * n2 + j)
        spare = np.flatnonzero((counts[0][i] > least) & (counts[1][j] > least))
        if spare.size == 0:
            # A row that is full of entries whose columns have none to spare.
            spare = np.flatnonzero((counts[0][i] > least) | (counts[1][j] > least))
        k = int(generator.choice(spare))
        a, b = (
            int(generator.choice(one)) if one.size else int(generator.integers(n))
            for one, n in zip(few, shape, strict=True)
        )
        if a * n2 + b in taken:
            # The one cell of the one row and the one column that are short.
            b = int(generator.integers(n2))
        if a * n2 + b in taken:
            continue
        taken ^= {int(i[k] * n2 + j[k]), a * n2 + b}
        for count, before, now in ((counts[0], i[k], a), (counts[1], j[k], b)):
            count[before] -= 1
            count[now] += 1
        i[k], j[k] = a, b
    raise InvalidInputError(f"found no way to give each row and column {least} of {i.size} entries")


def _weighted_choice(generator: np.random.Generator, u: Array, v: Array, m: int) -> Array:
    """Draw m cells one after another, without replacement, with weights ``u_i v_j``.

    The order of exponential arrival times ``E / weight`` is that of such draws. Only those
    before a time at which more than m cells have arrived are kept, so that memory stays O(m).
    """
    if m == 0:
        return np.zeros(0, np.int64)
    horizon = _arrival_time(u, v, m + 6 * np.sqrt(m) + 10)
    while True:
        cells, times = [], []
        for i, weight in enumerate(u):
            arrival = generator.standard_exponential(v.size) / (weight * v)
            early = np.flatnonzero(arrival < horizon)
            cells.append(i * v.size + early)
            times.append(arrival[early])
        flat, when = np.concatenate(cells), np.concatenate(times)
        if flat.size >= m:
            return np.sort(flat[np.argpartition(when, m - 1)[:m]])
        horizon *= 2


def _arrival_time(u: Array, v: Array, count: float) -> float:
    """The time by which `count` cells are expected to have arrived."""
    if count >= 0.999 * u.size * v.size:
        return np.inf
    low, high = 0.0, count / float(u.sum() * v.sum())

    def expected(t: float) -> float:
        return float(sum(-np.sum(np.expm1(-t * weight * v)) for weight in u))

    while expected(high) < count:
        low, high = high, 2 * high
    for _ in range(6):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if expected(middle) >= count else (middle, high)
    return high


def gaussian_noise(seed: Seed, size: int, noise: float, dtype: np.dtype[Any]) -> Array:
    """Noise of standard deviation `noise` per measurement, from the stream "noise"."""
    generator = stream(seed, "noise")
    draw = generator.standard_normal(size)
    if dtype.kind == "c":
        draw = (draw + 1j * generator.standard_normal(size)) / np.sqrt(2)
    return (noise * draw).astype(dtype)


def corrupt(
    seed: Seed, data: Array, share: float, scale: float, model: str
) -> tuple[Array, Array | None]:
    """Data with outliers from the stream "outliers", and which ones they are (None for none).

    Each measurement is hit with probability `share`. "uniform" adds ``scale max|y| U(-1, 1)``
    (Tong, Ma, Chi 2021b), "gaussian" ``scale rms(y) N(0, 1)`` (Ma, Fattahi 2023).

    Warns
    -----
    BreakdownWarning
        For a share above one half.
    """
    share = _check.number(share, "outliers", low=0.0, high=1.0)
    scale = _check.number(scale, "outlier_scale", low=0.0)
    if model not in OUTLIERS:
        raise InvalidInputError(f"outlier_model must be 'uniform' or 'gaussian', got {model!r}")
    if not share:
        return data, None
    warn_of_breakdown(share)
    generator = stream(seed, "outliers")
    hit = generator.random(data.size) < share
    if model == "uniform":
        size = scale * np.abs(data).max()
        added = generator.uniform(-size, size, data.size)
    else:
        added = scale * np.sqrt(np.mean(np.abs(data) ** 2)) * generator.standard_normal(data.size)
    return data + hit * added.astype(data.real.dtype), hit


def warn_of_breakdown(share: float) -> None:
    """Warn if more than half of the measurements are to be corrupted."""
    if share > 0.5:
        warnings.warn(
            f"an outlier share of {share:g} is above one half, the breakdown point: outliers "
            f"that agree among themselves can then pass for the data",
            BreakdownWarning,
            stacklevel=4,
        )


def assemble(
    problem: Problem,
    truth: Factors,
    name: str,
    parameters: dict[str, Any],
    seed: Seed,
    corrupted: Array | None = None,
    kind: Callable[..., Truth] = Truth,
) -> Instance:
    """The instance with its truth, of this kind, and its recipe."""
    recipe = Recipe(name, {k: _plain(v) for k, v in parameters.items()}, seed)
    return Instance.of(problem, truth, corrupted=corrupted, recipe=recipe, truth=kind)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (np.generic,)):
        return value.item()
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value
