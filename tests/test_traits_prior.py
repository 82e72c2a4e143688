"""M_prior is additive but for what is claimed twice, blind to the order of anything, and turned by comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.data import Feature, FeatureKind, Labelled, Table
from imitative.hypotheses.conditions import Condition, Relation, repeated
from imitative.hypotheses.statements import Hypothesis, Limits, Statement, StatementSpace, Strength
from imitative.likelihood import LITERAL
from imitative.posterior import Posterior
from imitative.prior import PriorModel, StatementPrior, TablePrior, evidence_of
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.scoring import Scorer
from imitative.testing import by_spelling, conditions, hypotheses, random_prior, spaces, statements
from imitative.traits import NATS, STRENGTHS, Traits

few = settings(max_examples=20)


@few
@given(st.data(), st.booleans())
def test_scoring_conditions_is_scoring_each_statement(data: st.DataObject, encoded: bool) -> None:
    space = data.draw(spaces())
    prior = random_prior(space, data.draw(st.integers(0, 99)), encode=by_spelling if encoded else None)
    pool = data.draw(st.lists(statements(space).map(lambda s: s.conditions), max_size=6, unique=True))
    scores = prior.score_conditions(pool)
    assert scores.mean.shape == (len(pool), len(space.answers), len(NATS))
    centred = prior.draws - prior.draws.mean(axis=0)
    centred[:, prior.traits.constant_at] = 0.0
    for k, said in enumerate(pool):
        for a, answer in enumerate(space.answers):
            for w, strength in enumerate(STRENGTHS):
                traits = prior.traits.statement(Statement(said, answer, strength))
                assert scores.mean[k, a, w] == pytest.approx(prior.weights @ traits, abs=1e-9)
                np.testing.assert_allclose(scores.deviations[k, a, w], centred @ traits, atol=1e-3)


@few
@given(st.data())
def test_a_hypothesis_is_the_sum_of_its_statements(data: st.DataObject) -> None:
    space = data.draw(spaces())
    prior = random_prior(space, data.draw(st.integers(0, 99)))
    z = data.draw(hypotheses(space))
    silence = Hypothesis((), z.default, z.default_strength)
    alone = [prior.log_prior(Hypothesis((s,), z.default, z.default_strength)) for s in z.statements]
    left = prior.log_prior(silence)
    again = prior.traits.hypothesis(z)[Traits.claimed_at]
    again -= sum(prior.traits.statement(s)[Traits.claimed_at] for s in z.statements)
    together = sum(each - left for each in alone) + prior.weights[Traits.claimed_at] * again
    assert prior.log_prior(z) - left == pytest.approx(together, abs=1e-8)
    np.testing.assert_allclose(prior.traits.text(space.show(z)), prior.traits.hypothesis(z))
    assert prior.sd(z) == pytest.approx(prior.members(z).std())
    assert prior.deviations(z).mean() == pytest.approx(0.0, abs=1e-8)


SMELL = Feature("smell", FeatureKind.CATEGORICAL, "the smell", values=("foul", "musty", "none"))
CAP = Feature("cap", FeatureKind.CATEGORICAL, "the cap", values=("red", "brown", "white"))
RING = Feature("ring", FeatureKind.BOOLEAN, "the ring", values=("yes", "no"))
MUSHROOMS = StatementSpace([SMELL, CAP, RING], ("p", "e"), {"p": "it is p", "e": "it is e"}, Limits(6, 2, 1))


def claimed(*texts: str) -> float:
    """Σ over what is claimed, squared, of a z in words."""
    z = MUSHROOMS.read("\n".join([*texts, "By default, it is e (a hint)."]))
    return float(Traits(MUSHROOMS, None).hypothesis(z)[Traits.claimed_at])


def test_what_is_said_three_times_of_a_value_is_claimed_together() -> None:
    said = "If the cap is red and the smell is foul, it is p (strong evidence)."
    beside = "If the ring is yes and the smell is foul, it is p (moderate evidence)."
    plainly = "If the smell is foul, it is p (overwhelming evidence)."
    moderate, strong, overwhelming = (s.nats for s in (Strength.MODERATE, Strength.STRONG, Strength.OVERWHELMING))
    assert claimed(said) == pytest.approx(strong**2)
    assert claimed(said, beside) == pytest.approx((strong + moderate) ** 2)
    assert claimed(said, beside, plainly) == pytest.approx((strong + moderate + overwhelming) ** 2)


def test_what_is_said_of_something_else_or_for_another_answer_is_claimed_apart() -> None:
    said = "If the cap is red and the smell is foul, it is p (strong evidence)."
    strong = Strength.STRONG.nats
    for other in (
        "If the ring is yes and the smell is musty, it is p (strong evidence).",
        "If the ring is yes and the smell is foul, it is e (strong evidence).",
        "If the ring is yes, it is p (strong evidence).",
        "If the ring is yes and the smell is not foul, it is p (strong evidence).",
    ):
        assert claimed(said, other) == pytest.approx(2.0 * strong**2)


def test_a_group_shares_with_another_as_many_values_as_both_name() -> None:
    said = "If the cap is red and the smell is one of foul or musty, it is p (strong evidence)."
    strong = Strength.STRONG.nats
    both = "If the ring is yes and the smell is one of foul or musty, it is p (strong evidence)."
    one = "If the ring is yes and the smell is foul, it is p (strong evidence)."
    assert claimed(said, both) == pytest.approx(2.0 * (2.0 * strong) ** 2)  # two values, twice as much of each
    assert claimed(said, one) == pytest.approx((2.0 * strong) ** 2 + strong**2)


def test_a_threshold_said_twice_is_claimed_together_and_another_is_another_remark() -> None:
    legs = Feature("legs", FeatureKind.NUMERIC, "the number of legs")
    space = StatementSpace([legs, CAP, RING], ("p", "e"), MUSHROOMS.spoken, Limits(6, 2, 2), cuts={"legs": (2.0, 4.0)})
    strong = Strength.STRONG.nats

    def of(first: float, second: float) -> float:
        said = [f"If the number of legs is at least {first:g} and the cap is red, it is p (strong evidence)."]
        said += [f"If the number of legs is at least {second:g} and the ring is yes, it is p (strong evidence)."]
        z = space.read("\n".join([*said, "By default, it is e (a hint)."]))
        return float(Traits(space, None).hypothesis(z)[Traits.claimed_at])

    assert of(4, 4) == pytest.approx((2.0 * strong) ** 2)
    assert of(2, 4) == pytest.approx(2.0 * strong**2)


def test_a_word_said_twice_is_claimed_together_by_m_prior_and_by_its_compiled_form() -> None:
    note = Feature("note", FeatureKind.TEXT, "the note")
    space = StatementSpace([note], ("p", "e"), MUSHROOMS.spoken, Limits(6, 1, 1), {"note": ("fine", "good", "nice")})
    traits, strong = Traits(space, None), Strength.STRONG.nats

    def mentioning(*words: str, relation: Relation = Relation.MENTIONS) -> Statement:
        return Statement((Condition("note", relation, words),), "p", Strength.STRONG)

    def of(*said: Statement) -> float:
        return float(traits.hypothesis(Hypothesis(said, "e"))[Traits.claimed_at])

    fine, good = mentioning("fine"), mentioning("good")
    assert of(fine, good) == pytest.approx(2.0 * strong**2)
    assert of(fine, mentioning("fine", "good")) == pytest.approx((2.0 * strong) ** 2 + strong**2)
    both = mentioning("good", "nice")
    assert of(mentioning("fine", "good"), both, fine) == pytest.approx(2.0 * (2.0 * strong) ** 2 + strong**2)
    assert of(fine, mentioning("fine", "good", relation=Relation.NEGATES)) == pytest.approx(3.0 * strong**2)
    table = Table.of([note], [{"note": "fine"}, {"note": "good"}, {"note": "nice"}])
    posterior = Posterior(Labelled(table, np.array([0, 0, 1]), space.answers), random_prior(space, 3, 5), LITERAL)
    z = Hypothesis((fine, both, mentioning("fine", "good")), "e")
    scorer = Scorer(posterior, [statement.conditions for statement in z.statements])
    slots = scorer.encode(z, 3)
    assert slots is not None
    assert scorer.log_prior(slots) == pytest.approx(posterior.log_prior(z), abs=1e-4)


@few
@given(st.data())
def test_values_are_repeated_mutually(data: st.DataObject) -> None:
    space = data.draw(spaces(most=2))
    first, second = (data.draw(statements(space)).conditions for _ in range(2))
    said = Traits(space, None).said
    assert repeated(first, second, said) == repeated(second, first, said) >= 0
    named = (Relation.IS, Relation.IS_ONE_OF, Relation.MENTIONS, Relation.NEGATES)
    assert repeated(first, first, said) == max(len(c.values) if c.relation in named else 1 for c in first)


@few
@given(st.data())
def test_exchanging_two_answers_turns_polarity_round(data: st.DataObject) -> None:
    space = data.draw(spaces().filter(lambda space: len(space.answers) == 2))
    traits = Traits(space, by_spelling)
    said = data.draw(statements(space))
    other = Statement(said.conditions, next(a for a in space.answers if a != said.answer), said.strength)
    here, there = traits.statement(said), traits.statement(other)
    polarity = traits.polarity_at(0)
    np.testing.assert_allclose(here[polarity], -there[polarity])
    np.testing.assert_allclose(here[traits.relevance_at], there[traits.relevance_at])
    np.testing.assert_allclose(here[:4], there[:4])


@few
@given(st.data())
def test_without_an_encoder_words_mean_nothing_to_each_other(data: st.DataObject) -> None:
    space = data.draw(spaces())
    traits = Traits(space, None)
    assert traits.statement(data.draw(statements(space)))[-1] == 0.0
    assert traits.size < Traits(space, by_spelling).size


@few
@given(st.data())
def test_every_condition_has_traits(data: st.DataObject) -> None:
    space = data.draw(spaces())
    traits = Traits(space, by_spelling)
    condition = data.draw(conditions(space))
    relevance, polarity, affinity = traits.conditions((condition,))
    assert relevance.shape == (traits.relevance_size,)
    assert polarity.shape == (traits.polarity_size,)
    assert affinity.shape == (len(space.answers),)
    for value in condition.values:
        if condition.relation in (Relation.IS, Relation.MENTIONS):
            atom = traits.atom(condition.feature, value)
            assert atom is not None
            assert polarity[atom] > 0
    assert relevance[traits.feature(condition.feature) - traits.relevance_at.start] == 1.0


def test_a_threshold_the_space_does_not_use_has_traits_too() -> None:
    height = Feature("height", FeatureKind.NUMERIC, "the height")
    space = StatementSpace([height], ("p", "e"), {"p": "it is p", "e": "it is e"})
    z = space.read("If the height is at least 3, it is p (a hint).\nBy default, it is e (a hint).")
    assert np.isfinite(StatementPrior.unasked(Traits(space, by_spelling)).log_prior(z))


@pytest.mark.parametrize("answers", [2, 3, 5])
def test_contrasts_sum_to_zero_over_the_answers(answers: int) -> None:
    names = tuple("abcde")[:answers]
    feature = Feature("f", FeatureKind.BOOLEAN, "the f", values=("x", "y"))
    traits = Traits(StatementSpace([feature], names, {name: f"it is {name}" for name in names}), None)
    np.testing.assert_allclose(traits.contrasts.sum(axis=0), 0.0, atol=1e-12)
    products = traits.contrasts.T @ traits.contrasts
    np.testing.assert_allclose(products, 2.0 * np.eye(answers - 1), atol=1e-12)


# -- fitting -----------------------------------------------------------------------------------------------------------


SMELL = Feature("smell", FeatureKind.CATEGORICAL, "the smell", values=("foul", "fishy", "almond", "anise"))
SPACE = StatementSpace([SMELL], ("p", "e"), {"p": "it is poisonous", "e": "it is edible"}, Limits(3, 1, 1))


def said(smell: str, answer: str = "p", strength: Strength = Strength.STRONG) -> Hypothesis:
    return Hypothesis((Statement((Condition("smell", Relation.IS, (smell,)),), answer, strength),), "e")


def judged(kind: Kind, first: Hypothesis, second: Hypothesis, answer: Answer, repeat: int = 0) -> Judgement:
    return Judgement(Query(kind, (SPACE.show(first), SPACE.show(second)), repeat=repeat), answer, "me")


def test_comparisons_are_learned_from() -> None:
    traits = Traits(SPACE, by_spelling)
    before = StatementPrior.unasked(traits)
    pair = said("foul"), said("almond")
    judgements = [judged(Kind.COMPARE_HYPOTHESES, *pair, Answer(grade=2), repeat) for repeat in range(4)]
    after = StatementPrior.fit(traits, judgements)
    gap = [prior.log_prior(pair[0]) - prior.log_prior(pair[1]) for prior in (before, after)]
    assert gap[1] > gap[0] + 0.5
    doubt = [np.std(prior.members(pair[0]) - prior.members(pair[1])) for prior in (before, after)]
    assert doubt[1] < doubt[0]


def test_odds_are_learned_in_nats() -> None:
    traits = Traits(SPACE, None)
    pair = said("foul"), said("almond")
    judgements = [judged(Kind.ODDS, *pair, Answer(ratio=float(np.exp(2.0))), repeat) for repeat in range(200)]
    prior = StatementPrior.fit(traits, judgements)
    assert prior.log_prior(pair[0]) - prior.log_prior(pair[1]) == pytest.approx(2.0, abs=0.1)


def test_the_covariance_is_that_of_the_fit_and_before_it_of_what_is_believed_of_people() -> None:
    traits = Traits(SPACE, by_spelling)
    rows = np.array([traits.statement(said(smell).statements[0]) for smell in SMELL.values])
    before = StatementPrior.unasked(traits).covariance(rows)
    sides = [(side @ np.diag(1.0 / traits.weights_prior().precision) @ other) for side in rows for other in rows]
    np.testing.assert_allclose(before, np.reshape(sides, before.shape), rtol=1e-9)
    pair = said("foul"), said("almond")
    after = StatementPrior.fit(traits, [judged(Kind.ODDS, *pair, Answer(ratio=5.0), repeat) for repeat in range(9)])
    assert after.preference is not None
    found = after.covariance(rows)
    np.testing.assert_allclose(np.sqrt(np.diagonal(found)), after.preference.sd(rows), rtol=1e-6)
    drawn = after.preference.sample(20_000, np.random.default_rng(0)) @ rows.T
    np.testing.assert_allclose(found, np.cov(drawn.T), atol=0.05 * float(np.diagonal(found).max()))
    assert found[0, 0] + found[2, 2] - 2 * found[0, 2] < before[0, 0] + before[2, 2] - 2 * before[0, 2]


def test_swapping_the_sides_of_every_judgement_changes_nothing() -> None:
    traits = Traits(SPACE, by_spelling)
    rng = np.random.default_rng(0)
    every = [said(smell, answer, strength) for smell in SMELL.values for answer in "pe" for strength in STRENGTHS[2:]]
    judgements = []
    for repeat in range(30):
        first, second = (every[i] for i in rng.choice(len(every), 2, replace=False))
        judgements.append(
            judged(Kind.ODDS, first, second, Answer(ratio=float(np.exp(rng.normal()))), repeat)
            if repeat % 2
            else judged(Kind.COMPARE_HYPOTHESES, first, second, Answer(grade=int(rng.integers(-2, 3))), repeat)
        )
    turned = [Judgement(j.query.swapped(), j.answer.swapped(), j.judge) for j in judgements]
    shuffled = [judgements[i] for i in rng.permutation(len(judgements))]
    prior = StatementPrior.fit(traits, judgements)
    for other in (turned, shuffled):
        again = StatementPrior.fit(traits, other)
        for z in every:
            assert again.log_prior(z) == pytest.approx(prior.log_prior(z), abs=1e-4)


def test_swapping_negates_what_is_learned() -> None:
    evidence = evidence_of([judged(Kind.ODDS, said("foul"), said("anise"), Answer(ratio=3.0))], Traits(SPACE, None))
    turned = evidence_of([judged(Kind.ODDS, said("anise"), said("foul"), Answer(ratio=3.0))], Traits(SPACE, None))
    assert evidence is not None
    assert turned is not None
    assert evidence[1] is not None
    assert turned[1] is not None
    np.testing.assert_allclose(np.asarray(evidence[1].rows), -np.asarray(turned[1].rows))


def test_skips_and_judgements_of_other_kinds_teach_m_prior_nothing() -> None:
    traits = Traits(SPACE, None)
    skipped = judged(Kind.COMPARE_HYPOTHESES, said("foul"), said("anise"), Answer(Outcome.SKIPPED))
    text = SPACE.show(said("foul"))
    answered = Judgement(Query(Kind.ANSWER, (text,), {"smell": "foul"}, ("p", "e")), Answer(choice="p"), "me")
    assert evidence_of([skipped, answered], traits) is None
    fitted, unasked = StatementPrior.fit(traits, [skipped, answered], seed=3), StatementPrior.unasked(traits, seed=3)
    np.testing.assert_array_equal(fitted.weights, unasked.weights)
    np.testing.assert_array_equal(fitted.draws, unasked.draws)


def test_the_same_seed_draws_the_same_ensemble() -> None:
    traits = Traits(SPACE, None)
    judgements = [judged(Kind.ODDS, said("foul"), said("anise"), Answer(ratio=3.0))]
    first, second = (StatementPrior.fit(traits, judgements, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first.draws, second.draws)
    assert not np.array_equal(first.draws, StatementPrior.fit(traits, judgements, seed=6).draws)


def test_a_table_has_a_free_score_for_each_hypothesis() -> None:
    every = [said(smell) for smell in SMELL.values]
    scores = [0.0, 2.0, -1.0, 0.5]
    judgements = [
        judged(Kind.ODDS, z, every[0], Answer(ratio=float(np.exp(score))))
        for z, score in zip(every[1:], scores[1:], strict=True)
    ]
    prior = TablePrior.fit(SPACE.show, every, judgements, exact=True)
    assert isinstance(prior, PriorModel)
    assert [prior.log_prior(z) for z in every] == pytest.approx(scores, abs=1e-6)
    unasked = TablePrior.fit(SPACE.show, every, [])
    assert {unasked.log_prior(z) for z in every} == {0.0}
    assert all(unasked.sd(z) > 0 for z in every)
