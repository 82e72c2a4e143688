"""The ascent: from a hypothesis to one that no redrawing of one statement, of the default or of two statements betters.

Tempering samples the posterior: where thousands of statements may be made, each a few nats too dear, its cold chain
always holds some of them, and its draws pass by the peak rather than rest on it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import combinations
from typing import final

import numpy as np

from imitative.hypotheses.statements import Hypothesis
from imitative.scoring import EMPTY, Scorer
from imitative.search.chains import Chain, Moves
from imitative.search.search import Scored, SearchInfo

WORTH = 1e-4
"""Nats by which z must be better to be taken: draws of M_prior and gains are kept in single precision."""

Redrawn = tuple[int, ...]
"""The slots that a move empties and fills again, each with what is best beside the rest."""


@dataclass(frozen=True)
class AscentState:
    """Where the ascent stands.

    Args:
        chain: z.
        left: the moves not tried since z last changed.
        way: every z so far, the last the best.
        step: moves tried.
    """

    chain: Chain
    left: tuple[Redrawn, ...]
    way: tuple[Scored, ...]
    step: int = 0


@final
class Ascent:
    """Coordinate ascent over the statements of a pool, two coordinates at a time where one is not enough.

        until no move is better:
            for each move, (j), then (default), then (j, k):
                z′ ← z with the slots of the move empty, then filled in their order by the best option beside the rest
                z ← z′ if its score is higher, and all moves are tried again

    Args:
        scorer: the compiled posterior.
        slots: at most so many statements.
        start: where to begin; silence where it is None, or the pool cannot say it.
        peaks: where other ascents over this pool ended: one that comes to such a z has ended, too.
    """

    def __init__(
        self, scorer: Scorer, slots: int, start: Hypothesis | None = None, peaks: Collection[Hypothesis] = ()
    ) -> None:
        self._scorer, self._slots, self._start, self._peaks = scorer, slots, start, peaks
        self._moves = Moves(scorer, slots)

    def init(self, rng: np.random.Generator) -> AscentState:
        """See `Search.init`."""
        return self._at(self._moves.start(self._start), (), 0)

    def step(self, state: AscentState, rng: np.random.Generator) -> tuple[AscentState, SearchInfo]:
        """See `Search.step`: one move."""
        move, *left = state.left
        moved = self._redrawn(state.chain, move)
        if moved.score > state.chain.score + WORTH:
            after = self._at(moved, state.way, state.step + 1)
        else:
            after = AscentState(state.chain, tuple(left), state.way, state.step + 1)
        return after, SearchInfo(after.step, after.step + len(after.left), after.way[-1])

    def done(self, state: AscentState) -> bool:
        """See `Search.done`."""
        return not state.left

    def found(self, state: AscentState) -> tuple[Scored, ...]:
        """See `Search.found`."""
        return state.way[::-1]

    def _at(self, chain: Chain, way: tuple[Scored, ...], step: int) -> AscentState:
        """The state at a z that is new."""
        z = self._scorer.decode(chain.slots)
        return AscentState(chain, () if z in self._peaks else self._all(chain), (*way, Scored(z, chain.score)), step)

    def _all(self, chain: Chain) -> tuple[Redrawn, ...]:
        filled = np.flatnonzero(chain.slots.options != EMPTY).tolist()
        empty = np.flatnonzero(chain.slots.options == EMPTY).tolist()[:1]  # one is as empty as another
        alone = [*filled, *empty] if self._scorer.options else []
        return (*((j,) for j in alone), (self._slots,), *combinations(filled, 2))

    def _redrawn(self, chain: Chain, move: Redrawn) -> Chain:
        for j in move:
            chain = self._moves.without(chain, j)
        for j in move:
            chain = self._best_default(chain) if j == self._slots else self._filled(chain, j)
        return chain

    def _filled(self, rest: Chain, j: int) -> Chain:
        [likelihood] = self._scorer.likelihood_of_all([rest.logits])
        change = self._moves.changes(rest, likelihood)
        option = int(np.argmax(change))
        return self._moves.put(rest, j, option, float(likelihood[option])) if change[option] > 0.0 else rest

    def _best_default(self, rest: Chain) -> Chain:
        return self._moves.put_default(rest, int(np.argmax(self._moves.scores_of_defaults(rest))))


__all__ = ["Ascent"]
