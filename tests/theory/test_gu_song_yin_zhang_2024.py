"""Gu, Song, Yin, Zhang (2024), arXiv:2302.11068: alternating minimisation."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll

PLAIN = ll.solvers.AltMin(relaxation=1.0)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_p6_n1_sweeps_hardly_depend_on_the_condition_number(seed):
    """n = 300, k = 5, p = 0.15, Gaussian factors: 12 to 22 sweeps to 1e-6, kappa = 1 and 10.

    With the singular vectors of sign matrices, which are more incoherent, it takes 11 or 12.
    """
    counts = []
    for kappa in (1, 10):
        instance = ll.problems.completion(
            (300, 300), 5, cond=kappa, sampling=0.15, factors="gaussian", rng=seed
        )
        trace = ll.solve(instance, PLAIN, max_iter=40, tol=0).trace
        counts.append(trace.first("rel_error", 1e-6))
    assert all(count is not None and 12 <= count <= 22 for count in counts), counts


def test_the_error_of_a_sweep_shrinks_with_more_samples():
    """Exact steps contract geometrically, the faster the more is observed."""
    rates = []
    for p in (0.15, 0.3):
        instance = ll.problems.completion((300, 300), 5, sampling=p, rng=0)
        trace = ll.solve(instance, PLAIN, max_iter=30).trace
        rates.append(ll.fit_rate(trace["iteration"], trace["rel_error"]).rate)
    assert rates[1] < 0.5 * rates[0], rates
    assert np.all(np.array(rates) < 1)


def instance(p, kappa=1, n=300, seed=0):
    return ll.problems.completion((n, n), 5, cond=kappa, sampling=p, factors="gaussian", rng=seed)


class Perturbed(ll.operators.EntrySampling):
    """Exact row solves, to which a relative error of Frobenius norm eps is added."""

    def __init__(self, base, eps):
        super().__init__(*base.positions, base.shape)
        self.eps, self.random = eps, np.random.default_rng(0)

    def row_solve(self, *args, **options):
        rows = super().row_solve(*args, **options)
        error = self.random.standard_normal(rows.shape)
        return rows + self.eps * np.linalg.norm(rows) / np.linalg.norm(error) * error


@pytest.mark.parametrize("p", [0.15, 0.3])
@pytest.mark.parametrize("kappa", [1, 10])
def test_p6_n2_inexact_solves_leave_a_floor_of_their_size(p, kappa):
    """n = 300, k = 5: floor after 30 sweeps over eps_0 in [1, 3], eps_0 = 1e-2, 1e-3, 1e-4."""
    exact = instance(p, kappa)
    for eps in (1e-2, 1e-3, 1e-4):
        problem = exact.problem.replace(operator=Perturbed(exact.problem.operator, eps))
        case = ll.Instance.of(problem, exact.truth.factors)
        floor = ll.solve(case, PLAIN, max_iter=30, tol=0, every=30).trace["rel_error"][-1]
        assert 1 <= floor / eps <= 3, (eps, floor)


@pytest.mark.parametrize("sketch", ["leverage", "srht"])
@pytest.mark.parametrize("p", [0.15, 0.3])
def test_solves_stopped_at_eps_leave_a_floor_of_that_order(sketch, p):
    """Conjugate gradients stopped at eps_0 = 1e-2, 1e-3, 1e-4: floor between eps_0 / 5 and 3 eps_0.

    Warm starts stand still once every row is accurate to eps_0, which can be better than that.
    """
    for eps in (1e-2, 1e-3, 1e-4):
        trace = ll.solve(
            instance(p, 10),
            "robust_altmin",
            inexact_tol=eps,
            forcing=0.0,
            sketch=sketch,
            max_iter=40,
            tol=0,
            every=20,
        ).trace
        assert eps / 5 <= trace["rel_error"][-1] <= 3 * eps, (eps, trace["rel_error"])


@pytest.mark.parametrize("kappa", [1, 10])
def test_inexact_solves_take_as_many_sweeps_as_exact_ones(kappa):
    counts = [
        ll.solve(instance(0.15, kappa), solver, max_iter=25, tol=0).trace.first("rel_error", 1e-6)
        for solver in (PLAIN, "robust_altmin")
    ]
    assert 12 <= counts[0] <= 22
    assert abs(counts[1] - counts[0]) <= 1, counts


def test_the_cost_of_a_sweep_is_linear_in_entries_and_rank():
    """Passes over an entry per sweep: 17 for rank 5, 20 for rank 15, whatever their number.

    Eight of them gather, sketch and begin both halves; each is O(r) operations. No row needs
    more than a few iterations.
    """
    passes = []
    for n, p, rank in ((300, 0.3, 5), (600, 0.3, 5), (600, 0.6, 5), (600, 0.6, 15)):
        case = ll.problems.completion((n, n), rank, cond=10, sampling=p, rng=0)
        result = ll.solve(case, "robust_altmin", max_iter=10, tol=0, every=10)
        assert result.parts["exact_rows"] == 0
        assert result.parts["most_inner_iterations"] <= 8
        passes.append(result.parts["entry_passes"] / (10 * case.problem.data.size))
    assert np.ptp(passes[:3]) < 0.05 * passes[0], passes
    assert passes[3] < 1.5 * passes[0] < 30, passes


def test_fresh_entries_for_each_half_sweep_are_useless_at_this_size():
    """T = 6 at a total of p = 0.3, as in the analysis: each part has p = 0.025."""
    with pytest.warns(ll.errors.UnderdeterminedWarning, match="resample=6 leaves 22.. entries"):
        result = ll.solve(instance(0.3), "robust_altmin", resample=6, max_iter=6, tol=0)
    assert result.trace["rel_error"][-1] > 0.1
    kept = ll.solve(instance(0.3), "robust_altmin", max_iter=6, tol=0)
    assert kept.trace["rel_error"][-1] < 1e-3
