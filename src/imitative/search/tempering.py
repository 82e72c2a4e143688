"""Parallel tempering: the posterior over Z, not only its peak.

Every chain redraws one slot of its hypothesis from the slot's full conditional, at its own temperature: adding,
dropping, replacing, strengthening, weakening, widening and narrowing are all choices in one draw, and none is ever
rejected. Neighbouring chains exchange hypotheses by the Metropolis rule. The cold chain's distribution is the
posterior.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats
from imitative.hypotheses.statements import Hypothesis
from imitative.scoring import EMPTY, Scorer, Slots
from imitative.search.search import Scored, SearchInfo
from imitative.traits import NATS

TEMPERATURES = (1.0, 3.0, 10.0, 30.0)
"""Geometric: log posteriors differ by tens to hundreds of nats, which a temperature of 30 makes passable."""
_KEPT = 3
"""Alternatives of each cold draw that are remembered as runners-up."""


class Chain(NamedTuple):
    """One chain: its hypothesis, the logits it gives D, (A, n), and its log prior and log likelihood."""

    slots: Slots
    logits: Floats
    log_prior: float
    log_likelihood: float

    @property
    def score(self) -> float:
        """Nats."""
        return self.log_prior + self.log_likelihood


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

    def init(self, rng: np.random.Generator) -> TemperingState:
        """See `Search.init`."""
        empty = Slots(np.full(self._slots, EMPTY), 0)
        starts = [self._scorer.encode(z, self._slots) or empty for z in self._start]
        starts += [empty] * len(self._temperatures)
        chains = tuple(self._chain(slots) for slots in starts[: len(self._temperatures)])
        first = Scored(self._scorer.decode(chains[0].slots), chains[0].score)
        return TemperingState(chains, dict([first]), {}, 0, first)

    def step(self, state: TemperingState, rng: np.random.Generator) -> tuple[TemperingState, SearchInfo]:
        """See `Search.step`."""
        seen, known = state.seen, len(state.seen)
        at = rng.integers(self._slots + 1, size=len(state.chains))
        at[rng.random(len(at)) < 0.05] = self._slots  # the default is one slot among many, but every row hangs on it
        removed = [self._without(chain, int(j)) for chain, j in zip(state.chains, at, strict=True)]
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

    def _chain(self, slots: Slots) -> Chain:
        logits = self._scorer.logits(slots)
        return Chain(slots, logits, self._scorer.log_prior(slots), self._scorer.log_likelihood(logits))

    def _without(self, chain: Chain, j: int) -> Chain:
        """The chain with slot j empty; for the default's slot, without the default's logits."""
        scorer, logits = self._scorer, chain.logits.copy()
        if j == self._slots:
            answer, strength = divmod(chain.slots.default, len(NATS))
            logits[answer] -= scorer.sharpness * NATS[strength]
            return chain._replace(logits=logits)
        option = int(chain.slots.options[j])
        options = chain.slots.options.copy()
        options[j] = EMPTY
        if option != EMPTY:
            answer, added = scorer.contribution(option)
            logits[answer] -= added
        slots = Slots(options, chain.slots.default)
        return Chain(slots, logits, scorer.log_prior(slots), scorer.log_likelihood(logits))

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
        change = scorer.prior_of_all(rest.slots) + likelihood
        filled = rest.slots.options[rest.slots.options != EMPTY]
        taken = [k for option in filled for k in scorer.conflicts(int(option))]
        change.reshape(len(scorer.pool), -1)[taken] = -np.inf
        # A set of m statements stands in S!/(S − m)! orders of the slots: weigh each order so that sets count once.
        weights = change / self._temperatures[c] - np.log(self._slots - len(filled))
        option = _draw(weights, rng)
        if c == 0:
            best = np.argpartition(-change, min(_KEPT, len(change) - 1))[:_KEPT]
            for other in best:
                if np.isfinite(change[other]):
                    z = scorer.decode(self._with(rest.slots, j, int(other)))
                    seen.setdefault(z, rest.score + float(change[other]))
            seen.setdefault(scorer.decode(rest.slots), rest.score)
        if option == EMPTY:
            return rest
        answer, added = scorer.contribution(option)
        logits = rest.logits.copy()
        logits[answer] += added
        slots = self._with(rest.slots, j, option)
        return Chain(slots, logits, scorer.log_prior(slots), rest.log_likelihood + float(likelihood[option]))

    def _draw_default(self, chain: Chain, temperature: float, rng: np.random.Generator) -> Chain:
        scorer = self._scorer
        scores = scorer.likelihood_of_defaults(chain.logits) + scorer.prior_of_defaults(chain.slots)
        option = _draw_index(scores / temperature, rng)
        logits = chain.logits.copy()
        logits[option // len(NATS)] += scorer.sharpness * NATS[option % len(NATS)]
        slots = Slots(chain.slots.options, option)
        return Chain(slots, logits, scorer.log_prior(slots), scorer.log_likelihood(logits))

    def _with(self, slots: Slots, j: int, option: int) -> Slots:
        options = slots.options.copy()
        options[j] = option
        return Slots(options, slots.default)

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
