"""The records that travel between the method and whoever judges: examples, queries, judgements.

All records are frozen. A query and a judgement are addressed by their content, so that the same question
asked twice is recognised after a restart, on another machine, and in another process.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Value = str | float | None
"""One cell of a question: a word, a number, or None where it is missing."""

Question = Mapping[str, Value]
"""x: feature name → value."""

GRADES = (-2, -1, 0, 1, 2)
"""What a comparison can say: second much better, second better, tie, first better, first much better."""

ODDS_SCALE = (1.0, 2.0, 5.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
"""The labels of the scale people mark odds on; the last one says *so much or more*."""
MOST_ODDS = math.log(ODDS_SCALE[-1])
"""Where that scale ends, in nats: beyond it neither side can say more."""
LAST_SEED, MOST_JUDGEMENTS = 2**63 - 1, 10**9
"""The largest seed, which a database's integers must hold, and the largest budget."""
LITERAL_READER = "literal reading"
"""The judge's name on answers that nobody gave: they follow z to the letter."""
LEAST_RATIO = 1e-300
"""Odds below this (about −691 nats), or above its inverse, are refused: turned round, they would not be finite."""


class Kind(StrEnum):
    """What is asked."""

    COMPARE_HYPOTHESES = "compare_hypotheses"  #: which of z, z′ is more plausible?
    COMPARE_ANSWERS = "compare_answers"  #: given z, which of y, y′ is the better answer to x?
    ODDS = "odds"  #: how many times more plausible is z than z′?
    BET = "bet"  #: is z less likely than `heads` heads in a row?
    ANSWER = "answer"  #: answer x, following z


class Outcome(StrEnum):
    """A tie is an answer; a skip and an unreadable reply are not, and are kept apart from it."""

    ANSWERED = "answered"
    SKIPPED = "skipped"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled item of D: a question x and its known answer y."""

    question: Question
    answer: str


@dataclass(frozen=True, slots=True)
class Query:
    """One question put to an overseer.

    Args:
        kind: what is asked.
        hypotheses: the texts of the hypotheses shown: two for a comparison or odds, one otherwise.
        question: x, for COMPARE_ANSWERS and ANSWER.
        answers: the two answers compared, or all that may be given.
        heads: for a BET, how many heads in a row; the reference event has log probability −heads·ln 2 nats.
        purpose: what the judgement is for (`prior`, `likelihood`, `transfer`, `audit`): a judgement bought for
            an audit is never used to fit what it audits, so it is part of the query's identity.
        repeat: tells apart deliberate repetitions of the same question.
    """

    kind: Kind
    hypotheses: tuple[str, ...]
    question: Question | None = None
    answers: tuple[str, ...] = ()
    heads: int = 0
    purpose: str = "prior"
    repeat: int = 0

    @property
    def key(self) -> str:
        """The SHA-256 of the query's content, 64 hexadecimal digits."""
        return content_key(self.to_json())

    def swapped(self) -> Query:
        """The same comparison with its two sides exchanged.

        Raises:
            ValueError: for a query that has no two sides.
        """
        if self.kind in (Kind.COMPARE_HYPOTHESES, Kind.ODDS):
            first, second = self.hypotheses
            sides: dict[str, Any] = {"hypotheses": (second, first), "answers": self.answers}
        elif self.kind is Kind.COMPARE_ANSWERS:
            left, right = self.answers
            sides = {"hypotheses": self.hypotheses, "answers": (right, left)}
        else:
            raise ValueError(f"a query of kind {self.kind} has no two sides to swap")
        return Query(
            kind=self.kind, question=self.question, heads=self.heads, purpose=self.purpose, repeat=self.repeat, **sides
        )

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain JSON values; `from_json` is its inverse."""
        return {
            "kind": self.kind.value,
            "hypotheses": list(self.hypotheses),
            "question": None if self.question is None else dict(self.question),
            "answers": list(self.answers),
            "heads": self.heads,
            "purpose": self.purpose,
            "repeat": self.repeat,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Query:
        """Rebuild a query from `to_json`."""
        return cls(
            kind=Kind(row["kind"]),
            hypotheses=tuple(row["hypotheses"]),
            question=row["question"],
            answers=tuple(row["answers"]),
            heads=int(row["heads"]),
            purpose=str(row["purpose"]),
            repeat=int(row["repeat"]),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What an overseer said. Exactly one field beside `outcome` is set when the outcome is ANSWERED.

    Args:
        outcome: answered, skipped or unreadable.
        grade: for comparisons, one of `GRADES`; positive favours the first side, 0 is a tie.
        ratio: for ODDS, how many times more plausible the first is than the second (> 0; below 1: less); at least
            `LEAST_RATIO` and at most its inverse.
        less_likely: for a BET, whether the hypothesis is less likely than the coins.
        choice: for ANSWER, the answer chosen.
    """

    outcome: Outcome = Outcome.ANSWERED
    grade: int | None = None
    ratio: float | None = None
    less_likely: bool | None = None
    choice: str | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.grade, self.ratio, self.less_likely, self.choice) if value is not None]
        if (self.outcome is Outcome.ANSWERED) != (len(given) == 1):
            raise ValueError(f"an answered query has exactly one answer, any other none; found {self!r}")
        if self.grade is not None and self.grade not in GRADES:
            raise ValueError(f"a grade is one of {GRADES}, not {self.grade}")
        if self.ratio is not None and not LEAST_RATIO <= self.ratio <= 1.0 / LEAST_RATIO:
            raise ValueError(f"a ratio is a positive number from {LEAST_RATIO:g} to its inverse, not {self.ratio}")

    def fits(self, query: Query) -> bool:
        """Whether it answers what was asked, or says that it does not."""
        if self.outcome is not Outcome.ANSWERED:
            return True
        match query.kind:
            case Kind.COMPARE_HYPOTHESES | Kind.COMPARE_ANSWERS:
                return self.grade is not None
            case Kind.ODDS:
                return self.ratio is not None
            case Kind.BET:
                return self.less_likely is not None
            case Kind.ANSWER:
                return self.choice in query.answers

    def swapped(self) -> Answer:
        """The same judgement said of the two sides exchanged."""
        if self.grade is not None:
            return Answer(grade=-self.grade)
        if self.ratio is not None:
            return Answer(ratio=1.0 / self.ratio)
        return self

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain JSON values; `from_json` is its inverse."""
        return {
            "outcome": self.outcome.value,
            "grade": self.grade,
            "ratio": self.ratio,
            "less_likely": self.less_likely,
            "choice": self.choice,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Answer:
        """Rebuild an answer from `to_json`."""
        return cls(Outcome(row["outcome"]), row["grade"], row["ratio"], row["less_likely"], row["choice"])


@dataclass(frozen=True, slots=True)
class Judgement:
    """One overseer's answer to one query: a row that is appended and never rewritten.

    Args:
        query: what was asked.
        answer: what was said.
        judge: who said it.
        cost: what it cost, in the problem's unit of money.
        seconds: how long the judge took.
    """

    query: Query
    answer: Answer
    judge: str
    cost: float = 0.0
    seconds: float = field(default=0.0, compare=False)

    @property
    def answered(self) -> bool:
        """Whether there is something to learn from: neither a skip nor an unreadable reply."""
        return self.answer.outcome is Outcome.ANSWERED


def content_key(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`: sorted keys, no spaces, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
