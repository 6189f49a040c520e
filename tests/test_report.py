"""The HTML report: self-contained, complete, and safe from what is put into it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

import lowrank_la as ll
from lowrank_la import report, solvers
from lowrank_la.report import table_rows

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")


class Page(HTMLParser):
    """Tags, attributes and text of a page, and whether its tags are closed in order."""

    VOID = frozenset({"meta", "img", "link", "br", "hr", "input"})

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text.append(data.strip())

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)


@pytest.fixture(scope="module")
def race(completion):
    steps = [solvers.GD(step_size=0.5), solvers.GD(step_size=0.5, sigma_max=1.0)]
    return ll.compare(completion, [*steps, solvers.ScaledGD(step_size=0.5)], budget=200)


@pytest.fixture(scope="module")
def page(race, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert report.race_report(race, path, title="A & B", command="lowrank-la race") == path
    return path.read_text(encoding="utf-8")


def test_the_page_is_well_formed(page):
    found = Page(page)
    assert not found.open
    assert page.startswith("<!DOCTYPE html>")


def test_nothing_is_loaded_from_elsewhere(page):
    for _, attributes in Page(page).tags:
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    assert not re.search(r"https?://", page)
    assert "@import" not in page
    assert "<script" not in page


def test_what_it_holds(page, race):
    found = Page(page)
    assert found.count("tr") == 1 + len(race.runs)
    assert found.count("img") == 2
    text = " ".join(found.text)
    for word in ("A & B", "gd 1", "gd 2", "scaledgd", "converged", "lowrank-la race"):
        assert word in text
    assert "lowrank_la.problems.completion(shape=[40, 30]" in text
    assert "GD(step_size=0.5, sigma_max=1.0)" in text
    for name, version in report.versions().items():
        assert f"{name} {version}" in text


def test_pictures_say_what_they_show(page):
    for tag, attributes in Page(page).tags:
        if tag == "img":
            assert attributes["alt"]
            assert attributes["src"].startswith("data:image/png;base64,")


def test_names_cannot_inject_markup(sensing, tmp_path):
    race = ll.compare({"<b>x</b>": sensing, "y": sensing}, {"<i>": "gd"}, budget=2)
    path = tmp_path / "r.html"
    report.race_report(race, path, title="<script>", command="a < b")
    text = path.read_text()
    assert "<script>" not in text
    assert "<b>" not in text
    assert "<i>" not in text
    assert "&lt;i&gt;" in text


def test_a_race_of_failures_is_reported_too(sensing, tmp_path):
    race = ll.compare(sensing, "altmin", budget=2)
    path = report.race_report(race, tmp_path / "r.html")
    found = Page(path.read_text())
    assert found.count("img") == 0
    assert "needs operator.row_solve" in " ".join(found.text)


def test_rows_of_a_table(race):
    rows = table_rows(race)
    assert [row["solver"] for row in rows] == ["gd 1", "gd 2", "scaledgd"]
    row = rows[2]
    run = race.runs[2]
    assert row["status"] == "converged"
    assert row["iter"] == str(run.result.n_iter)
    assert float(row["seconds"]) == pytest.approx(run.seconds, abs=1e-3)
    assert float(row["rel. error"]) == pytest.approx(run.result.trace["rel_error"][-1], rel=0.1)
    rate, low, high = (float(v) for v in re.findall(r"[\d.]+", row["rate (95 %)"]))
    assert low <= rate <= high
    assert rate == pytest.approx(run.fit.rate, abs=1e-3)
    assert float(row["predicted"]) == pytest.approx(run.predicted_rate, abs=1e-3)


def test_rows_without_a_rate_or_a_result(sensing, completion):
    race = ll.compare({"A": sensing, "B": completion}, ["altmin", "gd"], budget=2, repeats=2)
    rows = table_rows(race)
    assert rows[0]["solver"] == "altmin, A"
    assert rows[2]["solver"] == "altmin, A #1"
    assert rows[0]["iter"] == rows[0]["seconds"] == rows[0]["rate (95 %)"] == ""
    assert rows[0]["reason"].startswith("IncompatibleError")
    assert rows[1]["rate (95 %)"] == ""


def test_a_bare_problem_shows_its_objective(sensing):
    race = ll.compare(sensing.problem, "gd", rank=2, budget=3)
    row = table_rows(race)[0]
    value = row.get("rel. error") or row["objective"]
    assert float(value) == pytest.approx(race.runs[0].result.trace["objective"][-1], rel=0.1)


def test_versions():
    found = report.versions()
    assert found["lowrank_la"] == ll.__version__
    assert set(found) >= {"python", "numpy", "scipy", "numba"}
