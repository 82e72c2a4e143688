"""Parallel tempering: the posterior over Z, not only its peak.

Every chain redraws one slot of its hypothesis from the slot's full conditional, at its own temperature: adding,
dropping, replacing, strengthening, weakening, widening and narrowing are all choices in one draw, and none is ever
rejected. Neighbouring chains exchange hypotheses by the Metropolis rule. The cold chain's distribution is the
posterior.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats
from imitative.hypotheses.statements import Hypothesis
from imitative.scoring import EMPTY, Scorer
from imitative.search.chains import Chain, Moves
from imitative.search.search import Scored, SearchInfo

TEMPERATURES = (1.0, 3.0, 10.0, 30.0)
"""Geometric: log posteriors differ by tens to hundreds of nats, which a temperature of 30 makes passable."""
_KEPT = 3
"""Alternatives of each cold draw that are remembered as runners-up."""


@dataclass(frozen=True)
class TemperingState:
    """The chains, coldest first; what the cold chain has seen, with scores; how often it was there; the best seen.

    `seen` and `visits` grow in place: a step does not copy what all steps before it saw.
    """

    chains: tuple[Chain, ...]
    seen: dict[Hypothesis, float]
    visits: dict[Hypothesis, int]
    step: int
    best: Scored


@final
class Tempering:
    """Parallel tempering over the statements of a pool.

        for each chain c, at temperature T_c:
            j ~ slots;  rest ← z_c without slot j
            z_c[j] ~ softmax((log prior + log likelihood of each option) / T_c)
        for a random pair of neighbouring chains, c and d:
            exchange z_c and z_d with probability min(1, exp((1/T_c − 1/T_d)(score_d − score_c)))

    Args:
        scorer: the compiled posterior.
        slots: at most so many statements, S.
        steps: how many draws per chain.
        start: hypotheses to start chains from, the coldest first; chains beyond them start empty.
        temperatures: ascending, the first 1.
        first: draws of the cold chain that do not count as visits (burn-in).
    """

    def __init__(
        self,
        scorer: Scorer,
        slots: int,
        steps: int,
        start: tuple[Hypothesis, ...] = (),
        temperatures: tuple[float, ...] = TEMPERATURES,
        first: int = 0,
    ) -> None:
        if temperatures[0] != 1.0 or list(temperatures) != sorted(temperatures):
            raise ValueError(f"temperatures start at 1 and ascend; found {temperatures}")
        self._scorer, self._slots, self._steps = scorer, slots, steps
        self._start, self._temperatures, self._first = start, temperatures, first
        self._moves = Moves(scorer, slots)

    def init(self, rng: np.random.Generator) -> TemperingState:
        """See `Search.init`."""
        starts = [*self._start, *(None for _ in self._temperatures)][: len(self._temperatures)]
        chains = tuple(map(self._moves.start, starts))
        first = Scored(self._scorer.decode(chains[0].slots), chains[0].score)
        return TemperingState(chains, dict([first]), {}, 0, first)

    def step(self, state: TemperingState, rng: np.random.Generator) -> tuple[TemperingState, SearchInfo]:
        """See `Search.step`."""
        seen, known = state.seen, len(state.seen)
        at = rng.integers(self._slots + 1, size=len(state.chains))
        at[rng.random(len(at)) < 0.05] = self._slots  # the default is one slot among many, but every row hangs on it
        removed = [self._moves.without(chain, int(j)) for chain, j in zip(state.chains, at, strict=True)]
        filling = [c for c, j in enumerate(at) if j < self._slots]
        added: dict[int, NDArray[np.float32]] = {}
        if filling and self._scorer.options:
            all_of = self._scorer.likelihood_of_all([removed[c].logits for c in filling])
            added = dict(zip(filling, all_of, strict=True))
        chains = []
        for c, (chain, j) in enumerate(zip(removed, at, strict=True)):
            if j == self._slots:
                chains.append(self._draw_default(chain, self._temperatures[c], rng))
            else:
                chains.append(self._draw_slot(chain, int(j), added.get(c), c, rng, seen))
        chains = self._exchange(chains, rng)
        z = self._scorer.decode(chains[0].slots)
        seen[z] = chains[0].score
        visits = state.visits
        if state.step >= self._first:
            visits[z] = visits.get(z, 0) + 1
        # Only what is new can be better than the best before: a dictionary keeps the order of entering.
        fresh = islice(reversed(seen.items()), len(seen) - known)
        best = max((state.best, Scored(z, seen[z]), *(Scored(*item) for item in fresh)), key=lambda item: item.score)
        after = TemperingState(tuple(chains), seen, visits, state.step + 1, best)
        return after, SearchInfo(after.step, self._steps, best)

    def done(self, state: TemperingState) -> bool:
        """See `Search.done`."""
        return state.step >= self._steps

    def found(self, state: TemperingState) -> tuple[Scored, ...]:
        """See `Search.found`."""
        return tuple(Scored(z, score) for z, score in sorted(state.seen.items(), key=lambda item: -item[1]))

    # -- one draw ---------------------------------------------------------------------------------------------------

    def _draw_slot(
        self,
        rest: Chain,
        j: int,
        likelihood: NDArray[np.float32] | None,
        c: int,
        rng: np.random.Generator,
        seen: dict[Hypothesis, float],
    ) -> Chain:
        scorer = self._scorer
        if likelihood is None:
            return rest
        change = self._moves.changes(rest, likelihood)
        # A set of m statements stands in S!/(S − m)! orders of the slots: weigh each order so that sets count once.
        filled = int((rest.slots.options != EMPTY).sum())
        weights = change / self._temperatures[c] - np.log(self._slots - filled)
        option = _draw(weights, rng)
        if c == 0:
            best = np.argpartition(-change, min(_KEPT, len(change) - 1))[:_KEPT]
            for other in best:
                if np.isfinite(change[other]):
                    z = scorer.decode(self._moves.holding(rest.slots, j, int(other)))
                    seen.setdefault(z, rest.score + float(change[other]))
            seen.setdefault(scorer.decode(rest.slots), rest.score)
        return self._moves.put(rest, j, option, 0.0 if option == EMPTY else float(likelihood[option]))

    def _draw_default(self, chain: Chain, temperature: float, rng: np.random.Generator) -> Chain:
        scores = self._moves.scores_of_defaults(chain)
        return self._moves.put_default(chain, _draw_index(scores / temperature, rng))

    def _exchange(self, chains: list[Chain], rng: np.random.Generator) -> list[Chain]:
        for c in range(int(rng.integers(2)), len(chains) - 1, 2):
            slope = 1.0 / self._temperatures[c] - 1.0 / self._temperatures[c + 1]
            if np.log(rng.random()) < slope * (chains[c + 1].score - chains[c].score):
                chains[c], chains[c + 1] = chains[c + 1], chains[c]
        return chains


def _draw(weights: Floats, rng: np.random.Generator) -> int:
    """An index with probability ∝ exp(weights), or EMPTY, whose weight is exp(0)."""
    top = max(float(weights.max(initial=-np.inf)), 0.0)
    cumulative = np.cumsum(np.exp(weights - top))
    total = cumulative[-1] + np.exp(-top)
    index = int(np.searchsorted(cumulative, rng.random() * total, side="right"))
    return index if index < len(weights) else EMPTY


def _draw_index(weights: Floats, rng: np.random.Generator) -> int:
    """An index with probability ∝ exp(weights)."""
    cumulative = np.cumsum(np.exp(weights - weights.max()))
    return min(int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")), len(weights) - 1)
