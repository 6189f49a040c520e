from . import (
    bures_wasserstein,
    errors,
    initial,
    lifting,
    losses,
    operators,
    plotting,
    problems,
    report,
    reproduce,
    solvers,
    steps,
    stopping,
    testing,
    tubal,
)
from .analysis.compare import Budget, Comparison, Run, compare
from .analysis.incremental import rank_minimisers
from .analysis.observers import distance_to, gram_error, subspace_error
from .analysis.phase import PhaseDiagram, phase_transition
from .analysis.rates import RateFit, fit_rate
from .driver import iterate, solve
from .estimators.completion import Completion, complete
from .factors import Factors
from .problem import Instance, Problem, Recipe, Truth, observed
from .result import Result, Status, load
from .solvers import available_solvers, solver_info
from .trace import Trace, View

__version__: str

__all__ = [
    "Budget",
    "Comparison",
    "Completion",
    "Factors",
    "Instance",
    "PhaseDiagram",
    "Problem",
    "RateFit",
    "Recipe",
    "Result",
    "Run",
    "Status",
    "Trace",
    "Truth",
    "View",
    "available_solvers",
    "bures_wasserstein",
    "compare",
    "complete",
    "distance_to",
    "errors",
    "fit_rate",
    "gram_error",
    "initial",
    "iterate",
    "lifting",
    "load",
    "losses",
    "observed",
    "operators",
    "phase_transition",
    "plotting",
    "problems",
    "rank_minimisers",
    "report",
    "reproduce",
    "solve",
    "solver_info",
    "solvers",
    "steps",
    "stopping",
    "subspace_error",
    "testing",
    "tubal",
]
