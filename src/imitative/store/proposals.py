"""What judges write of their own: a better hypothesis, or what is wrong with the one shown."""

from __future__ import annotations

from typing import final

from sqlalchemy import Connection, bindparam, insert, select

from imitative.mail import Person
from imitative.records import content_key
from imitative.store import runs, tables
from imitative.store.giving import LOCK
from imitative.store.runs import Run
from imitative.store.task import LONGEST_PROPOSAL, Refused, check_key, check_same

proposal, hand, slot = tables.proposal.c, tables.hand.c, tables.slot.c

_SENT = select(proposal.digest).where(proposal.judge_id == bindparam("me"), proposal.key == bindparam("this_key"))
_AT = (
    select(slot.posted_id)
    .join_from(tables.hand, tables.slot)
    .where(hand.judge_id == bindparam("me"), slot.id == bindparam("this_slot"), slot.run_id == bindparam("this_run"))
)


@final
class Proposals:
    """Where judges leave what they wrote.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def propose(self, person: Person, key: str, text: str, wrong: str, readable: bool, number: int | None) -> bool:
        """Keep a hypothesis that a judge wrote; whether it is new.

        Args:
            person: its author.
            key: see `Submission`.
            text: what they wrote.
            wrong: what they find wrong with the one shown.
            readable: whether Z can say it.
            number: the slot of the query it was written at, or None.

        Raises:
            Refused: for an empty or endless text, or a key used for another.
        """
        check_key(key)
        if not text.strip() and not wrong.strip():
            raise Refused(422, "there is nothing in it yet")
        if max(len(text), len(wrong)) > LONGEST_PROPOSAL:
            raise Refused(422, f"a proposal has at most {LONGEST_PROPOSAL} characters")
        digest = content_key([text, wrong, number])

        def add(connection: Connection) -> bool:
            me = {"me": person.id}
            connection.execute(LOCK, me)
            sent = connection.execute(_SENT, {**me, "this_key": key}).scalar()
            if sent is not None:
                check_same(sent, digest)
                return False
            at = None
            if number is not None:
                at = connection.execute(_AT, {**me, "this_slot": number, "this_run": person.run_id}).scalar()
                if at is None:
                    raise Refused(404, "this query was not given to you")
            new = {"run_id": person.run_id, "judge_id": person.id, "posted_id": at, "key": key, "digest": digest}
            new |= {"text": text, "wrong": wrong, "readable": readable, "created": runs.now()}
            connection.execute(insert(tables.proposal), new)
            return True

        return self._run.write(add)
