"""People who spoke earlier: their comparisons of rules, and their ratings of features or of words, as an overseer.

An archive can only say what was said. It answers what it holds and skips the rest; nothing is made up, but for the
answers to questions under a z, which its literal reading gives on request, under a judge's name that says so.

What was said becomes judgements like any other, so that M_prior needs nothing special and the ledger counts them:

    judgement    of any query: as it is
    comparison   of two rules: a graded comparison of two hypotheses of one strong statement each
    rating r     of a feature: for every answer y,  odds(statement about the feature, for y : silence) = exp(nats(r))
    rating r     of a word:    odds(the word, for the answer it favours : the word, for another)       = exp(nats(r))
    doubts c, q  of words:     odds(the word, for the answer it favours, at w nats : silence)
                                                                                 = exp(w · |nats(r)| / 2 − c − q · w²)
                               odds(the word, for another, at w nats : silence)  = exp(−w · |nats(r)| / 2 − c − q · w²)
    doubt u      of others:    odds(a word nobody rated, for any answer, at w nats : silence) = exp(−c − u − q · w²)

with nats(r) linear between two ratings, and the statements of moderate strength. A rating of a feature says nothing of
which answer it speaks for: entered once for each answer, it leaves that open exactly (the contrasts sum to zero over
the answers), and the raters of a feature are spread over its values, so that it leaves those open too. Nor does the
rating of a word say how strong a claim about it people would accept: where the problem states it as doubts, a spread of
the rated words is heard on several strengths each, which is enough to teach two numbers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Literal, NamedTuple, TypeVar, final

from imitative.data import Feature, Table
from imitative.hypotheses.conditions import Condition, Relation
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.likelihood import LITERAL
from imitative.records import LITERAL_READER, MOST_ODDS, Answer, Judgement, Kind, Outcome, Query
from imitative.rules import RuleReader, plain

T = TypeVar("T")

NO_DIFFERENCE, MUCH = 0.25, 2.0
"""Log odds of two answers, in nats, below which the literal reading calls them even, above which much better: half a
hint, and one strong statement."""
SHOWN = 3
"""Examples in a note."""
HEARD = 200
"""Words heard on strengths: two numbers are learned from them, each to a few hundredths of a nat."""
DOUBTED = (Strength.HINT, Strength.SLIGHT, Strength.MODERATE, Strength.STRONG)
"""The strengths they are heard on; at the strongest, odds against would leave the scale people answer on."""
UNRATED = "taken as unrated"
"""The judge's name on ratings that stand for having none."""


class Comparison(NamedTuple):
    """Which of two rules somebody found more plausible.

    Args:
        first, second: the rules' texts.
        grade: one of `GRADES`, positive for the first.
        judge: who said so.
    """

    first: str
    second: str
    grade: int
    judge: str


class Rating(NamedTuple):
    """What somebody gave a feature (how much does it matter?) or a word (how good is what it says?).

    Args:
        item: the feature's name, what it is spoken of as, or the word.
        rating: on the scale of a `Stretch`.
        spread: its standard error: the standard deviation among those who rated, over the root of their number; 0 where
            it is not known.
        judge: who gave it.
    """

    item: str
    rating: float
    spread: float
    judge: str


class Stretch(NamedTuple):
    """nats(r): the line through two ratings.

    >>> Stretch((1.0, 10.0), (-2.0, 1.0)).nats(5.5)
    -0.5
    """

    between: tuple[float, float]
    means: tuple[float, float]

    def nats(self, rating: float) -> float:
        """What a rating is worth."""
        (low, high), (least, most) = self.between, self.means
        return least + (rating - low) / (high - low) * (most - least)


FEATURES = Stretch((1.0, 10.0), (-3.0, 0.0))
"""Of a feature's importance: what is said of it at random, for either answer alike, is twenty times less plausible than
silence at the lowest, and never more plausible."""
WORDS = Stretch((-4.0, 4.0), (-4.0, 4.0))
"""Of a word's tone: from fifty to one that it speaks for the one answer to fifty to one for the other."""


