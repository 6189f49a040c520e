"""The page on performance, from the JSON file and a template; nothing is measured here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import choice
from .recovery.report import recovery_section
from .tables import MISSING, number, table

TEMPLATE = Path(__file__).parent / "performance.md.j2"


def _ratio(contender: dict[str, Any]) -> float:
    """Peers: how many times as long as ours. Floors: how many times the floor ours takes."""
    over = float(contender["over_ours"])
    return 1 / over if contender["kind"] == "floor" else over


def _others(case: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in case["contenders"] if c["kind"] == kind}


def _columns(cases: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """All floors and then all peers that any of the cases has, in order of registration."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for case in cases:
        for contender in case["contenders"][1:]:
            found.setdefault((contender["kind"], contender["name"]), contender)
    return sorted(found.values(), key=lambda c: c["kind"])


def _row(case: dict[str, Any], threads: str, columns: Sequence[dict[str, Any]]) -> list[str]:
    ours = case["contenders"][0]
    by_name = {c["name"]: c for c in case["contenders"]}
    times = [number(1e3 * ours[key]) for key in ("median_s", "min_s")]
    cells = [case["label"], threads, *times]
    for column in columns:
        contender = by_name.get(column["name"])
        cells.append(MISSING if contender is None else number(_ratio(contender)))
    return cells


def _section(name: str, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found = [(run["threads"], c) for run in runs for c in run["cases"] if c["workload"] == name]
    # Settings of threads next to each other, cases in the order of the file.
    labels = list(dict.fromkeys(c["label"] for _, c in found))
    found.sort(key=lambda pair: labels.index(pair[1]["label"]))
    columns = _columns(c for _, c in found)
    header = ["case", "threads", "ms", "least ms"]
    header += [f"over {c['name']}" if c["kind"] == "floor" else c["name"] for c in columns]
    first = found[0][1]
    return {
        "title": first["title"],
        "about": first["contenders"][0]["about"],
        "columns": columns,
        "table": table(header, [_row(case, threads, columns) for threads, case in found]),
    }


def _span(values: Sequence[float]) -> str:
    low, high = number(min(values)), number(max(values))
    return low if low == high else f"{low} to {high}"


def _overview(runs: Sequence[dict[str, Any]], names: Sequence[str]) -> str:
    """The range over cases: over the highest floor, and the best peer over ours."""
    rows = []
    for name in names:
        for run in runs:
            cases = [c for c in run["cases"] if c["workload"] == name]
            floors = [min(map(_ratio, _others(c, "floor").values())) for c in cases]
            peers = [min(map(_ratio, _others(c, "peer").values())) for c in cases]
            title = cases[0]["title"]
            rows.append([title, run["threads"], _span(floors), _span(peers)])
    return table(["operation", "threads", "lowrank_la / floor", "best peer / lowrank_la"], rows)


def _first_use(rows: Sequence[dict[str, Any]]) -> str:
    return table(["what", "seconds"], [[r["name"], f"{r['median_s']:.2g}"] for r in rows])


def render(results: dict[str, Any], choices: dict[str, Any] | None = None) -> str:
    """The page as Markdown; `choices` are what `benchmarks.choice` measured."""
    import jinja2

    environment = jinja2.Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    runs = results["runs"]
    cases = [c for run in runs for c in run["cases"]]
    names = list(dict.fromkeys(c["workload"] for c in cases))
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        machine=results["machine"],
        runs=runs,
        command=results["command"],
        recovery=recovery_section(results.get("recovery")),
        minutes=results["total_s"] / 60,
        repeats=min((c["repeats"] for c in cases), default=0),
        others=[c["others_cores"] for c in cases],
        overview=_overview(runs, names),
        sections=[_section(name, runs) for name in names],
        choices=choice.summary(choices) if choices else None,
        first_use=_first_use(results["first_use"]) if results["first_use"] else None,
    )


def report(source: Path, target: Path) -> None:
    """Write the page of the numbers in `source` to `target`; "-" prints it."""
    choices = choice.RESULTS.read_text(encoding="utf-8") if choice.RESULTS.exists() else "null"
    text = render(json.loads(source.read_text(encoding="utf-8")), json.loads(choices))
    if str(target) == "-":
        print(text, end="")
        return
    target.write_text(text, encoding="utf-8")
    print(f"{target} written")
