"""The tables of recoveries; nothing is measured here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..tables import MISSING, number, table
from .ours import OURS

AUTO = OURS + "auto"
# Times within this factor of each other are a tie.
TIE = 1.3


def _solved(row: dict[str, Any] | None) -> int:
    return 0 if row is None else int(row.get("reached", 0))


def _clock(threads: str) -> str:
    """What is compared: work on one thread, and on several the time that passes."""
    return "cpu_s" if threads == "1" else "wall_s"


def _best(rows: Sequence[dict[str, Any]], clock: str = "cpu_s") -> dict[str, Any] | None:
    """Most instances solved, then the least seconds; None if nobody solved any."""
    good = [r for r in rows if _solved(r)]
    return min(good, key=lambda r: (-r["reached"], r[clock]), default=None)


def verdict(
    ours: dict[str, Any] | None,
    other: dict[str, Any] | None,
    of: int,
    *,
    ran: bool = True,
    clock: str = "cpu_s",
) -> tuple[str, str]:
    """Their time over ours, and what it says; who solves more instances wins before time counts."""
    if not ran:
        return MISSING, "no package ran"
    mine, theirs = _solved(ours), _solved(other)
    if not mine and not theirs:
        return MISSING, "nobody"
    if mine > theirs:
        return MISSING, "only lowrank_la" if not theirs else f"{mine} against {theirs} of {of}"
    if mine < theirs:
        return MISSING, "only they" if not mine else f"**{mine} against {theirs} of {of}**"
    assert ours is not None
    assert other is not None
    ratio = other[clock] / ours[clock]
    if ratio > TIE:
        return number(ratio), "faster"
    return number(ratio), "tie" if ratio >= 1 / TIE else "**slower**"


def _cell(row: dict[str, Any] | None, of: int, clock: str, *, name: bool) -> str:
    if row is None:
        return MISSING
    label = row["contender"].removeprefix(OURS) + " " if name else ""
    if not _solved(row):
        return f"{label}0 of {of}"
    count = "" if of == 1 else f" ({row['reached']} of {of})"
    return f"{label}{number(row[clock])}{count}"


def _overview(cases: Sequence[dict[str, Any]]) -> str:
    rows = []
    for case in cases:
        for run in case["runs"]:
            ran = [r for r in run["rows"] if "skipped" not in r]
            auto = next((r for r in ran if r["contender"] == AUTO), None)
            clock, of = _clock(run["threads"]), case["seeds"]
            mine = _best([r for r in ran if r["kind"] == "ours"], clock)
            packages = [r for r in ran if r["kind"] == "package"]
            best = _best(packages, clock)
            ratio, says = verdict(auto, best, of, ran=bool(packages), clock=clock)
            rows.append(
                [
                    case["name"],
                    run["threads"],
                    _cell(auto, of, clock, name=False),
                    _cell(mine, of, clock, name=True),
                    _cell(best, of, clock, name=True),
                    ratio,
                    says,
                ]
            )
    header = ["case", "threads", "auto", "best solver of ours", "best package"]
    return table([*header, "package / auto", "auto is"], rows, left=(3, 4, 6))


def _remark(row: dict[str, Any], of: int) -> str:
    """What one should know about a row besides its numbers."""
    says = [row["ended"]] if row["ended"] else []
    instances = row["instances"]
    if instances and len(instances) < of and not row["ended"]:
        says.append(f"gave up after {len(instances)} of {of}")
    failures = list(dict.fromkeys(i["failure"] for i in instances if i["failure"]))
    # A table's cell has no bars and no line breaks.
    says += [" ".join(f.replace("|", "/").split()) for f in failures[:1]]
    if any(i["out_of_time"] for i in instances):
        says.append("out of time")
    if instances and instances[0]["setting"]:
        inside = ", ".join(f"{k}={v}" for k, v in instances[0]["setting"].items())
        says.append(f"{inside} (of {instances[0]['settings']} settings)")
    return "; ".join(says)


def _error(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.0e}"


def _row(row: dict[str, Any], threads: str, case: dict[str, Any], passes: bool) -> list[str]:
    of = case["seeds"]
    name = row["contender"]
    if not row["instances"]:
        blank = [MISSING] * (6 + passes)
        return [name, threads, f"0 of {of}", *blank, row["ended"] or "no answer"]
    cells = [name, threads, f"{row['reached']} of {of}"]
    if _solved(row):
        cells += [number(row[key]) for key in ("cpu_s", "wall_s", "prepared_s")]
    else:
        cells += [MISSING] * 3
    if passes:
        known = _solved(row) and "pass_s" in row
        cells.append(number(row["cpu_s"] / row["pass_s"]) if known else MISSING)
    cells += [_error(row["error"]), f"{row['peak_mb']}"]
    cells.append(str(row["repeats"]) if _solved(row) else MISSING)
    return [*cells, _remark(row, of)]


def _details(case: dict[str, Any]) -> dict[str, Any]:
    passes = any("pass_s" in row for run in case["runs"] for row in run["rows"])
    header = ["contender", "threads", "solved", "CPU s", "wall s", "preparing"]
    header += ["over a pass"] if passes else []
    header += ["error", "peak MB", "repeats", "remarks"]
    rows = [
        _row(row, run["threads"], case, passes)
        for run in case["runs"]
        for row in run["rows"]
        if "skipped" not in row
    ]
    skipped = dict.fromkeys(
        (row["contender"], row["skipped"])
        for run in case["runs"]
        for row in run["rows"]
        if "skipped" in row
    )
    inside = ", ".join(f"{key} = {value}" for key, value in case["parameters"].items())
    return {
        "name": case["name"],
        "inside": inside,
        "about": case["about"],
        "limit": case["limit"],
        "table": table(header, rows, left=(len(header) - 1,)),
        "skipped": list(skipped),
        "passes": passes,
    }


def recovery_section(recovery: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the template needs; None without any recovery."""
    if not recovery or not recovery["cases"]:
        return None
    cases = recovery["cases"]
    return {
        "overview": _overview(cases),
        "cases": [_details(case) for case in cases],
        "packages": recovery["packages"],
        "completion_data": recovery["completion_data"],
        "target": cases[0]["target"],
        "tie": TIE,
        "contenders": recovery["about"],
    }
