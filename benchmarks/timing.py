"""Agreement first, then interleaved timing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from .registry import Kind

MIN_REPEATS = 7
# A single measurement is made of as many calls as fill this time.
MIN_SECONDS = 0.02
# BLAS threads spin for a while after their work, and would take a core from who comes next.
PAUSE = 0.05
# Cores that other processes may take during a round that counts.
QUIET = 0.1


class DisagreementError(Exception):
    """Two contenders compute different numbers, so that their times say nothing."""


@dataclass
class Contender:
    kind: Kind
    name: str
    about: str
    call: Callable[[], Any]
    scale: float = 1.0
    calls: int = 1
    seconds: list[float] = field(default_factory=list)

    def warm_up(self) -> Any:
        """The output of the first call; sets how many calls one measurement takes."""
        begun = time.perf_counter()
        output = self.call()
        once = time.perf_counter() - begun
        # The first call may have compiled or loaded something.
        if once < 1.0:
            begun = time.perf_counter()
            self.call()
            once = time.perf_counter() - begun
        self.calls = max(1, min(1000, round(MIN_SECONDS / once)))
        return output

    def measure(self) -> float:
        time.sleep(PAUSE)
        begun = time.perf_counter()
        for _ in range(self.calls):
            self.call()
        return (time.perf_counter() - begun) * self.scale / self.calls


@dataclass(frozen=True)
class Round:
    seconds: list[float]  # one for each contender
    others: float  # cores that other processes took meanwhile
    took: float


def difference(expected: Sequence[Any], found: Sequence[Any]) -> float:
    """Largest relative difference between the parts of two answers, in norm."""
    return max(
        float(np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(a)))
        for a, b in zip(expected, found, strict=True)
    )


def busy_seconds() -> float:
    """Seconds that all cores together have worked since the start; 0 where Linux does not say."""
    try:
        fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    except OSError:
        return 0.0
    user, nice, system, _idle, _wait, *interrupts_and_stolen = map(int, fields)
    return (user + nice + system + sum(interrupts_and_stolen)) / 100


def _round(contenders: Sequence[Contender]) -> Round:
    begun, busy, own = time.perf_counter(), busy_seconds(), time.process_time()
    seconds = [contender.measure() for contender in contenders]
    took = time.perf_counter() - begun
    others = (busy_seconds() - busy) - (time.process_time() - own)
    return Round(seconds, max(0.0, others) / took, took)


@dataclass
class Schedule:
    """How long to measure: `budget` seconds a case, and `patience` for all of them together.

    Rounds that other processes disturb are replaced by new ones until patience is used up. Which
    rounds count depends on those processes alone, never on the times found.
    """

    budget: float
    patience: float

    def interleave(self, contenders: Sequence[Contender]) -> float:
        """Measure in turn, one round after another; returns the cores that others took."""
        rounds: list[Round] = []
        while True:
            quiet = [r for r in rounds if r.others < QUIET]
            enough = len(rounds) >= MIN_REPEATS and sum(r.took for r in rounds) >= self.budget
            if enough and (len(quiet) >= MIN_REPEATS or self.patience <= 0):
                break
            rounds.append(_round(contenders))
            if enough:
                self.patience -= rounds[-1].took
        kept = sorted(rounds, key=lambda r: r.others)[: max(MIN_REPEATS, len(quiet))]
        for k, contender in enumerate(contenders):
            contender.seconds = [r.seconds[k] for r in kept]
        return sum(r.others for r in kept) / len(kept)


def summary(contender: Contender, ours: Contender) -> dict[str, Any]:
    """Times of one contender, and the median over rounds of its time over ours."""
    return {
        "kind": contender.kind,
        "name": contender.name,
        "about": contender.about,
        "median_s": median(contender.seconds),
        "min_s": min(contender.seconds),
        "over_ours": median(a / b for a, b in zip(contender.seconds, ours.seconds, strict=True)),
        "calls": contender.calls,
        "seconds": [float(f"{s:.4g}") for s in contender.seconds],
    }
