"""A simulated person who believes something about parameters, and judges beliefs and odds by it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np

from imitative.hypotheses.belief import Belief, BeliefSpace, gaussian_noise
from imitative.records import Answer, Judgement, Kind, Outcome, Query, content_key

MUCH = 1.5
"""Nats from which on one belief is *much* more plausible than another."""
MOST_NATS = 600.0
"""Odds are said up to e^600 to one: more could not be recorded."""


@final
class Believer:
    """H: finds a belief z as plausible as −KL(z ‖ what they believe themselves).

    Args:
        space: the parameters.
        believes: their own belief.
        noise: standard deviation of the odds they say, in nats; comparisons have logistic noise of one nat, as
            Bradley and Terry's model has it.
        exact: whether they answer without any noise.
        cost, seconds: of a judgement.
        seed: of their noise: the same query is always answered the same.
        draws: that a belief is judged by.
    """

    def __init__(
        self, space: BeliefSpace, believes: Belief, *, noise: float = 0.3, exact: bool = False, cost: float = 0.0,
        seconds: float = 20.0, seed: int = 0, draws: int = 512,
    ) -> None:  # fmt: skip
        self._space, self._believes = space, believes
        self._noise, self._exact = noise, exact
        self._cost, self._seconds, self._seed = cost, seconds, seed
        self._epsilon = gaussian_noise(draws, len(space.parameters), 11)
        self._known: dict[str, float] = {}

    def log_prior(self, text: str) -> float:
        """−KL(z ‖ own belief), nats, of a belief in words; −∞ where it believes what they hold impossible."""
        if text not in self._known:
            z = self._space.read(text)
            theta = self._space.draw(z, self._epsilon)
            with np.errstate(divide="ignore", invalid="ignore"):
                gap = self._space.log_density(self._believes, theta) - self._space.log_density(z, theta)
            self._known[text] = float(np.nan_to_num(gap, nan=-np.inf).mean())
        return self._known[text]

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`. What cannot be read as beliefs about these parameters is unreadable."""
        return [Judgement(query, self._answer(query), "believer", self._cost, self._seconds) for query in queries]

    def _answer(self, query: Query) -> Answer:
        try:
            scores = [self.log_prior(text) for text in query.hypotheses]
        except ValueError:
            return Answer(Outcome.UNREADABLE)
        rng = np.random.default_rng([self._seed, int(query.key[:12], 16), int(content_key(self._seed)[:6], 16)])
        if query.kind is Kind.BET:
            return Answer(less_likely=bool(scores[0] < -query.heads * math.log(2.0)))
        if query.kind not in (Kind.COMPARE_HYPOTHESES, Kind.ODDS) or not max(scores) > -math.inf:
            return Answer(Outcome.SKIPPED)
        delta = float(np.clip(scores[0] - scores[1], -MOST_NATS, MOST_NATS))
        if query.kind is Kind.ODDS:
            said = delta if self._exact else delta + self._noise * float(rng.standard_normal())
            return Answer(ratio=math.exp(float(np.clip(said, -MOST_NATS, MOST_NATS))))
        heard = delta if self._exact else delta + float(rng.logistic())
        if heard == 0.0:
            return Answer(grade=0)
        return Answer(grade=int(math.copysign(2 if abs(heard) > MUCH else 1, heard)))
