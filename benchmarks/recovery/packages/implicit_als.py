"""implicit: listed so that nobody wonders where it is."""

from __future__ import annotations

from typing import Any

from ..registry import contender


def _unfit(kind: str, parameters: dict[str, Any]) -> str | None:
    return "solves another problem: it fits ones and zeros by confidence, not the values"


@contender("implicit ALS", "completion", requires=["implicit"], unfit=_unfit)
def als(task: Any, run: Any) -> Any:
    """`implicit` factorises preferences (seen or not); values are their weights, so that no
    setting of it recovers a matrix from some of its entries."""
    raise NotImplementedError(_unfit("completion", {}))
