"""A problem whose hypotheses are free text: D, D′ and answers as ever, and a space of texts beside that of statements.

The space of statements stays: its conditions are what a text is taken to speak of (`texts.reading`), and it writes the
first sentences of proposers that need no language model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

from imitative.hypotheses.text import Guard, TextSpace
from imitative.overseers.prompts import Phrasing
from imitative.problem import Problem
from imitative.records import Question, content_key


@final
@dataclass(frozen=True, eq=False)
class TextProblem:
    """What is to be learned, in free text.

    Args:
        problem: D, D′, the question and its answers.
        space: Z.
        phrasing: how items are put into words.
    """

    problem: Problem
    space: TextSpace
    phrasing: Phrasing

    @classmethod
    def of(cls, problem: Problem, max_words: int = 400, sections: int = 12, persona: str = "") -> TextProblem:
        """A text problem over the same data, guarded against quotations of D."""
        phrasing = Phrasing(problem.question, problem.spoken, problem.space.features, persona)
        table = problem.labelled.table
        items = [phrasing.item(table.row(i)) for i in range(len(table))]
        guard = Guard(table, items, [problem.question, *problem.spoken.values()])
        return cls(problem, TextSpace(max_words, sections, guard), phrasing)

    @cached_property
    def fingerprint(self) -> str:
        """See `Problem.fingerprint`."""
        return content_key([self.problem.fingerprint, self.space.describe()])

    def example(self, question: Question, answer: str) -> str:
        """One example of D, as a proposer reads it."""
        return f"{self.phrasing.item(question)}\n→ {self.problem.spoken[answer]}"
