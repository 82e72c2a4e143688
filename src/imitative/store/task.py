"""A query in a judge's hands, what they hand in, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from imitative.errors import shown
from imitative.mail import Role
from imitative.records import Answer, Kind, Outcome, content_key

LONGEST_WHY: Final = 4_000
LONGEST_PROPOSAL: Final = 20_000
MOST_SECONDS: Final = 3_600.0
"""A judgement's time is cut here: nobody thinks for an hour, they went to lunch."""


class Refused(Exception):
    """What was sent cannot be done; the message says why.

    Args:
        status: as HTTP says it: 404 nothing of theirs, 409 it conflicts with what is kept, 422 not an answer.
        message: for whoever sent it.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Task(NamedTuple):
    """A query in a judge's hands.

    Args:
        slot: what they hold; sent back with the answer.
        kind: what is asked.
        role: why.
        shown: what the page needs to show it.
        answers: what may be chosen, or the two answers compared.
        heads: of a bet.
        swapped: whether the second side is shown first.
        draft: what they have typed.
        before: what they said and took back, of the sides as shown.
        revision: how often they have said something already.
    """

    slot: int
    kind: Kind
    role: Role
    shown: dict[str, Any]
    answers: tuple[str, ...]
    heads: int
    swapped: bool
    draft: dict[str, Any]
    before: Answer | None
    revision: int


class Receipt(NamedTuple):
    """What became of an answer.

    Args:
        kept: `answer`; `late` if somebody else was given the query meanwhile: kept, but not counted.
        revision: 0 for the first answer to a slot.
        used: whether the run had already used an earlier answer of theirs.
        again: whether this very answer had been sent before.
        role: why it was asked.
        right: whether a warm-up's answer was the known one; None for anything else.
        expected: of a warm-up, the known answer, of the sides as they were shown.
    """

    kept: str
    revision: int
    used: bool
    again: bool
    role: Role
    right: bool | None = None
    expected: Answer | None = None


class Submission(NamedTuple):
    """An answer on its way in.

    Args:
        slot: of the task.
        key: the client's own, 8 to 64 characters.
        answer: of the sides as shown.
        why: free text.
        seconds: how long it took.
    """

    slot: int
    key: str
    answer: Answer
    why: str = ""
    seconds: float = 0.0

    @property
    def digest(self) -> str:
        """Of what is said; not of the time taken, which is measured anew when a form is sent again."""
        return content_key([self.slot, self.answer.to_json(), self.why])


def told(role: str, expected: Any, answer: Answer, swapped: bool) -> tuple[bool | None, Answer | None]:
    """Of a warm-up: whether it was answered right, and what was right, of the sides as shown."""
    if role != Role.WARM_UP.value or expected is None:
        return None, None
    known = Answer.from_json(expected)
    return agrees(answer, known), known.swapped() if swapped else known


def agrees(answer: Answer, expected: Answer) -> bool:
    """Whether an answer says what a known one says: its side and not its strength, its choice, its bet."""
    if answer.outcome is not Outcome.ANSWERED:
        return False
    if expected.grade is not None and answer.grade is not None:
        return (answer.grade > 0) - (answer.grade < 0) == (expected.grade > 0) - (expected.grade < 0)
    if expected.ratio is not None and answer.ratio is not None:
        return (answer.ratio > 1.0) - (answer.ratio < 1.0) == (expected.ratio > 1.0) - (expected.ratio < 1.0)
    return answer == expected


def check_same(kept: str, given: str) -> None:
    """Whether what is sent under a key is what was sent under it before.

    Raises:
        Refused: if it is not.
    """
    if kept != given:
        raise Refused(409, "this key was used for another answer; nothing was changed")


def check_key(key: str) -> None:
    """Whether it can be a key.

    Raises:
        Refused: if it cannot.
    """
    if not 8 <= len(key) <= 64 or not all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in key):
        raise Refused(422, "the key is 8 to 64 letters, digits, hyphens and underscores")


_FIELD = {
    Kind.COMPARE_HYPOTHESES: "grade",
    Kind.COMPARE_ANSWERS: "grade",
    Kind.ODDS: "ratio",
    Kind.BET: "less_likely",
    Kind.ANSWER: "choice",
}


def check_answer(answer: Answer, kind: Kind, choices: Sequence[str]) -> None:
    """Whether it answers a query of this kind.

    Raises:
        Refused: if it does not.
    """
    if answer.outcome is Outcome.UNREADABLE:
        raise Refused(422, "an answer is given or skipped")
    if answer.outcome is Outcome.SKIPPED:
        return
    field = _FIELD[kind]
    if getattr(answer, field) is None:
        raise Refused(422, f"a query of kind {kind.value} is answered by {field}")
    if kind is Kind.ANSWER and answer.choice not in choices:
        raise Refused(422, f"{shown(answer.choice)} is none of the answers")
