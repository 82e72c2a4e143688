"""The judge's side of the mailbox: a query given, an answer kept, taken back, put off.

Every change is one short transaction, on disk before it is acknowledged, and safe to send again: a client chooses a
key for what it sends, the same key and body give the same receipt, and the same key with another body is refused.

    claim: a free slot → held by the judge until it expires; see `giving.py`
    submit: the slot is still theirs → a row of `said`, the slot is done; and the next claim in the same transaction

An answer and the next query are six journeys to a PostgreSQL server: begin, the judge's lock, a look, the answer, the
next query, commit. Fewer cannot be without a program in the server: the look must come after the lock, or it would not
see what another tab has just sent; and the answer, after the look.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, final

from sqlalchemy import Connection, and_, bindparam, case, func, insert, literal, select, update

from imitative.mail import Person, Role, Standing
from imitative.records import Answer, Kind, content_key
from imitative.store import runs, tables
from imitative.store.giving import LEASE_SECONDS, LOCK, Giving, free_now, last_revision, put_in_hand
from imitative.store.runs import Run
from imitative.store.task import (
    LONGEST_WHY,
    MOST_SECONDS,
    Receipt,
    Refused,
    Submission,
    Task,
    check_answer,
    check_key,
    check_same,
    told,
)

posted, slot, said, hand = (t.c for t in (tables.posted, tables.slot, tables.said, tables.hand))
judge, query, taken, late = tables.judge.c, tables.query.c, tables.taken.c, tables.late.c

_SEEN: Final = (
    select(said.revision.label("said_revision"), said.digest, said.answer, late.digest.label("late_digest"))
    .add_columns(slot.id, slot.posted_id, slot.judge_id, slot.done, hand.swapped)
    .add_columns(posted.role, posted.expected, query.kind, query.body, last_revision(slot.id))
    .select_from(tables.judge)
    .outerjoin(tables.said, (said.judge_id == judge.id) & (said.key == bindparam("this_key")))
    .outerjoin(tables.late, (late.judge_id == judge.id) & (late.key == bindparam("this_key")))
    .outerjoin(tables.hand, (hand.judge_id == judge.id) & (hand.slot_id == bindparam("this_slot")))
    .outerjoin(tables.slot, (slot.id == hand.slot_id) & (slot.run_id == bindparam("this_run")))
    .outerjoin(tables.posted, posted.id == slot.posted_id)
    .outerjoin(tables.query, query.key == posted.query_key)
    .where(judge.id == bindparam("me"))
)
"""What is known of a submission: whether it was sent before, and the slot, if it was ever this judge's."""
_SENT = select(said.digest).where(said.judge_id == bindparam("me"), said.key == bindparam("this_key"))
_USED = select(taken.posted_id).where(taken.posted_id == bindparam("this_posted"))
_ANOTHER = (
    select(slot.id, slot.done, (slot.judge_id == bindparam("me")).label("own"), last_revision(slot.id))
    .where(slot.posted_id == bindparam("this_posted"), slot.number.is_not(None))
    .where((slot.judge_id == bindparam("me")) | and_(slot.done.is_(False), free_now(slot)))
    .order_by(case((slot.judge_id == bindparam("me"), 0), else_=1), slot.number)
    .limit(1)
    .with_for_update(skip_locked=True)
)
"""A place in a query for somebody who lost theirs: the one they were given since, or a free one."""
_LATEST = (
    select(slot.id, slot.posted_id, said.swapped, last_revision(slot.id))
    .join_from(tables.slot, tables.posted)
    .join(tables.said, (said.slot_id == slot.id) & (said.judge_id == slot.judge_id))
    .where(slot.judge_id == bindparam("me"), slot.done, posted.role != Role.WARM_UP.value)
    .order_by(said.id.desc())
    .limit(1)
    .with_for_update(of=tables.slot)
)
"""What a judge answered last, and has not taken back."""
_TAKE = (
    update(tables.slot)
    .where(slot.id == bindparam("this_slot"))
    .values(judge_id=bindparam("me"), expires=bindparam("until"))
)
_RENEW = (
    update(tables.slot)
    .where(slot.id == bindparam("this_slot"), slot.judge_id == bindparam("me"), slot.done.is_(False))
    .values(expires=bindparam("until"))
)
_DONE = (
    update(tables.slot)
    .where(slot.id == bindparam("this_slot"), slot.judge_id == bindparam("me"), slot.done.is_(False))
    .values(done=True)
)
_COUNT = update(tables.judge).where(judge.id == bindparam("me")).values(answered=judge.answered + 1)
_SITTING = select(func.count(), func.coalesce(func.sum(said.seconds), literal(0.0))).where(
    said.judge_id == bindparam("me"), said.created >= bindparam("since"), said.revision == 0
)


