"""Phase transitions: where runs are spent, what the border is, and files."""

from __future__ import annotations

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import plotting
from lowrank_la.analysis.phase import PhaseDiagram, phase_transition
from lowrank_la.errors import (
    FileFormatError,
    InvalidInputError,
    InvalidTypeError,
    LowRankError,
    UnknownNameError,
)


def plane(**changes):
    options = {
        "x": {"oversampling": np.linspace(1, 5, 9)},
        "y": {"rank": [1, 2, 3, 4]},
        "fixed": {"shape": (40, 40), "empty": "allow"},
        "repeats": 6,
        "max_iter": 60,
    } | changes
    return phase_transition("completion", "altmin", **options)


@pytest.fixture(scope="module")
def diagram():
    return plane()


def made(middle, *, trials=40, width=0.1, rng=0):
    """A diagram whose rows have the given borders."""
    x, y = np.linspace(1, 4, 13), np.arange(1, len(middle) + 1)
    chance = 1 / (1 + np.exp(-(x - np.array(middle)[:, None]) / width))
    count = np.full(chance.shape, trials)
    wins = np.random.default_rng(rng).binomial(count, chance)
    possible = np.ones(chance.shape, bool)
    return PhaseDiagram("x", "y", x, y.astype(float), wins, count, possible, "made", 1e-3)


def test_few_entries_fail_and_many_succeed(diagram):
    share = diagram.share
    assert share.shape == (4, 9)
    assert np.all(share[:, 0] == 0)
    assert np.all(share[:, -1] > 0.5)
    middle, low, high = diagram.border()
    known = np.isfinite(middle)
    assert known.sum() >= 3
    assert np.all((low[known] <= middle[known]) & (middle[known] <= high[known]))
    assert np.all((middle[known] > 1) & (middle[known] < 4.5))
    assert "altmin on completion" in repr(diagram)


def test_runs_are_spent_at_the_border(diagram):
    trials, share = diagram.trials, diagram.share
    assert trials.max() == 6
    assert (trials == 0).any(), "a grid without an open answer is not run in full"
    sure = (share[:, :-1] == 1) & (share[:, 1:] == 1)
    assert trials[:, 1:][sure].mean() < trials[(share > 0) & (share < 1)].mean()


def test_all_cells_where_that_is_wanted(diagram):
    whole = plane(adaptive=False, repeats=2)
    assert np.all(whole.trials == 2)
    assert whole.complete
    # Away from the border the adaptive one has the same two runs.
    few = diagram.trials == 2
    assert few.any()
    np.testing.assert_array_equal(whole.successes[few], diagram.successes[few])


def test_adaptive_is_yes_or_no():
    with pytest.raises(InvalidTypeError, match="adaptive must be True or False, got 'no'"):
        plane(adaptive="no")


def test_the_same_again_and_from_stored_runs(diagram, tmp_path):
    first = plane(folder=tmp_path)
    np.testing.assert_array_equal(first.successes, diagram.successes)
    planned = []
    again = plane(folder=tmp_path, progress=lambda done, total: planned.append(done))
    np.testing.assert_array_equal(again.successes, diagram.successes)
    assert planned == []
    other = plane(rng=1)
    assert not np.array_equal(other.successes, diagram.successes)


def test_the_budget_leaves_what_there_is():
    found = plane(budget=0.0)
    assert found.trials.sum() == 0
    assert np.isnan(found.share).all()


def test_border_of_known_truth():
    truth = [1.8, 2.2, 2.9]
    middle, low, high = made(truth).border()
    np.testing.assert_allclose(middle, truth, atol=0.1)
    assert np.all((low < middle) & (middle < high))
    assert np.all(high - low < 0.3)
    falling = made(truth)
    flipped = PhaseDiagram(
        "x", "y", falling.x, falling.y, falling.trials - falling.successes, falling.trials,
        falling.possible, "", 1e-3,
    )  # fmt: skip
    np.testing.assert_allclose(flipped.border()[0], truth, atol=0.1)


def test_a_row_without_transition_has_no_border():
    middle = made([-5.0, 2.0]).border()[0]
    assert np.isnan(middle[0])
    assert np.isfinite(middle[1])


def test_the_interval_covers():
    hits = 0
    for seed in range(60):
        _, low, high = made([2.3], trials=10, rng=seed).border(draws=100)
        hits += low[0] <= 2.3 <= high[0]
    assert hits >= 50


def test_fits():
    power = made([1.5 * k**0.5 for k in (1, 2, 3, 4)], trials=200)
    a, b = power.fit("power")
    assert a == pytest.approx(1.5, rel=0.05)
    assert b == pytest.approx(0.5, abs=0.05)
    a, b = made([1.2 + 0.5 * k for k in (1, 2, 3, 4)], trials=200).fit("linear")
    assert (a, b) == (pytest.approx(1.2, abs=0.1), pytest.approx(0.5, abs=0.05))
    with pytest.raises(InvalidInputError, match="2 rows have a border; a fit needs three"):
        made([1.5, 2.0]).fit()
    with pytest.raises(InvalidInputError, match="'power' or 'linear'"):
        power.fit("cubic")


