"""A hypothesis as a search holds it, and the moves that change it: no move rereads what the others say.

Slot S, one beyond the last, is the default's: it is never empty in a hypothesis, only between two moves.
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats
from imitative.hypotheses.statements import Hypothesis
from imitative.scoring import EMPTY, Scorer, Slots
from imitative.traits import NATS


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


@final
class Moves:
    """What may be done to a chain.

    Args:
        scorer: the compiled posterior.
        slots: at most so many statements, S.
    """

    def __init__(self, scorer: Scorer, slots: int) -> None:
        self.scorer, self.slots = scorer, slots

    def start(self, z: Hypothesis | None = None) -> Chain:
        """A chain at z; at silence where there is none, or the pool cannot say it."""
        slots = None if z is None else self.scorer.encode(z, self.slots)
        return self._chain(Slots(np.full(self.slots, EMPTY), 0) if slots is None else slots)

    def without(self, chain: Chain, j: int) -> Chain:
        """The chain with slot j empty; for the default's slot, without the default's logits."""
        scorer, logits = self.scorer, chain.logits.copy()
        if j == self.slots:
            answer, strength = divmod(chain.slots.default, len(NATS))
            logits[answer] -= scorer.sharpness * NATS[strength]
            return chain._replace(logits=logits)
        option = int(chain.slots.options[j])
        if option != EMPTY:
            answer, added = scorer.contribution(option)
            logits[answer] -= added
        slots = self.holding(chain.slots, j, EMPTY)
        return Chain(slots, logits, scorer.log_prior(slots), scorer.log_likelihood(logits))

    def changes(self, rest: Chain, likelihood: NDArray[np.float32]) -> Floats:
        """What each option would add to the score of `rest` in an empty slot: (K·A·W,) nats, −∞ for what overlaps.

        Args:
            rest: the chain.
            likelihood: what each adds to its log likelihood, from `Scorer.likelihood_of_all`.
        """
        scorer = self.scorer
        change = scorer.prior_of_all(rest.slots) + likelihood
        filled = rest.slots.options[rest.slots.options != EMPTY]
        taken = [k for option in filled for k in scorer.conflicts(int(option))]
        change.reshape(len(scorer.pool), -1)[taken] = -np.inf
        return np.asarray(change)

    def put(self, rest: Chain, j: int, option: int, added: float) -> Chain:
        """`rest` with an option in its empty slot j, which adds so much to the log likelihood; EMPTY leaves it so."""
        if option == EMPTY:
            return rest
        answer, gained = self.scorer.contribution(option)
        logits = rest.logits.copy()
        logits[answer] += gained
        slots = self.holding(rest.slots, j, option)
        return Chain(slots, logits, self.scorer.log_prior(slots), rest.log_likelihood + added)

    def scores_of_defaults(self, rest: Chain) -> Floats:
        """The score with each default, `rest` being without one: (A·W,) nats, up to what its statements add."""
        return self.scorer.likelihood_of_defaults(rest.logits) + self.scorer.prior_of_defaults(rest.slots)

    def put_default(self, rest: Chain, option: int) -> Chain:
        """`rest`, which is without a default, with one."""
        logits = rest.logits.copy()
        logits[option // len(NATS)] += self.scorer.sharpness * NATS[option % len(NATS)]
        slots = Slots(rest.slots.options, option)
        return Chain(slots, logits, self.scorer.log_prior(slots), self.scorer.log_likelihood(logits))

    def holding(self, slots: Slots, j: int, option: int) -> Slots:
        """The slots with an option in slot j."""
        options = slots.options.copy()
        options[j] = option
        return Slots(options, slots.default)

    def _chain(self, slots: Slots) -> Chain:
        logits = self.scorer.logits(slots)
        return Chain(slots, logits, self.scorer.log_prior(slots), self.scorer.log_likelihood(logits))


__all__ = ["Chain", "Moves"]
