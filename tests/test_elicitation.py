"""The question that would settle more is asked first, and no question is asked for what another already tells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative import elicitation
from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.elicitation import Pair, alone, silent
from imitative.hypotheses.conditions import Condition, Relation, one_of
from imitative.hypotheses.statements import Hypothesis, Limits, Statement, StatementSpace, Strength
from imitative.likelihood import LITERAL
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.records import MOST_ODDS, Answer, Judgement, Kind
from imitative.scoring import Scorer
from imitative.search.search import Scored
from imitative.stakes import Stakes
from imitative.testing import random_prior
from imitative.traits import Traits

few = settings(max_examples=25)
PLACE = Feature("place", FeatureKind.BOOLEAN, "the place", values=("sun", "shade"))
SOIL = Feature("soil", FeatureKind.CATEGORICAL, "the soil", values=("clay", "sand", "peat"))
SPACE = StatementSpace([PLACE, SOIL], ("p", "e"), {"p": "it is p", "e": "it is e"}, Limits(4, 2, 1))
ROWS = [{"place": place, "soil": soil} for place in PLACE.values for soil in SOIL.values]
D = Labelled(Table.of(SPACE.features, ROWS), np.array([0, 0, 0, 1, 1, 1]), SPACE.answers)


def says(feature: Feature, value: str, answer: str = "p", strength: Strength = Strength.STRONG) -> Statement:
    return Statement((Condition(feature.name, Relation.IS, (value,)),), answer, strength)


SUN, CLAY = says(PLACE, "sun"), says(SOIL, "clay")


UNASKED = StatementPrior.unasked(Traits(SPACE, None))
SUN_OR_NOT, CLAY_OR_NOT = (Pair(alone(statement, "e"), silent("e")) for statement in (SUN, CLAY))


def stakes(*statements: Statement) -> Stakes:
    """All these matter alike."""
    return Stakes(list(statements), np.ones(len(statements)))


def test_what_bears_on_the_stakes_is_asked_before_what_does_not() -> None:
    pairs = [CLAY_OR_NOT, SUN_OR_NOT]
    assert elicitation.choose(pairs, stakes(SUN), UNASKED, 1) == [SUN_OR_NOT]
    assert elicitation.choose(pairs[::-1], stakes(SUN), UNASKED, 1) == [SUN_OR_NOT]
    assert elicitation.choose(pairs, stakes(CLAY), UNASKED, 1) == [CLAY_OR_NOT]


@pytest.mark.parametrize(("known", "asked"), [(SUN_OR_NOT, CLAY_OR_NOT), (CLAY_OR_NOT, SUN_OR_NOT)])
def test_what_is_in_doubt_is_asked_before_what_is_known(known: Pair, asked: Pair) -> None:
    queries = [elicitation.query_of(known, SPACE, Kind.ODDS, repeat=repeat) for repeat in range(12)]
    said = [Judgement(query, Answer(ratio=3.0), "ann") for query in queries]
    prior = StatementPrior.fit(Traits(SPACE, None), said)
    assert elicitation.choose([known, asked], stakes(SUN, CLAY), prior, 1) == [asked]


def test_a_batch_does_not_repeat_itself() -> None:
    twin = says(PLACE, "sun", strength=Strength.MODERATE)
    same = [SUN_OR_NOT, Pair(alone(twin, "e"), silent("e")), Pair(alone(SUN, "p"), silent("p"))]
    batch = elicitation.choose([*same, CLAY_OR_NOT], stakes(SUN, CLAY), UNASKED, 2)
    assert CLAY_OR_NOT in batch
    everything = elicitation.choose([*same, CLAY_OR_NOT], stakes(SUN, CLAY), UNASKED, 10)
    assert sorted(map(hash, everything)) == sorted(map(hash, [*same, CLAY_OR_NOT]))


def test_what_lies_beyond_the_end_of_the_scale_is_not_asked_while_something_else_tells_as_much() -> None:
    sure = UNASKED.weights.copy()
    for feature, value in (("place", "sun"), ("soil", "clay")):
        atom = UNASKED.traits.atom(feature, value)
        assert atom is not None
        sure[UNASKED.traits.polarity_at(0).start + atom] = 10.0
    prior = StatementPrior(UNASKED.traits, sure)
    assert prior.log_prior(SUN_OR_NOT.first) - prior.log_prior(SUN_OR_NOT.second) > 2 * MOST_ODDS
    beside_clay = Pair(alone(SUN, "e"), alone(CLAY, "e"))
    assert elicitation.choose([SUN_OR_NOT, beside_clay], stakes(SUN), UNASKED, 1) == [SUN_OR_NOT]
    assert elicitation.choose([SUN_OR_NOT, beside_clay], stakes(SUN), prior, 1) == [beside_clay]


def test_a_shorter_question_is_cheaper() -> None:
    short, long = Pair(alone(SUN, "e"), silent("e")), Pair(Hypothesis((SUN, CLAY), "e"), silent("e"))
    assert elicitation.cost(short) < elicitation.cost(long)
    shared = Pair(Hypothesis((SUN, CLAY), "e"), alone(CLAY, "e"))
    apart = Pair(Hypothesis((SUN, CLAY), "e"), alone(says(SOIL, "sand"), "e"))
    assert elicitation.cost(shared) < elicitation.cost(apart)


def test_nothing_is_chosen_from_nothing_and_anything_where_nothing_is_at_stake() -> None:
    assert elicitation.choose([], stakes(SUN), UNASKED, 3) == []
    assert elicitation.choose([SUN_OR_NOT, CLAY_OR_NOT], stakes(), UNASKED, 1) == [SUN_OR_NOT]


# -- what could be asked -----------------------------------------------------------------------------------------------


def scorer_of(prior: StatementPrior, *more: tuple[Condition, ...]) -> Scorer:
    pool = [*((condition,) for condition in SPACE.conditions()), *more]
    return Scorer(Posterior(D, prior, LITERAL), pool)


@few
@given(st.integers(0, 99))
def test_exploring_compares_two_different_things(seed: int) -> None:
    scorer = scorer_of(random_prior(SPACE, seed))
    pairs = elicitation.explore(scorer, "e", 40, np.random.default_rng(seed))
    assert len(pairs) == 40
    for pair in pairs:
        assert pair.first != pair.second
        assert pair.first in SPACE
        assert pair.second in SPACE
        assert len(pair.first.statements) == 1
    assert elicitation.explore(scorer, "e", 0, np.random.default_rng(seed)) == []


def test_where_nothing_can_be_said_there_is_nothing_to_explore() -> None:
    scorer = Scorer(Posterior(D, random_prior(SPACE, 0), LITERAL), [])
    assert elicitation.explore(scorer, "e", 10, np.random.default_rng(0)) == []


def test_around_z_nothing_is_compared_with_itself_or_twice() -> None:
    scorer = scorer_of(random_prior(SPACE, 1))
    best = Hypothesis((SUN, CLAY), "e")
    found = [
        Scored(best, 0.0),
        Scored(Hypothesis((SUN,), "e"), -1.0),
        Scored(Hypothesis((says(SOIL, "peat"),), "e"), -2),
    ]
    pairs = elicitation.around(found, [says(SOIL, "sand")], scorer, np.random.default_rng(0))
    assert len(set(pairs)) == len(pairs)
    assert all(pair.first != pair.second for pair in pairs)
    assert Pair(best, found[1].hypothesis) in pairs
    assert Pair(alone(says(SOIL, "sand"), "e"), silent("e")) in pairs


@few
@given(st.integers(0, 99))
def test_a_batch_becomes_comparisons_and_odds_each_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = elicitation.explore(scorer_of(random_prior(SPACE, 0)), "e", 30, rng)
    queries = elicitation.as_queries([*pairs, *pairs], SPACE, rng)
    assert len({query.key for query in queries}) == len(queries)
    assert {query.kind for query in queries} <= {Kind.COMPARE_HYPOTHESES, Kind.ODDS}
    said = {(SPACE.show(pair.first), SPACE.show(pair.second)) for pair in pairs}
    assert {query.hypotheses for query in queries} == said


# -- how people read ---------------------------------------------------------------------------------------------------


def test_readings_are_asked_where_d_prime_holds_a_value_z_does_not_name() -> None:
    unlabelled = Table.of(SPACE.features, [{"place": "sun", "soil": "sand"}, {"place": "shade", "soil": "clay"}])
    z = Hypothesis((SUN, CLAY), "e")
    asked = elicitation.readings(z, SPACE, unlabelled, Counter(), 9)
    assert [about for _, about in asked] == [("soil", "clay", "sand")]  # no row is of peat, and a place is one of two
    [(query, _)] = asked
    assert query.kind is Kind.COMPARE_ANSWERS
    assert query.purpose == "likelihood"
    assert query.question == {"place": "sun", "soil": "sand"}
    assert SPACE.read(query.hypotheses[0]).statements == (CLAY,)
    assert elicitation.readings(z, SPACE, unlabelled, Counter({("soil", "clay", "sand"): 2}), 9) == []


def test_a_conjunction_does_not_keep_single_conditions_from_being_asked_about() -> None:
    both = Statement((*says(PLACE, "shade").conditions, *says(SOIL, "sand").conditions), "e", Strength.STRONG)
    peat = Statement((one_of(SOIL, {"clay", "peat"}),), "p", Strength.STRONG)
    for statements in ((both, peat), (peat, both)):
        asked = elicitation.readings(Hypothesis(statements, "e"), SPACE, D.table, Counter(), 9)
        assert [about for _, about in asked] == [("soil", "clay", "sand")]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_no_more_readings_are_asked_than_wanted(count: int) -> None:
    z = Hypothesis((CLAY,), "e")
    assert len(elicitation.readings(z, SPACE, D.table, Counter(), count)) == count
