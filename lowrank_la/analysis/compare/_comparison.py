"""What a race gives: one run of each pair, and all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..._lazy import require
from ...errors import FileFormatError
from ...result import Result, Status, pack_result, unpack_result
from ...storage import read, save, unpacking, write_table
from ..rates import RateFit, fit_rate


@dataclass(frozen=True, eq=False)
class Run:
    """One solver on one instance.

    Attributes
    ----------
    instance, solver : str
        Labels.
    repeat : int
    result : Result or None
        None if the pair failed.
    error : str
        Why it failed.
    predicted_rate : float or None
        Contraction per iteration, from the iteration linearised at the truth.
    """

    instance: str
    solver: str
    repeat: int
    result: Result | None
    error: str = ""
    predicted_rate: float | None = None

    def __repr__(self) -> str:
        status = "failed" if self.result is None else self.result.status.value
        return f"<Run of {self.solver} on {self.instance} #{self.repeat}: {status}>"

    @property
    def seconds(self) -> float:
        """Time in the solver, its set-up included."""
        if self.result is None:
            return float("nan")
        return float(self.result.trace.init_seconds + self.result.trace["seconds"][-1])

    @property
    def measure(self) -> str:
        """The column that tells success: "rel_error" if the truth is known."""
        known = self.result is not None and "rel_error" in self.result.trace
        return "rel_error" if known else "objective"

    @property
    def fit(self) -> RateFit | None:
        """Rate of the relative error per iteration; None for a run that diverged."""
        if self.result is None or "rel_error" not in self.result.trace:
            return None
        if self.result.status is Status.DIVERGED:
            return None
        return fit_rate(self.result.trace["iteration"], self.result.trace["rel_error"])

    def row(self) -> dict[str, Any]:
        """The run as one row of a table."""
        fit, result = self.fit, self.result
        low, high = fit.interval if fit else (None, None)
        last = {} if result is None else {k: float(c[-1]) for k, c in result.trace.items()}
        return {
            "instance": self.instance,
            "solver": self.solver,
            "repeat": self.repeat,
            "status": "failed" if result is None else result.status.value,
            "reason": self.error if result is None else result.reason,
            "n_iter": None if result is None else result.n_iter,
            "seconds": None if result is None else self.seconds,
            "objective": last.get("objective"),
            "rel_error": last.get("rel_error"),
            "rate": fit.rate if fit else None,
            "rate_low": low,
            "rate_high": high,
            "predicted_rate": self.predicted_rate,
            "oracle": ", ".join(result.oracle_used) if result else "",
        }


@dataclass(frozen=True, eq=False)
class Comparison:
    """The runs of a race.

    Attributes
    ----------
    runs : tuple of Run
        In the order instance, repeat, solver.
    recipes : dict of str
        Recipe of each instance, as text, where there is one.
    """

    runs: tuple[Run, ...]
    recipes: dict[str, str] = field(default_factory=dict)

    def rows(self) -> list[dict[str, Any]]:
        """One row per run; a failed pair is a row with its reason."""
        return [run.row() for run in self.runs]

    def to_pandas(self) -> Any:
        """The rows as a DataFrame: one per run."""
        pandas = require("pandas", extra="tables", purpose="Comparison.to_pandas")
        return pandas.DataFrame(self.rows())

    def traces(self) -> Any:
        """All traces as one tidy DataFrame: one row per run and look."""
        pandas = require("pandas", extra="tables", purpose="Comparison.traces")
        frames = []
        for run in self.runs:
            if run.result is not None:
                frame = run.result.trace.to_pandas()
                for place, name in enumerate(("instance", "solver", "repeat")):
                    frame.insert(place, name, getattr(run, name))
                frames.append(frame)
        return pandas.concat(frames, ignore_index=True) if frames else pandas.DataFrame()

    def save(self, path: Any) -> Path:
        """Write the race: ``.npz`` (all of it), or the table as ``.csv``, ``.json``, ``.parquet``.

        Parameters
        ----------
        path : str or path
            Where to; the suffix decides, none means ``.npz``.

        Returns
        -------
        Path

        Raises
        ------
        InvalidInputError
            For another suffix.
        OutputError
            If it cannot be written; no half-written file is left.
        """
        target = Path(path)
        if target.suffix in ("", ".npz"):
            return self._save_all(target)
        rows = self.rows()
        return write_table(target, {name: [row[name] for row in rows] for name in rows[0]})

    def _save_all(self, target: Path) -> Path:
        headers, arrays = [], {}
        for index, run in enumerate(self.runs):
            header = {
                "instance": run.instance,
                "solver": run.solver,
                "repeat": run.repeat,
                "error": run.error,
                "predicted_rate": run.predicted_rate,
                "result": None,
            }
            if run.result is not None:
                header["result"], found = pack_result(run.result, f"{index}.")
                arrays.update(found)
            headers.append(header)
        return save(
            target, {"kind": "comparison", "runs": headers, "recipes": self.recipes}, arrays
        )

    @classmethod
    def load(cls, path: Any) -> Comparison:
        """Read what `save` wrote to an ``.npz`` file.

        Raises
        ------
        FileFormatError
            If the file holds no comparison.
        """
        header, arrays = read(path)
        if header.get("kind") != "comparison":
            raise FileFormatError(f"{path} holds a {header.get('kind')}, not a comparison")
        runs = []
        with unpacking(path):
            for index, entry in enumerate(header["runs"]):
                packed = entry.pop("result")
                result = None if packed is None else unpack_result(packed, arrays, f"{index}.")
                runs.append(Run(result=result, **entry))
            return cls(tuple(runs), header["recipes"])

    def __repr__(self) -> str:
        done = sum(run.result is not None for run in self.runs)
        return f"<Comparison of {len(self.runs)} runs, {len(self.runs) - done} failed>"
