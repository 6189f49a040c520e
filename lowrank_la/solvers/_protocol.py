"""What a solver is: a frozen value of options, three methods, and a card of information."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from ..factors import Factors
from ..operators._protocol import ABILITIES
from ..problem import Evaluation, Problem


@dataclass(frozen=True)
class SolverInfo:
    """What the registry, the command line, the docs and the tests know of a solver.

    Attributes
    ----------
    name : str
        Registry name.
    summary : str
        One line.
    losses : tuple of type, or None
        The losses that it takes; None for any smooth one, ``(object,)`` for any at all.
    needs : tuple of str
        Abilities that the operator must have.
    oracle : tuple of str
        Options that hold quantities only the truth knows.
    symmetric, asymmetric : bool
        Which kinds of problem it takes.
    complex : bool
        Whether it takes complex data.
    monotone : bool
        Whether its objective never rises.
    gauge_invariant : bool
        Whether ``(L Q, R Q^{-H})`` gives the same matrices.
    one_shot : bool
        Whether a single call does all, without iterations.
    fewer_measurements : bool
        Whether it is meant for fewer measurements than degrees of freedom, as of more columns
        than the matrix has rank.
    max_iter : int
        Iterations after which a run ends that was given no budget.
    start : str
        The start it is meant for.
    arrays : tuple of str
        Array libraries that it is tested on.
    references : tuple of str
        Where the method comes from.
    refuses : callable, optional
        Further ground to refuse a problem, as a sentence without its subject.
    """

    name: str
    summary: str
    losses: tuple[type[Any], ...] | None = None
    needs: tuple[str, ...] = ()
    oracle: tuple[str, ...] = ()
    symmetric: bool = True
    asymmetric: bool = True
    complex: bool = True
    monotone: bool = False
    gauge_invariant: bool = False
    one_shot: bool = False
    fewer_measurements: bool = False
    max_iter: int = 1000
    start: str = "spectral"
    arrays: tuple[str, ...] = ("numpy",)
    references: tuple[str, ...] = ()
    refuses: Callable[[Problem], str | None] | None = None

    @property
    def takes(self) -> str:
        """The losses in words."""
        if self.losses is None:
            return "smooth"
        return ", ".join("any" if loss is object else loss.__name__ for loss in self.losses)

    def why_not(self, problem: Problem) -> str | None:
        """Why this solver cannot take the problem, as a sentence; None if it can."""
        operator = type(problem.operator).__name__
        for ability in self.needs:
            if not isinstance(problem.operator, ABILITIES[ability]):
                return f"{self.name} needs operator.{ability}, which {operator} does not offer"
        loss = type(problem.loss)
        if self.losses is None and not loss.smooth:
            return f"{self.name} needs a smooth loss, got {loss.__name__}"
        if self.losses is not None and not issubclass(loss, self.losses):
            names = " or ".join(kind.__name__ for kind in self.losses)
            return f"{self.name} needs the loss {names}, got {loss.__name__}"
        if problem.symmetric and not self.symmetric:
            hint = "problem.replace(symmetric=False) looks for two factors"
            if getattr(problem.operator, "symmetric", False):
                hint = "two factors need measurements of more than the symmetric part"
            return f"{self.name} takes rectangular problems only, this one is symmetric; {hint}"
        if not problem.symmetric and not self.asymmetric:
            return f"{self.name} takes symmetric problems only"
        if problem.dtype.kind == "c" and not self.complex:
            return f"{self.name} takes real problems only, this one is {problem.dtype}"
        reason = self.refuses(problem) if self.refuses else None
        return None if reason is None else f"{self.name} {reason}"


class Solver(Protocol):
    """Base of all solvers; a subclass is a frozen dataclass of options.

    The state is a dataclass of arrays, numbers and None, so that it can be saved without
    pickle. Each iteration leaves it whole: arrays are made new and bound at its end.
    """

    info: ClassVar[SolverInfo]
    state_type: ClassVar[type]

    def init(self, problem: Problem, start: Factors) -> Any:
        """The state at iteration 0; the start is not written to."""
        ...

    def advance(self, problem: Problem, state: Any, k: int) -> None:
        """Exactly k iterations, in place; ``advance(a); advance(b)`` equals ``advance(a + b)``."""
        ...

    def factors(self, state: Any) -> Factors:
        """The present iterate; cheap."""
        ...

    def resume(self, state: Any, previous: Any) -> None:
        """Carry over from an earlier state what the factors do not determine.

        `state` comes from `init` at the factors of `previous`, which makes all else right for
        this problem and these options, and the same bits where both are those of before.
        """
        state.iteration = previous.iteration

    def resumed(self, problem: Problem, start: Factors, previous: Any) -> Any:
        """The state with which a run goes on from an earlier one, at whose factors it starts."""
        state = self.init(problem, start)
        self.resume(state, previous)
        return state

    def start_name(self, problem: Problem) -> str:
        """Name of the start that suits the problem."""
        return self.info.start

    def why(self, state: Any) -> str:
        """Why it does what it does, where it chooses among methods."""
        return ""

    def evaluation(self, problem: Problem, state: Any) -> Evaluation | None:
        """Objective and gradient at the present iterate, where the problem's own will not do.

        For a method that has them anyway, or that minimises something else.
        """
        return None

    def stationarity(self, problem: Problem, state: Any) -> float | None:
        """What `tol` is compared with, where the relative gradient will not do.

        For losses that are not smooth, whose subgradients never become small.
        """
        return None

    def fallback(self, state: Any) -> Factors | None:
        """The factors to return from a run without success, where not the last ones.

        Not asked where a callback ended the run, which gets what it saw.

        None leaves it to the driver: the last ones, or if they are not whole the best seen.
        """
        return None

    def finished(self, state: Any) -> str | None:
        """Why the method itself says that it is done; None while it can go on."""
        return None

    def standstill(self, state: Any) -> str | None:
        """What a point is where the iterates stand still short of the tolerance, if known.

        A phrase such as "a saddle", for the reason in the result.
        """
        return None

    def conclude(self, problem: Problem, state: Any) -> None:
        """Bind what `parts` is to hold and is worth a pass over the data only once, at the end."""
        return None

    def parts(self, state: Any) -> Mapping[str, Any]:
        """What the method found besides the factors."""
        return {}

    def local_rate(self, problem: Problem, solution: Factors) -> float | None:
        """Predicted contraction of the error per iteration near `solution`, where known."""
        return None