def _said_at_once() -> Any:
    """`_DONE`, the answer and `_COUNT`, as one statement: where the slot is no longer theirs it does nothing."""
    done = _DONE.returning(slot.id).cte("done")
    count = _COUNT.where(select(done.c.id).exists()).cte("count")
    columns = [column for column in tables.said.c if column.name != "id"]
    row = select(*(bindparam(f"new_{column.name}", type_=column.type) for column in columns)).select_from(done)
    written = insert(tables.said).from_select([column.name for column in columns], row)
    return written.returning(said.id).add_cte(count)


_SAID_AT_ONCE: Final = _said_at_once()


@final
class Desk:
    """Where judges are given queries and hand in answers.

    Args:
        run: the run.
        clock: seconds since 1970.
        lease: see `LEASE_SECONDS`.
        seed: of which side is shown first; None: nobody can foresee it.
    """

    def __init__(
        self,
        run: Run,
        clock: Callable[[], float] = time.time,
        lease: float = LEASE_SECONDS,
        seed: int | None = None,
    ) -> None:
        rng = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311
        self._run, self._giving = run, Giving(clock, lease, rng)

    def claim(self, person: Person) -> Task | None:
        """The query this judge holds, or a free one; None where there is nothing for them now."""
        return self._run.write(lambda connection: self._giving.next(connection, person, *_locked(connection, person)))

    def submit(self, person: Person, given: Submission) -> tuple[Receipt, Task | None]:
        """Keep an answer, and give the next query in the same transaction.

        Raises:
            Refused: for a slot that was never theirs, an answer of the wrong kind, or a key used for another.
        """
        check_key(given.key)
        if len(given.why) > LONGEST_WHY:
            raise Refused(422, f"the reason has {len(given.why)} characters; at most {LONGEST_WHY} are kept")

        def keep(connection: Connection) -> tuple[Receipt, Task | None]:
            answered, standing = _locked(connection, person)
            receipt, counted = self._submit(connection, person, given)
            return receipt, self._giving.next(connection, person, answered + counted, standing)

        return self._run.write(keep)

    def _submit(self, connection: Connection, person: Person, given: Submission) -> tuple[Receipt, bool]:
        sent = {"me": person.id, "this_key": given.key, "this_slot": given.slot, "this_run": person.run_id}
        while True:
            seen = connection.execute(_SEEN, sent).one()
            if seen.digest is not None or seen.late_digest is not None:  # whoever holds the slot by now
                check_same(seen.digest or seen.late_digest, given.digest)
                return _again(connection, seen), False
            if seen.id is None:
                raise Refused(404, "this query was not given to you")
            check_answer(given.answer, Kind(seen.kind), seen.body["answers"])
            if seen.judge_id != person.id:
                return self._elsewhere(connection, person, given, seen)
            if seen.done:
                raise _answered()
            if _keep(connection, person, given, seen, seen.id, seen.revision):
                return _receipt(connection, seen, given, seen.revision), True
            # Somebody else was given it at this very moment: look again.

    def _elsewhere(self, connection: Connection, person: Person, given: Submission, seen: Any) -> tuple[Receipt, bool]:
        """An answer from an old page: it takes another place in the same query, or is kept as late."""
        wanted = {"me": person.id, "this_posted": seen.posted_id, "now": self._giving.now()}
        other = connection.execute(_ANOTHER, wanted).first()
        if other is None:
            return _late(connection, person, given, seen), False
        if other.own and other.done:
            raise _answered()
        taking = {"me": person.id, "this_slot": other.id, "until": self._giving.until()}
        connection.execute(_TAKE, taking)
        put_in_hand(connection, person, other.id, seen.swapped)
        if not _keep(connection, person, given, seen, other.id, other.revision):
            raise AssertionError("a place that was locked and taken is somebody else's")
        return _receipt(connection, seen, given, other.revision), True

    def undo(self, person: Person, key: str) -> Task | None:
        """Take back the last answer that stands: a revision that says nothing; and give that query again.

        Raises:
            Refused: if there is nothing to take back, or the key was used for something else.
        """
        check_key(key)
        digest = content_key(["undo"])

        def back(connection: Connection) -> Task | None:
            answered, standing = _locked(connection, person)
            sent = connection.execute(_SENT, {"me": person.id, "this_key": key}).scalar()
            if sent is not None:
                check_same(sent, digest)
                return self._giving.next(connection, person, answered, standing)
            row = connection.execute(_LATEST, {"me": person.id}).first()
            if row is None or standing != Standing.ACTIVE:
                raise Refused(409, "there is nothing to take back")
            said_row = {"run_id": person.run_id, "posted_id": row.posted_id, "slot_id": row.id, "judge_id": person.id}
            said_row |= {"revision": row.revision + 1, "key": key, "digest": digest, "swapped": row.swapped}
            said_row |= {"why": "", "seconds": 0.0, "created": runs.now()}
            connection.execute(insert(tables.said), said_row)
            until = self._giving.until() + 1.0  # ahead of whatever else they hold
            again = update(tables.slot).where(slot.id == row.id).values(done=False, wanted=True, expires=until)
            connection.execute(again)
            return self._giving.task(connection, person, row.id)

        return self._run.write(back)

    def keep_draft(self, person: Person, number: int, body: Mapping[str, Any]) -> None:
        """Keep what is being typed, and the query in their hands.

        Raises:
            Refused: for a slot that was never theirs.
        """

        def keep(connection: Connection) -> None:
            mine = (hand.judge_id == person.id) & (hand.slot_id == number)
            changed = connection.execute(update(tables.hand).where(mine).values(typed=dict(body), updated=runs.now()))
            if changed.rowcount == 0:
                raise Refused(404, "this query was not given to you")
            renewed = {"me": person.id, "this_slot": number, "until": self._giving.until()}
            connection.execute(_RENEW, renewed)

        self._run.write(keep)

    def in_hand(self, person: Person, number: int) -> dict[str, Any]:
        """What is shown of a query that this judge was given.

        Raises:
            Refused: if it was never theirs.
        """
        mine = (hand.judge_id == person.id) & (hand.slot_id == number) & (posted.run_id == person.run_id)
        rows = select(posted.shown).join_from(tables.hand, tables.slot).join(tables.posted).where(mine)
        found = self._run.read(lambda connection: connection.execute(rows).scalar())
        if found is None:
            raise Refused(404, "this query was not given to you")
        return dict(found)

    def sitting(self, person: Person, since: str) -> tuple[int, float]:
        """How many answers they have given since then, and the seconds these took."""
        row = self._run.one(_SITTING, {"me": person.id, "since": since})
        n, seconds = (0, 0.0) if row is None else tuple(row)
        return int(n), float(seconds)


