"""A simulated person: a hidden taste in hypotheses, noise, ties, carelessness, and only so much patience for reading.

What the person knows is a readable table in the problem file, never the answer key: what they *believe* (statements in
the problem's own English) and which features they find *relevant*. How plausible they find a statement of strength w
whose conditions they believe to lean towards its answer by a nats is

    taste(s) = Σ_v (2·a_v·w − w²) / (2τ²) + relevance − cost of reading,      each term largest where w = a_v,

summed over the values v that its conditions name, so that one sentence about four smells claims as much as four
sentences, and costs less to read. A hypothesis is as plausible as the sum over its statements (and its default, by the
same rule with a = 0), but nobody believes a thing twice for hearing it twice: of statements w and w′ that both say of
the same v what a belief says, less w · w′ / τ², as their sum would be claimed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, pairwise
from typing import final

import numpy as np

from imitative.data import Feature, FeatureKind, Table
from imitative.hypotheses.conditions import Condition, Relation, named
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace
from imitative.likelihood import Reading
from imitative.records import LEAST_RATIO, ODDS_SCALE, Answer, Judgement, Kind, Outcome, Query, content_key


@final
@dataclass(frozen=True, eq=False)
class Simulated:
    """A person made of a table.

    Args:
        space: the language hypotheses are written in.
        believes: what the person holds true, and how strongly.
        relevance: feature → nats a statement gains for speaking of it; others get `irrelevant`.
        irrelevant: nats for every condition on a feature not in `relevance`.
        tolerance: τ, how far from a belief, in nats, a claim may be before it loses half a nat.
        length: nats a statement costs, and half of it for every further condition.
        noise: the scale of the logistic noise on every comparison, in nats; 0: none.
        careless: the share of queries answered at random.
        ties: differences below this many nats are called a tie.
        much: differences above this many nats are called much more plausible.
        reads: how many statements of a hypothesis the person takes in: those not shared by the two sides first, and of
            the shared ones the same on both. A question about one hypothesis by itself, a bet, is thought over whole.
        covers: (feature, value said) → other values the person takes it to cover.
        exact: gives odds as they are, not on a labelled scale, and follows z to the letter.
        seed: of the noise, which depends on the query alone, not on the order of asking.
        name: the judge's name in the rows.
        cost: per judgement, in the problem's unit of money.
        seconds: per judgement.
    """

    space: StatementSpace
    believes: Sequence[Statement] = ()
    relevance: Mapping[str, float] = field(default_factory=dict)
    irrelevant: float = -1.0
    tolerance: float = 1.0
    length: float = 0.5
    noise: float = 0.5
    careless: float = 0.0
    ties: float = 0.25
    much: float = 2.0
    reads: int = 12
    covers: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    exact: bool = False
    seed: int = 0
    name: str = "simulated"
    cost: float = 0.0
    seconds: float = 15.0

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        return [Judgement(query, self._answer(query), self.name, self.cost, self.seconds) for query in queries]

    def log_prior(self, z: Hypothesis, read: Sequence[Statement] | None = None) -> float:
        """The hidden taste, in nats. With `read`, as if only those statements were there."""
        b = z.default_strength.nats
        statements = z.statements if read is None else read
        alone = self._claim(0.0, b) + sum(self.taste(statement) for statement in statements)
        return alone - sum(self._again(first, second) for first, second in combinations(statements, 2))

    def taste(self, statement: Statement) -> float:
        """How plausible one statement is, in nats: see the module's formula."""
        w = statement.strength.nats
        claims = sum(self._claim(self.leaning(one, statement.answer), w) for one in named(statement.conditions))
        relevance = sum(self.relevance.get(c.feature, self.irrelevant) for c in statement.conditions)
        return claims + relevance - self.length * (1 + len(statement.conditions)) / 2.0

    def leaning(self, conditions: Sequence[Condition], answer: str) -> float:
        """a: how far the person believes the conditions to lean towards the answer, in nats.

        A belief bears on conditions as far as they fall under it: `foul or musty` is half under `foul`.
        """
        return sum(
            (belief.strength.nats if belief.answer == answer else -belief.strength.nats)
            * math.prod(max(self._under(c, b) for c in conditions) for b in belief.conditions)
            for belief in self.believes
        )

    def _again(self, first: Statement, second: Statement) -> float:
        """What the pair loses for saying the same thing of the same values twice, in nats: see the module's formula."""
        if first.answer != second.answer:
            return 0.0
        shared = (one for c in first.conditions for d in second.conditions for one in self._shared(c, d))
        both = list(dict.fromkeys(shared))
        of_each: dict[str, float] = {}
        for value in both:
            of_each[value.feature] = of_each.get(value.feature, 0.0) + self._said(value, both, first.answer)
        values = max(of_each.values(), default=0.0)  # what both say of two features is about one kind of thing
        return values * first.strength.nats * second.strength.nats / self.tolerance**2

    def _shared(self, first: Condition, second: Condition) -> list[Condition]:
        """The values that two conditions both speak of, each as a condition of its own."""
        if first.feature != second.feature:
            return []
        return [one for (one,) in named((first,)) if self._meet(one, second)]

    def _said(self, value: Condition, both: Collection[Condition], answer: str) -> float:
        """How far some belief says this of a value, its other conditions being among what both speak of: 0 … 1."""
        found = [
            math.prod(
                max([self._under(v, b) for v in both if v == value or v.feature != value.feature], default=0.0)
                for b in belief.conditions
            )
            for belief in self.believes
            if belief.answer == answer and any(b.feature == value.feature for b in belief.conditions)
        ]
        return max([0.0, *found])

    def _meet(self, first: Condition, second: Condition) -> bool:
        """Whether some value of their feature satisfies both; words do where they are the same and said alike."""
        feature = self._features[first.feature]
        if feature.kind is FeatureKind.TEXT:
            return first.relation is second.relation and bool(set(first.values) & set(second.values))
        if feature.discrete:
            return bool((first.satisfying(feature) & second.satisfying(feature)).any())
        grid = self._grid(feature)
        return bool((first.applies(grid) & second.applies(grid)).any())

    def _claim(self, a: float, w: float) -> float:
        return (2.0 * a * w - w * w) / (2.0 * self.tolerance**2)

    def _under(self, condition: Condition, belief: Condition) -> float:
        """The share of what `condition` covers that `belief` covers too, beyond the share it has of everything."""
        if condition.feature != belief.feature:
            return 0.0
        feature = self._features[condition.feature]
        negated = {Relation.MENTIONS: 1.0, Relation.NEGATES: -0.75}
        if condition.relation in negated and belief.relation in negated:
            share = len(set(condition.values) & set(belief.values)) / len(condition.values)
            return share * (1.0 if condition.relation is belief.relation else -0.75)
        grid = self._grid(feature)
        here, there = condition.applies(grid), belief.applies(grid)
        if not here.any() or not there.any():
            return 0.0
        share = float((here & there).sum() / here.sum())
        if condition.relation in (Relation.IS, Relation.IS_ONE_OF) and feature.discrete:
            return share
        return max(0.0, share - float(there.mean())) / max(1.0 - float(there.mean()), 1e-9)

    def _grid(self, feature: Feature) -> Table:
        """One imagined question for every value the feature may take."""
        if feature.discrete:
            return Table.of([feature], [{feature.name: value} for value in feature.values])
        cuts = sorted(self._cuts(feature))
        middles = [cuts[0] - 1.0, *((a + b) / 2.0 for a, b in pairwise(cuts)), cuts[-1] + 1.0]
        return Table.of([feature], [{feature.name: value} for value in middles])

    def _cuts(self, feature: Feature) -> set[float]:
        believed = {c.threshold for b in self.believes for c in b.conditions if c.feature == feature.name}
        return {*self.space.cuts.get(feature.name, ()), *(cut for cut in believed if cut is not None)} or {0.0}

    @cached_property
    def _features(self) -> dict[str, Feature]:
        return {feature.name: feature for feature in self.space.features}

    # -- answering -------------------------------------------------------------------------------------------------

    def _answer(self, query: Query) -> Answer:
        rng = np.random.default_rng(int(content_key([self.seed, query.key])[:16], 16))
        if rng.random() < self.careless:
            return self._at_random(query, rng)
        if query.kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS):
            first, second = (self.space.read(text) for text in query.hypotheses)
            difference = self._difference(first, second, rng) + self._noise(rng)
            return Answer(ratio=self._odds(difference)) if query.kind is Kind.ODDS else self._grade(difference)
        z = self.space.read(query.hypotheses[0])
        if query.kind is Kind.BET:
            return Answer(less_likely=bool(self.log_prior(z) + self._noise(rng) < -query.heads * math.log(2.0)))
        assert query.question is not None
        log_p = self._read(z, query)
        if query.kind is Kind.COMPARE_ANSWERS:
            return self._grade(log_p[query.answers[0]] - log_p[query.answers[1]] + self._noise(rng))
        noise = {answer: 0.0 if self.exact else self._noise(rng) for answer in query.answers}
        return Answer(choice=max(noise, key=lambda answer: (log_p[answer] + noise[answer], answer == z.default)))

    def _difference(self, first: Hypothesis, second: Hypothesis, rng: np.random.Generator) -> float:
        if self.exact:
            return self.log_prior(first) - self.log_prior(second)
        both = [statement for statement in first.statements if statement in second.statements]
        own = [[s for s in z.statements if s not in both] for z in (first, second)]
        # What stands on both sides is taken in on both or on neither: it is no reason to prefer one of them.
        room = max(0, self.reads - max(map(len, own)))
        sides = []
        for z, mine in zip((first, second), own, strict=True):
            read = [mine[i] for i in rng.permutation(len(mine))[: self.reads]]
            sides.append(self.log_prior(z, read + both[:room]))
        return sides[0] - sides[1]

    def _noise(self, rng: np.random.Generator) -> float:
        return float(rng.logistic(scale=self.noise)) if self.noise > 0 else 0.0

    def _grade(self, difference: float) -> Answer:
        if abs(difference) < self.ties or difference == 0.0:  # nothing is preferred to itself, even by the decided
            return Answer(grade=0)
        grade = 2 if abs(difference) > self.much else 1
        return Answer(grade=grade if difference > 0 else -grade)

    def _odds(self, difference: float) -> float:
        if self.exact:
            most = -math.log(LEAST_RATIO)
            return math.exp(min(max(difference, -most), most))
        label = min(ODDS_SCALE, key=lambda ratio: abs(math.log(ratio) - abs(difference)))
        return label if difference >= 0 else 1.0 / label

    def _read(self, z: Hypothesis, query: Query) -> dict[str, float]:
        """log P(y | x, z) as the person reads z, taking in the statements that bear on x first."""
        assert query.question is not None
        table = Table.of(self.space.features, [query.question], strict=False)
        reading = Reading(covers=self.covers)
        bearing = [s for s in z.statements if reading.statement(s, table)[0]][: self.reads]
        log_p = reading.log_probabilities(
            table, Hypothesis(tuple(bearing), z.default, z.default_strength), self.space.answers
        )
        return dict(zip(self.space.answers, log_p[0].tolist(), strict=True))

    def _at_random(self, query: Query, rng: np.random.Generator) -> Answer:
        match query.kind:
            case Kind.COMPARE_HYPOTHESES | Kind.COMPARE_ANSWERS:
                return Answer(grade=int(rng.integers(-2, 3)))
            case Kind.ODDS:
                ratio = float(rng.choice(ODDS_SCALE))
                return Answer(ratio=ratio if rng.random() < 0.5 else 1.0 / ratio)
            case Kind.BET:
                return Answer(less_likely=bool(rng.random() < 0.5))
            case Kind.ANSWER:
                return Answer(choice=str(rng.choice(list(query.answers)))) if query.answers else Answer(Outcome.SKIPPED)
