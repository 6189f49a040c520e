"""Subgradient methods: step rules, starts, what they refuse, and when they say they are done."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import initial, losses
from lowrank_la.errors import (
    IncompatibleError,
    InvalidInputError,
    InvalidTypeError,
    UnknownNameError,
)
from lowrank_la.operators import matrix_of
from lowrank_la.solvers import ScaledSubgradient, Subgradient
from lowrank_la.steps import (
    Backtracking,
    Constant,
    ExactLineSearch,
    Geometric,
    LossProportional,
    MedianResidual,
    Polyak,
    as_step,
    as_subgradient_step,
)

BOTH = ["subgradient", "scaled_subgradient"]


def sensing(share=0.2, *, symmetric=False, shape=(20, 16), measurements=700, **options):
    """An instance of the absolute loss, outliers or not."""
    made = ll.problems.sensing(
        20 if symmetric else shape,
        2,
        measurements=measurements,
        symmetric=symmetric,
        outliers=share,
        rng=3,
        **{"cond": 2} | options,
    )
    return ll.Instance(made.problem.replace(loss=losses.Absolute()), made.truth)


def scaled_by(made, factor):
    """The same instance with data (and truth) in another unit."""
    truth = made.truth.factors
    root = np.sqrt(factor)
    larger = ll.Factors(root * truth.left, root * truth.right)
    problem = made.problem.replace(data=factor * made.problem.data)
    return ll.Instance.of(problem, larger)


# --- the defaults ---


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_defaults_recover_at_any_share(name, symmetric, share):
    result = ll.solve(sensing(share, symmetric=symmetric), name, max_iter=400)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-11
    assert result.oracle_used == ("rank",)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("dtype", ["float32", "complex128", "complex64"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_other_types(name, dtype, symmetric):
    made = sensing(symmetric=symmetric, dtype=dtype)
    result = ll.solve(made, name, max_iter=400)
    assert result.converged
    assert result.factors.dtype == dtype
    limit = 1e-10 if dtype == "complex128" else 3e-4
    assert result.trace["rel_error"][-1] < limit


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "generator",
    [
        lambda: ll.problems.quadratic_sensing(16, 2, measurements=400, outliers=0.1, rng=0),
        lambda: ll.problems.bilinear_sensing((14, 12), 2, measurements=450, outliers=0.2, rng=0),
    ],
)
def test_rank_one_measurements(name, generator):
    result = ll.solve(generator(), name, max_iter=800)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-10


@pytest.mark.parametrize("name", BOTH)
def test_single_entries_get_a_schedule(name):
    """It never claims to have converged."""
    made = ll.problems.robust_completion(
        (60, 50), 2, sampling=0.5, corruption=0.2, factors="gaussian", rng=0
    )
    result = ll.solve(made, name, max_iter=700)
    assert result.trace["rel_error"][-1] < 1e-8
    assert result.status is ll.Status.BUDGET
    with pytest.raises(IncompatibleError, match="freeze on single entries"):
        ll.solve(made, name, step_size="median")
    with pytest.raises(IncompatibleError, match="freeze on single entries"):
        ll.solve(made, name, step_size=0.3)


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("rule", ["auto", "loss", "geometric", "geometric spectral", "polyak"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_units_of_the_data_do_not_matter(name, rule, symmetric):
    made = sensing(0.0 if rule == "loss" else 0.2, symmetric=symmetric)
    errors = []
    for factor in (1.0, 2.0**20):
        other = scaled_by(made, factor)
        options = {
            "geometric spectral": Geometric(0.2, 0.9, "spectral"),
            "polyak": Polyak(other.truth.f_min),
        }
        result = ll.solve(other, name, step_size=options.get(rule, rule), max_iter=30, tol=0)
        errors.append(result.trace["rel_error"])
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-8)
    assert errors[0][-1] < 0.7 * errors[0][0]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("rule", ["auto", "loss", "geometric"])
def test_isometry_does_not_matter(name, rule):
    """Measurement matrices three times as large, and data with them."""
    made = sensing(0.0 if rule == "loss" else 0.2)
    matrices = matrix_of(made.problem.operator).reshape(-1, *made.problem.shape)
    operator = ll.operators.GaussianSensing(3 * matrices, isometry=9.0)
    larger = made.problem.replace(operator=operator, data=3 * made.problem.data)
    start = initial.near(made, distance=0.3, rng=0)
    runs = [
        ll.solve(problem, name, start=start, step_size=rule, max_iter=15, tol=0).factors
        for problem in (made.problem, larger)
    ]
    assert runs[0].distance(runs[1]) < 1e-7 * runs[0].norm()


def test_sigma_max_is_an_oracle_option_and_matters():
    made = sensing()
    known = ll.solve(made, "subgradient", sigma_max=1.0, max_iter=30, tol=0)
    assert known.oracle_used == ("sigma_max", "rank")
    slower = ll.solve(made, "subgradient", sigma_max=4.0, max_iter=30, tol=0)
    assert slower.trace["rel_error"][-1] > 3 * known.trace["rel_error"][-1]
    default = ll.solve(made, "subgradient", max_iter=30, tol=0)
    assert default.trace["rel_error"][-1] == pytest.approx(known.trace["rel_error"][-1], rel=1.0)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3])
def test_the_scaled_method_takes_more_columns_than_the_rank(symmetric, share):
    made = sensing(share, symmetric=symmetric, measurements=1000)
    result = ll.solve(made, "scaled_subgradient", rank=4, max_iter=400)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-11


def test_damping_is_for_starts_near_zero():
    made = sensing(0.1, symmetric=True)
    best = {
        damping: ll.solve(
            made,
            ScaledSubgradient(damping=damping),
            rank=5,
            start="small_random",
            init_scale=1e-6,
            max_iter=400,
            tol=0,
        )
        .trace["rel_error"]
        .min()
        for damping in (0.1, 0.5)
    }
    assert best[0.5] < 1e-5
    assert best[0.1] > 3 * best[0.5]
    with pytest.warns(ll.errors.ConvergenceWarning, match="diverged"):
        ll.solve(made, "scaled_subgradient", rank=5, start="small_random", init_scale=1e-6)


def test_the_condition_number_slows_only_the_plain_method():
    counts = {
        (name, cond): ll.solve(
            sensing(0.1, cond=cond),
            name,
            stop=ll.stopping.Target("rel_error", 1e-5),
            max_iter=500,
        ).n_iter
        for name in BOTH
        for cond in (1, 10)
    }
    assert counts["scaled_subgradient", 10] < 1.3 * counts["scaled_subgradient", 1]
    assert counts["subgradient", 10] > 2 * counts["subgradient", 1]


# --- step rules by their formulas ---


def by_hand(made, rule, start, scaled, k):
    """L <- L - eta Z R M^{-1} with dense matrices, eta from rule(t, e, Z, L, R, M)."""
    problem = made.problem
    A, y = matrix_of(problem.operator).reshape(-1, *problem.shape), problem.data
    L, R = start.left, start.right
    for t in range(k):
        e = np.einsum("kij,ij->k", A, L @ R.T) - y
        Z = np.einsum("k,kij->ij", np.sign(e), A)
        if problem.symmetric:
            Z = 0.5 * (Z + Z.T)
        eye = np.eye(L.shape[1])
        MR, ML = (R.T @ R, L.T @ L) if scaled else (eye, eye)
        moves = [(Z @ R, MR)] if problem.symmetric else [(Z @ R, MR), (Z.T @ L, ML)]
        square = sum(np.sum((G @ np.linalg.inv(M)) * G) for G, M in moves)
        eta = rule(t, e, Z, square)
        new = [F - eta * G @ np.linalg.inv(M) for F, (G, M) in zip((L, R), moves, strict=False)]
        L, R = new[0], new[-1]
    return L @ R.T


def size_of(made):
    """|X|_F as the median of the data tells it."""
    y = made.problem.data
    return np.median(np.abs(y)) / 0.6744897501960817 * np.sqrt(y.size)


RULES = {
    # P2: (pi / 2) eta f, with N(0, 1) entries f the mean and Q the mean.
    "loss": lambda made, plain: (
        LossProportional(0.3),
        lambda t, e, Z, square: np.pi / 2 * 0.3 * np.mean(np.abs(e)),
    ),
    # P5b: lambda_0 q^t / sqrt(denominator).
    "geometric": lambda made, plain: (
        Geometric(0.2, 0.9),
        lambda t, e, Z, square: (
            0.2 * 0.9**t * size_of(made) ** (0.5 if plain else 1.0) / np.sqrt(square)
        ),
    ),
    # P2: eta_0 rho^t / |Q|.
    "frobenius": lambda made, plain: (
        Geometric(0.2, 0.9, "frobenius"),
        lambda t, e, Z, square: 0.2 * 0.9**t / np.linalg.norm(Z),
    ),
    "spectral": lambda made, plain: (
        Geometric(0.2, 0.9, "spectral"),
        lambda t, e, Z, square: 0.2 * 0.9**t / np.linalg.norm(Z, 2),
    ),
    # P5b: (f - f*) / denominator; of half the sum for symmetric problems.
    "polyak": lambda made, plain: (
        Polyak(made.truth.f_min),
        lambda t, e, Z, square: (
            (np.sum(np.abs(e)) * (0.5 if made.problem.symmetric else 1.0) - made.truth.f_min)
            / square
        ),
    ),
}


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("rule", RULES)
def test_rules_agree_with_their_formulas(name, symmetric, rule):
    if name == "scaled_subgradient" and rule in ("frobenius", "spectral"):
        pytest.skip("of the plain method")
    made = sensing(0.1, symmetric=symmetric, shape=(9, 7), measurements=300)
    plain = name == "subgradient"
    step, formula = RULES[rule](made, plain)
    start = initial.near(made, distance=0.2, rng=2)
    options = {"sigma_max": 1.0} if plain else {}
    run = ll.solve(made, name, start=start, step_size=step, max_iter=10, tol=0, **options)
    expected = by_hand(made, formula, start, not plain, 10)
    gap = np.linalg.norm(run.factors.to_dense() - expected) / np.linalg.norm(expected)
    assert gap < 1e-10


def test_the_subgradient_is_a_gradient_away_from_kinks():
    """Slope test along the direction of a step."""
    for symmetric in (False, True):
        made = sensing(0.1, symmetric=symmetric)
        X = initial.near(made, distance=0.5, rng=0)
        solver = ScaledSubgradient()
        at = solver.init(made.problem, X).at
        generator = np.random.default_rng(0)
        dL = generator.standard_normal(X.left.shape)
        dR = dL if symmetric else generator.standard_normal(X.right.shape)
        slope = np.vdot(at.left, dL) + (0 if symmetric else np.vdot(at.right, dR))
        t = 1e-7
        moved = made.problem.objective(ll.Factors(X.left + t * dL, X.right + t * dR))
        assert (moved - at.value) / t == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("nuclear", [0.0, 0.3])
def test_keeping_the_residual_changes_nothing_else(symmetric, nuclear):
    problem = sensing(symmetric=symmetric).problem.replace(nuclear=nuclear)
    X = initial.near(sensing(symmetric=symmetric), distance=0.5, rng=0)
    with_it, without = problem.evaluate(X, residual=True), problem.evaluate(X)
    np.testing.assert_allclose(with_it.residual, problem.residual(X), atol=1e-12)
    assert with_it.value == pytest.approx(problem.objective(X), rel=1e-12)
    assert without.value == pytest.approx(with_it.value, rel=1e-12)
    np.testing.assert_allclose(with_it.left, without.left, atol=1e-12)
    np.testing.assert_allclose(with_it.right, without.right, atol=1e-12)
    assert problem.misfit(X, without) == pytest.approx(np.sum(np.abs(with_it.residual)), rel=1e-12)


def test_steps_of_the_median_and_of_the_loss_are_those_of_gradient_descent_in_the_mean():
    """Without outliers both rules give gradient descent's constant, up to sampling."""
    made = sensing(0.0, measurements=4000)
    start = initial.near(made, distance=0.3, rng=0)
    squared = made.problem.replace(loss=losses.Squared())
    reference = ll.solve(squared, "scaledgd", step_size=0.3, start=start, max_iter=1, tol=0)
    move = reference.factors.distance(start)
    for rule in (MedianResidual(0.3), LossProportional(0.3)):
        run = ll.solve(
            made.problem, "scaled_subgradient", step_size=rule, start=start, max_iter=1, tol=0
        )
        assert run.factors.distance(reference.factors) < 0.3 * move