def _locked(connection: Connection, person: Person) -> tuple[int, str]:
    answered, standing = connection.execute(LOCK, {"me": person.id}).one()
    return int(answered), str(standing)


def _answered() -> Refused:
    return Refused(409, "you have answered this already; take that answer back first to change it")


def _keep(connection: Connection, person: Person, given: Submission, seen: Any, number: int, last: int | None) -> bool:
    """Write the answer down, if the slot is still theirs and wants one."""
    seconds = given.seconds if math.isfinite(given.seconds) else 0.0
    row = {
        "run_id": person.run_id,
        "posted_id": seen.posted_id,
        "slot_id": number,
        "judge_id": person.id,
        "revision": 0 if last is None else last + 1,
        "key": given.key,
        "digest": given.digest,
        "answer": _posted(given, seen).to_json(),
        "swapped": seen.swapped,
        "why": given.why,
        "seconds": min(max(seconds, 0.0), MOST_SECONDS),
        "created": runs.now(),
    }
    this = {"me": person.id, "this_slot": number}
    if connection.dialect.name == "postgresql":
        new = {f"new_{name}": value for name, value in row.items()}
        return connection.execute(_SAID_AT_ONCE, this | new).first() is not None
    if connection.execute(_DONE, this).rowcount == 0:
        return False
    connection.execute(insert(tables.said), row)
    connection.execute(_COUNT, {"me": person.id})
    return True


def _posted(given: Submission, seen: Any) -> Answer:
    """The answer, of the query as posted, whichever side was shown first."""
    return given.answer.swapped() if seen.swapped else given.answer


def _late(connection: Connection, person: Person, given: Submission, seen: Any) -> Receipt:
    row = {"run_id": person.run_id, "posted_id": seen.posted_id, "judge_id": person.id, "key": given.key}
    row |= {"digest": given.digest, "answer": _posted(given, seen).to_json(), "why": given.why, "created": runs.now()}
    connection.execute(insert(tables.late), row)
    return Receipt("late", 0, False, False, Role(seen.role))


def _receipt(connection: Connection, seen: Any, given: Submission, last: int | None) -> Receipt:
    right, expected = told(seen.role, seen.expected, _posted(given, seen), seen.swapped)
    used = last is not None and _used(connection, seen)
    return Receipt("answer", 0 if last is None else last + 1, used, False, Role(seen.role), right, expected)


def _again(connection: Connection, seen: Any) -> Receipt:
    if seen.digest is None:
        return Receipt("late", 0, False, True, Role(seen.role))
    right, expected = (None, None)
    if seen.answer is not None:
        right, expected = told(seen.role, seen.expected, Answer.from_json(seen.answer), seen.swapped)
    used = seen.said_revision > 0 and _used(connection, seen)
    return Receipt("answer", seen.said_revision, used, True, Role(seen.role), right, expected)


def _used(connection: Connection, seen: Any) -> bool:
    return connection.execute(_USED, {"this_posted": seen.posted_id}).first() is not None
