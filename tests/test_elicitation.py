"""The question that would settle more is asked first, and no question is asked for what another already tells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative import elicitation
from imitative.agenda import Agenda, Known
from imitative.config import load_problem
from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.elicitation import Choice, Pair, alone, silent
from imitative.hypotheses.conditions import Condition, Relation, one_of
from imitative.hypotheses.statements import Hypothesis, Limits, Statement, StatementSpace, Strength
from imitative.likelihood import LITERAL
from imitative.posterior import Posterior
from imitative.prior import StatementPrior
from imitative.records import Kind
from imitative.scoring import Scorer
from imitative.search.search import Scored
from imitative.settings import Settings
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


def doubtful(**sds: float) -> StatementPrior:
    """An M_prior whose draws differ in what `feature_value` leans towards, independently, and in nothing else."""
    traits = Traits(SPACE, None)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((64, len(sds)))
    noise = np.linalg.qr(noise - noise.mean(axis=0))[0] * np.sqrt(len(noise))  # uncorrelated, and of variance one
    draws = np.zeros((len(noise), traits.size))
    for column, (name, sd) in zip(noise.T, sds.items(), strict=True):
        atom = traits.atom(*name.split("_"))
        assert atom is not None
        draws[:, traits.polarity_at(0).start + atom] = sd * column
    return StatementPrior(traits, np.zeros(traits.size), draws)


def posterior(prior: StatementPrior) -> Posterior:
    return Posterior(D.take([]), prior, LITERAL)  # without examples the doubt is all M_prior's


def choice_of(prior: StatementPrior, *statements: Statement) -> Choice:
    """Which of these statements, for either answer, is to be believed?"""
    other = {"p": "e", "e": "p"}
    candidates = [
        Hypothesis((Statement(s.conditions, answer, s.strength),), "e", Strength.HINT)
        for s in statements
        for answer in (s.answer, other[s.answer])
    ]
    return Choice.among(candidates, posterior(prior), D.table)


def test_what_bears_on_the_choice_is_asked_before_what_does_not() -> None:
    prior = doubtful(place_sun=1.0, soil_clay=1.0)
    choice = choice_of(prior, SUN)
    pairs = [Pair(alone(CLAY, "e"), silent("e")), Pair(alone(SUN, "e"), silent("e"))]
    assert elicitation.choose(pairs, choice, prior, 1) == [pairs[1]]
    assert elicitation.choose(pairs[::-1], choice, prior, 1) == [pairs[1]]


def test_what_is_in_doubt_is_asked_before_what_is_known() -> None:
    prior = doubtful(place_sun=0.01, soil_clay=1.0)
    choice = choice_of(prior, SUN, CLAY)
    pairs = [Pair(alone(SUN, "e"), silent("e")), Pair(alone(CLAY, "e"), silent("e"))]
    assert elicitation.choose(pairs, choice, prior, 1) == [pairs[1]]


def test_a_batch_does_not_repeat_itself() -> None:
    prior = doubtful(place_sun=1.5, soil_clay=1.2)
    choice = choice_of(prior, SUN, CLAY)
    twin = says(PLACE, "sun", strength=Strength.MODERATE)
    same = [Pair(alone(SUN, "e"), silent("e")), Pair(alone(twin, "e"), silent("e")), Pair(alone(SUN, "p"), silent("p"))]
    other = Pair(alone(CLAY, "e"), silent("e"))
    batch = elicitation.choose([*same, other], choice, prior, 2)
    assert other in batch
    everything = elicitation.choose([*same, other], choice, prior, 10)
    assert sorted(map(hash, everything)) == sorted(map(hash, [*same, other]))


def test_a_shorter_question_is_cheaper() -> None:
    short, long = Pair(alone(SUN, "e"), silent("e")), Pair(Hypothesis((SUN, CLAY), "e"), silent("e"))
    assert elicitation.cost(short) < elicitation.cost(long)
    shared = Pair(Hypothesis((SUN, CLAY), "e"), alone(CLAY, "e"))
    apart = Pair(Hypothesis((SUN, CLAY), "e"), alone(says(SOIL, "sand"), "e"))
    assert elicitation.cost(shared) < elicitation.cost(apart)


def test_nothing_is_chosen_from_nothing() -> None:
    prior = doubtful(place_sun=1.0)
    assert elicitation.choose([], choice_of(prior, SUN), prior, 3) == []


@few
@given(st.integers(0, 2**32 - 1))
def test_worth_is_never_negative_and_the_sides_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    choice = Choice(rng.normal(size=5), rng.normal(size=(5, 12)), rng.integers(2, size=(5, 30)))
    means, deviations = rng.normal(size=7), rng.normal(size=(7, 12))
    worth = elicitation.worth(choice, means, deviations)
    assert worth.min() >= -1e-9
    np.testing.assert_allclose(elicitation.worth(choice, -means, -deviations), worth, atol=1e-9)


@few
@given(st.integers(0, 2**32 - 1))
def test_disagreement_is_a_share_that_no_draw_has_with_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    choice = Choice(rng.normal(size=4), rng.normal(size=(4, 9)), rng.integers(3, size=(4, 20)))
    apart = choice.disagreement()
    np.testing.assert_allclose(apart, apart.T)
    np.testing.assert_allclose(np.diag(apart), 0.0)
    assert apart.min() >= 0.0
    assert apart.max() <= 1.0


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
    logits = np.zeros((2, len(D)))
    assert elicitation.hopeful(silent("e"), logits, logits, np.zeros((0, len(D)), dtype=np.bool_), scorer, 5) == []


@few
@given(st.integers(0, 99))
def test_what_is_promising_explains_d_by_itself(seed: int) -> None:
    posterior = Posterior(D, random_prior(SPACE, seed), LITERAL)
    scorer = scorer_of(random_prior(SPACE, seed))
    statements, explained = elicitation.promising(scorer, 5)
    assert len({statement.conditions for statement in statements}) == len(statements) > 0
    assert explained.tolist() == sorted(explained.tolist(), reverse=True)
    nothing = -len(D) * np.log(len(SPACE.answers))  # what is explained by a z that is even about every answer
    for statement, nats in zip(statements, explained, strict=True):
        logits = np.zeros((len(D), len(SPACE.answers)))
        held = LITERAL.conditions(statement.conditions, D.table)
        logits[:, SPACE.answers.index(statement.answer)] += held * statement.strength.nats
        at_answer = logits[np.arange(len(D)), D.answers] - np.logaddexp.reduce(logits, axis=1)
        assert nats == pytest.approx(posterior.evidence * at_answer.sum() - nothing, abs=1e-4)
    assert elicitation.promising(Scorer(posterior, []), 5)[0] == []


def test_the_first_round_leaves_less_in_doubt_than_one_drawn_at_random() -> None:
    problem = load_problem("huskies").problem
    traits = Traits(problem.space, None)
    prior = StatementPrior.unasked(traits)
    scorer = Scorer(
        Posterior(problem.labelled, prior, LITERAL, evidence=0.25),
        [(condition,) for condition in problem.space.conditions()],
    )
    statements, worth = elicitation.promising(scorer, 100)
    wanted = np.array([traits.statement(statement) for statement in statements])
    variance = 1.0 / traits.weights_prior().precision

    def doubt(active: bool, seed: int) -> float:
        agenda = Agenda(problem, problem.labelled, 0.25, Settings(active=active, evidence=0.25), 225, 0)
        queries = agenda.plan(Known(prior, LITERAL, (), ()), 225, False, np.random.default_rng(seed)).queries
        sides = [q.hypotheses for q in queries if q.kind is not Kind.BET]
        heard = np.array([traits.text(first) - traits.text(second) for first, second in sides])
        across = (wanted * variance) @ heard.T
        noise = elicitation.ANSWER_VARIANCE * np.eye(len(heard))
        told = np.linalg.solve((heard * variance) @ heard.T + noise, across.T)
        return float(worth @ ((wanted**2) @ variance - (across * told.T).sum(axis=1)))

    assert max(doubt(True, seed) for seed in range(3)) < min(doubt(False, seed) for seed in range(3))


@few
@given(st.integers(0, 99))
def test_what_is_hopeful_is_new_and_one_for_each_condition(seed: int) -> None:
    scorer = scorer_of(random_prior(SPACE, seed))
    best = Hypothesis((SUN, CLAY), "e")
    logits = LITERAL.logits(D.table, best, SPACE.answers).T
    masks = np.array([LITERAL.conditions(conditions, D.table) for conditions in scorer.pool])
    hopefuls = elicitation.hopeful(best, logits, logits, masks, scorer, 5)
    conditions = [statement.conditions for statement in hopefuls]
    assert len(set(conditions)) == len(conditions) == 5
    assert not set(conditions) & {SUN.conditions, CLAY.conditions}


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
