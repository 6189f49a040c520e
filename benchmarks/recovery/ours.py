"""Our own contenders: `lowrank_la.solve` with a solver's name, or "auto"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .clock import Run
from .registry import Contender
from .tasks import Completion, PhaseRetrieval, RobustPCA, RobustSensing, Sensing, Task

# No budget but that of the clock.
MAX_ITER = 1_000_000
OURS = "lowrank_la: "


def _completion(task: Completion) -> Any:
    import lowrank_la as ll

    return ll.observed(task.rows, task.cols, task.values, task.shape)


def _robust_pca(task: RobustPCA) -> Any:
    import lowrank_la as ll

    operator = ll.operators.FullObservation(task.shape)
    return ll.Problem(operator, task.matrix.ravel(), loss=ll.losses.Absolute())


def _sensing(task: Sensing) -> Any:
    import lowrank_la as ll

    return ll.Problem(ll.operators.GaussianSensing(task.matrices), task.values)


def _robust_sensing(task: RobustSensing) -> Any:
    import lowrank_la as ll

    operator = ll.operators.GaussianSensing(task.matrices, symmetric=True)
    return ll.Problem(operator, task.values, loss=ll.losses.Absolute(), symmetric=True)


def _phase_retrieval(task: PhaseRetrieval) -> Any:
    import lowrank_la as ll

    return ll.Problem(ll.operators.RankOneSensing(task.vectors), task.values, symmetric=True)


PROBLEMS: dict[str, Callable[[Any], Any]] = {
    "completion": _completion,
    "robust_pca": _robust_pca,
    "sensing": _sensing,
    "robust_sensing": _robust_sensing,
    "phase_retrieval": _phase_retrieval,
}


def our(solver: str, options: dict[str, Any]) -> Contender:
    """The contender that names this solver; of the kinds that we have problems for."""

    def solve(task: Task, run: Run) -> Any:
        import lowrank_la as ll

        with run.preparing():
            problem = PROBLEMS[task.kind](task)  # type: ignore[attr-defined]
        result = ll.solve(
            problem,
            solver,
            rank=task.rank,
            max_iter=MAX_ITER,
            callback=lambda view: run.reached(lambda: _pair(view.X)),
            **options,
        )
        run.note = result.why
        return _pair(result.factors)

    inside = ", ".join(f"{key}={value!r}" for key, value in options.items())
    label = f"{solver} ({inside})" if inside else solver
    return Contender(OURS + label, f'`solve(problem, "{solver}")`', tuple(PROBLEMS), solve)


def _pair(X: Any) -> tuple[Any, Any]:
    return X.left, X.right


def missing(solver: str) -> str | None:
    """Why this solver cannot run, or nothing."""
    import lowrank_la as ll

    if solver == "auto" or solver in ll.available_solvers():
        return None
    return "no solver of this name is registered"
