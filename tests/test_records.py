"""Queries and judgements are addressed by their content, and say the same thing turned round."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitative.records import GRADES, LEAST_RATIO, Answer, Judgement, Kind, Outcome, Query, content_key

TWO_SIDED = (Kind.COMPARE_HYPOTHESES, Kind.ODDS, Kind.COMPARE_ANSWERS)
cells = st.none() | st.text(max_size=4) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=6)


@st.composite
def queries(draw: st.DrawFn) -> Query:
    kind = draw(st.sampled_from(Kind))
    two = kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS)
    hypotheses = tuple(draw(st.lists(texts, min_size=1 + two, max_size=1 + two)))
    asks = kind in (Kind.COMPARE_ANSWERS, Kind.ANSWER)
    question = draw(st.dictionaries(texts, cells, max_size=3)) if asks else None
    answers = tuple(draw(st.lists(texts, min_size=2, max_size=2))) if asks else ()
    heads = draw(st.integers(1, 15)) if kind is Kind.BET else 0
    purpose = draw(st.sampled_from(["prior", "likelihood", "transfer", "audit"]))
    return Query(kind, hypotheses, question, answers, heads, purpose, draw(st.integers(0, 3)))


answers = (
    st.builds(Answer, grade=st.sampled_from(GRADES))
    | st.builds(Answer, ratio=st.floats(LEAST_RATIO, 1 / LEAST_RATIO))
    | st.builds(Answer, less_likely=st.booleans())
    | st.builds(Answer, choice=texts)
    | st.builds(Answer, st.sampled_from([Outcome.SKIPPED, Outcome.UNREADABLE]))
)


@given(queries())
def test_a_query_survives_json(query: Query) -> None:
    again = Query.from_json(json.loads(json.dumps(query.to_json())))
    assert again == query
    assert again.key == query.key


@given(queries(), queries())
def test_two_queries_have_one_key_only_where_they_are_the_same(first: Query, second: Query) -> None:
    assert (first.key == second.key) == (first.to_json() == second.to_json())


@given(queries())
def test_the_order_of_features_is_no_part_of_a_question(query: Query) -> None:
    if query.question is not None:
        turned = dict(reversed(list(query.question.items())))
        assert replace(query, question=turned).key == query.key


def test_what_a_judgement_is_for_is_part_of_the_query() -> None:
    query = Query(Kind.ODDS, ("z", "z′"))
    others = [replace(query, purpose="audit"), replace(query, repeat=1), replace(query, kind=Kind.COMPARE_HYPOTHESES)]
    assert len({query.key, *(other.key for other in others)}) == 4


@given(queries())
def test_swapping_twice_changes_nothing(query: Query) -> None:
    if query.kind not in TWO_SIDED:
        with pytest.raises(ValueError, match="no two sides"):
            query.swapped()
    else:
        assert query.swapped().swapped() == query
        sides = query.answers if query.kind is Kind.COMPARE_ANSWERS else query.hypotheses
        turned = query.swapped()
        assert (turned.answers if query.kind is Kind.COMPARE_ANSWERS else turned.hypotheses) == sides[::-1]


@given(answers)
def test_an_answer_survives_json_and_turning(answer: Answer) -> None:
    assert Answer.from_json(json.loads(json.dumps(answer.to_json()))) == answer
    turned = answer.swapped()
    if answer.grade is not None:
        assert turned.grade == -answer.grade
    elif answer.ratio is not None:
        assert turned.ratio is not None
        assert math.isclose(math.log(turned.ratio), -math.log(answer.ratio), abs_tol=1e-9)
    else:
        assert turned == answer


@pytest.mark.parametrize("ratio", [0.0, -1.0, math.inf, math.nan, 5e-324])
def test_odds_can_be_turned_round(ratio: float) -> None:
    with pytest.raises(ValueError, match="a ratio is"):
        Answer(ratio=ratio)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"grade": 1, "choice": "p"},
        {"outcome": Outcome.SKIPPED, "grade": 0},
        {"outcome": Outcome.UNREADABLE, "less_likely": False},
    ],
)
def test_an_answered_query_has_one_answer_and_any_other_none(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="exactly one answer"):
        Answer(**fields)  # type: ignore[arg-type]


def test_a_grade_is_one_of_five() -> None:
    with pytest.raises(ValueError, match="a grade is one of"):
        Answer(grade=3)


def test_a_tie_a_skip_and_an_unreadable_reply_are_three_things() -> None:
    query = Query(Kind.COMPARE_HYPOTHESES, ("z", "z′"))
    said = [Answer(grade=0), Answer(Outcome.SKIPPED), Answer(Outcome.UNREADABLE)]
    assert len({Judgement(query, answer, "me") for answer in said}) == 3
    assert [Judgement(query, answer, "me").answered for answer in said] == [True, False, False]


def test_how_long_a_judge_took_is_no_part_of_what_was_said() -> None:
    query = Query(Kind.BET, ("z",), heads=3)
    said = Answer(less_likely=True)
    assert Judgement(query, said, "me", seconds=1.0) == Judgement(query, said, "me", seconds=2.0)
    assert Judgement(query, said, "me", cost=1.0) != Judgement(query, said, "me", cost=2.0)


@settings(max_examples=50)
@given(st.dictionaries(texts, cells))
def test_a_key_is_a_sha256_of_the_content(value: dict[str, object]) -> None:
    assert content_key(value) == content_key(dict(reversed(value.items())))
    assert len(content_key(value)) == 64
    with pytest.raises(ValueError, match="not JSON compliant"):
        content_key([value, math.nan])
