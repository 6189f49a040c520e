"""Figures: what is drawn, read back from the axes."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

import lowrank_la as ll
from lowrank_la import plotting, solvers
from lowrank_la.analysis.compare import Comparison
from lowrank_la.errors import InvalidInputError

mpl = pytest.importorskip("matplotlib")


# Constant steps have a predicted rate.
CONSTANT = [solvers.GD(step_size=0.5), solvers.ScaledGD(step_size=0.5)]


@pytest.fixture(scope="module")
def race(completion):
    return ll.compare(completion, CONSTANT, budget=60)


@pytest.fixture(scope="module")
def repeated(completion):
    return ll.compare(completion, CONSTANT, budget=60, repeats=3)


def curves(ax):
    """Curves of solvers by label, without predictions and legend entries."""
    return {
        line.get_label(): line
        for line in ax.get_lines()
        if not line.get_label().startswith("_") and len(line.get_xdata())
    }


def predictions(ax):
    return [line for line in ax.get_lines() if line.get_label() == "_predicted"]


def slope(line):
    (x0, x1), (y0, y1) = line.get_xdata(), line.get_ydata()
    return (y1 / y0) ** (1 / (x1 - x0))


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_curves_are_the_traces(race):
    ax = plotting.convergence(race)
    assert isinstance(ax, mpl.axes.Axes)
    assert ax.get_yscale() == "log"
    assert ax.get_xscale() == "linear"
    found = curves(ax)
    assert list(found) == ["gd", "scaledgd"]
    for run in race.runs:
        np.testing.assert_array_equal(found[run.solver].get_xdata(), run.result.trace["iteration"])
        np.testing.assert_allclose(found[run.solver].get_ydata(), run.result.trace["rel_error"])


def test_axes_are_labelled(race):
    ax = plotting.convergence(race)
    assert ax.get_xlabel() == "iteration"
    assert ax.get_ylabel().startswith("relative error")
    assert ax.get_xlim()[0] == 0


def test_over_seconds(race):
    ax = plotting.convergence(race, x="seconds")
    assert ax.get_xscale() == "log"
    assert ax.get_xlabel() == "seconds in the solver"
    line = curves(ax)["gd"]
    np.testing.assert_array_equal(line.get_xdata(), race.runs[0].result.trace["seconds"])
    # Contraction per iteration says nothing about seconds.
    assert not predictions(ax)
    assert "predicted rate" not in legend(ax)


def test_another_column(race, sensing):
    ax = plotting.convergence(race, y="objective")
    assert ax.get_ylabel() == "objective"
    np.testing.assert_allclose(curves(ax)["gd"].get_ydata(), race.runs[0].result.trace["objective"])
    own = ll.compare(sensing, "gd", observe={"my number": lambda view: 2.0}, budget=3)
    assert plotting.convergence(own, y="my number").get_ylabel() == "my number"


def test_without_truth_the_objective_is_drawn(sensing):
    race = ll.compare(sensing.problem, "gd", rank=2, budget=3)
    assert plotting.convergence(race).get_ylabel() == "objective"


def test_predicted_slopes(race):
    ax = plotting.convergence(race, predicted=True)
    lines = predictions(ax)
    assert len(lines) == 2
    for line, run in zip(lines, race.runs, strict=True):
        assert slope(line) == pytest.approx(run.predicted_rate)
        assert line.get_color() == curves(ax)[run.solver].get_color()
        assert line.get_linewidth() < curves(ax)[run.solver].get_linewidth()
        assert line.get_xdata()[0] >= 0
    assert "predicted rate" in legend(ax)


def test_no_predicted_slopes_where_not_wanted_or_not_known(race, completion):
    ax = plotting.convergence(race, predicted=False)
    assert not predictions(ax)
    assert legend(ax) == ["gd", "scaledgd"]
    grows = Comparison(tuple(replace(run, predicted_rate=1.2) for run in race.runs))
    assert "predicted rate" not in legend(plotting.convergence(grows))
    unknown = ll.compare(completion, solvers.GD(step_size="exact"), budget=10)
    ax = plotting.convergence(unknown, predicted=True)
    assert not predictions(ax)
    assert legend(ax) == ["gd"]


def test_the_legend_names_oracle_quantities(sensing):
    race = ll.compare(sensing, [solvers.GD(sigma_max=1.0), "scaledgd"], budget=3)
    ax = plotting.convergence(race, predicted=False)
    assert legend(ax) == ["gd (oracle: sigma_max)", "scaledgd"]
    title = ax.get_legend().get_title().get_text()
    assert "oracle" in title
    assert title.endswith(": rank")
    free = ll.compare(sensing, ["gd", "scaledgd"], rank=2, budget=3)
    ax = plotting.convergence(free, predicted=False)
    assert legend(ax) == ["gd", "scaledgd"]
    assert ax.get_legend().get_title().get_text() == ""


def test_a_band_over_repeats(repeated):
    ax = plotting.convergence(repeated)
    found = curves(ax)
    assert list(found) == ["gd", "scaledgd"]
    assert len(ax.collections) == 2
    runs = [run.result.trace for run in repeated.runs if run.solver == "gd"]
    errors = np.stack([trace["rel_error"][:20] for trace in runs])
    np.testing.assert_allclose(found["gd"].get_ydata()[:20], np.median(errors, axis=0))
    vertices = ax.collections[0].get_paths()[0].vertices
    for k in (0, 5, 15):
        band = vertices[vertices[:, 0] == k, 1]
        assert band.min() == pytest.approx(errors[:, k].min())
        assert band.max() == pytest.approx(errors[:, k].max())


def test_the_predicted_slope_of_repeats_is_the_middle_one(repeated):
    rates = [run.predicted_rate for run in repeated.runs if run.solver == "gd"]
    line = predictions(plotting.convergence(repeated))[0]
    assert slope(line) == pytest.approx(np.median(rates))


def test_no_band_without_repeats(race):
    assert not plotting.convergence(race).collections


def test_several_instances_are_told_apart(completion, sensing):
    race = ll.compare({"A": completion, "B": sensing}, ["gd"], budget=3)
    assert list(curves(plotting.convergence(race))) == ["gd, A", "gd, B"]


def test_solvers_differ_in_colour_and_dashes(completion):
    steps = {f"step {k}": solvers.GD(step_size=0.1 * k) for k in range(1, 6)}
    lines = curves(plotting.convergence(ll.compare(completion, steps, budget=3))).values()
    assert len({line.get_color() for line in lines}) == 5
    assert len({str(line._dash_pattern) for line in lines}) == 5


def test_a_solver_without_iterations_is_a_marker(completion):
    pytest.importorskip("cvxpy")
    race = ll.compare(completion, ["scaledgd", "convex"], budget=60)
    for x in ("iteration", "seconds"):
        ax = plotting.convergence(race, x=x)
        marker = curves(ax)["convex"]
        assert marker.get_marker() not in ("None", "", None)
        assert marker.get_ydata() == pytest.approx(race.runs[1].result.trace["rel_error"][-1])
        place = race.runs[1].seconds if x == "seconds" else 1
        assert marker.get_xdata() == pytest.approx(place)


def test_a_diverged_run_does_not_squeeze_the_others(completion):
    both = {"good": "scaledgd", "bad": solvers.ScaledGD(step_size=50.0)}
    race = ll.compare(completion, both, budget=60)
    assert race.runs[1].result.status is ll.Status.DIVERGED
    assert race.runs[1].result.trace["rel_error"].max() > 1e3
    top = plotting.convergence(race).get_ylim()[1]
    assert top <= 100 * race.runs[0].result.trace["rel_error"][0]


def test_failed_pairs_are_left_out(sensing):
    race = ll.compare(sensing, ["altmin", "gd"], budget=3)
    assert list(curves(plotting.convergence(race))) == ["gd"]
    with pytest.raises(InvalidInputError, match="no finished run has the column"):
        plotting.convergence(ll.compare(sensing, "altmin", budget=3))


def test_exact_zeros_and_nan_do_no_harm(race):
    run = race.runs[0]
    columns = {name: run.result.trace[name].copy() for name in run.result.trace}
    columns["rel_error"][-3:] = [0.0, np.nan, np.inf]
    trace = type(run.result.trace).from_columns(columns, 0.0)
    spoilt = Comparison((replace(run, result=replace(run.result, trace=trace)),))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plotting.convergence(spoilt)
        ax.figure.canvas.draw()
    low, high = ax.get_ylim()
    assert 0 < low < high < np.inf


def test_a_run_of_one_look(completion):
    race = ll.compare(completion, "gd", budget=0)
    for x in ("iteration", "seconds"):
        plotting.convergence(race, x=x).figure.canvas.draw()


def test_axes_of_your_own(race):
    figure = mpl.figure.Figure()
    mine = figure.subplots(1, 2)
    assert plotting.convergence(race, ax=mine[1]) is mine[1]
    assert curves(mine[1])
    assert not mine[0].get_lines()


def test_nothing_global_is_changed(race, tmp_path):
    before = dict(mpl.rcParams)
    ax = plotting.convergence(race)
    plotting.save_figure(ax, tmp_path / "a.png")
    with plotting.style():
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert dict(mpl.rcParams) == before
    import sys

    # Figures that pyplot knows of are never freed.
    if "matplotlib.pyplot" in sys.modules:
        assert not sys.modules["matplotlib.pyplot"].get_fignums()


@pytest.mark.parametrize(
    ("suffix", "magic"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_saved_figures(suffix, magic, race, tmp_path):
    first = plotting.save_figure(plotting.convergence(race), tmp_path / f"a{suffix}")
    assert first.read_bytes().startswith(magic)
    if suffix == ".svg":
        assert b"relative error" in first.read_bytes()
        return
    # The same race is the same file.
    second = plotting.save_figure(plotting.convergence(race).figure, tmp_path / f"b{suffix}")
    assert first.read_bytes() == second.read_bytes()


def test_bad_arguments(race, tmp_path):
    with pytest.raises(InvalidInputError, match="x must be 'iteration' or 'seconds', got 'time'"):
        plotting.convergence(race, x="time")
    with pytest.raises(InvalidInputError, match="no finished run has the column 'rel_err'"):
        plotting.convergence(race, y="rel_err")
    for name in ("a.xyz", "nothing"):
        with pytest.raises(InvalidInputError, match=f"cannot write {name}; use .*png"):
            plotting.save_figure(plotting.convergence(race), tmp_path / name)
    assert not list(tmp_path.iterdir())
