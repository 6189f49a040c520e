"""Paths through ranks and ridges to a matrix that fits the data, and a ladder of tries.

Near the information limit descent from a spectral start ends in local minima that overfit. A
path avoids them by letting the matrix grow with what the data support: column by column, each
entering along the leading singular pair of the residual, or at full rank under a ridge that is
taken down. Which path leads to the solution depends on the spectrum, and close to the limit on
chance; each costs a fraction of a second, and success is visible. So they are tried in turn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .._random import stream
from .._typing import Array
from ..factors import Factors
from ..problem import Problem
from ._columns import best_pair, leading, leading_columns, top_value
from ._held_out import error_on, forget_thinned, held_out_error, split, thinned
from ._rungs import FIRST, LADDERS, STEEP, Rung, kind_of_spectrum, parse, restart
from ._state import PathState
from ._step import evaluate, next_forcing, step
from ._verdicts import (
    PREDICTS,
    expected_error,
    is_minimum,
    is_noise,
    is_rounding,
    looks_even,
    relative_move,
    relative_residual,
)

# Inner solves along a path, and at its end.
TOL, LIMIT, LAST_LIMIT = 0.1, 60, 200
# A try ends after so many steps in a row at full rank that take less than this share off: the
# first while the residual is large, the second from a relative residual of NEAR on, where valleys
# are long and lead somewhere.
PATIENCE, SLOW, CRAWLING, NEAR, STEPS = 3, 0.03, 0.01, 1e-4, 80
# The same with a nuclear-norm weight, which leaves much of the objective.
SETTLED = 1e-4
# After so many of them inner solves are accurate.
LONG = 6
# Ridges end at this share of the first.
BOTTOM = {"rank": 1e-4, "ridge": 2e-4, "logdet": 1e-3}
# Columns beyond the rank under ridges that differ by direction, and the share of the first level
# at which they go: a wrong direction fades away there instead of being turned.
SPARE, SPARED = 1, 0.02
# A matrix accepted under noise is kept where the steps to the minimum leave it by this share.
LEAVES = 0.5


@dataclass(frozen=True)
class Ladder:
    """Tries in turn until one fits.

    Attributes
    ----------
    rank : int
        Number of columns.
    rungs : tuple of str or Rung, or None
        The tries; None for those that suit the spectrum.
    restarts : int
        Further tries with other strengths and other starts of power iterations.
    seed : int
        Of what is drawn.
    judge : bool
        Try the best of all again without some measurements, if none fits.
    """

    rank: int
    rungs: tuple[str | Rung, ...] | None = None
    restarts: int = 12
    seed: int = 0
    judge: bool = True

    def rung(self, state: PathState) -> Rung | None:
        """The try under way; None for that from the start, and after the last."""
        if state.rung < 0:
            return None
        if self.rungs is not None:
            listed = self.rungs
        else:
            listed = (FIRST, *LADDERS[kind_of_spectrum(state)])
        if state.rung < len(listed):
            return parse(listed[state.rung])
        extra = state.rung - len(listed)
        if extra < self.restarts:
            return restart(extra, kind_of_spectrum(state), self.seed)
        return None

    def begin(self, problem: Problem, start: Factors) -> PathState:
        """The state before the first step: at the start if it explains anything of the data."""
        state = PathState.beginning(problem, start, evaluate(problem, start), TOL)
        if problem.nuclear and self._vanishes(problem, state):
            return state
        if relative_residual(problem, state) > EXPLAINS:
            self._next(problem, state)
        else:
            self._judge_exact(problem, state)
        return state

    def advance(self, problem: Problem, state: PathState) -> None:
        """One Gauss-Newton step, and what follows from how it went."""
        if state.phase in ("exhausted", "kept"):
            state.iteration += 1
            return
        last = state.phase in ("finish", "found")
        # A Jacobian that is nearly singular shows by many steps, and wants exact ones.
        long = last and state.since >= LONG
        tol, limit = (state.forcing, LAST_LIMIT) if last else (TOL, LIMIT)
        X, before = state.X, state.value
        move = step(
            problem if last else thinned(problem, self.rung(state), self.seed),
            X,
            state.at,
            ridge=state.weights,
            tol=min(tol, 0.01) if long else tol,
            limit=5 * limit if long else limit,
        )
        state.place(move.X, move.at)
        state.length, state.inner = move.length, state.inner + move.inner
        state.iteration, state.count, state.since = (
            state.iteration + 1,
            state.count + 1,
            state.since + 1,
        )
        state.forcing = next_forcing(TOL, before, state.value)
        getattr(self, f"_{state.phase}")(problem, state, X, before)

    def _found(self, problem: Problem, state: PathState, X: Factors, before: float) -> None:
        state.move = relative_move(X, state.X)
        if relative_move(state.best, state.X) > LEAVES:
            # What was accepted is no minimum: beyond it the factors grow to fit the noise.
            state.place(state.best, evaluate(problem, state.best))
            state.phase = "kept"
            state.verdict += "; a minimum near it was not found"

    def _block(self, problem: Problem) -> Array:
        draw = stream(self.seed, "block 0").standard_normal((problem.shape[1], 4))
        return np.linalg.qr(draw.astype(problem.dtype))[0]

    def _vanishes(self, problem: Problem, state: PathState) -> bool:
        """Whether the weight is so large that zero is the minimum, and if so be there."""
        top = top_value(problem, None, self._block(problem))
        if top > problem.nuclear:
            return False
        left = np.zeros_like(state.left)
        X = Factors(left, left if problem.symmetric else np.zeros_like(state.right))
        state.place(X, evaluate(problem, X))
        state.phase = "found"
        state.verdict = (
            f"zero is the minimum with the nuclear-norm weight {problem.nuclear:.3g}, which is "
            f"above the leading singular value of the data, {top:.3g}"
        )
        return True

    def _finish(self, problem: Problem, state: PathState, X: Factors, before: float) -> None:
        state.move = relative_move(X, state.X)
        if self._judge_exact(problem, state):
            return
        share = SLOW if relative_residual(problem, state) > NEAR else CRAWLING
        share = SETTLED if problem.nuclear else share
        state.slow = state.slow + 1 if state.value > (1 - share) * before else 0
        if state.slow >= PATIENCE or state.since >= STEPS or state.length == 0.0:
            self._judge_other(problem, state)

    def _judge_exact(self, problem: Problem, state: PathState) -> bool:
        miss = relative_residual(problem, state)
        if problem.nuclear or not is_rounding(miss, state):
            return False
        state.phase = "found"
        state.verdict = (
            f"{self._name(state)} fits the data to rounding, relative residual {miss:.0e}"
        )
        return True

    def _name(self, state: PathState) -> str:
        rung = self.rung(state)
        return "the start" if rung is None else f"try {state.rung + 1} ({rung})"

    def _judge_other(self, problem: Problem, state: PathState) -> None:
        """At full rank and slow, short of a fit: noise, or a local minimum that overfits."""
        miss = relative_residual(problem, state)
        score, what = 1.0 + miss, "stuck"
        if state.X.norm() <= 2.0 * problem.norm_estimate and state.length > 0.0:
            error = held_out_error(problem, state.X, self.seed)
            what = f"held-out error {error:.2g}"
            # Among those that predict anything the likeliest; their held-out errors vary by luck.
            score = miss if error < PREDICTS else min(error, 1.0 + miss)
            if problem.nuclear and is_minimum(problem, state, miss, self._block(problem)):
                state.phase = "found"
                state.verdict = (
                    f"{self._name(state)} is a minimum with the nuclear-norm weight "
                    f"{problem.nuclear:.3g}, which explains the residual of {miss:.1e}"
                )
            elif is_noise(problem, state, miss, error, self.rank):
                self._accept(state, miss, error)
            state.stationary = np.append(state.stationary, miss)
        note = f"{self._name(state)}: residual {miss:.1e}, {what}, {state.since} steps"
        state.outcomes = f"{state.outcomes}; {note}" if state.outcomes else note
        if score < state.best_score or state.best_score == np.inf:
            state.best_left, state.best_right = state.left, state.right
            state.best_score, state.best_rung = score, state.rung
        if state.phase != "found":
            self._next(problem, state)

    def _accept(self, state: PathState, miss: float, error: float) -> None:
        state.phase = "found"
        state.verdict = (
            f"{self._name(state)} leaves a residual of {miss:.1e} and predicts measurements "
            f"held out with an error of {error:.1e}, both relative to the data"
        )

    def _give_up(self, problem: Problem, state: PathState) -> None:
        """End with the best of all tries: found if it can do without data held out."""
        tries, best = state.rung, state.best
        state.weights = np.zeros(best.rank, best.left.real.dtype)
        state.place(best, evaluate(problem, best))
        state.rung = state.best_rung
        if self.judge and state.best_score < PREDICTS:
            miss = relative_residual(problem, state)
            even = looks_even(problem, best, self.rank)
            error = self._again(problem, state) if even else float("inf")
            if error < min(PREDICTS, expected_error(problem, miss, self.rank)):
                self._accept(state, miss, error)
                return
        state.phase = "exhausted"
        what = "fits the data to rounding"
        if problem.nuclear:
            what = f"is known to be the minimum with the nuclear-norm weight {problem.nuclear:.3g}"
        state.verdict = f"the best of {tries} tries, none of which {what}"

    def _again(self, problem: Problem, state: PathState) -> float:
        """Error on measurements held out, of the best try repeated without them."""
        rung = self.rung(state)
        if rung is None:
            return held_out_error(problem, state.X, self.seed)
        rest, test, data = split(problem, self.seed)
        alone = replace(self, rungs=(rung,), restarts=0, judge=False)
        zero = Factors(0.0 * state.left, 0.0 * state.X.right)
        other = alone.begin(rest, Factors(zero.left, zero.left) if problem.symmetric else zero)
        # Which ridges fall how low depends on them.
        other.second, other.spread = state.second, state.spread
        while other.phase not in ("found", "kept", "exhausted"):
            alone.advance(rest, other)
        return error_on(test, data, other.X)

    def _next(self, problem: Problem, state: PathState) -> None:
        """Begin the next try, or end with the best."""
        state.rung += 1
        rung = self.rung(state)
        state.slow = state.count = state.since = 0
        state.forcing, state.move = TOL, float("inf")
        if rung is None:
            self._give_up(problem, state)
            return
        n2, kind = problem.shape[1], problem.dtype
        width = {"rank": 4, "ridge": self.rank, "logdet": self.rank + SPARE}[rung.kind]
        width = min(n2, problem.shape[0], width)
        draw = stream(self.seed, f"block {rung.seed}").standard_normal((n2, width))
        state.block = np.linalg.qr(draw.astype(kind))[0]
        if rung.kind == "rank":
            none = np.zeros((problem.shape[0], 0), kind), np.zeros((n2, 0), kind)
            state.left, state.right = none[0], None if problem.symmetric else none[1]
            state.phase = "grow"
            self._add(problem, state, rung)
            return
        problem = thinned(problem, rung, self.seed)
        left, values, right = leading(problem, None, state.block, 10)
        state.top = float(values[0]) * (rung.strength if rung.kind == "ridge" else 1.0)
        size = np.maximum(values - (state.top if rung.kind == "ridge" else 0.0), 0.05 * values)
        root = np.sqrt(size / problem.operator.isometry).astype(left.real.dtype)
        X = Factors(left * root, right * root)
        X = Factors(X.left, X.left) if problem.symmetric else X
        state.phase, state.level = "anneal", state.top
        self._weigh(problem, state, X, rung)

    def _add(self, problem: Problem, state: PathState, rung: Rung) -> None:
        """The next column pair: leading pair of the residual, with its best coefficient."""
        k, whole = state.left.shape[1], problem
        problem = thinned(problem, rung, self.seed)
        X = state.X if k else None
        left, values, right = leading(problem, X, state.block, 20 if rung.hasty else 10)
        state.block = right
        if k == 0:
            state.top = float(values[0])
        u, v = left[:, :1], right[:, :1]
        u, v = best_pair(problem, X, u, u if problem.symmetric else v)
        if X is not None:
            u, v = np.hstack([X.left, u]), np.hstack([X.right, v])
        if k == 1 and np.isnan(state.second):
            state.second = float(values[0]) / state.top
            kind = kind_of_spectrum(state)
            if self.rungs is None and state.rung == 0 and kind != "mixed":
                state.outcomes = f"{self._name(state)}: left at once, the spectrum is {kind}"
                self._next(whole, state)
                return
        if k + 1 == self.rank and np.isnan(state.spread):
            state.spread = float(values[0]) / state.top
        state.level = rung.strength * float(values[0])
        self._weigh(problem, state, Factors(u, u) if problem.symmetric else Factors(u, v), rung)

    def _weigh(self, problem: Problem, state: PathState, X: Factors, rung: Rung) -> None:
        """Bind a point with the ridge of the present level."""
        problem = thinned(problem, rung, self.seed)
        real = X.left.real.dtype
        if rung.kind == "logdet":
            values = np.sum(np.abs(X.left) ** 2, axis=0, dtype=float)
            p = problem.operator.isometry
            eps = state.level / p
            state.weights = (rung.strength * p * eps**2 / np.hypot(eps, values)).astype(real)
        else:
            state.weights = np.full(X.rank, state.level, real)
        state.place(X, evaluate(problem, X, state.weights))
        state.count = 0

    def _grow(self, problem: Problem, state: PathState, X: Factors, before: float) -> None:
        rung = self.rung(state)
        assert rung is not None
        fall = HASTY if rung.hasty else FALL
        # Below rounding it may go on to fall.
        exact = is_rounding(relative_residual(problem, state), state)
        if state.value <= (1 - fall) * before and state.count < MOST and not exact:
            return
        state.place(state.X.balanced(), state.at)
        if state.left.shape[1] < self.rank:
            self._add(problem, state, rung)
        elif rung.strength:
            state.phase, state.top = "anneal", state.level
            state.level *= rung.rate
            self._weigh(problem, state, state.X, rung)
        else:
            self._end(problem, state)

    def _anneal(self, problem: Problem, state: PathState, X: Factors, before: float) -> None:
        rung = self.rung(state)
        assert rung is not None
        most = 1 if rung.kind == "logdet" else 2
        if state.count < most and state.value <= 0.95 * before:
            return
        state.level *= rung.rate
        # Ridges by direction have to come down to the smallest singular value.
        low = state.spread if rung.kind == "logdet" and state.spread < STEEP else 1.0
        if state.level < low * BOTTOM[rung.kind] * state.top:
            self._end(problem, state)
        else:
            X = state.X.balanced()
            if X.rank > self.rank and state.level < low * SPARED * state.top:
                X = leading_columns(X, self.rank)
            self._weigh(problem, state, X, rung)

    def _end(self, problem: Problem, state: PathState) -> None:
        """The ridge is gone."""
        forget_thinned(problem)
        X = leading_columns(state.X.balanced(), self.rank)
        state.phase, state.slow, state.since = "finish", 0, 0
        state.weights = np.zeros(X.rank, X.left.real.dtype)
        state.forcing = TOL
        state.place(X, evaluate(problem, X))


# At a given rank on to the next when a step takes off less, or after so many.
FALL, HASTY, MOST = 0.003, 0.05, 30
# A start that leaves more than this share of the data is not worth a try.
EXPLAINS = 0.9
