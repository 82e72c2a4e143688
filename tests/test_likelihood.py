"""log P(y | x, z) sums to one, starts at the letter of z, and learns from people what words cover."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.data import Feature, FeatureKind, Table
from imitative.hypotheses.conditions import Condition, Relation, one_of
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.likelihood import LITERAL, Reading
from imitative.overseers.simulated import Simulated
from imitative.records import Answer, Judgement, Kind, Outcome, Query
from imitative.testing import hypotheses, spaces, tables

few = settings(max_examples=25)
ODOUR = Feature("odour", FeatureKind.CATEGORICAL, "the odour", values=("foul", "fishy", "musty", "almond", "anise"))
CAP = Feature("cap", FeatureKind.CATEGORICAL, "the cap", values=("red", "brown"))
SPACE = StatementSpace([ODOUR, CAP], ("p", "e"), {"p": "it is poisonous", "e": "it is edible"})


def says(*odours: str, answer: str = "p") -> Hypothesis:
    statement = Statement((one_of(ODOUR, set(odours)),), answer, Strength.STRONG)
    return Hypothesis((statement,), "e" if answer == "p" else "p")


@few
@given(st.data(), st.floats(0.5, 2.0))
def test_probabilities_sum_to_one(data: st.DataObject, sharpness: float) -> None:
    space = data.draw(spaces())
    z, table = data.draw(hypotheses(space)), data.draw(tables(space))
    covers = {}
    for feature in space.features:
        if feature.discrete:
            covers[feature.name, feature.values[0]] = frozenset(feature.values[1:])
    log_p = Reading(sharpness, covers).log_probabilities(table, z, space.answers)
    assert log_p.shape == (len(table), len(space.answers))
    np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1.0)


@few
@given(st.data())
def test_the_literal_reading_is_the_formula(data: st.DataObject) -> None:
    space = data.draw(spaces())
    z, table = data.draw(hypotheses(space)), data.draw(tables(space))
    log_p = LITERAL.log_probabilities(table, z, space.answers)
    for i in range(len(table)):
        alone = table.take([i])
        logits = {y: z.default_strength.nats * (y == z.default) for y in space.answers}
        for s in z.statements:
            logits[s.answer] += s.strength.nats * bool(s.applies(alone)[0])
        total = math.log(sum(math.exp(logit) for logit in logits.values()))
        assert log_p[i].tolist() == pytest.approx([logits[y] - total for y in space.answers])


@few
@given(st.data())
def test_the_order_of_answers_is_only_an_order(data: st.DataObject) -> None:
    space = data.draw(spaces())
    z, table = data.draw(hypotheses(space)), data.draw(tables(space))
    answers = data.draw(st.permutations(space.answers))
    columns = [space.answers.index(answer) for answer in answers]
    expected = LITERAL.log_probabilities(table, z, space.answers)[:, columns]
    np.testing.assert_allclose(LITERAL.log_probabilities(table, z, answers), expected)


@few
@given(st.data())
def test_what_z_is_even_about_is_answered_by_default_in_any_order_of_the_answers(data: st.DataObject) -> None:
    space = data.draw(spaces())
    z, table = data.draw(hypotheses(space)), data.draw(tables(space))
    answers = data.draw(st.permutations(space.answers))
    said = [answers[i] for i in LITERAL.answered(table, z, answers)]
    log_p = LITERAL.log_probabilities(table, z, space.answers)
    for row, answer in zip(log_p, said, strict=True):
        best = {y for y, value in zip(space.answers, row, strict=True) if value == row.max()}
        assert answer in best
        assert z.default not in best or answer == z.default
    assert said == [space.answers[i] for i in LITERAL.answered(table, z, space.answers)] or len(space.answers) > 2


def test_sharpness_multiplies_the_log_odds() -> None:
    table = Table.of(SPACE.features, [{"odour": "foul"}, {"odour": "anise"}])
    literal = LITERAL.logits(table, says("foul"), SPACE.answers)
    np.testing.assert_allclose(Reading(1.5).logits(table, says("foul"), SPACE.answers), 1.5 * literal)


def test_what_a_word_covers_is_read_where_the_word_is_said() -> None:
    reading = Reading(covers={("odour", "foul"): frozenset({"fishy"})})
    table = Table.of(SPACE.features, [{"odour": odour} for odour in (*ODOUR.values, None)])
    for z in (says("foul"), says("foul", "musty")):
        [statement] = z.statements
        covered = statement.applies(table) | (table.codes("odour") == 1)
        np.testing.assert_array_equal(reading.statement(statement, table), covered)
    excluded = Statement((Condition("odour", Relation.IS_NOT, ("foul",)),), "e", Strength.HINT)
    np.testing.assert_array_equal(reading.statement(excluded, table), excluded.applies(table))
    [unnamed] = says("almond").statements
    np.testing.assert_array_equal(reading.statement(unnamed, table), unnamed.applies(table))


# -- learning ----------------------------------------------------------------------------------------------------------


def asked(z: Hypothesis, odour: str, repeat: int = 0) -> Query:
    """Which answer is better, following z, of something that smells so?"""
    question = {"odour": odour, "cap": "red"}
    return Query(Kind.COMPARE_ANSWERS, (SPACE.show(z),), question, ("p", "e"), purpose="likelihood", repeat=repeat)


def judged(grades: Mapping[str, int], times: int = 4, z: Hypothesis | None = None) -> list[Judgement]:
    """Judgements of `z` (by default: what is foul is poisonous) on questions with each odour, several times over."""
    return [
        Judgement(asked(z or says("foul"), odour, repeat), Answer(grade=grade), f"judge {repeat}")
        for odour, grade in grades.items()
        for repeat in range(times)
    ]


def test_without_judgements_the_reading_is_literal() -> None:
    assert Reading.fit(SPACE, []) == LITERAL
    skipped = Judgement(asked(says("foul"), "fishy"), Answer(Outcome.SKIPPED), "me")
    compared = Query(Kind.COMPARE_HYPOTHESES, (SPACE.show(says("foul")), SPACE.show(says("anise"))))
    assert Reading.fit(SPACE, [skipped, Judgement(compared, Answer(grade=2), "me")]) == LITERAL


def test_it_is_learned_that_foul_covers_fishy() -> None:
    reading = Reading.fit(SPACE, judged({"foul": 2, "fishy": 2, "almond": -1, "anise": -1}))
    assert reading.covers == {("odour", "foul"): frozenset({"fishy"})}


def test_people_who_read_to_the_letter_teach_no_cover() -> None:
    reading = Reading.fit(SPACE, judged({"foul": 2, "fishy": -1, "musty": -1, "almond": -1, "anise": -1}))
    assert reading.covers == {}


def test_a_cover_is_learned_whichever_side_the_answer_stood_on() -> None:
    judgements = judged({"foul": 2, "fishy": 2, "almond": -1})
    turned = [Judgement(j.query.swapped(), j.answer.swapped(), j.judge) for j in judgements]
    first, second = Reading.fit(SPACE, judgements), Reading.fit(SPACE, turned)
    assert first.covers == second.covers
    assert first.sharpness == pytest.approx(second.sharpness, abs=1e-6)


def test_a_decided_judge_is_not_one_who_makes_more_of_strength_words() -> None:
    """Half a nat, the default's, is all there is between the answers: what M_prior knows of the judge explains it."""
    decided = judged({"fishy": -1, "musty": -1, "almond": -1, "anise": -1}, times=20)
    assert Reading.fit(SPACE, decided).sharpness > 1.05
    assert Reading.fit(SPACE, decided, discrimination=8.0).sharpness == pytest.approx(1.0, abs=0.03)


def test_a_cover_is_learned_for_statements_about_the_other_answer() -> None:
    sweet = says("almond", answer="e")
    reading = Reading.fit(SPACE, judged({"almond": -2, "anise": -2, "foul": 1}, z=sweet))
    assert reading.covers == {("odour", "almond"): frozenset({"anise"})}


@pytest.mark.parametrize("covered", [frozenset[str](), frozenset({"fishy"}), frozenset({"fishy", "musty"})])
def test_what_a_person_covers_is_found_from_what_they_answer(covered: frozenset[str]) -> None:
    reader = Simulated(SPACE, covers={("odour", "foul"): covered}, noise=0.3, seed=1)
    queries = [asked(says("foul"), odour, repeat) for odour in ODOUR.values for repeat in range(4)]
    learned = Reading.fit(SPACE, asyncio.run(reader.judge(queries))).covers
    assert learned == ({("odour", "foul"): covered} if covered else {})
