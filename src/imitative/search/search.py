"""The role of a search: init, then step → (state, info), until done."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from imitative.hypotheses.statements import Hypothesis


class Scored(NamedTuple):
    """A hypothesis the search has seen, and its score in nats."""

    hypothesis: Hypothesis
    score: float


class SearchInfo(NamedTuple):
    """What a step looked like: for eyes and plots only.

    Args:
        step: how many steps were taken.
        steps: how many there will be.
        best: the best so far.
    """

    step: int
    steps: int
    best: Scored


S = TypeVar("S")


class Search(Protocol[S]):
    """Searches Z for high posterior scores."""

    def init(self, rng: np.random.Generator) -> S:
        """The state before the first step."""
        ...

    def step(self, state: S, rng: np.random.Generator) -> tuple[S, SearchInfo]:
        """One step."""
        ...

    def done(self, state: S) -> bool:
        """Whether there is nothing more to do."""
        ...

    def found(self, state: S) -> tuple[Scored, ...]:
        """What was seen, each once, best first; ties in the order they were seen."""
        ...


def run(search: Search[Any], rng: np.random.Generator) -> tuple[Scored, ...]:
    """Step until done; what was found, best first."""
    state = search.init(rng)
    while not search.done(state):
        state, _ = search.step(state, rng)
    return search.found(state)


def probabilities(found: tuple[Scored, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The posterior over what was found: exp(score) normalised, (len(found),)."""
    scores = np.array([scored.score for scored in found])
    weights = np.exp(scores - scores.max())
    return np.asarray(weights / weights.sum())
