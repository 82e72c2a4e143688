"""What a person is shown of a query, as plain values: the page that shows it knows nothing of hypotheses.

Of an answer that follows a hypothesis, the statements that bear on the question are marked, so that they can be read
first; and queries with a known answer are made, to teach the page and to notice who does not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np

from imitative.data import Feature, Table
from imitative.hypotheses.conditions import Condition
from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.likelihood import LITERAL
from imitative.mail import Posting, Role
from imitative.problem import Problem
from imitative.records import Answer, Kind, Query, Question, Value
from imitative.streams import Stream, generator

WARM_UPS = 3
GOLD = 20
TRIES = 200
MOST_CONDITIONS = 2_000
"""Conditions that checks are drawn from: enough to be varied, few enough to be quick where Z has a million."""


def presenter(problem: Problem, image: str | None = None) -> Callable[[Query], dict[str, Any]]:
    """Query → what is shown of it.

    Args:
        problem: whose words are used.
        image: the feature that holds the name of a picture, or None.
    """
    features = {feature.name: feature for feature in problem.space.features}

    def show(query: Query) -> dict[str, Any]:
        question = query.question
        shown: dict[str, Any] = {
            "asks": problem.question,
            "hypotheses": [_sentences(text, problem.space, question) for text in query.hypotheses],
            "answers": {name: problem.spoken.get(name, name) for name in query.answers},
        }
        if question is not None:
            cells = {name: value for name, value in question.items() if name != image}
            shown["item"] = [_cell(features.get(name), name, value) for name, value in cells.items()]
            if image is not None and question.get(image) is not None:
                shown["image"] = str(question[image])
        return shown

    return show


def _sentences(text: str, space: StatementSpace, question: Question | None) -> list[dict[str, Any]]:
    """The lines of a hypothesis; with a question, whether each bears on it."""
    lines: list[dict[str, Any]] = [{"text": line} for line in text.splitlines() if line.strip()]
    if question is None:
        return lines
    table = Table.of(space.features, [question], strict=False)
    for line in lines:
        try:
            statement = space.read_statement(line["text"])
        except ValueError:
            line["default"] = True
            continue
        line["bears"] = bool(LITERAL.statement(statement, table)[0])
    return lines


def _cell(feature: Feature | None, name: str, value: Value) -> dict[str, str]:
    spoken = name if feature is None else feature.spoken or name
    if value is None:
        return {"name": spoken, "value": ""}
    if feature is not None and feature.discrete:
        return {"name": spoken, "value": feature.told(str(value))}
    number = isinstance(value, float)
    said = f"{value:g}" if number else str(value)
    return {
        "name": spoken,
        "value": f"{said} {feature.unit}" if number and feature is not None and feature.unit else said,
    }


def checks(problem: Problem, show: Callable[[Query], Mapping[str, Any]], seed: int) -> list[Posting]:
    """Queries with known answers: `WARM_UPS` to learn on, then `GOLD` to be mixed in.

    Nobody's taste is tested. What is known is what an instruction says of a question that it clearly does, or clearly
    does not, apply to; and that a hypothesis is as plausible as itself.
    """
    drawn = _drawn(problem, generator(seed, Stream.CHECKS))
    made: list[tuple[Query, Answer, Role]] = []
    for i, (query, answer) in enumerate(islice(drawn, WARM_UPS - 1 + GOLD)):
        role = Role.WARM_UP if i < WARM_UPS - 1 else Role.GOLD
        made.append((query, answer, role))
    if made:
        text = made[0][0].hypotheses[0]
        same = Query(Kind.COMPARE_HYPOTHESES, (text, text), purpose="check")
        made.insert(WARM_UPS - 1, (same, Answer(grade=0), Role.WARM_UP))
    return [Posting(query, show(query), role, expected=answer) for query, answer, role in made]


def _drawn(problem: Problem, rng: np.random.Generator) -> Iterator[tuple[Query, Answer]]:
    """Alternately: answer this, and which answer is better; of a clear instruction."""
    space, table = problem.space, problem.unlabelled
    conditions = list(islice(space.conditions(), MOST_CONDITIONS))
    if not conditions or not len(table) or len(problem.answers) < 2:
        return
    for i in range(2 * (WARM_UPS + GOLD)):
        # A question that an instruction does not apply to is answered by its default: half of them, to catch haste.
        found = _clear(problem, conditions, i % 2 == 0, rng)
        if found is None:
            continue
        z, question, answer, other, right = found
        if rng.random() < 0.5:
            query = Query(Kind.ANSWER, (space.show(z),), question, problem.answers, purpose="check", repeat=i)
            yield query, Answer(choice=right)
        else:
            sides = (answer, other)
            query = Query(Kind.COMPARE_ANSWERS, (space.show(z),), question, sides, purpose="check", repeat=i)
            yield query, Answer(grade=1 if right == answer else -1)


def _clear(
    problem: Problem, conditions: Sequence[Condition], applies: bool, rng: np.random.Generator
) -> tuple[Hypothesis, Question, str, str, str] | None:
    """An instruction of one statement, a question it applies to or not, its answer, another, and which is right."""
    table = problem.unlabelled
    for _ in range(TRIES):
        condition = conditions[int(rng.integers(len(conditions)))]
        row = int(rng.integers(len(table)))
        if bool(condition.applies(table.take(np.array([row])))[0]) is applies:
            answer, other = (problem.answers[int(k)] for k in rng.permutation(len(problem.answers))[:2])
            statement = Statement((condition,), answer, Strength.OVERWHELMING)
            z = Hypothesis((statement,), other, Strength.HINT)
            return z, table.row(row), answer, other, answer if applies else other
    return None
