"""Searches texts made of a pool of sections: which subset has the highest posterior.

    score(z) = Σ_t worth(t) − κ·sd(z) + e·Σ_(x,y)∈D log softmax_y( b + Σ_t L_t(x) )

A text says nothing twice: of two sections whose words say the same but for their strength, people heed one. Annealed
moves between subsets (add, drop, exchange), from several starts, then the best of all such moves until none is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats
from imitative.hypotheses.text import TextHypothesis, TextSpace

HOTTEST, COLDEST = 8.0, 0.25
"""Nats: at first a move that loses eight is taken every third time, in the end hardly one that loses a half."""


ALIKE = 0.99
"""Cosine of two sections' maps from which they count as saying the same."""


class ScoredText(NamedTuple):
    """A text the search has seen, and its score in nats."""

    hypothesis: TextHypothesis
    score: float


@final
@dataclass(frozen=True, eq=False)
class Pool:
    """Sections, and what is known of each.

    Args:
        sections: S texts.
        worth: (S,) nats, M_prior's.
        members: (S, E) what each draw of M_prior gives them.
        own: (S,) nats² of variance that the draws do not carry.
        logits: (S, N, |Y|) nats, M_L's, on the rows of D searched on.
        base: (|Y|,) nats, M_L's b.
        answers: (N,) of those rows.
        evidence: what each row counts.
        caution: κ.
        twins: (S, S) which sections say the same.
        counts: (N,) how many rows of D each stands for; None: one each.
    """

    sections: tuple[str, ...]
    worth: Floats
    members: Floats
    own: Floats
    logits: np.ndarray[Any, np.dtype[np.float32]]
    base: Floats
    answers: np.ndarray[Any, np.dtype[np.int64]]
    evidence: float
    caution: float
    twins: np.ndarray[Any, np.dtype[np.bool_]]
    counts: Floats | None = None

    def merged(self) -> Pool:
        """The same pool with rows that no section tells apart as one: every score stays what it is."""
        flat = np.column_stack([np.moveaxis(self.logits, 1, 0).reshape(len(self.answers), -1), self.answers])
        _, first, place = np.unique(flat, axis=0, return_index=True, return_inverse=True)
        weights = np.ones(len(self.answers)) if self.counts is None else self.counts
        counts = np.bincount(place.ravel(), weights=weights, minlength=len(first)).astype(np.float64)
        return replace(self, logits=self.logits[:, first], answers=self.answers[first], counts=counts)

    def whole(self, chosen: Sequence[int]) -> Floats:
        """b + Σ L of a subset: (N, |Y|) nats."""
        index = list(chosen)
        total = self.logits[index].sum(axis=0) if index else np.zeros(self.logits.shape[1:])
        return np.asarray(total + self.base, dtype=np.float64)

    def score(self, chosen: Sequence[int]) -> float:
        """The score of a subset."""
        index = list(chosen)
        sd = float(np.sqrt(self.members[index].sum(axis=0).var() + self.own[index].sum())) if index else 0.0
        likelihood = float(self._log_likelihood(self.whole(index)))
        return float(self.worth[index].sum() - self.caution * sd + likelihood)

    def scores_with(self, chosen: Sequence[int]) -> Floats:
        """The score of a subset with each section in turn added to it: (S,) nats."""
        index = list(chosen)
        members = self.members + self.members[index].sum(axis=0)
        sd = np.sqrt(members.var(axis=1) + self.own + self.own[index].sum())
        likelihood = self._log_likelihood(self.whole(index)[None] + self.logits)
        return np.asarray(self.worth + self.worth[index].sum() - self.caution * sd + likelihood)

    def drawn(self, chosen: Sequence[int]) -> Floats:
        """What a subset scores under each draw of M_prior: (E,) nats."""
        index = list(chosen)
        return np.asarray(self.members[index].sum(axis=0) + self._log_likelihood(self.whole(index)))

    def places(self, z: TextHypothesis) -> list[int]:
        """The places of z's sections."""
        return [self.sections.index(section) for section in z.sections]

    def _log_likelihood(self, logits: Floats) -> Floats:
        """e·Σ log softmax over rows: (…, N, |Y|) → (…) nats."""
        # A loop over the few answers is several times faster than a reduction over so short an axis.
        parts = [logits[..., y] for y in range(logits.shape[-1])]
        total = reduce(np.logaddexp, parts)
        said = np.select([self.answers == y for y in range(len(parts))], parts) - total
        return np.asarray(self.evidence * (said.sum(axis=-1) if self.counts is None else said @ self.counts))


def twins(maps: Floats) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """(S, S) which sections say the same, perhaps more strongly: their maps, (S, size, |Y|), are proportional.

    Of the literal reading: what M_L has learned differs by the words of strength themselves.
    """
    flat = np.asarray(maps - maps.mean(axis=2, keepdims=True)).reshape(len(maps), -1)
    size = np.linalg.norm(flat, axis=1)
    found = np.asarray(flat @ flat.T > ALIKE * np.outer(size, size) + 1e-12)
    np.fill_diagonal(found, False)
    return found