# --- what is refused ---


@pytest.mark.parametrize("cls", [Subgradient, ScaledSubgradient])
@pytest.mark.parametrize(
    ("rule", "error", "message"),
    [
        ("constant", IncompatibleError, "constant steps do not converge"),
        (Constant(0.1), IncompatibleError, "constant steps do not converge"),
        ("backtracking", IncompatibleError, "needs a direction of descent"),
        (Backtracking(), IncompatibleError, "needs a direction of descent"),
        (ExactLineSearch(), IncompatibleError, "needs a direction of descent"),
        ("exact", IncompatibleError, "needs a direction of descent"),
        ("polyak", IncompatibleError, r"steps\.Polyak\(f_min=\.\.\.\)"),
        ("medan", UnknownNameError, "did you mean 'median'"),
        (None, InvalidTypeError, "step_size must be a number, one of median"),
        (-0.1, InvalidInputError, "step_size must lie in"),
        (np.inf, InvalidInputError, "step_size must lie in"),
    ],
)
def test_rules_that_cannot_work_are_refused(cls, rule, error, message):
    with pytest.raises(error, match=message):
        cls(step_size=rule)


@pytest.mark.parametrize("rule", [MedianResidual(), LossProportional(), Geometric()])
def test_smooth_methods_refuse_rules_of_the_absolute_loss(rule):
    with pytest.raises(IncompatibleError, match="is for the absolute loss"):
        as_step(rule)
    assert as_subgradient_step(rule) is rule


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Geometric(0.0), "initial must lie in"),
        (lambda: Geometric(1.0, 1.0), "decay must lie in"),
        (lambda: Geometric(1.0, 0.9, "nuclear"), "norm must be one of 'factors', 'frobenius'"),
        (lambda: LossProportional(-1), "value must lie in"),
        (lambda: Subgradient(sigma_max=0), "sigma_max must lie in"),
        (lambda: ScaledSubgradient(damping=-1), "damping must lie in"),
    ],
)
def test_bad_options(make, message):
    with pytest.raises(InvalidInputError, match=message):
        make()


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("loss", [losses.Squared(), losses.Huber(0.1)])
def test_other_losses_are_refused(name, loss):
    problem = sensing().problem.replace(loss=loss)
    with pytest.raises(IncompatibleError, match="needs the loss Absolute"):
        ll.solve(problem, name, rank=2)


