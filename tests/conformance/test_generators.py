"""Every generator: the same bits again, and the truth as stated."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.testing import check_generator


@pytest.mark.parametrize("name", ll.problems.available_problems())
def test_contract(name):
    check_generator(name)


def test_named_streams_are_independent():
    plain = ll.problems.completion((50, 40), 3, sampling=0.4, rng=5)
    noisy = ll.problems.completion((50, 40), 3, sampling=0.4, noise=0.1, cond=9, rng=5)
    for a, b in zip(
        plain.problem.operator.positions, noisy.problem.operator.positions, strict=True
    ):
        np.testing.assert_array_equal(a, b)
    u = np.linalg.qr(plain.truth.factors.left)[0]
    v = noisy.truth.factors.left
    np.testing.assert_allclose(u @ (u.T @ v), v, atol=1e-12)


def test_left_and_right_are_independent():
    truth = ll.problems.completion((60, 60), 3, sampling=0.5, rng=0).truth.factors
    u, v = np.linalg.qr(truth.left)[0], np.linalg.qr(truth.right)[0]
    assert np.linalg.norm(u.T @ v, 2) < 0.7  # 1 if the second came from the first one's seed


@pytest.mark.parametrize("factors", ["sign", "gaussian"])
def test_kinds_of_factors(factors):
    truth = ll.problems.completion(
        (400, 300), 5, sampling=0.1, factors=factors, rng=0, empty="allow"
    ).truth.factors
    u = np.linalg.qr(truth.left)[0]
    incoherence = 400 / 5 * np.max(np.sum(u**2, axis=1))
    assert (incoherence < 1.5) == (factors == "sign")


def test_sampling_and_oversampling():
    by_share = ll.problems.completion((100, 80), 2, sampling=0.3, rng=0)
    assert by_share.problem.operator.isometry == pytest.approx(0.3, abs=0.02)
    by_count = ll.problems.completion((100, 80), 2, oversampling=5.0, rng=0)
    assert by_count.problem.operator.size == 5 * 2 * (100 + 80 - 2)


def test_power_law_sampling():
    n1, n2, exponent = 300, 200, 0.6
    options = {"oversampling": 8.0, "law": "power", "empty": "allow", "rng": 0}
    operator = ll.problems.completion((n1, n2), 2, exponent=exponent, **options).problem.operator
    assert operator.size == 8 * 2 * (n1 + n2 - 2)
    # Counts fall with the place as the power says, but for the saturation of single cells.
    counts = np.sort(operator.row_counts)[::-1]
    slope = np.polyfit(np.log(np.arange(10, 151)), np.log(counts[9:150]), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.1)
    flat = ll.problems.completion((n1, n2), 2, exponent=0.0, **options).problem.operator
    assert np.std(flat.row_counts) < 1.2 * np.sqrt(flat.size / n1)
    instance = ll.problems.completion((n1, n2), 2, exponent=0.2, **options)
    assert ll.solve(instance, "altmin").trace["rel_error"][-1] < 1e-10
    again = ll.problems.build(instance.recipe).problem.operator
    np.testing.assert_array_equal(again.positions, instance.problem.operator.positions)


def test_power_law_takes_all_cells_and_tells_of_empty_rows():
    full = ll.problems.completion((9, 8), 1, sampling=1.0, law="power", exponent=2.0, rng=0)
    assert full.problem.operator.size == 72
    with pytest.raises(ll.errors.InvalidInputError, match="without any observed entry"):
        ll.problems.completion((90, 80), 1, sampling=0.05, law="power", exponent=2.0, rng=0)
    for bad in ({"law": "zipf"}, {"law": "power", "exponent": -1.0}):
        with pytest.raises(ll.errors.InvalidInputError, match=r"law must be|exponent must"):
            ll.problems.completion((9, 8), 1, sampling=0.5, rng=0, **bad)


@pytest.mark.parametrize(
    ("spectrum", "expected"),
    [("linear", [1, 0.55, 0.1]), ("geometric", [1, 10**-0.5, 0.1])],
)
def test_spectra(spectrum, expected):
    instance = ll.problems.completion((30, 20), 3, cond=10, spectrum=spectrum, sampling=0.6, rng=0)
    np.testing.assert_allclose(instance.truth.singular_values, expected)


def test_explicit_spectrum():
    instance = ll.problems.sensing(10, 3, measurements=50, spectrum=[1.0, 3.0, 2.0], rng=0)
    np.testing.assert_allclose(instance.truth.factors.singular_values(), [3, 2, 1], rtol=1e-12)


def test_outliers_are_known_to_the_truth_only():
    clean = ll.problems.sensing((12, 10), 2, measurements=300, rng=0)
    dirty = ll.problems.sensing((12, 10), 2, measurements=300, outliers=0.2, rng=0)
    moved = clean.problem.data != dirty.problem.data
    np.testing.assert_array_equal(moved, dirty.truth.corrupted)
    assert 0.1 < moved.mean() < 0.3
    assert (
        np.abs(dirty.problem.data - clean.problem.data).max() > 5 * np.abs(clean.problem.data).max()
    )
    assert isinstance(dirty.problem.loss, ll.losses.Absolute)
    small = ll.problems.sensing(
        (12, 10), 2, measurements=300, outliers=0.2, outlier_scale=1.0, rng=0
    )
    shift = small.problem.data - clean.problem.data
    np.testing.assert_allclose(10 * shift, dirty.problem.data - clean.problem.data, atol=1e-12)


@pytest.mark.parametrize("kind", ["float32", "complex128", "complex64"])
def test_types(kind):
    for symmetric in (False, True):
        instance = ll.problems.sensing(
            8, 2, measurements=90, symmetric=symmetric, dtype=kind, rng=0
        )
        assert instance.problem.dtype == kind
        assert instance.truth.factors.dtype == kind
    assert ll.problems.completion((9, 8), 2, sampling=0.9, dtype=kind, rng=0).problem.dtype == kind


def test_rng_none_gives_fresh_instances_with_recipes_that_repeat_them():
    a, b = (ll.problems.completion((9, 8), 1, sampling=0.9, empty="allow") for _ in range(2))
    assert a.recipe.seed != b.recipe.seed
    again = ll.problems.build(a.recipe)
    np.testing.assert_array_equal(a.problem.data, again.problem.data)
