"""For tests, here and in projects that bring their own parts: random problems, and overseers who say what they must.

The strategies are for the `hypothesis` package, which is imported where they are called: it is no part of an
installation. A strategy takes a space and gives members of it, so that what is drawn can always be said:

    @given(st.data())
    def test_round_trip(data):
        space = data.draw(spaces())
        z = data.draw(hypotheses(space))
        assert space.read(space.show(z)) == z
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, final

import numpy as np

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.hypotheses.conditions import Condition, Relation, one_of, overlap
from imitative.hypotheses.statements import Hypothesis, Limits, Statement, StatementSpace, Strength
from imitative.overseers.overseer import Overseer
from imitative.prior import StatementPrior
from imitative.problem import Problem
from imitative.records import Answer, Judgement, Kind, Outcome, Query, Value
from imitative.traits import Encode, Traits

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

WORDS = ("foul", "fishy", "musty", "almond", "anise", "none", "red", "green", "not tested", "up to 3", "ham, egg and x")
"""What values are called, where a test does not ask for arbitrary words."""
VOCABULARY = ("good", "bad", "dull", "film")
"""What texts are made of."""
CUTS = (-1.5, 0.0, 1e-07, 2.0, 1e16)
"""Thresholds of numeric features, some of which are written with an exponent."""

# -- strategies: what problems are made of ---------------------------------------------------------------------------


def awkward_words() -> SearchStrategy[str]:
    """Any text at all, more often than not with what divides sentences in it."""
    from hypothesis import strategies as st

    parts = st.sampled_from(
        [" and ", " or ", ", ", " is ", "not ", "one of ", "“", "”", "a", "b", "7", "’", "\\u201d", "é"]
    )
    return st.lists(parts | st.text(max_size=3), max_size=5).map("".join)


def features(kinds: Sequence[FeatureKind] = tuple(FeatureKind), awkward: bool = False) -> SearchStrategy[Feature]:
    """A feature called `f`, spoken of as `the f`; with `awkward`, its words may be any text."""
    from hypothesis import strategies as st

    words = awkward_words() if awkward else st.sampled_from(WORDS)

    @st.composite
    def feature(draw: DrawFn) -> Feature:
        kind = draw(st.sampled_from(kinds))
        if kind is FeatureKind.NUMERIC:
            return Feature("f", kind, "the f", unit=draw(st.sampled_from(["", "cm"])))
        if kind is FeatureKind.TEXT:
            return Feature("f", kind, "the f")
        fewest, most = (2, 2) if kind is FeatureKind.BOOLEAN else (2, 5)
        said = draw(st.lists(words, min_size=fewest, max_size=most, unique=True))
        values = tuple(f"v{i}" for i in range(len(said)))
        phrases = {values[0]: draw(st.sampled_from(["it has no f at all", "it has an f, and a large one"]))}
        with_phrase = draw(st.booleans())
        return Feature("f", kind, "the f", dict(zip(values, said, strict=True)), phrases if with_phrase else {}, values)

    return feature()


def spaces(
    kinds: Sequence[FeatureKind] = tuple(FeatureKind), most: int = 3, awkward: bool = False
) -> SearchStrategy[StatementSpace]:
    """A space over one to `most` features of the given kinds, with two or three answers."""
    from hypothesis import strategies as st

    @st.composite
    def space(draw: DrawFn) -> StatementSpace:
        drawn = draw(st.lists(features(kinds, awkward), min_size=1, max_size=most))
        told_apart = [
            replace(
                feature,
                name=f"f{i}",
                spoken=f"the f{i}",
                phrases={value: f"{phrase} ({i})" for value, phrase in feature.phrases.items()},
            )
            for i, feature in enumerate(drawn)
        ]
        answers = ("p", "e", "q")[: draw(st.integers(2, 3))]
        spoken = {"p": "it is p, or worse", "e": "it is e", "q": "it is q and e"}
        words = {f.name: VOCABULARY for f in told_apart if f.kind is FeatureKind.TEXT}
        cuts = {f.name: CUTS for f in told_apart if f.kind is FeatureKind.NUMERIC}
        limits = Limits(draw(st.integers(1, 4)), draw(st.integers(1, 2)), len(CUTS))
        rated = {name: draw(st.sets(st.sampled_from(known), max_size=2)) for name, known in words.items()}
        return StatementSpace(told_apart, answers, spoken, limits, words, cuts, rated)

    return space()


def questions(space: StatementSpace) -> SearchStrategy[dict[str, Value]]:
    """A question, any of whose values may be missing."""
    from hypothesis import strategies as st

    def cell(feature: Feature) -> SearchStrategy[Value]:
        if feature.discrete:
            return st.sampled_from([*feature.values, None])
        if feature.kind is FeatureKind.NUMERIC:
            exact = st.sampled_from([*space.cuts.get(feature.name, ()), None])
            return exact | st.floats(-1e17, 1e17, allow_nan=False)
        said = st.sampled_from([*space.words.get(feature.name, ()), "not", "isn't", "the", ".", ",", "Good"])
        return st.lists(said, max_size=8).map(lambda parts: " ".join(parts) or None)

    return st.fixed_dictionaries({feature.name: cell(feature) for feature in space.features})


def tables(space: StatementSpace, fewest: int = 0, most: int = 12) -> SearchStrategy[Table]:
    """So many questions."""
    from hypothesis import strategies as st

    rows = st.lists(questions(space), min_size=fewest, max_size=most)
    return rows.map(lambda drawn: Table.of(space.features, drawn))


def labelled(space: StatementSpace, fewest: int = 1, most: int = 12) -> SearchStrategy[Labelled]:
    """So many examples, their answers drawn at random."""
    from hypothesis import strategies as st

    @st.composite
    def examples(draw: DrawFn) -> Labelled:
        table = draw(tables(space, fewest, most))
        answer = st.integers(0, len(space.answers) - 1)
        answers = draw(st.lists(answer, min_size=len(table), max_size=len(table)))
        return Labelled(table, np.array(answers, dtype=np.int64), space.answers)

    return examples()


# -- strategies: members of a space ----------------------------------------------------------------------------------


def conditions(space: StatementSpace) -> SearchStrategy[Condition]:
    """Any condition of the space, with `is one of` and mentions of several words."""
    from hypothesis import strategies as st

    single = st.sampled_from(list(space.conditions()))

    @st.composite
    def several(draw: DrawFn) -> Condition:
        condition = draw(single)
        feature = space.feature[condition.feature]
        if condition.relation is Relation.IS and len(feature.values) > 2:
            values = st.sets(st.sampled_from(feature.values), min_size=1, max_size=len(feature.values) - 1)
            return one_of(feature, draw(values))
        if condition.relation in (Relation.MENTIONS, Relation.NEGATES):
            words = draw(st.sets(st.sampled_from(space.words[feature.name]), min_size=1))
            return Condition(feature.name, condition.relation, tuple(sorted(words)))
        return condition

    return several()


def statements(space: StatementSpace) -> SearchStrategy[Statement]:
    """Any statement of the space."""
    from hypothesis import strategies as st

    said = st.lists(
        conditions(space), min_size=1, max_size=space.limits.conditions, unique_by=lambda condition: condition.feature
    )
    return st.builds(Statement, said.map(tuple), st.sampled_from(space.answers), st.sampled_from(Strength))


def hypotheses(space: StatementSpace) -> SearchStrategy[Hypothesis]:
    """Any member of the space."""
    from hypothesis import strategies as st

    def compatible(drawn: list[Statement]) -> tuple[Statement, ...]:
        kept: list[Statement] = []
        for statement in drawn:
            if not any(overlap(statement.conditions, other.conditions, space.feature) for other in kept):
                kept.append(statement)
        return tuple(kept)

    said = st.lists(statements(space), max_size=space.limits.statements).map(compatible)
    return st.builds(Hypothesis, said, st.sampled_from(space.answers), st.sampled_from(Strength))


def problems(
    kinds: Sequence[FeatureKind] = tuple(FeatureKind), most_features: int = 3, most_rows: int = 12
) -> SearchStrategy[Problem]:
    """A small problem: D and D′ of at least one row each."""
    from hypothesis import strategies as st

    @st.composite
    def problem(draw: DrawFn) -> Problem:
        space = draw(spaces(kinds, most_features))
        known, unknown = draw(labelled(space, 1, most_rows)), draw(tables(space, 1, most_rows))
        return Problem("random", "Which is it?", known, unknown, space.spoken, space)

    return problem()


# -- models ----------------------------------------------------------------------------------------------------------


def by_spelling(texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """An encoder that needs no weights: unit vectors of counted letters, so that words are alike as they are spelt."""
    found = np.zeros((len(texts), 32), dtype=np.float32)
    for row, text in zip(found, texts, strict=True):
        for letter in text:
            row[ord(letter) % 32] += 1.0
        row /= np.linalg.norm(row) or 1.0
    return found


def random_prior(
    space: StatementSpace, seed: int, draws: int = 7, encode: Encode | None = by_spelling
) -> StatementPrior:
    """An M_prior nobody taught: standard normal weights and so many draws of them."""
    rng = np.random.default_rng(seed)
    traits = Traits(space, encode)
    return StatementPrior(traits, rng.standard_normal(traits.size), rng.standard_normal((draws, traits.size)))


# -- overseers -------------------------------------------------------------------------------------------------------


@final
class Scripted:
    """An overseer who says what the script says.

    Args:
        script: query → answer; None for a query stands for a skip.
        name: the judge's name.
        cost, seconds: of every judgement.

    >>> import asyncio
    >>> query = Query(Kind.COMPARE_HYPOTHESES, ("z", "z′"))
    >>> [said] = asyncio.run(Scripted(lambda query: Answer(grade=2)).judge([query]))
    >>> said.answer.grade, said.judge
    (2, 'scripted')
    """

    def __init__(
        self,
        script: Callable[[Query], Answer | None],
        name: str = "scripted",
        cost: float = 0.0,
        seconds: float = 0.0,
    ) -> None:
        self._script, self.name, self.cost, self.seconds = script, name, cost, seconds

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        said = [(query, self._script(query) or Answer(Outcome.SKIPPED)) for query in queries]
        return [Judgement(query, answer, self.name, self.cost, self.seconds) for query, answer in said]


def follows(prefers: Callable[[str], float], space: StatementSpace) -> Callable[[Query], Answer]:
    """A script: someone without noise whose log prior of a text is `prefers(text)`, and who follows z to the letter."""

    def script(query: Query) -> Answer:
        if query.kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS):
            first, second = (prefers(text) for text in query.hypotheses)
            if query.kind is Kind.ODDS:
                return Answer(ratio=float(np.exp(np.clip(first - second, -20.0, 20.0))))
            return Answer(grade=int(np.sign(first - second)) * (2 if abs(first - second) > 2.0 else 1))
        if query.kind is Kind.BET:
            return Answer(less_likely=prefers(query.hypotheses[0]) < -query.heads * float(np.log(2.0)))
        z = space.read(query.hypotheses[0])
        logits = z.logits(Table.of(space.features, [query.question or {}]), space.answers)[0]
        worth = {answer: float(logits[space.answers.index(answer)]) for answer in query.answers}
        if query.kind is Kind.COMPARE_ANSWERS:
            return Answer(grade=int(np.sign(worth[query.answers[0]] - worth[query.answers[1]])))
        return Answer(choice=max(query.answers, key=worth.__getitem__))

    return script


@final
class Replayed:
    """An archive (`overseers.overseer.Archive`) of the judgements of an earlier run: what is not among them is skipped.

    Args:
        judgements: what was said.

    Attributes:
        queries: on hypotheses and on how they are read: what induction takes from an archive. Answers to questions of
            D′ are given when they are asked for, and so are the judgements of an audit.
    """

    def __init__(self, judgements: Sequence[Judgement]) -> None:
        self._held = {judgement.query.key: judgement for judgement in judgements}
        self.queries = tuple(j.query for j in judgements if j.query.purpose in ("prior", "likelihood"))

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        return [self._held.get(query.key) or Judgement(query, Answer(Outcome.SKIPPED), "replayed") for query in queries]


@final
class Counting:
    """Wears any overseer, and counts what passes: independently of every ledger.

    Args:
        overseer: who is asked.

    Attributes:
        asked: key of a query → how often it was asked.
        kinds: kind → how many.
        cost: of all judgements.
        batches: how large each batch was.
    """

    def __init__(self, overseer: Overseer) -> None:
        self._overseer = overseer
        self.asked: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.cost = 0.0
        self.batches: list[int] = []

    @property
    def total(self) -> int:
        """How many queries were asked, repetitions counted."""
        return self.asked.total()

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        self.asked.update(query.key for query in queries)
        self.kinds.update(query.kind.value for query in queries)
        self.batches.append(len(queries))
        judgements = await self._overseer.judge(queries)
        self.cost += sum(judgement.cost for judgement in judgements)
        return judgements


class Interrupted(Exception):
    """What `Interrupting` raises: the process was killed."""


@final
class Interrupting:
    """A place to record judgements that dies when `after` have been written, and keeps what was.

    >>> kept = Interrupting(after=0)
    >>> kept(Judgement(Query(Kind.BET, ("z",)), Answer(less_likely=True), "me"))
    Traceback (most recent call last):
    imitative.testing.Interrupted: killed after 0 judgements
    """

    def __init__(self, after: int, known: Mapping[str, Judgement] | None = None) -> None:
        self.after = after
        self.known: dict[str, Judgement] = dict(known or {})
        self.written = 0

    def __call__(self, judgement: Judgement) -> None:
        """See `overseers.overseer.Record`."""
        if self.written >= self.after:
            raise Interrupted(f"killed after {self.written} judgements")
        if judgement.query.key in self.known:
            raise AssertionError(f"judged twice: {judgement.query}")
        self.known[judgement.query.key] = judgement
        self.written += 1
