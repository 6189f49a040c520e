"""Command line: ``python -m benchmarks run | report | list``."""

from __future__ import annotations

import argparse
from pathlib import Path

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
QUICK_RESULTS = HERE / "results-quick.json"
PAGE = HERE.parent / "docs" / "performance.md"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="measure all cases and write a JSON file")
    run.add_argument("--quick", action="store_true", help="small sizes, a few minutes")
    run.add_argument("--only", default="", metavar="TEXT", help="cases with this in their name")
    run.add_argument(
        "--threads",
        nargs="+",
        default=["1", "2"],
        metavar="N[:M]",
        help="threads of kernels, and of BLAS where they differ; default: 1 2",
    )
    run.add_argument("--output", type=Path, help=f"default: {RESULTS.name}, {QUICK_RESULTS.name}")

    run.add_argument(
        "--update", action="store_true", help="keep the other cases that the output file has"
    )

    report = commands.add_parser("report", help="write the page from a JSON file")
    report.add_argument("--input", type=Path, default=RESULTS)
    report.add_argument("--output", type=Path, default=PAGE, help="a file, or - for the screen")

    show = commands.add_parser("list", help="show the cases")
    show.add_argument("--quick", action="store_true")

    # What `run` starts, once for each number of threads; JSON lines on stdout.
    worker = commands.add_parser("worker")
    worker.add_argument("--quick", action="store_true")
    worker.add_argument("--only", default="")
    # What `run` starts for each contender of a recovery; its order is on stdin.
    commands.add_parser("recovery-worker")
    return parser


def main() -> None:
    options = _parser().parse_args()
    # Imported late: only workers need the package, only the report needs jinja2.
    if options.command == "run":
        from .run import run

        output = options.output or (QUICK_RESULTS if options.quick else RESULTS)
        run(
            output,
            quick=options.quick,
            only=options.only,
            threads=options.threads,
            update=options.update,
        )
    elif options.command == "report":
        from .report import report

        report(options.input, options.output)
    elif options.command == "list":
        from .cases import select
        from .recovery.cases import select as select_recoveries

        for case in (*select(quick=options.quick), *select_recoveries(quick=options.quick)):
            print(case)
    elif options.command == "recovery-worker":
        from .recovery.worker import main as recover

        recover()
    else:
        from .worker import work

        work(quick=options.quick, only=options.only)


if __name__ == "__main__":
    main()
