"""What a browser or a program may send, read strictly: whatever is not plainly an answer is refused with a message.

JSON is read with no repeated keys, no NaN, no text that cannot be stored (NUL, lone surrogates), and not too deep;
forms are URL-encoded only. Both give the same records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from imitative.errors import one_line, shown
from imitative.records import GRADES, Answer, Outcome
from imitative.store.task import LONGEST_PROPOSAL, LONGEST_WHY, MOST_SECONDS, Refused, Submission

LARGEST_BODY: Final = 262_144
"""Bytes: a proposal of `LONGEST_PROPOSAL` characters, URL-encoded, fits."""
DEEPEST: Final = 20
LARGEST_RATIO: Final = 1e6
MOST_ID: Final = 2**31 - 1
MOST_FIELDS: Final = 50

B = TypeVar("B", bound="_Body")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Key = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$", description="Chosen by the client; sent again, the same.")]
Slot = Annotated[int, Field(ge=1, le=MOST_ID, description="The task's.")]
Name = Annotated[str, Field(min_length=1, max_length=60)]


def _just_one(schema: dict[str, Any]) -> None:
    """Say in the schema what `AnswerBody` checks: programs are made from schemas."""
    every = schema["properties"]
    schema["oneOf"] = [
        {"required": [name], "properties": {name: next(each for each in said["anyOf"] if each.get("type") != "null")}}
        for name, said in every.items()
    ]


class AnswerBody(_Body):
    """Exactly one of these: a grade of a comparison, a ratio of odds, a bet, a choice, or a skip."""

    model_config = ConfigDict(json_schema_extra=_just_one)

    grade: (
        Annotated[int, Field(ge=min(GRADES), le=max(GRADES), description="2: the first shown is much better")] | None
    ) = None
    ratio: Annotated[float, Field(ge=1.0 / LARGEST_RATIO, le=LARGEST_RATIO)] | None = None
    less_likely: bool | None = None
    choice: Annotated[str, Field(max_length=1_000)] | None = None
    skip: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> AnswerBody:
        given = [
            value for value in (self.grade, self.ratio, self.less_likely, self.choice, self.skip) if value is not None
        ]
        if len(given) != 1:
            raise ValueError("an answer is exactly one of grade, ratio, less_likely, choice and skip")
        return self

    @property
    def answer(self) -> Answer:
        """As the method knows it."""
        if self.skip:
            return Answer(Outcome.SKIPPED)
        return Answer(grade=self.grade, ratio=self.ratio, less_likely=self.less_likely, choice=self.choice)


class SubmissionBody(_Body):
    """An answer to the task in hand."""

    slot: Slot
    key: Key
    answer: AnswerBody
    why: Annotated[str, Field(max_length=LONGEST_WHY)] = ""
    seconds: Annotated[float, Field(ge=0.0, le=1e7, description="Cut at an hour.")] = 0.0

    @property
    def submission(self) -> Submission:
        """As the desk takes it."""
        seconds = min(self.seconds, MOST_SECONDS)
        return Submission(self.slot, self.key, self.answer.answer, self.why, seconds)


class KeyBody(_Body):
    """A request to take back the last answer."""

    key: Key


class DraftBody(_Body):
    """What is being typed."""

    slot: Slot
    why: Annotated[str, Field(max_length=LONGEST_WHY)] = ""
    text: Annotated[str, Field(max_length=LONGEST_PROPOSAL)] = ""
    wrong: Annotated[str, Field(max_length=LONGEST_PROPOSAL)] = ""


class ProposalBody(_Body):
    """A better hypothesis, and what is wrong with the one shown; at least one of the two."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": [name], "properties": {name: {"type": "string", "pattern": r"\S"}}}
                for name in ("text", "wrong")
            ]
        }
    )

    key: Key
    slot: Slot | None = None
    text: Annotated[str, Field(max_length=LONGEST_PROPOSAL)] = ""
    wrong: Annotated[str, Field(max_length=LONGEST_PROPOSAL)] = ""


class GoalBody(_Body):
    """How many judgements to give in a sitting."""

    goal: Annotated[int, Field(ge=1, le=1_000)]