@final
class Recorded:
    """An archive of judgements (`overseers.overseer.Archive`).

    Args:
        space: the language hypotheses are written in.
        comparisons: of rules, in the space's English or as `rules.py` reads them.
        ratings: of features or of words that the space may mention.
        reader: who answers questions under a z: the literal reading, or nobody.
        features, words: what ratings of the two are worth.
        favours: the answer that high ratings of words speak for; None: the last of the space's answers.
        doubts: (c, q): a claim of w nats about a word is c + q·w² nats less plausible than silence before the word
            speaks for it; None: nothing is said of how strong claims may be.
        judgements: of any queries, such as an earlier run's or what another tool exported. An earlier run's audits of
            its z* teach like the rest, as they would have taught its next round: whoever is learning from an archive
            cannot be audited by it. Answers to questions are given where the same is asked again, and teach nothing.
        unrated: what having no rating says of a word where thousands were rated, on the scale of ratings: as many words
            of the space that have none as have one are taken to be rated so; None: nothing.
        unrated_doubt: u, how many nats less plausible than a claim about a rated word one about any other is, before
            either speaks for an answer; None: nothing is said of that. Without `doubts` it means nothing.

    Raises:
        ValueError: if `favours` is no answer of the space.

    Attributes:
        notes: what a reader should know, first of all what could not be used.
    """

    def __init__(
        self,
        space: StatementSpace,
        comparisons: Iterable[tuple[str, str, int, str]] = (),
        ratings: Iterable[tuple[str, float, float, str]] = (),
        reader: Literal["literal", "nobody"] = "literal",
        features: Stretch = FEATURES,
        words: Stretch = WORDS,
        favours: str | None = None,
        doubts: tuple[float, float] | None = None,
        unrated: float | None = None,
        unrated_doubt: float | None = None,
        judgements: Iterable[Judgement] = (),
    ) -> None:
        self.space, self.reader = space, reader
        self.features, self.words = features, words
        self.favours = space.answers[-1] if favours is None else favours
        if self.favours not in space.answers:
            raise ValueError(f"favours: {self.favours!r} is none of the answers {list(space.answers)}")
        self._notes: list[str] = []
        self._held: dict[str, Judgement] = {}
        self._times: Counter[str] = Counter()
        self._compared([Comparison(*row) for row in comparisons])
        self._judged(list(judgements))
        rows = [Rating(*row) for row in ratings]
        self._rated(rows)
        if unrated is not None:
            self._not_rated(rows, unrated)
        if doubts is not None:
            self._doubted(rows, *doubts)
            if unrated_doubt is not None:
                self._unfamiliar(rows, doubts[0] + unrated_doubt, doubts[1])
        if reader == "literal":
            if any(judgement.query.kind is Kind.ANSWER for judgement in self._held.values()):
                said = "What was answered under a hypothesis serves that one alone: where it is asked of another"
            else:
                said = "Nobody was asked to answer questions under z: where that is asked"
            self._notes.append(f"{said}, the {LITERAL_READER} of z answers.")

    @property
    def queries(self) -> tuple[Query, ...]:
        """What it can teach before anything is searched, in the order it was said."""
        return tuple(j.query for j in self._held.values() if j.answered and j.query.kind is not Kind.ANSWER)

    @property
    def notes(self) -> tuple[str, ...]:
        """See the class."""
        return tuple(self._notes)

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`: what was said, SKIPPED for what was not."""
        return [self._judgement(query) for query in queries]

    def _judgement(self, query: Query) -> Judgement:
        if (held := self._held.get(query.key)) is not None:
            return held
        two_sided = query.kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS, Kind.COMPARE_ANSWERS)
        if two_sided and (turned := self._held.get(query.swapped().key)) is not None:
            return replace(turned, query=query, answer=turned.answer.swapped())
        if query.kind in (Kind.COMPARE_ANSWERS, Kind.ANSWER) and self.reader == "literal":
            return Judgement(query, self._read(query), LITERAL_READER)
        return Judgement(query, Answer(Outcome.SKIPPED), "recorded")

    def _read(self, query: Query) -> Answer:
        """What following z to the letter gives; SKIPPED where the question or its answers are missing."""
        if query.question is None or len(query.answers) < 2:
            return Answer(Outcome.SKIPPED)
        table = Table.of(self.space.features, [query.question], strict=False)
        z = self.space.read(query.hypotheses[0])
        log_p = LITERAL.log_probabilities(table, z, self.space.answers)[0]
        said = {answer: float(log_p[self.space.answers.index(answer)]) for answer in query.answers}
        if query.kind is Kind.ANSWER:
            return Answer(choice=max(said, key=lambda answer: (said[answer], answer == z.default)))
        first, second = (said[answer] for answer in query.answers)
        size = 0 if abs(first - second) < NO_DIFFERENCE else 2 if abs(first - second) > MUCH else 1
        return Answer(grade=size if first > second else -size)

    # -- what was said, as judgements ----------------------------------------------------------------------------

    def _keep(self, query: Query, answer: Answer, judge: str) -> None:
        """One judgement more; those of one pair are told apart by `repeat`."""
        times = self._times[query.key]
        self._times[query.key] += 1
        repeated = Query(query.kind, query.hypotheses, repeat=times)
        self._held[repeated.key] = Judgement(repeated, answer, judge)

    def _compared(self, comparisons: Sequence[Comparison]) -> None:
        texts, unread = self._in_our_words(text for row in comparisons for text in (row.first, row.second))
        for row in comparisons:
            if row.first in texts and row.second in texts:
                query = Query(Kind.COMPARE_HYPOTHESES, (texts[row.first], texts[row.second]))
                self._keep(query, Answer(grade=row.grade), row.judge)
        if unread:
            lost = len(comparisons) - len(self._held)
            self._notes.append(
                f"{lost} of {len(comparisons)} comparisons were left out, because {len(unread)} of "
                f"{len(unread) + len(texts)} rules could not be read: {_some(unread.values())}."
            )

    def _in_our_words(self, rules: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Rule → the hypothesis in the space's English, and rule → why it could not be read."""
        reader = RuleReader(self.space)
        texts: dict[str, str] = {}
        unread: dict[str, str] = {}
        for rule in dict.fromkeys(rules):
            try:
                texts[rule] = self.space.show(reader.read(rule))
            except ValueError as error:
                unread[rule] = str(error)
        return texts, unread

    def _judged(self, judgements: Sequence[Judgement]) -> None:
        """Judgements as they are, their hypotheses in the space's English; several of one query by `repeat`."""
        texts, unread = self._in_our_words(text for row in judgements for text in row.query.hypotheses)
        lost = 0
        for row in judgements:
            answers = {*row.query.answers} if row.query.kind in (Kind.COMPARE_ANSWERS, Kind.ANSWER) else set()
            if not texts.keys() >= {*row.query.hypotheses} or not answers <= {*self.space.answers}:
                lost += 1
                continue
            query = replace(row.query, hypotheses=tuple(texts[text] for text in row.query.hypotheses))
            while query.key in self._held:
                query = replace(query, repeat=query.repeat + 1)
            self._held[query.key] = replace(row, query=query)
        if lost:
            why = f": {_some(unread.values())}" if unread else ""
            self._notes.append(
                f"{lost} of {len(judgements)} recorded judgements were left out: they are of hypotheses that could not "
                f"be read, or of answers that are none of the problem's{why}."
            )

    def _rated(self, ratings: Sequence[Rating]) -> None:
        named = {plain(name): f for f in self.space.features for name in (f.spoken, f.name)}
        named |= {feature.name: feature for feature in self.space.features}
        holding: dict[str, list[Feature]] = {}
        for feature in self.space.features:
            for word in self.space.words.get(feature.name, ()):
                holding.setdefault(word, []).append(feature)
        sure = _sure(ratings)
        raters: Counter[str] = Counter()
        unknown: dict[str, None] = {}
        for row in ratings:
            rated = named.get(row.item) or named.get(plain(row.item))
            if rated is not None:
                self._relevance(rated, row, raters[rated.name])
                raters[rated.name] += 1
            elif row.item in holding:
                for feature in holding[row.item]:
                    self._polarity(feature, row, sure)
            else:
                unknown[row.item] = None
        if unknown:
            self._notes.append(
                f"{len(unknown)} rated items are neither features nor words that z may speak of: {_some(unknown)}."
            )

    def _relevance(self, feature: Feature, row: Rating, rater: int) -> None:
        positive = (Relation.IS, Relation.AT_LEAST, Relation.MENTIONS)
        conditions = [c for c in self.space.conditions_on(feature) if c.relation in positive]
        if not conditions:
            return
        condition = conditions[rater % len(conditions)]
        for answer in self.space.answers:
            sides = (self._claim(condition, answer), Hypothesis((), self.space.answers[0]))
            self._odds(sides, self.features.nats(row.rating), row.judge)

    def _polarity(self, feature: Feature, row: Rating, sure: float) -> None:
        """For each other answer, the odds that the word speaks for `favours` rather than for that."""
        condition = Condition(feature.name, Relation.MENTIONS, (row.item,))
        for other in self.space.answers:
            if other != self.favours:
                sides = (self._claim(condition, self.favours), self._claim(condition, other))
                self._odds(sides, self._nats(row, sure), row.judge)

    def _nats(self, row: Rating, sure: float) -> float:
        """What the rating of a word is worth: drawn to the middle where its raters were few and differed."""
        middle = sum(self.words.between) / 2.0
        held = sure / (sure + row.spread**2) if row.spread else 1.0
        return self.words.nats(middle + held * (row.rating - middle))

    def _not_rated(self, ratings: Sequence[Rating], rating: float) -> None:
        """Words of the space that nobody rated, evenly spread, as many as there are rated ones."""
        for feature in self.space.features:
            silent = self._silent(feature, ratings)
            for word in _spread(silent, len(self.space.words.get(feature.name, ())) - len(silent)):
                self._polarity(feature, Rating(word, rating, 0.0, UNRATED), 1.0)

    def _silent(self, feature: Feature, ratings: Sequence[Rating]) -> list[str]:
        """Words that z may mention and nobody rated."""
        rated = {row.item for row in ratings}
        return [word for word in self.space.words.get(feature.name, ()) if word not in rated]

    def _doubted(self, ratings: Sequence[Rating], sentence: float, square: float) -> None:
        """For a spread of the rated words: the odds of claims of several strengths against silence."""
        sure = _sure(ratings)
        silence = Hypothesis((), self.space.answers[0])
        for feature in self.space.features:
            words = set(self.space.words.get(feature.name, ()))
            heard = _spread([row for row in ratings if row.item in words], HEARD)
            for i, row in enumerate(heard):
                nats = self._nats(row, sure)
                others = [answer for answer in self.space.answers if answer != self.favours]
                other = others[i % len(others)]
                # Heard of one answer alone, what speaks for it would be taken for a liking of strong claims.
                for answer, w in product((self.favours, other), DOUBTED):
                    claim = self._claim(Condition(feature.name, Relation.MENTIONS, (row.item,)), answer, w)
                    towards = nats if answer == self.favours else -nats
                    worth = w.nats * towards / 2.0 - sentence - square * w.nats**2
                    # Beyond the end of the scale an answer is a bound; hundreds of bounds bend the two numbers that are
                    # to be learned (q came out as 4.4 where 2.5 was stated).
                    if worth > -MOST_ODDS:
                        self._odds((claim, silence), worth, row.judge)

    def _unfamiliar(self, ratings: Sequence[Rating], sentence: float, square: float) -> None:
        """For a spread of the words nobody rated: the odds of claims for every answer, of several strengths."""
        silence = Hypothesis((), self.space.answers[0])
        for feature in self.space.features:
            for word in _spread(self._silent(feature, ratings), HEARD):
                condition = Condition(feature.name, Relation.MENTIONS, (word,))
                for answer, w in product(self.space.answers, DOUBTED):
                    worth = -sentence - square * w.nats**2
                    if worth > -MOST_ODDS:  # as above
                        self._odds((self._claim(condition, answer, w), silence), worth, UNRATED)

    def _claim(self, condition: Condition, answer: str, strength: Strength = Strength.MODERATE) -> Hypothesis:
        return Hypothesis((Statement((condition,), answer, strength),), self.space.answers[0])

    def _odds(self, sides: tuple[Hypothesis, Hypothesis], nats: float, judge: str) -> None:
        first, second = map(self.space.show, sides)
        self._keep(Query(Kind.ODDS, (first, second)), Answer(ratio=math.exp(nats)), judge)


def _sure(ratings: Sequence[Rating]) -> float:
    """The variance of what was rated: against it, a rating's own error says how far to take it for what people think.

    The best guess at the next person's rating is middle + (rating − middle) · V / (V + spread²), V being this variance.
    """
    mean = sum(row.rating for row in ratings) / max(1, len(ratings))
    return sum((row.rating - mean) ** 2 for row in ratings) / max(1, len(ratings)) or 1.0


def _spread(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of the items, evenly spread over their order."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def _some(texts: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(texts))
    return "; ".join(distinct[:SHOWN]) + (f"; and {len(distinct) - SHOWN} more" if len(distinct) > SHOWN else "")


__all__ = ["Comparison", "Rating", "Recorded", "Stretch"]
