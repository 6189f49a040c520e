"""Runs claims: cells in parallel, stored when finished, judged when all are there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.batch import Batch, made
from ..analysis.cells import Outcome
from ..plotting import save_figure
from ..storage import whole_file
from ._checks import Finding, Verdict, overall
from ._claim import Claim, registry
from ._data import Data
from ._figures import Runs

__all__ = ["ClaimResult", "claims", "run", "run_many"]


@dataclass(frozen=True, eq=False)
class ClaimResult:
    """A claim, what was measured, and what that says.

    Attributes
    ----------
    claim : Claim
        With the parameters that were run.
    runs : Runs or None
        Numbers and outcomes; None if a cell failed or was not run.
    findings : tuple of Finding
    verdict : Verdict
    why : str
    seconds : float
        Time in the cells, stored ones as they were.
    """

    claim: Claim
    runs: Runs | None
    findings: tuple[Finding, ...]
    verdict: Verdict
    why: str
    seconds: float

    @property
    def table(self) -> list[dict[str, Any]]:
        """One row per grid point: parameters, and median, least and largest of each number."""
        return [] if self.runs is None else self.runs.data.table()

    @cached_property
    def figure(self) -> Any:
        """The matplotlib figure; None if there is nothing to draw."""
        return None if self.runs is None else self.claim.drawing.draw(self.runs)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; equal for equal runs, but for fields named after seconds or the machine."""
        claim = self.claim
        return {
            "id": claim.id,
            "paper": claim.paper,
            "source": claim.source,
            "statement": claim.statement,
            "settings": claim.settings,
            "grid": {name: list(values) for name, values in claim.grid.items()},
            "fixed": dict(claim.fixed),
            "repeats": claim.repeats,
            "verdict": self.verdict.value,
            "why": self.why,
            "checks": [finding.as_dict() for finding in self.findings],
            "table": self.table,
            "notes": claim.notes,
            "seconds": self.seconds,
            "machine": machine(),
        }

    def save(self, folder: Any) -> list[Path]:
        """Write result.json, table.csv, figure.png and figure.pdf.

        Parameters
        ----------
        folder : str or path
            Where to; made if it is not there.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        target = made(Path(folder))
        written = [target / "result.json"]
        with whole_file(written[0], "w") as file:
            json.dump(to_json(self.as_dict()), file, indent=1, sort_keys=True)
            file.write("\n")
        if self.runs is not None:
            written.append(_write_csv(target / "table.csv", self.table))
            written += [save_figure(self.figure, target / f"figure.{k}") for k in ("png", "pdf")]
        return written

    def __repr__(self) -> str:
        return f"<{self.claim.id}: {self.verdict.value}. {self.why}>"


def claims() -> list[Claim]:
    """All claims that can be checked, by paper.

    Returns
    -------
    list of Claim
    """
    return sorted((registry[name] for name in registry), key=lambda c: (c.paper, c.id))


def run(
    claim: str | Claim,
    *,
    folder: Any = None,
    workers: int = 1,
    progress: Callable[[str, int, int], None] | None = None,
    **overrides: Any,
) -> ClaimResult:
    """Check a claim.

    Parameters
    ----------
    claim : str or Claim
        An id (see `claims`) or a claim of your own.
    folder : str or path, optional
        Where finished cells are kept and reused; without one nothing is written.
    workers : int
        Processes; with more than one, a script needs the usual main guard.
    progress : callable, optional
        Called as ``progress(id, done, total)``.
    **overrides
        Other values of the claim's parameters, or `repeats`.

    Returns
    -------
    ClaimResult
        With `verdict`, `why`, `table` and `figure`.

    Raises
    ------
    UnknownNameError
        For a claim or a parameter that does not exist.
    """
    chosen = registry[claim] if isinstance(claim, str) else claim
    (result,) = run_many(
        [chosen.changed(**overrides)], folder=folder, workers=workers, progress=progress
    )
    return result


def run_many(
    chosen: Iterable[Claim],
    *,
    folder: Any = None,
    workers: int = 1,
    budget: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    finished: Callable[[ClaimResult], None] | None = None,
) -> list[ClaimResult]:
    """Check several claims; their cells share the processes.

    Parameters
    ----------
    chosen : iterable of Claim
    folder : str or path, optional
        Where finished cells are kept and reused.
    workers : int
        Processes.
    budget : float, optional
        Seconds after which no further cell is begun.
    progress : callable, optional
        Called as ``progress(id, done, total)`` when a cell ends.
    finished : callable, optional
        Called with each result as soon as it is there.

    Returns
    -------
    list of ClaimResult
        In the order given. Ctrl-C, or the end of the budget, leaves claims without all of
        their cells not decided.
    """
    batch = Batch(folder, workers=workers)
    work = [_Work(claim, batch) for claim in chosen]

    def settle(key: str | None = None) -> None:
        for item in work:
            if key in item.keys and progress is not None:
                progress(item.claim.id, item.done, len(item.keys))
            if item.result is None and item.done == len(item.keys):
                item.result = item.judge()
                if finished is not None:
                    finished(item.result)

    settle()
    batch.run((cell for item in work for cell in item.cells), budget=budget, done=settle)
    return [item.judge() if item.result is None else item.result for item in work]


class _Work:
    """A claim that waits for its cells."""

    def __init__(self, claim: Claim, batch: Batch) -> None:
        self.claim, self.batch = claim, batch
        self.cells = claim.cells()
        self.keys = [batch.key(cell) for cell in self.cells]
        for key in self.keys:
            batch.recall(key)
        self.result: ClaimResult | None = None

    @property
    def done(self) -> int:
        return sum(key in self.batch.outcomes for key in self.keys)

    def judge(self) -> ClaimResult:
        claim, keys = self.claim, self.keys
        missing = len(keys) - self.done
        outcomes = [self.batch.outcomes.get(key) for key in keys]
        done = [o for o in outcomes if isinstance(o, Outcome)]
        seconds = float(sum(o.seconds for o in done))
        failed = next((o for o in outcomes if isinstance(o, str)), None)
        if missing or failed is not None:
            why = failed or f"{missing} of {len(keys)} runs were not made"
            return ClaimResult(claim, None, (), Verdict.NOT_DECIDED, why, seconds)
        try:
            points = claim.points()
            by_point = [done[k :: len(points)] for k in range(len(points))]
            with np.errstate(all="ignore"):
                numbers = {
                    name: np.array(
                        [
                            [float(number(outcome, point)) for outcome in row]
                            for point, row in zip(points, by_point, strict=True)
                        ]
                    )
                    for name, number in claim.numbers.items()
                }
                data = Data(points, numbers)
                findings = tuple(
                    check.judge(data, deterministic=claim.deterministic)
                    for check in claim.all_checks
                )
        except Exception as error:
            # A claim that cannot be judged must not take the others with it.
            why = f"{type(error).__name__}: {error}"
            return ClaimResult(claim, None, (), Verdict.NOT_DECIDED, why, seconds)
        verdict, why = overall(list(findings))
        return ClaimResult(claim, Runs(data, by_point), findings, verdict, why, seconds)


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    import csv

    with whole_file(path, "w") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def machine() -> str:
    """Processor kind and number of cores, without names."""
    import platform

    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def to_json(value: Any) -> Any:
    """Plain values; what is not finite becomes text, since JSON has no such numbers."""
    if isinstance(value, dict):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, np.generic):
        return to_json(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
