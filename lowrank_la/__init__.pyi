from . import (
    analysis,
    errors,
    initial,
    losses,
    operators,
    plotting,
    problems,
    report,
    solvers,
    steps,
    stopping,
    testing,
)
from .analysis.compare import Budget, Comparison, compare
from .analysis.rates import RateFit, fit_rate
from .driver import iterate, solve
from .estimators.completion import Completion, complete
from .factors import Factors
from .problem import Instance, Problem, Recipe, Truth, observed
from .result import Result, Status, load
from .solvers import available_solvers, solver_info

__version__: str

__all__ = [
    "Budget",
    "Comparison",
    "Completion",
    "Factors",
    "Instance",
    "Problem",
    "RateFit",
    "Recipe",
    "Result",
    "Status",
    "Truth",
    "analysis",
    "available_solvers",
    "compare",
    "complete",
    "errors",
    "fit_rate",
    "initial",
    "iterate",
    "load",
    "losses",
    "observed",
    "operators",
    "plotting",
    "problems",
    "report",
    "solve",
    "solver_info",
    "solvers",
    "steps",
    "stopping",
    "testing",
]
