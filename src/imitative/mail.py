"""What is posted to people, and what comes back: the records between whoever asks and the page where people judge.

An overseer of people and the page never meet: one posts to a `Mailbox` and collects from it, the other serves what was
posted and keeps what was said. The store is the mailbox; a list in memory would do as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, final

from imitative.records import Answer, Query


class Role(StrEnum):
    """Why a query is posted."""

    ASKED = "asked"  #: the run needs the judgement
    WARM_UP = "warm-up"  #: with a known answer, told afterwards; before a judge's first real query
    GOLD = "gold"  #: with a known answer, not told; among the real ones
    REPEAT = "repeat"  #: one a judge has answered, sides swapped: do they say the same again?


class Standing(StrEnum):
    """How a judge stands with the lead."""

    ACTIVE = "active"
    SUSPENDED = "suspended"  #: is given nothing more; what they said keeps the weight their reliability earns
    EXCLUDED = "excluded"  #: is given nothing more; what they said is kept, shown, and no longer used
    REVOKED = "revoked"  #: may not come in any more; what they said is used


class Person(NamedTuple):
    """Somebody who came in by a token.

    Args:
        id: their number.
        run_id: of the run they were invited to.
        name: what others see.
        role: judge or lead.
        standing: see `Standing`.
        goal: judgements they mean to give in a sitting.
        answered: how many they have given.
    """

    id: int
    run_id: int
    name: str
    role: str
    standing: str
    goal: int
    answered: int

    @property
    def leads(self) -> bool:
        """Whether the lead's page is theirs to see."""
        return self.role == "lead"

    @property
    def judges(self) -> bool:
        """Whether they are given queries."""
        return self.standing == Standing.ACTIVE


@final
@dataclass(frozen=True, slots=True)
class Posting:
    """A query on its way to people.

    Args:
        query: what is asked.
        shown: what the page needs to show it, as plain JSON values; see `overseers/presenting.py`.
        role: why.
        cap: by how many different judges it is answered.
        expected: the known answer, where the role has one.
    """

    query: Query
    shown: Mapping[str, Any] = field(default_factory=dict)
    role: Role = Role.ASKED
    cap: int = 1
    expected: Answer | None = None


@final
@dataclass(frozen=True, slots=True)
class Reply:
    """What one judge said of a query.

    Args:
        answer: of the query as posted, whichever side was shown first.
        judge: who.
        seconds: how long they took.
        age: seconds since it was given.
    """

    answer: Answer
    judge: str
    seconds: float
    age: float


class Proposed(NamedTuple):
    """A hypothesis that a judge wrote, and its number."""

    id: int
    text: str
    author: str


class Guidance(NamedTuple):
    """What people have done to a round of the search besides judging.

    Args:
        proposals: the hypotheses that join it.
        excluded: the judges whose judgements are kept and not used.
    """

    proposals: tuple[Proposed, ...] = ()
    excluded: tuple[str, ...] = ()


class Mailbox(Protocol):
    """Where queries are posted and replies collected."""

    def post(self, postings: Sequence[Posting]) -> None:
        """Offer them to people; what was posted before stays as it was."""
        ...

    def waiting(self, keys: Sequence[str]) -> Mapping[str, int]:
        """Of these queries, those that still lack replies, and how many they lack."""
        ...

    def collect(self, keys: Sequence[str]) -> Mapping[str, Sequence[Reply]]:
        """The replies to these queries, which from now on are what the run has used. Asked again, the same."""
        ...

    def newest(self) -> float:
        """Seconds since anybody last said or took back anything; infinite if nobody has."""
        ...