@pytest.mark.parametrize("name", BOTH)
def test_polyak_from_a_small_start_is_refused(name):
    made = sensing()
    rule = Polyak(made.truth.f_min)
    with pytest.raises(IncompatibleError, match="from a start near zero overshoots"):
        ll.solve(made, name, step_size=rule, start="small_random", init_scale=1e-3)
    result = ll.solve(made, name, step_size=rule, max_iter=400)
    assert result.converged
    assert result.trace["rel_error"][-1] < 1e-10
    assert "f_min" in result.oracle_used


# --- when it is done, and when it is not ---


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("rule", ["auto", "loss", "polyak"])
@pytest.mark.parametrize("symmetric", [False, True])
def test_what_tol_is_compared_with_is_the_distance(name, rule, symmetric):
    """Within a factor 1.6 of the relative error, all along the way."""
    made = sensing(0.0 if rule == "loss" else 0.1, symmetric=symmetric)
    step = Polyak(made.truth.f_min) if rule == "polyak" else rule
    result = ll.solve(
        made, name, step_size=step, observe="stationarity", stop=ll.stopping.MaxIter(60)
    )
    ratio = result.trace["stationarity"] / result.trace["rel_error"]
    assert ratio.min() > 1 / 1.6
    assert ratio.max() < 1.6
    assert result.trace["rel_error"][-1] < 1e-3


