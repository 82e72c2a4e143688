"""What a round over texts asks: how sections are read, what they add to z, and which of two is more plausible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from imitative.data import Floats, Table
from imitative.hypotheses.text import TextHypothesis
from imitative.records import Judgement, Kind, Query
from imitative.search.sections import Pool
from imitative.texts.prior import TextPrior
from imitative.texts.problem import TextProblem
from imitative.texts.reading import Lexicon, TextReading

HOPEFUL = 40
"""Sections, by score and doubt, that judgements are spent on each round."""
READING_SHARE = 0.3
"""Of a round's judgements, on how texts are read."""
ODDS_SHARE = 0.75
"""Of the rest, asked as odds of z with a section and without it: they tell more, and fix the scale in nats."""
TRIES = 5
"""To find a text to add a section to that has not been asked about."""
DUELS = 0.5
"""Of what is left then, at most so many are odds of z* and a rival; the others are pairs of sections."""
CURIOSITY = 0.02
"""The share of D′ that is added to what two texts label differently: the same for all."""


class Known(NamedTuple):
    """What is known when a round asks.

    Args:
        prior, reading: M_prior and M_L.
        pool: what may be said.
        best: z* of the round before, if any.
        rivals: the next best.
        judgements: all so far.
        round: how many there were.
    """

    prior: TextPrior
    reading: TextReading
    pool: Pool
    best: TextHypothesis | None
    rivals: Sequence[TextHypothesis]
    judgements: Sequence[Judgement]
    round: int


