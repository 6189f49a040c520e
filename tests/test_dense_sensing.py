"""Operators made of arrays: read once, and copied only where they have to be packed."""

from __future__ import annotations

import numpy as np
import pytest

from lowrank_la import operators
from lowrank_la.errors import InvalidInputError


def matrices(kind, m=70, n=9):
    rng = np.random.default_rng(0)
    draw = rng.standard_normal((m, n, n))
    if np.dtype(kind).kind == "c":
        draw = draw + 1j * rng.standard_normal((m, n, n))
    return draw.astype(kind)


def test_arrays_are_not_copied():
    A = matrices(float)
    assert np.shares_memory(A, operators.GaussianSensing(A).as_matrix())
    assert operators.GaussianSensing(A[:, ::2]).as_matrix().shape == (70, 45)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.complex128])
def test_packing_keeps_the_symmetric_part(kind):
    A = matrices(kind)
    operator = operators.GaussianSensing(A, symmetric=True)
    part = 0.5 * (A + A.conj().swapaxes(1, 2))
    eps = np.finfo(kind).eps
    assert np.abs(operator.as_matrix() - part.conj().reshape(70, -1)).max() < 8 * eps
    numbers = 81 if np.dtype(kind).kind == "c" else 45
    assert np.isclose(operator.isometry, np.sum(np.abs(part) ** 2) / numbers, rtol=1e2 * eps)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, complex(0, np.nan)])
def test_what_is_not_finite_is_refused(symmetric, bad):
    """In the imaginary part of a diagonal too, which symmetric operators do not look at."""
    A = matrices(complex)
    A[3, 2, 2] += bad
    with pytest.raises(InvalidInputError, match="NaN or infinite"):
        operators.GaussianSensing(A, symmetric=symmetric)
    with pytest.raises(InvalidInputError, match="left_vectors hold NaN"):
        operators.RankOneSensing(A[3])
    with pytest.raises(InvalidInputError, match="right_vectors hold NaN"):
        operators.RankOneSensing(A[0], A[3])


def test_large_numbers_are_finite():
    """Their squares are not."""
    A = np.full((2, 3, 3), 1e200)
    assert operators.GaussianSensing(A, isometry=1.0).size == 2
    assert operators.RankOneSensing(A[0], isometry=1.0).size == 3