@pytest.mark.parametrize("name", BOTH)
def test_short_steps_are_not_taken_for_convergence(name):
    """What counts is the residual, and not how little the last step moved."""
    result = ll.solve(sensing(), name, step_size=1e-9, max_iter=20)
    assert result.status is not ll.Status.CONVERGED


@pytest.mark.parametrize("name", BOTH)
def test_a_schedule_that_froze_too_early_has_not_converged(name):
    result = ll.solve(sensing(), name, step_size=Geometric(0.05, 0.5), max_iter=300)
    assert result.trace["rel_error"][-1] > 0.05
    assert result.status is ll.Status.STALLED
    assert not result.converged


def test_an_f_min_above_the_objective_is_not_convergence():
    made = sensing()
    rule = Polyak(2 * made.truth.f_min)
    result = ll.solve(made, "scaled_subgradient", step_size=rule, start=made.truth.factors)
    assert result.status is ll.Status.STALLED


@pytest.mark.parametrize("name", BOTH)
def test_steps_by_the_loss_give_up_if_there_are_outliers(name):
    made = sensing(0.2)
    with pytest.warns(ll.errors.ConvergenceWarning, match="there are outliers"):
        result = ll.solve(made, name, step_size="loss", max_iter=1000)
    assert result.status is ll.Status.DIVERGED
    assert "step_size='median'" in result.reason
    assert ll.solve(sensing(0.0), name, step_size="loss", max_iter=400).converged