@final
class TextAgenda:
    """Chooses queries.

    Args:
        text: the problem.
        lexicon: what could be said.
        sample: questions of D′ that readings are asked about.
        learns: whether M_L can learn from readings; if not, none are asked.
        active: whether queries are chosen by what they are worth, or drawn at random.
    """

    def __init__(self, text: TextProblem, lexicon: Lexicon, sample: Table, learns: bool, active: bool) -> None:
        self.text, self.lexicon, self.learns, self.active = text, lexicon, learns, active
        self.sample, self._elsewhere = sample, lexicon.holds(sample)

    def queries(self, known: Known, count: int, rng: np.random.Generator) -> list[Query]:
        """At most so many."""
        hopeful = self._hopeful(known, rng)
        readings = self._readings(hopeful, known, round(READING_SHARE * count) if self.learns else 0, rng)
        odds = self._odds(hopeful, known, round(ODDS_SHARE * (count - len(readings))), rng)
        left = count - len(readings) - len(odds)
        duels = self._duels(known, round(DUELS * left)) if self.active else []
        return [*readings, *odds, *duels, *self._pairs(hopeful, known, left - len(duels), rng)]

    def undecided(self, reading: TextReading, found: Sequence[TextHypothesis]) -> float:
        """The share of D′ that another of these texts labels otherwise than the first."""
        labels = self._labels(reading, found)
        return float((labels[1:] != labels[0]).mean())

    def _labels(self, reading: TextReading, found: Sequence[TextHypothesis]) -> NDArray[np.int64]:
        """(Z, N) how texts label the questions of D′."""
        maps = {section: self._elsewhere @ reading.map(section) for z in found for section in z.sections}
        logits = [np.sum([maps[section] for section in z.sections], axis=0) + reading.base for z in found]
        return np.stack([np.asarray(each).argmax(axis=1) for each in logits])

    def _duels(self, known: Known, count: int) -> list[Query]:
        """Odds of z* and a rival: those rivals first that draws of M_prior prefer and that label D′ otherwise.

        value(z) = P(z above z*) · (share of D′ labelled otherwise + CURIOSITY)
        """
        if known.best is None or not count or not known.rivals:
            return []
        texts = [known.best, *known.rivals]
        drawn = np.stack([known.pool.drawn(known.pool.places(z)) for z in texts])
        labels = self._labels(known.reading, texts)
        value = (drawn[1:] > drawn[0]).mean(axis=1) * ((labels[1:] != labels[0]).mean(axis=1) + CURIOSITY)
        before = {frozenset(j.query.hypotheses) for j in known.judgements}
        best, queries = self.text.space.show(known.best), list[Query]()
        for i in np.argsort(-value, kind="stable"):
            rival = self.text.space.show(known.rivals[i])
            if len(queries) == count or value[i] <= 0.0:
                break
            less = set(known.rivals[i].sections) < set(known.best.sections)  # what an audit of z* may ask afresh
            if not less and frozenset((best, rival)) not in before:
                queries.append(Query(Kind.ODDS, (best, rival), repeat=known.round))
        return queries

    def _hopeful(self, known: Known, rng: np.random.Generator) -> list[str]:
        """Sections that may belong to z*: by what they add to it, and a draw of M_prior's doubt."""
        pool = known.pool
        best = known.best.sections if known.best is not None else ()
        base = [i for i, section in enumerate(pool.sections) if section in best]
        alone = pool.score(base)
        doubt = np.sqrt(pool.members.var(axis=1) + pool.own)
        gains = np.array(
            [
                (alone - pool.score([j for j in base if j != i])) if i in base else (pool.score([*base, i]) - alone)
                for i in range(len(pool.sections))
            ]
        )
        drawn = gains + doubt * np.abs(rng.standard_normal(len(gains))) if self.active else rng.random(len(gains))
        order = np.argsort(-drawn, kind="stable")[:HOPEFUL]
        return [pool.sections[i] for i in order]

    def _readings(self, hopeful: Sequence[str], known: Known, count: int, rng: np.random.Generator) -> list[Query]:
        """Which answer is better for x: half under the best text there is, half under a section alone.

        Sections are asked about with an x that they seem to speak of and one that they do not, in turn; a text with
        any: what people make of a whole is not the sum of what they make of its parts.
        """
        best = known.best
        whole = count // 2 if best is not None and len(best.sections) > 1 else 0
        queries = [self._reading(self.text.space.show(best), known.reading.whole(best), None, turn, rng)
                   for turn in range(whole) if best is not None]  # fmt: skip
        asked = Counter(j.query.hypotheses[0] for j in known.judgements if j.query.kind is Kind.COMPARE_ANSWERS)
        order = sorted(hopeful, key=lambda section: asked[section])
        for turn in range(count - whole if order else 0):
            section, towards = order[turn % len(order)], turn // len(order) % 2 == 0
            queries.append(self._reading(section, self.lexicon.literal(section), towards, turn, rng))
        before = {judgement.query.key for judgement in known.judgements}  # no judgement is fitted twice
        return list({query.key: query for query in queries if query.key not in before}.values())

    def _reading(self, text: str, read: Floats, towards: bool | None, turn: int, rng: np.random.Generator) -> Query:
        """About an x of the quarter that a text says most of, or least, or of all: the two likeliest answers."""
        answers, logits = self.text.problem.answers, self._elsewhere @ read
        among = np.arange(len(logits))
        if towards is not None:
            spread = logits.max(axis=1) - logits.min(axis=1)
            among = np.argsort(-spread if towards else spread, kind="stable")[: max(1, len(spread) // 4)]
        row = int(among[int(rng.integers(len(among)))])
        two = [answers[i] for i in np.argsort(-logits[row], kind="stable")[:2]]
        pair = tuple(two[i] for i in rng.permutation(2))
        question = self.sample.row(row)
        return Query(Kind.COMPARE_ANSWERS, (text,), question, pair, purpose="likelihood", repeat=turn)

    def _odds(self, hopeful: Sequence[str], known: Known, count: int, rng: np.random.Generator) -> list[Query]:
        """How many times more plausible is z with a section than without it: fixes what a section is worth in nats."""
        best = known.best or TextHypothesis(tuple(hopeful[:1]))
        before = {frozenset(j.query.hypotheses) for j in known.judgements}
        order = sorted(hopeful, key=lambda section: -float(known.prior.members(section).var()))
        queries = list[Query]()
        for section in order:
            for _ in range(TRIES):
                base = self._base(best, section, known.pool, rng)
                shown = self.text.space.show(base.added(section)), self.text.space.show(base)
                if base.sections and frozenset(shown) not in before:
                    queries.append(Query(Kind.ODDS, shown, repeat=known.round))
                    break
        return queries[:count]

    def _base(self, best: TextHypothesis, section: str, pool: Pool, rng: np.random.Generator) -> TextHypothesis:
        """z without the section and without another: asked anew each time, and never what the audit of z asks.

        Nor with what says the same as the section: beside it the section adds nothing, which tells nothing of it.
        """
        twins = pool.twins[pool.sections.index(section)]
        same = {section, *(pool.sections[i] for i in np.flatnonzero(twins))}
        rest = [other for other in best.sections if other not in same]
        # Where nothing else would be left another section stands: a text without any says nothing.
        left_out = int(rng.integers(len(rest))) if len(rest) > 1 else None
        kept = [other for i, other in enumerate(rest) if i != left_out]
        while kept and TextHypothesis((*kept, section)) not in self.text.space:
            kept.pop(int(rng.integers(len(kept))))
        return TextHypothesis(tuple(kept))

    def _pairs(self, hopeful: Sequence[str], known: Known, count: int, rng: np.random.Generator) -> list[Query]:
        """Sections against each other: the pairs M_prior is least sure of, none compared before."""
        before = {frozenset(j.query.hypotheses) for j in known.judgements}
        members = {section: known.prior.members(section) for section in hopeful}
        pairs = [(a, b) for i, a in enumerate(hopeful) for b in hopeful[i + 1 :] if frozenset((a, b)) not in before]
        unsure = np.array([float((members[a] - members[b]).std()) for a, b in pairs])
        surprise = unsure if self.active else rng.random(len(pairs))
        queries: list[Query] = []
        used = Counter[str]()
        for i in np.argsort(-surprise, kind="stable"):
            if len(queries) == count:
                break
            a, b = pairs[i]
            if max(used[a], used[b]) <= 2 + 2 * count // max(1, len(hopeful)):
                used.update((a, b))
                sides = (a, b) if rng.random() < 0.5 else (b, a)
                queries.append(Query(Kind.COMPARE_HYPOTHESES, sides))
        return queries