def test_wilson_interval():
    one = made([2.0], trials=10)
    low, high = one.interval()
    share = one.successes / one.trials
    assert np.all((low <= share + 1e-12) & (share - 1e-12 <= high))
    # 10 of 10: (1 + z^2/20 +- z^2/20) / (1 + z^2/10)
    z2 = 1.959964**2
    assert low[0, -1] == pytest.approx(1 / (1 + z2 / 10), rel=1e-5)
    assert high[0, -1] == pytest.approx(1.0)


def test_save_and_load(diagram, tmp_path):
    path = diagram.save(tmp_path / "phase.npz")
    again = PhaseDiagram.load(path)
    for name in ("x", "y", "successes", "trials", "possible"):
        np.testing.assert_array_equal(getattr(again, name), getattr(diagram, name))
    assert (again.label, again.target) == (diagram.label, diagram.target)
    other = tmp_path / "other.npz"
    ll.solve(ll.problems.completion((20, 15), 1, sampling=0.7, rng=0), "altmin", max_iter=1).save(
        other
    )
    with pytest.raises(FileFormatError, match="holds a result, not a phase diagram"):
        PhaseDiagram.load(other)


def test_impossible_cells_are_no_failures():
    found = plane(x={"oversampling": [2.0, 4.0, 200.0]}, y={"rank": [1, 2]})
    assert np.isnan(found.share[:, -1]).all()
    assert not found.possible[:, -1].any()
    assert found.share[0, 1] > 0.5


def test_axes_of_the_run():
    """Columns of the factors, and the scale of the start."""
    found = phase_transition(
        "sensing",
        ll.solvers.ScaledGDLambda(damping=0.5),
        x={"search_rank": [2, 3, 4]},
        y={"init_scale": [1e-8, 1e-2]},
        fixed={"shape": 10, "rank": 2, "measurements": 200, "symmetric": True},
        repeats=3,
        max_iter=200,
    )
    assert found.trials.min() >= 1
    assert found.share.max() == 1


def derived(parameters):
    rank = parameters["rank"]
    return {
        "shape": [10, 10], "rank": rank, "measurements": parameters["per"] * rank * 20,
    }  # fmt: skip


def test_derived_parameters():
    found = phase_transition(
        "sensing", "scaledgd", x={"per": [1, 2, 6]}, y={"rank": [1, 2]}, derive=derived,
        repeats=3, max_iter=100,
    )  # fmt: skip
    assert found.share[:, -1].min() == 1


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"x": {"samplng": [1, 2]}}, UnknownNameError, "did you mean 'sampling'"),
        ({"x": {"sampling": [0.5]}}, InvalidInputError, "at least two values"),
        ({"x": [1, 2]}, InvalidTypeError, "mapping from one name"),
        ({"x": {"rank": [1, 2], "cond": [1, 2]}}, InvalidTypeError, "mapping from one name"),
        ({"y": {"rank": [1, np.nan]}}, InvalidInputError, "NaN"),
        ({"repeats": 0}, InvalidInputError, "repeats"),
        ({"target": -1}, InvalidInputError, "target"),
    ],
)
def test_bad_input(changes, error, message):
    with pytest.raises(error, match=message):
        plane(**changes)


def test_an_error_that_is_none_of_the_instance_is_raised():
    with pytest.raises(LowRankError, match="IncompatibleError"):
        phase_transition(
            "sensing", "altmin", x={"measurements": [50, 100]}, y={"rank": [1, 2]},
            fixed={"shape": (10, 10)}, repeats=1,
        )  # fmt: skip


def test_figure(diagram, tmp_path):
    pytest.importorskip("matplotlib")
    ax = plotting.phase_diagram(diagram, fit="power")
    assert ax.get_xlabel() == "entries / degrees of freedom"
    assert ax.get_ylabel() == "rank"
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert any(text.startswith("fit $") for text in texts)
    assert plotting.save_figure(ax, tmp_path / "phase.pdf").exists()


def test_one_budget_for_all_stages(diagram):
    begun = []
    found = plane(budget=0.0, progress=lambda done, total: begun.append(done))
    assert not found.complete
    assert begun == []
    assert diagram.complete


def test_a_plane_without_instances_says_why():
    with pytest.raises(InvalidInputError, match=r"no instance is possible on this grid.*noise"):
        plane(fixed={"shape": (40, 40), "empty": "allow", "noise": -1.0})


def test_one_name_for_both_axes():
    with pytest.raises(InvalidInputError, match="both axes are rank"):
        plane(x={"rank": [1, 2]})