class StandingBody(_Body):
    """How a judge is to stand, and why."""

    name: Name
    standing: Literal["active", "suspended", "excluded", "revoked"]
    why: Annotated[str, Field(max_length=1_000)] = ""


class InvitationBody(_Body):
    """Whom to invite."""

    name: Name
    role: Literal["judge", "lead"] = "judge"
    program: bool = False


class JoinBody(_Body):
    """An invitation."""

    token: Annotated[str, Field(min_length=1, max_length=200)]


def read_json(raw: bytes) -> Any:
    """A JSON value.

    Raises:
        Refused: 422 with a message, for anything else.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused(422, "the body is not UTF-8") from None
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except RecursionError:
        raise Refused(422, "the body is nested too deeply") from None
    except ValueError as error:
        raise Refused(422, f"the body is not JSON: {one_line(str(error))}") from None
    _check(value, 0)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise Refused(422, "the body is nested too deeply")
    if isinstance(value, str):
        storable(value)
    elif isinstance(value, dict):
        for key, item in value.items():
            storable(key)
            _check(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)


def storable(text: str) -> str:
    """The text, if a database can hold it.

    Raises:
        Refused: for NUL and lone surrogates.
    """
    if "\0" in text:
        raise Refused(422, "a text holds the character NUL")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(422, "a text holds half of a character (a lone surrogate)") from None
    return text


def read_form(raw: bytes) -> dict[str, str]:
    """The fields of a URL-encoded form.

    Raises:
        Refused: 422 with a message, for anything else.
    """
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:  # UnicodeDecodeError is one
        raise Refused(422, "the body is not a form") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refused(422, "a field is repeated")
    for name, value in pairs:
        storable(name)
        storable(value)
    return fields


def validated(model: type[B], value: Any) -> B:
    """The record that `value` is.

    Raises:
        Refused: 422 naming the field, what was found and what is expected.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Refused(422, explained(error.errors(include_url=False, include_context=False))) from None


def explained(errors: Any) -> str:
    """The first complaint in one line, of pydantic's list."""
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    if first.get("type") == "missing":
        return one_line(f"{place}: found nothing; expected a value: add it")
    message = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    found = first.get("input")
    quoted = f" {shown(found)};" if isinstance(found, str | int | float | bool) or found is None else ""
    return one_line(f"{place}: found{quoted or ' something else;'} expected {message[:1].lower()}{message[1:]}")


def whole(text: str, field: str) -> int:
    """A whole number from a form.

    Raises:
        Refused: if it is none, or larger than any that is kept.
    """
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 10 or int(digits) > MOST_ID:
        raise Refused(422, f"{field}: found {shown(text)}; expected a whole number")
    return int(text)


def number(text: str, field: str) -> float:
    """A number from a form.

    Raises:
        Refused: if it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise Refused(422, f"{field}: found {shown(text)}; expected a number") from None


def submission_of(fields: Mapping[str, str]) -> Submission:
    """The page's form as an answer: `slot`, `key`, `why`, `seconds`, and the button that was pressed.

    Raises:
        Refused: if it is none.
    """
    given = dict(fields)
    answer: dict[str, Any] = {}
    skipped = given.pop("skip", None)
    if skipped is not None:
        answer["skip"] = True
    if "grade" in given:
        answer["grade"] = whole(given.pop("grade"), "grade")
    if "ratio" in given:
        answer["ratio"] = number(given.pop("ratio"), "ratio")
    if "less_likely" in given:
        said = given.pop("less_likely")
        if said not in ("yes", "no"):
            raise Refused(422, f"less_likely: found {shown(said)}; expected yes or no")
        answer["less_likely"] = said == "yes"
    if "choice" in given:
        answer["choice"] = given.pop("choice")
    body: dict[str, Any] = {**given, "answer": answer}
    body["slot"] = whole(given.get("slot", ""), "slot")
    body["seconds"] = number(given.get("seconds") or "0", "seconds")
    if skipped:
        body["why"] = ": ".join(part for part in (skipped, given.get("why", "")) if part)
    return validated(SubmissionBody, body).submission
