"""A judgement as one row of plain values, and back: what every format that holds everything is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from imitative.errors import InputError, listed, shown
from imitative.exchange.row import Row
from imitative.records import GRADES, LEAST_RATIO, Answer, Judgement, Kind, Outcome, Query, Value

TWO_HYPOTHESES = (Kind.COMPARE_HYPOTHESES, Kind.ODDS)
COMPARISONS = (Kind.COMPARE_HYPOTHESES, Kind.COMPARE_ANSWERS)
QUERY = ("kind", "hypotheses", "question", "answers", "heads", "purpose", "repeat")
ANSWER = ("outcome", "grade", "ratio", "less_likely", "choice")
"""The members of a row beside `judge`, `cost` and `seconds`."""


def row_of_judgement(judgement: Judgement) -> dict[str, Any]:
    """One flat object of plain JSON values."""
    said = {"judge": judgement.judge, "cost": judgement.cost, "seconds": judgement.seconds}
    return {**judgement.query.to_json(), **judgement.answer.to_json(), **said}


def judgement_of(row: Row) -> Judgement:
    """The inverse of `row_of_judgement`.

    Raises:
        InputError: naming the member at fault; a judgement that cannot be is refused, not repaired.
    """
    for key in row.members:
        if key not in (*QUERY, *ANSWER, "judge", "cost", "seconds"):
            row.refuse(key, row.members[key], f"one of {listed((*QUERY, *ANSWER, 'judge', 'cost', 'seconds'), 20)}")
    query = _query(row)
    judge = row.text("judge")
    if not judge.strip():
        row.refuse("judge", judge, "a name")
    return Judgement(query, _answer(row, query), judge, row.number("cost", 0.0), row.number("seconds", 0.0))


def _query(row: Row) -> Query:
    kinds = [kind.value for kind in Kind]
    if row.text("kind") not in kinds:
        row.refuse("kind", row.members["kind"], f"one of {listed(kinds)}")
    kind = Kind(row.text("kind"))
    hypotheses, answers = row.texts("hypotheses"), row.texts("answers") if "answers" in row.members else []
    wanted = 2 if kind in TWO_HYPOTHESES else 1
    if len(hypotheses) != wanted:
        row.refuse("hypotheses", hypotheses, "two texts" if wanted == 2 else "one text")
    least, most = {Kind.COMPARE_ANSWERS: (2, 2), Kind.ANSWER: (1, math.inf)}.get(kind, (0, 0))
    if not least <= len(answers) <= most:
        row.refuse("answers", answers, "two answers" if least == 2 else "the answers" if least else "none")
    question = question_of(row)
    if (question is None) != (kind not in (Kind.COMPARE_ANSWERS, Kind.ANSWER)):
        row.refuse("question", row.members.get("question"), "none" if question else "a question: feature → value")
    heads = row.count("heads", 0)
    if (heads > 0) != (kind is Kind.BET):
        row.refuse("heads", heads, "how many heads in a row" if kind is Kind.BET else "0")
    purpose, repeat = row.text("purpose", "prior"), row.count("repeat", 0)
    return Query(kind, tuple(hypotheses), question, tuple(answers), heads, purpose, repeat)


def question_of(row: Row) -> dict[str, Value] | None:
    """x: feature → a word, a number, or null."""
    value = row.members.get("question")
    if value is None:
        return None
    if not isinstance(value, Mapping) or any(
        isinstance(cell, bool) or not isinstance(cell, str | int | float | None) for cell in value.values()
    ):
        row.refuse("question", value, "an object of words, numbers and nulls")
    return dict(value)


def _answer(row: Row, query: Query) -> Answer:
    outcomes = [outcome.value for outcome in Outcome]
    outcome = row.text("outcome", "answered")
    if outcome not in outcomes:
        row.refuse("outcome", outcome, f"one of {listed(outcomes)}")
    given = [key for key in ANSWER[1:] if row.members.get(key) is not None]
    if outcome != Outcome.ANSWERED:
        if given:
            row.refuse(given[0], row.members[given[0]], f"nothing, as it was {outcome}")
        return Answer(Outcome(outcome))
    wanted = {Kind.ODDS: "ratio", Kind.BET: "less_likely", Kind.ANSWER: "choice"}.get(query.kind, "grade")
    if given != [wanted]:
        found = listed(given) if given else "no answer"
        raise InputError(
            row.place, found, f"{shown(wanted)} and no other", f"that is what a {query.kind} is answered by"
        )
    value = row.members[wanted]
    if wanted == "grade":
        if isinstance(value, bool) or not isinstance(value, int) or value not in GRADES:
            row.refuse("grade", value, f"one of {GRADES}")
        return Answer(grade=value)
    if wanted == "ratio":
        if isinstance(value, bool) or not isinstance(value, int | float) or not _ratio(value):
            row.refuse("ratio", value, f"a number from {LEAST_RATIO:g} to its inverse")
        return Answer(ratio=float(value))
    if wanted == "less_likely":
        if not isinstance(value, bool):
            row.refuse("less_likely", value, "true or false")
        return Answer(less_likely=value)
    if value not in query.answers:
        row.refuse("choice", value, f"one of {listed(query.answers)}")
    return Answer(choice=value)


def _ratio(value: float) -> bool:
    return LEAST_RATIO <= value <= 1.0 / LEAST_RATIO


def told(counts: Mapping[str, int]) -> str:
    """Kinds and how many of each, in words.

    >>> told({"odds": 2, "bet": 0, "a tie": 1})
    '2 odds, 1 a tie'
    """
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)


def split(judgements: Sequence[Judgement], held: Sequence[bool]) -> tuple[list[Judgement], tuple[Judgement, ...]]:
    """The judgements that are held, and those that are left."""
    kept = [judgement for judgement, holds in zip(judgements, held, strict=True) if holds]
    return kept, tuple(judgement for judgement, holds in zip(judgements, held, strict=True) if not holds)
