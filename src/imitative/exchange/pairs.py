"""A comparison as other tools see one: a prompt, two texts, and which of them somebody chose.

What those tools have no place for (the kind of the query, the question and its instructions, what it was for, how much
better, cost and time) travels beside as one text of JSON, called `imitative`. What they do have a place for is taken
from there: a pair that is judged anew in another tool comes back with the new judgement.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from imitative.errors import InputError, listed, shown
from imitative.exchange.flat import COMPARISONS, judgement_of
from imitative.exchange.parsing import parsed, row_of
from imitative.exchange.row import Row
from imitative.records import Judgement, Kind, Outcome

BESIDE = "imitative"
"""The name of the member that holds the rest."""
STRANGER = "unknown"
"""The judge, where a file names none."""


class Pair(NamedTuple):
    """A comparison.

    Args:
        prompt: what is asked, for whoever reads the file.
        left, right: the two texts, in the order shown.
        grade: as in `GRADES`, positive for the left; None where it was skipped.
        judge: who said so.
        beside: everything else, plain JSON values; empty for pairs of other tools.
    """

    prompt: str
    left: str
    right: str
    grade: int | None
    judge: str
    beside: Mapping[str, Any]

    @property
    def chosen(self) -> str:
        """The text that was found better; the left one of a tie."""
        return self.left if (self.grade or 0) >= 0 else self.right

    @property
    def rejected(self) -> str:
        """The other."""
        return self.right if (self.grade or 0) >= 0 else self.left

    @property
    def beside_text(self) -> str:
        """What travels beside, with how much better one was."""
        return json.dumps({**self.beside, "much": abs(self.grade or 0) == 2}, ensure_ascii=False)

    @property
    def asked_text(self) -> str:
        """What travels beside where each answer has a place of its own: the query's part alone."""
        asked = {key: value for key, value in self.beside.items() if key not in ("cost", "seconds")}
        return json.dumps(asked, ensure_ascii=False)

    def judgement(self, place: str) -> Judgement:
        """The judgement it stands for.

        Raises:
            InputError: naming the place, if what travelled beside does not fit.
        """
        beside = dict(self.beside)
        much = beside.pop("much", False)
        instructions = beside.pop("instructions", None)
        sides = [self.left, self.right]
        if instructions is None:
            about: dict[str, Any] = {"kind": Kind.COMPARE_HYPOTHESES.value, "hypotheses": sides}
        else:
            about = {"kind": Kind.COMPARE_ANSWERS.value, "hypotheses": [instructions], "answers": sides}
        grade = self.grade if self.grade is None or not much or abs(self.grade) == 2 else 2 * self.grade
        outcome = Outcome.SKIPPED if self.grade is None else Outcome.ANSWERED
        row = {**about, **beside, "outcome": outcome.value, "grade": grade, "judge": self.judge}
        return judgement_of(Row(place, row))


def pair_of(judgement: Judgement) -> Pair | None:
    """A judgement as a pair; None where it is no comparison, or could not be read."""
    query, answer = judgement.query, judgement.answer
    if query.kind not in COMPARISONS or answer.outcome is Outcome.UNREADABLE:
        return None
    beside = {"purpose": query.purpose, "repeat": query.repeat, "cost": judgement.cost, "seconds": judgement.seconds}
    if query.kind is Kind.COMPARE_HYPOTHESES:
        first, second = query.hypotheses
        return Pair("Which is more plausible?", first, second, answer.grade, judgement.judge, beside)
    asked = "\n".join(f"{name}: {'unknown' if x is None else x}" for name, x in (query.question or {}).items())
    prompt = f"{asked}\n\nWhich answer is better, given these instructions?\n{query.hypotheses[0]}"
    question = None if query.question is None else dict(query.question)
    beside |= {"instructions": query.hypotheses[0], "question": question}
    left, right = query.answers
    return Pair(prompt, left, right, answer.grade, judgement.judge, beside)


def beside_of(row: Row, key: str = BESIDE) -> dict[str, Any]:
    """What travelled beside; empty where nothing did.

    Raises:
        InputError: if it is not what `Pair.beside_text` writes.
    """
    text = row.members.get(key)
    if text is None or text == "":
        return {}
    if not isinstance(text, str):
        row.refuse(key, text, "the text that was exported", f"restore it, or remove {shown(key)}")
    place = f"{row.place}, {shown(key)}"
    beside = dict(row_of(parsed(text, place), place).members)
    known = ("purpose", "repeat", "cost", "seconds", "instructions", "question", "much")
    strange = [name for name in beside if name not in known]
    if strange or not isinstance(beside.get("much", False), bool):
        raise InputError(place, shown(text), "the text that was exported", f"restore it, or remove {shown(key)}")
    return beside


def named(judge: str | None) -> str:
    """The judge's name as it is written; `STRANGER` where there is none."""
    return judge if judge and judge.strip() else STRANGER


def fits(judgement: Judgement, ties: bool, skips: bool) -> bool:
    """Whether it can be told as a pair, by a format with or without a place for ties and skips."""
    if pair_of(judgement) is None:
        return False
    if judgement.answer.outcome is Outcome.SKIPPED:
        return skips
    return ties or judgement.answer.grade != 0


def left_out(rows: Sequence[Row], known: Sequence[str]) -> tuple[str, ...]:
    """A note on the members of other tools' rows that a judgement has no place for."""
    strange = sorted(
        {key for row in rows for key, value in row.members.items() if key not in known and value is not None}
    )
    return (f"not used, as a judgement has no place for it: {listed(strange)}",) if strange else ()
