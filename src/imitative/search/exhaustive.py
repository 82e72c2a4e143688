"""A finite Z, scored whole: the reference every other search is held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import numpy as np

from imitative.hypotheses.statements import Hypothesis
from imitative.search.search import Scored, SearchInfo


class ExhaustiveState(NamedTuple):
    """How far the list has been read, and the best so far."""

    scored: tuple[Scored, ...]
    best: Scored | None = None


@final
class Exhaustive:
    """Scores every member of a finite Z, one a step.

        for z in Z: scored ← scored + (z, score(z))

    Args:
        hypotheses: Z.
        score: log posterior, in nats.
    """

    def __init__(self, hypotheses: Sequence[Hypothesis], score: Callable[[Hypothesis], float]) -> None:
        if not hypotheses:
            raise ValueError("an exhaustive search needs at least one hypothesis")
        self._hypotheses = tuple(hypotheses)
        self._score = score

    def init(self, rng: np.random.Generator) -> ExhaustiveState:
        """See `Search.init`."""
        return ExhaustiveState(())

    def step(self, state: ExhaustiveState, rng: np.random.Generator) -> tuple[ExhaustiveState, SearchInfo]:
        """See `Search.step`."""
        z = self._hypotheses[len(state.scored)]
        here = Scored(z, self._score(z))
        best = here if state.best is None or here.score > state.best.score else state.best
        scored = (*state.scored, here)
        return ExhaustiveState(scored, best), SearchInfo(len(scored), len(self._hypotheses), best)

    def done(self, state: ExhaustiveState) -> bool:
        """See `Search.done`."""
        return len(state.scored) == len(self._hypotheses)

    def found(self, state: ExhaustiveState) -> tuple[Scored, ...]:
        """See `Search.found`."""
        return tuple(sorted(state.scored, key=lambda item: -item.score))