@dataclass
class _State:
    seen: dict[frozenset[int], float] = field(default_factory=dict)
    starts: list[frozenset[int]] = field(default_factory=list)
    at: int = 0


@final
class Sections:
    """The search as init, step and found; a step is one start annealed and polished.

    Args:
        space: Z, for its limits.
        pool: what may be said.
        starts: texts to begin at, beside nothing.
        steps: moves from each start.
    """

    def __init__(self, space: TextSpace, pool: Pool, starts: Sequence[TextHypothesis], steps: int = 300) -> None:
        self.space, self.pool, self.steps = space, pool.merged(), steps
        self._lengths = np.array([len(section.split()) for section in pool.sections])
        self._twins = pool.twins
        place = {section: i for i, section in enumerate(pool.sections)}
        known = [frozenset(place[s] for s in z.sections if s in place) for z in starts]
        self._before = {s: z for s, z in zip(known, starts, strict=True) if len(s) == len(z.sections)}
        # What was found before may say something twice by now: M_L has learned.
        self._starts = list(dict.fromkeys([*filter(self._fits, known), frozenset()]))

    def run(self, rng: np.random.Generator, most: int | None = None) -> tuple[ScoredText, ...]:
        """What was found, best first; no more than `most`."""
        state = _State(starts=self._starts)
        while state.at < len(state.starts):
            self.step(state, rng)
        order = sorted(((c, s) for c, s in state.seen.items() if c), key=lambda pair: (-pair[1], sorted(pair[0])))
        return tuple(ScoredText(self.text(chosen), score) for chosen, score in order[:most])

    def text(self, chosen: frozenset[int]) -> TextHypothesis:
        """A subset as a text: the sections worth most first, so that it reads from what matters to what does not.

        One that the search began at stays as it is: in another order it would be another text, to be judged anew.
        """
        if chosen in self._before:
            return self._before[chosen]
        ranked = sorted(chosen, key=lambda i: (self.pool.sections[i].startswith("By default"), -self.pool.worth[i], i))
        return TextHypothesis(tuple(self.pool.sections[i] for i in ranked))

    def step(self, state: _State, rng: np.random.Generator) -> None:
        """Anneal from the next start, then climb."""
        here = state.starts[state.at]
        state.at += 1
        score = self._score(here, state)
        for step in range(self.steps):
            heat = HOTTEST * (COLDEST / HOTTEST) ** (step / max(1, self.steps - 1))
            there = self._moved(here, rng)
            if there is None:
                continue
            after = self._score(there, state)
            if after >= score or rng.random() < np.exp((after - score) / heat):
                here, score = there, after
        best = max(state.seen, key=state.seen.__getitem__)
        self._climb(best, state)

    def _climb(self, here: frozenset[int], state: _State) -> None:
        score = self._score(here, state)
        for _ in range(60):
            after = self._around(here, state)
            best = max(after, key=after.__getitem__, default=here)
            if after.get(best, score) <= score + 1e-9:
                return
            here, score = best, after[best]

    def _around(self, here: frozenset[int], state: _State) -> dict[frozenset[int], float]:
        """Every subset a section away: one dropped, one added, one in the place of another."""
        after = {smaller: self._score(smaller, state) for smaller in (here - {i} for i in here)}
        for base in (here, *after):
            scores = self.pool.scores_with(sorted(base))
            after |= {base | {int(i)}: float(scores[i]) for i in self._addable(base)}
        after.pop(here, None)
        state.seen |= after
        return after

    def _addable(self, base: frozenset[int]) -> NDArray[np.int64]:
        index = sorted(base)
        short = self._lengths + self._lengths[index].sum() <= self.space.max_words
        fits = short & ~self._twins[index].any(axis=0) & (len(index) < self.space.sections)
        fits[index] = False
        return np.flatnonzero(fits)

    def _moved(self, here: frozenset[int], rng: np.random.Generator) -> frozenset[int] | None:
        outside = [i for i in range(len(self.pool.sections)) if i not in here]
        inside = sorted(here)
        kind = rng.integers(3)
        there = set(here)
        if kind != 0 and inside:
            there.discard(inside[int(rng.integers(len(inside)))])
        if kind != 1 and outside:
            there.add(outside[int(rng.integers(len(outside)))])
        found = frozenset(there)
        return found if found != here and self._fits(found) else None

    def _fits(self, chosen: frozenset[int]) -> bool:
        index = list(chosen)
        short = len(index) <= self.space.sections and int(self._lengths[index].sum()) <= self.space.max_words
        return short and not self._twins[np.ix_(index, index)].any()

    def _score(self, chosen: frozenset[int], state: _State) -> float:
        if chosen not in state.seen:
            state.seen[chosen] = self.pool.score(sorted(chosen))
        return state.seen[chosen]
