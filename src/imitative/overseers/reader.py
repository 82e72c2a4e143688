"""A simulated person before a text: they understand its sentences of controlled English, and make nothing of the rest.

A query about texts becomes the same query about statements, is judged by the person, and turned back. What they do not
understand costs a text `STRANGE` nats of plausibility for every sentence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, final

from imitative.hypotheses.statements import Hypothesis, Statement, StatementSpace, Strength
from imitative.hypotheses.text import split_sections
from imitative.overseers.overseer import Overseer
from imitative.records import Answer, Judgement, Kind, Query

STRANGE = -1.5
"""Nats that a sentence nobody understands takes from a text's plausibility."""


@final
class Reader:
    """H over texts, made of H over statements.

    Args:
        person: judges statements.
        space: their language.
        answers: Y; the first is taken for the default of a text without one.
    """

    def __init__(self, person: Overseer, space: StatementSpace, answers: Sequence[str]) -> None:
        self.person, self.space, self.answers = person, space, tuple(answers)

    def understood(self, text: str) -> tuple[Hypothesis, int]:
        """The statements of a text, each condition once, and how many sentences were not understood."""
        statements: dict[Any, Statement] = {}
        default, strange = (self.answers[0], Strength.HINT), 0
        for section in split_sections(text):
            for sentence in re.split(r"(?<=\.)\s+(?=[A-Z])", section):
                try:
                    if sentence.startswith("By default, "):
                        found = self.space.read(sentence)
                        default = (found.default, found.default_strength)
                    else:
                        statement = self.space.read_statement(sentence)
                        statements.setdefault(statement.conditions, statement)
                except ValueError:
                    strange += 1
        return Hypothesis(tuple(statements.values()), *default), strange

    async def judge(self, queries: Sequence[Query]) -> list[Judgement]:
        """See `Overseer.judge`."""
        turned, strange = [], []
        for query in queries:
            read = [self.understood(text) for text in query.hypotheses]
            turned.append(replace(query, hypotheses=tuple(self.space.show(z) for z, _ in read)))
            strange.append([n for _, n in read])
        said = await self.person.judge(turned)
        return [
            replace(judgement, query=query, answer=_less(judgement.answer, query, counts))
            for judgement, query, counts in zip(said, queries, strange, strict=True)
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """The person's."""
        return tuple(getattr(self.person, "notes", ()))


def _less(answer: Answer, query: Query, strange: Sequence[int]) -> Answer:
    """The answer with what the sentences nobody understood take away."""
    if query.kind is Kind.ODDS and answer.ratio is not None:
        nats = math.log(answer.ratio) + STRANGE * (strange[0] - strange[1])
        return Answer(ratio=math.exp(max(-600.0, min(600.0, nats))))
    if query.kind is Kind.COMPARE_HYPOTHESES and answer.grade is not None and strange[0] != strange[1]:
        grade = answer.grade + (1 if strange[0] < strange[1] else -1)
        return Answer(grade=max(-2, min(2, grade)))
    return answer
