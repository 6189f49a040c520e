"""Ridged rank path: recovery near the information limit, by a ladder of tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from .. import _check
from ..errors import InvalidTypeError
from ..factors import Factors
from ..gauss_newton import Ladder, PathState, leading_columns, parse
from ..losses import Squared
from ..problem import Evaluation, Problem
from ._protocol import Solver, SolverInfo
from ._registry import register

__all__ = ["RankPath"]


@register(
    SolverInfo(
        name="rank_path",
        summary="ridged rank path: columns one by one, Gauss-Newton, a ladder of tries",
        losses=(Squared,),
        start="small_random",
        max_iter=5000,
        references=(
            "Uschmajew, Vandereycken (2015), Greedy rank updates combined with Riemannian descent "
            "methods for low-rank optimization, SampTA (columns one by one; the ridges and the "
            "ladder are this library's)",
        ),
    )
)
@dataclass(frozen=True, kw_only=True)
class RankPath(Solver):
    """Ridged rank path with a ladder of tries.

    Parameters
    ----------
    ladder : tuple of str, optional
        The tries in turn, each ``"kind:strength"`` or ``"kind:strength:rate"``. Kinds are "rank"
        (column by column, with a ridge of `strength` times the leading singular value of the
        residual that the column enters along), "ridge" (full rank at once, with a ridge from
        `strength` times the leading singular value of the data) and "logdet" (the same with one
        column more, which goes where eps is 0.02 of its first value, and with a ridge
        ``strength p eps^2 / sqrt(eps^2 + s_i^2)`` for the direction of singular value s_i; p is
        the isometry). The rate is the factor by which the ridge, or eps, is taken down. Default:
        "rank:0.1", and then what suits the spread of singular values that it sees.
    restarts : int
        Further tries after those of the ladder, that leave out some of the measurements, drawn
        from `seed`, until the ridge is gone: three of four of kind "logdet", with a tenth or a
        twentieth left out, the others of kind "rank", with 2 % left out and strengths and starts
        of the power iteration drawn as well; all of the latter kind for steep spectra.
    seed : int
        Of what is drawn: starts of power iterations, restarts, measurements held out.

    Model
    -----
    ``min 1/2 |A(L R^H) - y|^2 + nuclear/2 (|L|^2 + |R|^2)``; half of it with L = R for symmetric
    problems. The trace records this objective with the ridge of the moment.

    Update
    ------
    One iteration is one Gauss-Newton step (`gauss_newton`) under the present ridge. For
    k = 1 ... r the leading singular pair (u, v) of ``A*(y - A(X))`` is added as a column with
    its best coefficient and the ridge ``w = strength s`` with its singular value s, until a step
    lowers the objective by less than 0.3 %. At k = r the ridge is taken down to 1e-4 of itself,
    two steps for each value, and then dropped. Tries of kind "logdet" begin with r + 1 columns
    at the leading singular triplets of ``A*(y)`` and take one step for each value of eps, from
    ``s_1 / p`` down to 1e-3 of it. A try ends where the residual is rounding, or after three
    steps in a row that gain less than 3 % each (1 % from a relative residual of 1e-4 on). A
    start that explains some of the data is the first try; where the second column says that
    the spectrum is flat or steep, the first try of the ladder is left for one that suits.

    Assumptions
    -----------
    Squared loss, and at least as many measurements as degrees of freedom.

    Guarantee
    ---------
    None; success shows, however: more measurements than unknowns are fitted to rounding by the
    solution alone, but for accidents, which do happen close to the limit (a row and a column of
    r + 1 entries each that meet). Under noise a matrix is accepted that predicts held-out
    measurements (a twentieth) after a few steps without them, if two tries end with the same
    residual; with less than twice as many measurements as unknowns, if they end at the same
    matrix too and the residual is spread over the measurements as noise is, which that of a
    local minimum is not; failing that, if the best of all tries, repeated without the held-out
    measurements, predicts them. With 1.2 to 1.5 times as many, 64 of 72 noisy matrices were
    accepted, all rightly. With a nuclear-norm weight a matrix is accepted at which the gap to
    the dual problem closes, or whose residual the weight explains. Otherwise the run ends as
    STALLED, with the best of all tries.

    Cost
    ----
    About 40 Gauss-Newton steps for a try of kind "rank", 140 for one of kind "logdet", of 10 to
    15 inner products each near the limit.

    References
    ----------
    Uschmajew, Vandereycken (2015), Greedy rank updates combined with Riemannian descent methods
    for low-rank optimization, SampTA. The ridges and the ladder are this library's.
    """

    ladder: tuple[str, ...] | None = None
    restarts: int = 12
    seed: int = 0
    state_type: ClassVar[type] = PathState

    def __post_init__(self) -> None:
        _check.count(self.restarts, "restarts", low=0)
        _check.count(self.seed, "seed", low=0)
        if self.ladder is not None:
            given: Any = self.ladder
            if not isinstance(given, (str, tuple, list)):
                raise InvalidTypeError(
                    f"ladder must be a sequence of rungs such as 'rank:0.1', got {given!r}"
                )
            listed = (given,) if isinstance(given, str) else tuple(given)
            for text in listed:
                parse(text)
            object.__setattr__(self, "ladder", listed)

    def _path(self, rank: int) -> Ladder:
        return Ladder(rank=rank, rungs=self.ladder, restarts=self.restarts, seed=self.seed)

    def init(self, problem: Problem, start: Factors) -> PathState:
        """At the start, or at the first column of the first try."""
        return self._path(start.rank).begin(problem, start)

    def advance(self, problem: Problem, state: PathState, k: int) -> None:
        """Take k Gauss-Newton steps."""
        path = self._path(state.best_left.shape[1])
        for _ in range(k):
            path.advance(problem, state)

    def factors(self, state: PathState) -> Factors:
        """The present factors, of fewer columns on the way up, never of more than the rank."""
        X, rank = state.X, state.best_left.shape[1]
        return X if X.rank <= rank else leading_columns(X.balanced(), rank)

    def resume(self, state: PathState, previous: PathState) -> None:
        """Go on where the ladder stood, if the problem is that of before."""
        fits = (state.natural, state.nuclear) == (previous.natural, previous.nuclear)
        if fits and state.best_left.shape[1] == previous.best_left.shape[1]:
            state.copy_from(previous)
        state.iteration = previous.iteration

    def evaluation(self, problem: Problem, state: PathState) -> Evaluation:
        """Objective with the present ridge, and its gradient."""
        return state.at

    def stationarity(self, problem: Problem, state: PathState) -> float | None:
        """The relative length of the last step, on the way to a fit; never small before.

        Under noise, once a matrix is accepted, the relative gradient.
        """
        if state.phase == "found":
            return None
        return state.move if state.phase == "finish" and state.length > 0.5 else float("inf")

    def fallback(self, state: PathState) -> Factors | None:
        """The best of the tries that have ended."""
        return state.best if state.best_score < float("inf") else None

    def finished(self, state: PathState) -> str | None:
        """Why the ladder ended, if the data are fitted to rounding."""
        return state.verdict if state.phase == "found" and "to rounding" in state.verdict else None

    def standstill(self, state: PathState) -> str | None:
        """What the iterates stand still at."""
        if state.phase not in ("exhausted", "kept"):
            return None
        return state.verdict

    def parts(self, state: PathState) -> Mapping[str, Any]:
        """The try under way, what became of those before, and why the ladder ended."""
        rung = self._path(state.best_left.shape[1]).rung(state)
        return {
            "rung": "" if rung is None else str(rung),
            "phase": state.phase,
            "outcomes": state.outcomes,
            "verdict": state.verdict,
            "inner_iterations": state.inner,
        }