def test_steps_by_the_loss_wait_out_a_small_start():
    """The loss stands still for long there, but nothing tells of outliers."""
    result = ll.solve(
        sensing(0.0, symmetric=True),
        "subgradient",
        step_size=LossProportional(0.1),
        start="small_random",
        init_scale=1e-12,
        max_iter=1500,
    )
    assert result.converged


def test_noise_is_survived_and_is_no_convergence():
    made = sensing(0.1, noise=0.01 / np.sqrt(700))
    for rule in ("auto", Geometric(0.25, 0.95)):
        result = ll.solve(made, "scaled_subgradient", step_size=rule, max_iter=200)
        assert result.status is ll.Status.BUDGET
        assert result.trace["rel_error"][-1] < 0.01


# --- starts ---


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("start", [initial.truncated, initial.sign_spectral])
def test_robust_starts_are_close_where_the_spectral_one_is_not(start, symmetric, share):
    made = sensing(share, symmetric=symmetric)
    truth = made.truth.factors
    error = start(made.problem, 2).distance(truth) / truth.norm()
    assert error < 0.75
    if share:
        plain = initial.spectral(made.problem, 2).distance(truth) / truth.norm()
        assert plain > 2 * error


def test_the_start_has_the_scale_that_fits_best():
    made = sensing(0.2)
    for start in (initial.truncated, initial.sign_spectral):
        X = start(made.problem, 2)
        values = [
            made.problem.objective(ll.Factors(t * X.left, X.right)) for t in (0.98, 1.0, 1.02)
        ]
        assert min(values) == values[1]


