"""What more hangs on is asked first, and nothing is asked for what another question already tells."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.elicitation import comparisons
from imitative.elicitation.pairs import Pair, alone, query_of, silent
from imitative.elicitation.stakes import Stakes
from imitative.hypotheses.conditions import Condition
from imitative.hypotheses.statements import Hypothesis, Statement, Strength
from imitative.likelihood import LITERAL
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.records import MOST_ODDS, Answer, Judgement, Kind
from imitative.scoring import Scorer
from imitative.search.search import Scored
from imitative.testing import random_prior
from imitative.traits import Traits
from tests.places import CLAY, PLACE, SOIL, SPACE, SUN, D, says

few = settings(max_examples=25)
UNASKED = StatementPrior.unasked(Traits(SPACE, None))
SUN_OR_NOT, CLAY_OR_NOT = (Pair(alone(statement, "e"), silent("e")) for statement in (SUN, CLAY))


def stakes(*statements: Statement) -> Stakes:
    """All these matter alike."""
    traits = np.array([UNASKED.traits.statement(statement) for statement in statements])
    return Stakes(list(statements), traits.reshape(-1, UNASKED.traits.size), np.ones(len(statements)))


def chosen(pairs: list[Pair], stakes: Stakes, prior: StatementPrior, count: int) -> list[Pair]:
    """What is chosen, whose gains never rise: what is asked after has less to tell."""
    found, gains = comparisons.choose(pairs, stakes, prior, count)
    assert len(gains) == len(found)
    assert gains == sorted(gains, reverse=True)
    assert min(gains, default=0.0) >= 0.0
    return found


def test_what_bears_on_the_stakes_is_asked_before_what_does_not() -> None:
    pairs = [CLAY_OR_NOT, SUN_OR_NOT]
    assert chosen(pairs, stakes(SUN), UNASKED, 1) == [SUN_OR_NOT]
    assert chosen(pairs[::-1], stakes(SUN), UNASKED, 1) == [SUN_OR_NOT]
    assert chosen(pairs, stakes(CLAY), UNASKED, 1) == [CLAY_OR_NOT]


@pytest.mark.parametrize(("known", "asked"), [(SUN_OR_NOT, CLAY_OR_NOT), (CLAY_OR_NOT, SUN_OR_NOT)])
def test_what_is_in_doubt_is_asked_before_what_is_known(known: Pair, asked: Pair) -> None:
    queries = [query_of(known, SPACE, Kind.ODDS, repeat=repeat) for repeat in range(12)]
    said = [Judgement(query, Answer(ratio=3.0), "ann") for query in queries]
    prior = StatementPrior.fit(Traits(SPACE, None), said)
    assert chosen([known, asked], stakes(SUN, CLAY), prior, 1) == [asked]


@pytest.mark.parametrize(
    ("refused", "kinds"),
    [
        ((), {Kind.ODDS, Kind.COMPARE_HYPOTHESES}),
        ((Kind.ODDS,), {Kind.COMPARE_HYPOTHESES}),
        ((Kind.COMPARE_HYPOTHESES, Kind.BET), {Kind.ODDS}),
        ((Kind.ODDS, Kind.COMPARE_HYPOTHESES), {Kind.ODDS, Kind.COMPARE_HYPOTHESES}),
    ],
)
def test_what_is_refused_is_asked_as_the_other_kind(refused: tuple[Kind, ...], kinds: set[Kind]) -> None:
    pairs = [
        Pair(alone(says(feature, value, answer, strength), "e"), silent("e"))
        for feature in (PLACE, SOIL) for value in feature.values for answer in "pe" for strength in Strength
    ]  # fmt: skip
    asked = comparisons.as_queries(pairs, SPACE, np.random.default_rng(0), refused)
    assert {query.kind for query in asked} == kinds
    assert len(asked) == len(pairs)


def test_a_batch_does_not_repeat_itself() -> None:
    twin = says(PLACE, "sun", strength=Strength.MODERATE)
    same = [SUN_OR_NOT, Pair(alone(twin, "e"), silent("e")), Pair(alone(SUN, "p"), silent("p"))]
    batch = chosen([*same, CLAY_OR_NOT], stakes(SUN, CLAY), UNASKED, 2)
    assert CLAY_OR_NOT in batch
    everything = chosen([*same, CLAY_OR_NOT], stakes(SUN, CLAY), UNASKED, 10)
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
    assert chosen([SUN_OR_NOT, beside_clay], stakes(SUN), UNASKED, 1) == [SUN_OR_NOT]
    assert chosen([SUN_OR_NOT, beside_clay], stakes(SUN), prior, 1) == [beside_clay]


def test_a_shorter_question_is_cheaper() -> None:
    short, long = Pair(alone(SUN, "e"), silent("e")), Pair(Hypothesis((SUN, CLAY), "e"), silent("e"))
    assert short.cost < long.cost
    shared = Pair(Hypothesis((SUN, CLAY), "e"), alone(CLAY, "e"))
    apart = Pair(Hypothesis((SUN, CLAY), "e"), alone(says(SOIL, "sand"), "e"))
    assert shared.cost < apart.cost


def test_nothing_is_chosen_from_nothing_and_anything_where_nothing_is_at_stake() -> None:
    assert chosen([], stakes(SUN), UNASKED, 3) == []
    assert chosen([SUN_OR_NOT, CLAY_OR_NOT], stakes(), UNASKED, 1) == [SUN_OR_NOT]


# -- what could be asked -----------------------------------------------------------------------------------------------


def scorer_of(prior: StatementPrior, *more: tuple[Condition, ...]) -> Scorer:
    pool = [*((condition,) for condition in SPACE.conditions()), *more]
    return Scorer(Posterior(D, prior, LITERAL), pool)


@few
@given(st.integers(0, 99))
def test_exploring_compares_two_different_things(seed: int) -> None:
    scorer = scorer_of(random_prior(SPACE, seed))
    pairs = comparisons.explore(scorer, "e", 40, np.random.default_rng(seed))
    assert len(pairs) == 40
    for pair in pairs:
        assert pair.first != pair.second
        assert pair.first in SPACE
        assert pair.second in SPACE
        assert len(pair.first.statements) == 1
    assert comparisons.explore(scorer, "e", 0, np.random.default_rng(seed)) == []


def test_where_nothing_can_be_said_there_is_nothing_to_explore() -> None:
    scorer = Scorer(Posterior(D, random_prior(SPACE, 0), LITERAL), [])
    assert comparisons.explore(scorer, "e", 10, np.random.default_rng(0)) == []


def test_around_z_nothing_is_compared_with_itself_or_twice() -> None:
    scorer = scorer_of(random_prior(SPACE, 1))
    best = Hypothesis((SUN, CLAY), "e")
    found = [
        Scored(best, 0.0),
        Scored(Hypothesis((SUN,), "e"), -1.0),
        Scored(Hypothesis((says(SOIL, "peat"),), "e"), -2),
    ]
    pairs = comparisons.around(found, [says(SOIL, "sand")], scorer, np.random.default_rng(0))
    assert len(set(pairs)) == len(pairs)
    assert all(pair.first != pair.second for pair in pairs)
    assert Pair(best, found[1].hypothesis) in pairs
    assert Pair(alone(says(SOIL, "sand"), "e"), silent("e")) in pairs


@few
@given(st.integers(0, 99))
def test_a_batch_becomes_comparisons_and_odds_each_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = comparisons.explore(scorer_of(random_prior(SPACE, 0)), "e", 30, rng)
    queries = comparisons.as_queries([*pairs, *pairs], SPACE, rng)
    assert len({query.key for query in queries}) == len(queries)
    assert {query.kind for query in queries} <= {Kind.COMPARE_HYPOTHESES, Kind.ODDS}
    said = {(SPACE.show(pair.first), SPACE.show(pair.second)) for pair in pairs}
    assert {query.hypotheses for query in queries} == said
