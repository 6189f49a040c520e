"""``lowrank-la complete``: fill a ratings table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from .._typing import Array
from ..errors import InvalidInputError, TooLargeError
from ..estimators.completion import Completion
from ..estimators.completion import complete as complete_table
from ..estimators.files import read_positions, read_triples, write_table
from ..result import Status
from ..storage import check_folder
from ._console import INTERRUPTED, print_json, print_table, stderr, stdout

MAX_CELLS = 20_000_000


def complete(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or NPZ file, one rating per record")],
    row: Annotated[str, typer.Option(help="column with row labels")] = "user",
    col: Annotated[str, typer.Option(help="column with column labels")] = "item",
    value: Annotated[str, typer.Option(help="column with values")] = "rating",
    rank: Annotated[
        int | None,
        typer.Option(
            min=1, help="largest rank of the low-rank part", show_default="10, or the table's"
        ),
    ] = None,
    ridge: Annotated[
        float, typer.Option(min=0.0, help="nuclear-norm weight, in units of the noise level")
    ] = 0.8,
    holdout: Annotated[
        float, typer.Option(min=0.0, max=0.9, help="share of ratings held out to measure the error")
    ] = 0.0,
    duplicates: Annotated[str, typer.Option(help="raise or mean")] = "raise",
    clip: Annotated[bool, typer.Option(help="clip predictions to the observed range")] = True,
    max_iter: Annotated[int, typer.Option(min=1, help="sweeps at most")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="seed of hold-out and start")] = 0,
    model: Annotated[
        Path | None, typer.Option(help="file for the model", show_default="NAME.model.npz")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="write predictions to .csv, .parquet or .npz")
    ] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="file of row and column labels: predict these cells only")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print the result as JSON")] = False,
) -> None:
    """Fill a ratings table: additive effects plus a low rank.

    With --holdout the error on ratings that the fit has not seen is printed beside those of
    the global mean and of the additive model. The model is always written; --out writes the
    predictions too, for all cells or for those in --pairs.
    """
    if pairs is not None and out is None:
        raise InvalidInputError("--pairs needs --out, the file for the predictions")
    if out is not None and out.suffix not in (".csv", ".parquet", ".npz"):
        raise InvalidInputError(f"cannot write {out.name}; use .csv, .parquet or .npz")
    model = model or Path(f"{file.name.split('.')[0]}.model.npz")
    for target in (model, out):
        if target is not None:
            check_folder(target)
    cells = read_triples(file, row=row, column=col, value=value)
    wanted = None if pairs is None else read_positions(pairs, cells, row=row, column=col)
    with stderr.status("fitting") as line:
        result = complete_table(
            cells,
            rank=rank,
            ridge=ridge,
            bounds="observed" if clip else None,
            holdout=holdout,
            duplicates=duplicates,
            max_iter=max_iter,
            rng=seed,
            progress=lambda sweep, value: line.update(f"fitting: sweep {sweep}, {value:.6g}"),
        )
    written = [result.save(model)]
    if out is not None:
        written.append(_write(result, out, wanted, row, col, value))
    _print(result, cells.values.size, written, json)
    if result.status is Status.INTERRUPTED:
        raise typer.Exit(INTERRUPTED)


def _write(
    result: Completion,
    out: Path,
    wanted: tuple[Array, Array] | None,
    row: str,
    col: str,
    value: str,
) -> Path:
    n1, n2 = result.shape
    if wanted is not None:
        i, j = wanted
    elif n1 * n2 > MAX_CELLS:
        raise TooLargeError(
            f"the whole table has {n1} x {n2} = {n1 * n2} cells, more than {MAX_CELLS} that a "
            f"file is written for; name the cells you need with --pairs"
        )
    else:
        i, j = (index.ravel() for index in np.indices((n1, n2)))
    assert result.row_labels is not None
    assert result.column_labels is not None
    columns = {
        row: result.row_labels[i],
        col: result.column_labels[j],
        value: result.predict(i, j),
    }
    return write_table(out, columns)


def _print(result: Completion, cells: int, written: list[Path], json: bool) -> None:
    n1, n2 = result.shape
    if json:
        score: Any = None if result.score is None else vars(result.score)
        print_json(
            {
                "rows": n1,
                "columns": n2,
                "cells": cells,
                "rank": result.rank,
                "ridge": result.ridge,
                "status": result.status.value,
                "reason": result.reason,
                "sweeps": result.n_iter,
                "fit_seconds": result.seconds,
                "holdout_rmse": score,
                "written_paths": [str(path) for path in written],
            }
        )
        return
    stdout.print(
        f"{n1} x {n2} table, {cells} ratings ({100 * cells / (n1 * n2):.1f} %); rank "
        f"{result.rank}, {result.n_iter} sweeps in {result.seconds:.2f} s: {result.reason}",
        highlight=False,
        soft_wrap=True,
    )
    score = result.score
    if score is not None:
        print_table(
            [
                {"model": name, f"RMSE on {score.cells} held-out ratings": f"{error:.4f}"}
                for name, error in (
                    ("global mean", score.mean),
                    ("row + column effects", score.additive),
                    ("effects + low rank", score.low_rank),
                )
            ],
            left=("model",),
        )
    stdout.print("written: " + ", ".join(map(str, written)), markup=False, soft_wrap=True)
