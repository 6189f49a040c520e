"""Riemannian conjugate gradients: geometry, options, errors."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la.errors import IncompatibleError, InvalidInputError
from lowrank_la.initial import near
from lowrank_la.solvers import RiemannianCG
from lowrank_la.solvers.riemannian_cg import Tangent, _Curve, _moved


def drawn(kind, shape, rank, rng):
    def draw(*size):
        values = rng.standard_normal(size)
        return values + 1j * rng.standard_normal(size) if kind == "c" else values

    u, v = (np.linalg.qr(draw(n, rank))[0] for n in shape)
    s = np.sort(rng.uniform(0.5, 2.0, rank))[::-1]
    left, right = draw(shape[0], rank), draw(shape[1], rank)
    d = Tangent(draw(rank, rank), left - u @ (u.conj().T @ left), right - v @ (v.conj().T @ right))
    return u, s, v, d


def dense(u, v, d):
    return u @ d.core @ v.conj().T + d.left @ v.conj().T + u @ d.right.conj().T


@pytest.mark.parametrize("kind", ["f", "c"])
def test_the_curve_is_the_best_approximation(kind):
    u, s, v, d = drawn(kind, (12, 9), 3, np.random.default_rng(0))
    exact = (u * s) @ v.conj().T + 0.4 * dense(u, v, d)
    a, t, b = _Curve(u, s, v, d).point(0.4)
    left, values, right = np.linalg.svd(exact)
    np.testing.assert_allclose(t, values[:3], rtol=1e-12)
    best = (left[:, :3] * values[:3]) @ right[:3]
    np.testing.assert_allclose((a * t) @ b.conj().T, best, atol=1e-12)


@pytest.mark.parametrize("kind", ["f", "c"])
def test_the_curve_leaves_along_the_direction(kind):
    u, s, v, d = drawn(kind, (12, 9), 3, np.random.default_rng(1))
    X, curve = (u * s) @ v.conj().T, _Curve(u, s, v, d)
    gaps = []
    for t in (1e-3, 1e-4):
        a, values, b = curve.point(t)
        gaps.append(np.linalg.norm((a * values) @ b.conj().T - X - t * dense(u, v, d)))
    # The remainder is of second order.
    assert 80 < gaps[0] / gaps[1] < 120


@pytest.mark.parametrize("kind", ["f", "c"])
def test_transport_is_the_projection(kind):
    rng = np.random.default_rng(2)
    u, s, v, d = drawn(kind, (12, 9), 3, rng)
    a, t, b, _ = drawn(kind, (12, 9), 3, rng)
    Z = dense(u, v, d)
    P, Q = a @ a.conj().T, b @ b.conj().T
    moved = _moved(u, v, d, a, t, b)
    np.testing.assert_allclose(dense(a, b, moved), P @ Z + Z @ Q - P @ Z @ Q, atol=1e-12)
    assert np.abs(a.conj().T @ moved.left).max() < 1e-12
    assert np.abs(b.conj().T @ moved.right).max() < 1e-12
    same = _moved(u, v, d, u, s, v)
    assert same.inner(d) == pytest.approx(np.linalg.norm(Z) ** 2)


@pytest.mark.parametrize("rule", ["pr+", "hs+"])
def test_both_rules_converge_faster_than_steepest_descent(rule, completion):
    start = near(completion, distance=0.3, rng=0)
    result = ll.solve(completion, RiemannianCG(rule=rule), start=start, tol=1e-10)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-9

    class Steepest(RiemannianCG):
        def _turned(self, gradient, before, d, old):
            return Tangent(*(-part for part in gradient))

    assert ll.solve(completion, Steepest(), start=start, tol=1e-10).n_iter > result.n_iter


def test_the_rules_differ(completion):
    start = near(completion, distance=0.3, rng=0)
    ends = [
        ll.solve(completion, "riemannian_cg", rule=rule, start=start, max_iter=5, tol=0)
        for rule in ("pr+", "hs+")
    ]
    assert ends[0].factors.distance(ends[1].factors) > 1e-8


def test_factors_are_balanced_and_the_step_is_traced(completion):
    result = ll.solve(completion, "riemannian_cg", max_iter=3, tol=0, observe=["imbalance", "step"])
    assert result.trace["imbalance"][1:].max() < 1e-12
    assert (result.trace["step"][1:] > 0).all()


def test_a_start_of_lower_rank_goes_on_with_what_it_has(completion):
    truth = completion.truth.factors
    left, right = (np.hstack([f, np.zeros((len(f), 1))]) for f in (truth.left, truth.right))
    result = ll.solve(completion, "riemannian_cg", start=ll.Factors(left, right), max_iter=5)
    assert result.factors.isfinite()
    assert result.trace["rel_error"][-1] < 1e-10


def test_a_nuclear_weight_is_minimised_too(completion):
    problem = completion.problem.replace(nuclear=0.05)
    result = ll.solve(problem, "riemannian_cg", rank=2, max_iter=3000)
    expected = ll.solve(problem, "altmin", rank=2).trace["objective"][-1]
    assert result.trace["objective"][-1] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("value", ["fr", None, 2])
def test_unknown_rules_are_refused(value):
    with pytest.raises(InvalidInputError, match=r"'pr\+' or 'hs\+'"):
        RiemannianCG(rule=value)


def test_symmetric_problems_and_other_losses_are_refused(symmetric, completion):
    with pytest.raises(IncompatibleError, match="rectangular"):
        ll.solve(symmetric, "riemannian_cg")
    problem = completion.problem.replace(loss=ll.losses.Huber(0.1))
    with pytest.raises(IncompatibleError, match="Squared"):
        ll.solve(problem, "riemannian_cg", rank=2)