def test_keep_is_the_share_kept():
    made = sensing(0.2)
    data = made.problem.data
    kept = np.abs(data) <= np.sort(np.abs(data))[int(np.ceil(0.8 * data.size)) - 1]
    by_hand = initial.spectral(made.problem.replace(data=np.where(kept, data, 0)), 2)
    X = initial.truncated(made.problem, 2, keep=0.8)
    cosine = np.vdot(X.to_dense(), by_hand.to_dense()) / (X.norm() * by_hand.norm())
    assert cosine == pytest.approx(1.0, abs=1e-6)
    with pytest.raises(InvalidInputError, match="keep must lie in"):
        initial.truncated(made.problem, 2, keep=1.5)
    half = np.where(np.arange(data.size) % 2, data, 0)
    with pytest.raises(InvalidInputError, match="no measurement that is not zero"):
        initial.truncated(made.problem.replace(data=half), 2, keep=0.3)
    third = np.where(np.arange(data.size) % 3, 0, data)
    assert initial.truncated(made.problem.replace(data=third), 2).norm() > 0


def test_sign_spectral_takes_a_scale_and_more_columns():
    made = sensing(0.2, symmetric=True)
    X = initial.sign_spectral(made.problem, 12, init_scale=1e-3)
    top = np.linalg.norm(X.left, 2)
    assert top == pytest.approx(1e-3 * np.sqrt(initial.frobenius_estimate(made.problem)))
    Y = ll.solve(
        made, "subgradient", rank=12, start="sign_spectral", init_scale=1e-3, max_iter=0
    ).factors
    np.testing.assert_array_equal(X.left, Y.left)
    with pytest.raises(InvalidInputError, match=r"'small_random' or 'sign_spectral', not"):
        ll.solve(made, "subgradient", init_scale=1e-3)
    with pytest.raises(InvalidInputError, match="init_scale must lie in"):
        initial.sign_spectral(made.problem, 2, init_scale=-1.0)


@pytest.mark.parametrize(("share", "high"), [(0.0, 1.15), (0.3, 1.8)])
def test_frobenius_estimate(share, high):
    made = sensing(share)
    ratio = initial.frobenius_estimate(made.problem) / made.truth.factors.norm()
    assert 0.85 < ratio < high


# --- choice, and the convex answer ---


def test_auto_takes_the_reweighted_method():
    made = sensing()
    result = ll.solve(made, max_iter=400)
    assert result.converged
    assert result.parts["solver"] == "reweighted"
    assert "outliers" in result.why


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_convex_answer_is_the_same(symmetric):
    pytest.importorskip("cvxpy")
    made = sensing(0.1, symmetric=symmetric, shape=(10, 8), measurements=300)
    if symmetric:
        made = ll.problems.sensing(9, 2, measurements=200, symmetric=True, outliers=0.1, rng=0)
    convex = ll.solve(made.problem.replace(nuclear=1e-2), "convex").factors
    truth = made.truth.factors
    assert convex.distance(truth) < 1e-4 * truth.norm()
    for name in BOTH:
        found = ll.solve(made, name).factors
        assert found.distance(convex) < 1e-4 * truth.norm()


@pytest.mark.parametrize("name", ["subgradient", "scaled_subgradient"])
def test_weighted_entries_are_single_entries(name):
    """By the median residual the method would freeze there, and call that converged."""
    instance = ll.problems.robust_completion((30, 25), 2, sampling=0.6, rng=0)
    weights = np.full(instance.problem.data.size, 2.0)
    operator = ll.operators.Weighted(instance.problem.operator, weights)
    problem = ll.Problem(operator, 2 * instance.problem.data, loss=ll.losses.Absolute())
    result = ll.solve(problem, name, rank=2, max_iter=300)
    error = result.factors.distance(instance.truth.factors) / instance.truth.factors.norm()
    assert not result.converged or error < 1e-6
    with pytest.raises(ll.errors.IncompatibleError, match="freeze on single entries"):
        ll.solve(problem, name, rank=2, step_size="median")
