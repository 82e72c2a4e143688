"""What a round over texts asks: how sections are read, what they add to z, and which of two is more plausible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np

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
"""Of a round's judgements, on how texts are read; half of the rest are odds, half pairs."""


class Known(NamedTuple):
    """What is known when a round asks.

    Args:
        prior, reading: M_prior and M_L.
        pool: what may be said.
        best: z* of the round before, if any.
        judgements: all so far.
        round: how many there were.
    """

    prior: TextPrior
    reading: TextReading
    pool: Pool
    best: TextHypothesis | None
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
        self._sample, self._elsewhere = sample, lexicon.holds(sample)

    def queries(self, known: Known, count: int, rng: np.random.Generator) -> list[Query]:
        """At most so many."""
        hopeful = self._hopeful(known, rng)
        readings = self._readings(hopeful, known, round(READING_SHARE * count) if self.learns else 0, rng)
        odds = self._odds(hopeful, known, (count - len(readings)) // 2, rng)
        pairs = self._pairs(hopeful, known, count - len(readings) - len(odds), rng)
        return [*readings, *odds, *pairs]

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
        return list({query.key: query for query in queries}.values())

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
        question = self._sample.row(row)
        return Query(Kind.COMPARE_ANSWERS, (text,), question, pair, purpose="likelihood", repeat=turn)

    def _odds(self, hopeful: Sequence[str], known: Known, count: int, rng: np.random.Generator) -> list[Query]:
        """How many times more plausible is z with a section than without it: fixes what a section is worth in nats."""
        best = known.best or TextHypothesis(tuple(hopeful[:1]))
        order = sorted(hopeful, key=lambda section: -float(known.prior.members(section).var()))
        queries = []
        for section in order:
            place = best.sections.index(section) if section in best.sections else None
            if place is None:
                # Without anything left a text says nothing: another section stands for what they share.
                kept = best if best.added(section) in self.text.space else TextHypothesis(best.sections[:1])
                pair = (kept.added(section), kept)
            else:
                pair = (best, best.without(place))
            if pair[0] != pair[1] and all(z.sections for z in pair):
                shown = tuple(self.text.space.show(z) for z in pair)
                queries.append(Query(Kind.ODDS, shown, repeat=known.round))
        return queries[:count]

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
