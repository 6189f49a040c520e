"""One process with one setting of threads: measures cases, prints a JSON line for each."""

from __future__ import annotations

import gc
import json
from typing import Any

from . import floors, peers  # noqa: F401 - they register themselves
from .cases import Case, select
from .registry import ADAPTERS, Work
from .timing import Contender, DisagreementError, Schedule, difference, summary
from .workloads import WORKLOADS

# Seconds for one case, and for repeating what others disturbed; slow cases take their rounds.
FULL, QUICK = Schedule(budget=2.0, patience=40.0), Schedule(budget=0.0, patience=0.0)


def _contenders(workload: Any) -> list[Contender]:
    about = " ".join(type(workload).__doc__.split())
    found = [Contender("ours", "lowrank_la", about, workload.ours)]
    for adapter in ADAPTERS[type(workload)]:
        work = adapter.make(workload)
        if work is None:
            continue
        work = work if isinstance(work, Work) else Work(work)
        found.append(Contender(adapter.kind, adapter.name, adapter.about, work.call, work.scale))
    return found


def _check(workload: Any, contenders: list[Contender]) -> dict[str, float]:
    """Warm up, and refuse to go on unless all peers compute the same numbers."""
    expected: Any = None
    differences = {}
    for contender in contenders:
        output = contender.warm_up()
        if contender.kind == "ours":
            expected = workload.answer(output)
        elif contender.kind == "peer":
            gap = difference(expected, workload.answer(output))
            if not gap <= workload.tolerance:
                raise DisagreementError(
                    f"{workload.title}, {workload.label}: {contender.name} differs from "
                    f"lowrank_la by {gap:.1e}, more than {workload.tolerance:.0e}"
                )
            differences[contender.name] = gap
    return differences


def _measure(case: Case, schedule: Schedule) -> dict[str, Any]:
    workload = WORKLOADS[case.workload](**case.parameters)
    contenders = _contenders(workload)
    differences = _check(workload, contenders)
    others = schedule.interleave(contenders)
    return {
        "workload": case.workload,
        "title": workload.title,
        "label": workload.label,
        "parameters": case.parameters,
        "repeats": len(contenders[0].seconds),
        "others_cores": others,
        "tolerance": workload.tolerance,
        "differences": differences,
        "contenders": [summary(c, contenders[0]) for c in contenders],
    }


def work(*, quick: bool, only: str) -> None:
    schedule = QUICK if quick else FULL
    for case in select(quick=quick, only=only):
        print(json.dumps(_measure(case, schedule)), flush=True)
        # Hundreds of megabytes for a case; the next one needs them.
        gc.collect()
