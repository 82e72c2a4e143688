"""The judge's side of the mailbox: a query given, an answer kept, taken back, put off, and proposals.

Every change is one short transaction, on disk before it is acknowledged, and safe to send again: a client chooses a
key for what it sends, the same key and body give the same receipt, and the same key with another body is refused.

    claim: a free slot → held by the judge until it expires
    submit: the slot is still theirs → a row of `said`, the slot is done; and the next claim in the same transaction
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, final

from sqlalchemy import Connection, bindparam, func, insert, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from imitative.errors import shown
from imitative.mail import Person, Role, Standing
from imitative.records import Answer, Kind, Outcome, content_key
from imitative.store import runs, tables
from imitative.store.runs import Run

LEASE_SECONDS: Final = 600.0
"""How long a judge may sit over a query, since they last typed, before it is given to another."""
CHECK_EVERY: Final = 12
"""Among so many queries one is a check: a known answer, or an earlier query with its sides swapped."""
APART: Final = 8
"""How many queries lie at least between a comparison and its repetition, so that it is not remembered."""
MOST_WARM_UPS: Final = 10
LONGEST_WHY: Final = 4_000
LONGEST_PROPOSAL: Final = 20_000
MOST_SECONDS: Final = 3_600.0
"""A judgement's time is cut here: nobody thinks for an hour, they went to lunch."""

posted, slot, said, hand = (t.c for t in (tables.posted, tables.slot, tables.said, tables.hand))
judge, query, taken = tables.judge.c, tables.query.c, tables.taken.c


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


_HELD = (
    select(slot.id, slot.posted_id)
    .where(slot.judge_id == bindparam("me"), slot.done.is_(False), slot.wanted)
    .order_by(slot.expires.desc(), slot.id)
    .limit(1)
)
_MINE = select(slot.posted_id).where(slot.judge_id == bindparam("me"))
_FREE_NOW = or_(
    slot.judge_id.is_(None),
    slot.expires < bindparam("now"),
    slot.expires > bindparam("now") + 2.0 * LEASE_SECONDS,  # no lease is so long: the clock was put back
)
_FREE = (
    select(slot.id)
    .where(slot.run_id == bindparam("this_run"), slot.done.is_(False), slot.wanted)
    .where(slot.number.is_not(None), _FREE_NOW, slot.posted_id.not_in(_MINE))
    .order_by(slot.posted_id, slot.number)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_FREE_OF = (
    select(slot.id)
    .where(slot.posted_id == bindparam("this_posted"), slot.done.is_(False), slot.number.is_not(None), _FREE_NOW)
    .order_by(slot.number)
    .limit(1)
    .with_for_update(skip_locked=True)
)
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
_DONE = update(tables.slot).where(slot.id == bindparam("this_slot")).values(done=True)
_earlier = tables.said.alias("earlier").c
_LAST = select(func.max(_earlier.revision)).where(_earlier.slot_id == slot.id).correlate(tables.slot).scalar_subquery()
_TASK = (
    select(slot.id, hand.swapped, hand.typed, posted.role, posted.shown, query.kind, query.body)
    .add_columns(_LAST.label("revision"))
    .join_from(tables.slot, tables.posted)
    .join(tables.query)
    .join(tables.hand, (hand.slot_id == slot.id) & (hand.judge_id == slot.judge_id))
    .where(slot.id == bindparam("this_slot"))
)
_IN_HAND = (
    select(slot.id, slot.posted_id, slot.judge_id, slot.done, slot.number, hand.swapped)
    .add_columns(posted.role, posted.expected, query.kind, query.body, _LAST.label("revision"))
    .join_from(tables.hand, tables.slot)
    .join(tables.posted)
    .join(tables.query)
    .where(hand.judge_id == bindparam("me"), slot.id == bindparam("this_slot"), slot.run_id == bindparam("this_run"))
)
_SENT = (
    select(said.revision, said.digest, said.posted_id, said.answer, said.swapped, posted.role, posted.expected)
    .join_from(tables.said, tables.posted)
    .where(said.judge_id == bindparam("me"), said.key == bindparam("this_key"))
)
_SENT_LATE = (
    select(tables.late.c.digest, posted.role)
    .join_from(tables.late, tables.posted)
    .where(tables.late.c.judge_id == bindparam("me"), tables.late.c.key == bindparam("this_key"))
)
_LOCK = select(judge.answered, judge.standing).where(judge.id == bindparam("me")).with_for_update()
_COUNT = update(tables.judge).where(judge.id == bindparam("me")).values(answered=judge.answered + 1)
_USED = select(taken.posted_id).where(taken.posted_id == bindparam("this_posted"))


@final
class Desk:
    """Where judges are given queries and hand in answers.

    Args:
        run: the run.
        clock: seconds since 1970.
        lease: see `LEASE_SECONDS`.
        seed: of which side is shown first; None: nobody can foresee it.
    """

    def __init__(self, run: Run, clock: Any = time.time, lease: float = LEASE_SECONDS, seed: int | None = None) -> None:
        self._run, self._clock, self._lease = run, clock, lease
        self._random = random.SystemRandom() if seed is None else random.Random(seed)  # noqa: S311

    # -- given ------------------------------------------------------------------------------------------------------

    def claim(self, person: Person) -> Task | None:
        """The query this judge holds, or a free one; None where there is nothing for them now."""
        return self._run.write(lambda connection: self._claim(connection, person, *self._locked(connection, person)))

    def _locked(self, connection: Connection, person: Person) -> tuple[int, str]:
        """How many answers they have given, and how they stand, once whatever they do in another tab is done."""
        answered, standing = connection.execute(_LOCK, {"me": person.id}).one()
        return int(answered), str(standing)

    def _claim(self, connection: Connection, person: Person, answered: int, standing: str) -> Task | None:
        if standing != Standing.ACTIVE:
            return None
        me, until = {"me": person.id}, self._clock() + self._lease
        held = connection.execute(_HELD, me).first()
        if held is not None:
            connection.execute(_RENEW, {**me, "this_slot": held.id, "until": until})
            return self._task(connection, held.id)
        number = self._check(connection, person, answered, until)
        if number is None:
            given = {**me, "this_run": person.run_id, "now": self._clock()}
            number = connection.execute(_FREE, given).scalar()
            if number is None:
                return None
            connection.execute(_TAKE, {**me, "this_slot": number, "until": until})
            self._in_hand(connection, person, number, self._random.random() < 0.5)
        return self._task(connection, number)

    def _in_hand(self, connection: Connection, person: Person, number: int, swapped: bool) -> None:
        row = {"judge_id": person.id, "slot_id": number, "swapped": swapped, "typed": {}, "updated": runs.now()}
        connection.execute(_add(connection, tables.hand).on_conflict_do_nothing(), row)

    def _check(self, connection: Connection, person: Person, answered: int, until: float) -> int | None:
        """The slot of a check, where one is due."""
        if answered < MOST_WARM_UPS:
            found = self._unseen(connection, person, Role.WARM_UP)
            if found is not None:
                return self._give(connection, person, found, self._random.random() < 0.5, until)
        if answered % CHECK_EVERY != CHECK_EVERY - 1:
            return None
        if answered // CHECK_EVERY % 2 == 0:
            found = self._unseen(connection, person, Role.GOLD)
            if found is not None:
                return self._give(connection, person, found, self._random.random() < 0.5, until)
        return self._repeat(connection, person, until)

    def _unseen(self, connection: Connection, person: Person, role: Role) -> int | None:
        theirs = select(slot.posted_id).where(slot.judge_id == person.id)
        rows = select(posted.id).where(
            posted.run_id == person.run_id, posted.role == role.value, posted.id.not_in(theirs)
        )
        return connection.execute(rows.order_by(posted.id).limit(1)).scalar()

    def _give(self, connection: Connection, person: Person, number: int, turned: bool, until: float) -> int:
        """A slot of this judge's own."""
        row = {"run_id": person.run_id, "posted_id": number, "judge_id": person.id, "expires": until}
        made = insert(tables.slot).values(done=False, wanted=True, **row).returning(slot.id)
        made_here = int(connection.execute(made).scalar_one())
        self._in_hand(connection, person, made_here, turned)
        return made_here

    def _repeat(self, connection: Connection, person: Person, until: float) -> int | None:
        """A comparison of theirs from a while ago, with its sides the other way round."""
        again = (
            select(posted.query_key)
            .join_from(tables.slot, tables.posted)
            .where(slot.judge_id == person.id, posted.role == Role.REPEAT.value)
        )
        rows = (
            select(posted.query_key, posted.shown, hand.swapped)
            .join_from(tables.slot, tables.posted)
            .join(tables.query)
            .join(tables.hand, (hand.slot_id == slot.id) & (hand.judge_id == slot.judge_id))
            .where(slot.judge_id == person.id, slot.done, posted.role == Role.ASKED.value)
            .where(query.kind.in_((Kind.COMPARE_HYPOTHESES.value, Kind.COMPARE_ANSWERS.value)))
            .where(posted.query_key.not_in(again))
            .order_by(slot.id.desc())
            .offset(APART)
            .limit(1)
        )
        row = connection.execute(rows).first()
        if row is None:
            return None
        this = (
            (posted.run_id == person.run_id) & (posted.query_key == row.query_key) & (posted.role == Role.REPEAT.value)
        )
        copy = {"run_id": person.run_id, "query_key": row.query_key, "role": Role.REPEAT.value, "cap": 1}
        add = _add(connection, tables.posted).values(shown=row.shown, created=runs.now(), **copy)
        connection.execute(add.on_conflict_do_nothing())
        number = connection.execute(select(posted.id).where(this)).scalar_one()
        return self._give(connection, person, number, not row.swapped, until)

    def _task(self, connection: Connection, number: int) -> Task:
        row = connection.execute(_TASK, {"this_slot": number}).one()
        before = None
        if row.revision is not None:
            last = (said.slot_id == number) & said.answer.is_not(None)
            found = connection.execute(select(said.answer).where(last).order_by(said.revision.desc()).limit(1)).scalar()
            if found is not None:
                answer = Answer.from_json(found)
                before = answer.swapped() if row.swapped else answer
        return Task(
            row.id,
            Kind(row.kind),
            Role(row.role),
            row.shown,
            tuple(row.body["answers"]),
            int(row.body["heads"]),
            row.swapped,
            row.typed,
            before,
            0 if row.revision is None else row.revision + 1,
        )

    # -- handed in --------------------------------------------------------------------------------------------------

    def submit(self, person: Person, given: Submission) -> tuple[Receipt, Task | None]:
        """Keep an answer, and give the next query in the same transaction.

        Raises:
            Refused: for a slot that was never theirs, an answer of the wrong kind, or a key used for another.
        """
        _check_key(given.key)
        if len(given.why) > LONGEST_WHY:
            raise Refused(422, f"the reason has {len(given.why)} characters; at most {LONGEST_WHY} are kept")

        def keep(connection: Connection) -> tuple[Receipt, Task | None]:
            answered, standing = self._locked(connection, person)
            receipt, counted = self._submit(connection, person, given)
            return receipt, self._claim(connection, person, answered + counted, standing)

        return self._run.write(keep)

    def _submit(self, connection: Connection, person: Person, given: Submission) -> tuple[Receipt, bool]:
        me = {"me": person.id}
        sent = connection.execute(_SENT, {**me, "this_key": given.key}).first()
        if sent is not None:
            _same(sent.digest, given.digest)
            return self._again(connection, sent), False
        held = connection.execute(_IN_HAND, {**me, "this_slot": given.slot, "this_run": person.run_id}).first()
        if held is None:
            raise Refused(404, "this query was not given to you")
        _check_answer(given.answer, Kind(held.kind), held.body["answers"])
        number, swapped, revision = held.id, held.swapped, held.revision
        if held.judge_id != person.id:
            sent_late = connection.execute(_SENT_LATE, {**me, "this_key": given.key}).first()
            if sent_late is not None:
                _same(sent_late.digest, given.digest)
                return Receipt("late", 0, False, True, Role(sent_late.role)), False
            other = connection.execute(_FREE_OF, {"this_posted": held.posted_id, "now": self._clock()}).scalar()
            if other is None:
                return self._late(connection, person, given, held, swapped), False
            connection.execute(_TAKE, {**me, "this_slot": other, "until": self._clock() + self._lease})
            self._in_hand(connection, person, other, swapped)
            number = other
            revision = connection.execute(select(func.max(said.revision)).where(said.slot_id == other)).scalar()
        elif held.done:
            raise Refused(409, "you have answered this already; take that answer back first to change it")
        revision = 0 if revision is None else revision + 1
        answer = given.answer.swapped() if swapped else given.answer
        self._say(connection, person, given, held.posted_id, number, revision, answer, swapped)
        connection.execute(_DONE, {"this_slot": number})
        connection.execute(_COUNT, me)
        return self._receipt(connection, held, answer, swapped, revision), True

    def _say(
        self,
        connection: Connection,
        person: Person,
        given: Submission,
        posted_id: int,
        number: int,
        revision: int,
        answer: Answer | None,
        swapped: bool,
    ) -> None:
        seconds = given.seconds if math.isfinite(given.seconds) else 0.0
        row = {
            "run_id": person.run_id,
            "posted_id": posted_id,
            "slot_id": number,
            "judge_id": person.id,
            "revision": revision,
            "key": given.key,
            "digest": given.digest,
            "answer": None if answer is None else answer.to_json(),
            "swapped": swapped,
            "why": given.why,
            "seconds": min(max(seconds, 0.0), MOST_SECONDS),
            "created": runs.now(),
        }
        connection.execute(insert(tables.said), row)

    def _late(self, connection: Connection, person: Person, given: Submission, held: Any, swapped: bool) -> Receipt:
        answer = given.answer.swapped() if swapped else given.answer
        row = {"run_id": person.run_id, "posted_id": held.posted_id, "judge_id": person.id, "key": given.key}
        row |= {"digest": given.digest, "answer": answer.to_json(), "why": given.why, "created": runs.now()}
        connection.execute(insert(tables.late), row)
        return Receipt("late", 0, False, False, Role(held.role))

    def _receipt(self, connection: Connection, held: Any, answer: Answer, swapped: bool, revision: int) -> Receipt:
        used = revision > 0 and connection.execute(_USED, {"this_posted": held.posted_id}).first() is not None
        right, expected = _told(held, answer, swapped)
        return Receipt("answer", revision, used, False, Role(held.role), right, expected)

    def _again(self, connection: Connection, sent: Any) -> Receipt:
        answer = Answer.from_json(sent.answer) if sent.answer is not None else None
        right, expected = (None, None) if answer is None else _told(sent, answer, sent.swapped)
        used = sent.revision > 0 and connection.execute(_USED, {"this_posted": sent.posted_id}).first() is not None
        return Receipt("answer", sent.revision, used, True, Role(sent.role), right, expected)

    # -- taken back, typed, proposed ---------------------------------------------------------------------------------

    def undo(self, person: Person, key: str) -> Task | None:
        """Take back the last answer that stands: a revision that says nothing; and give that query again.

        Raises:
            Refused: if there is nothing to take back, or the key was used for something else.
        """
        _check_key(key)
        digest = content_key(["undo"])

        def back(connection: Connection) -> Task | None:
            answered, standing = self._locked(connection, person)
            sent = connection.execute(_SENT, {"me": person.id, "this_key": key}).first()
            if sent is not None:
                _same(sent.digest, digest)
                return self._claim(connection, person, answered, standing)
            last = (
                select(slot.id, slot.posted_id, said.swapped, _LAST.label("revision"))
                .join_from(tables.slot, tables.posted)
                .join(tables.said, (said.slot_id == slot.id) & (said.judge_id == person.id))
                .where(slot.judge_id == person.id, slot.done, posted.role != Role.WARM_UP.value)
                .order_by(said.id.desc())
                .limit(1)
            )
            row = connection.execute(last).first()
            if row is None or standing != Standing.ACTIVE:
                raise Refused(409, "there is nothing to take back")
            said_row = {"run_id": person.run_id, "posted_id": row.posted_id, "slot_id": row.id, "judge_id": person.id}
            said_row |= {"revision": row.revision + 1, "key": key, "digest": digest, "swapped": row.swapped}
            said_row |= {"why": "", "seconds": 0.0, "created": runs.now()}
            connection.execute(insert(tables.said), said_row)
            until = self._clock() + self._lease + 1.0  # ahead of whatever else they hold
            again = update(tables.slot).where(slot.id == row.id).values(done=False, wanted=True, expires=until)
            connection.execute(again)
            return self._task(connection, row.id)

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
            renewed = {"me": person.id, "this_slot": number, "until": self._clock() + self._lease}
            connection.execute(_RENEW, renewed)

        self._run.write(keep)

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
        _check_key(key)
        if not text.strip() and not wrong.strip():
            raise Refused(422, "there is nothing in it yet")
        if max(len(text), len(wrong)) > LONGEST_PROPOSAL:
            raise Refused(422, f"a proposal has at most {LONGEST_PROPOSAL} characters")
        digest = content_key([text, wrong, number])

        def add(connection: Connection) -> bool:
            self._locked(connection, person)
            proposal = tables.proposal.c
            mine = (proposal.judge_id == person.id) & (proposal.key == key)
            sent = connection.execute(select(proposal.digest).where(mine)).scalar()
            if sent is not None:
                _same(sent, digest)
                return False
            at = None
            if number is not None:
                theirs = {"me": person.id, "this_slot": number, "this_run": person.run_id}
                row = connection.execute(_IN_HAND, theirs).first()
                if row is None:
                    raise Refused(404, "this query was not given to you")
                at = row.posted_id
            new = {"run_id": person.run_id, "judge_id": person.id, "posted_id": at, "key": key, "digest": digest}
            new |= {"text": text, "wrong": wrong, "readable": readable, "created": runs.now()}
            connection.execute(insert(tables.proposal), new)
            return True

        return self._run.write(add)

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
        mine = (said.judge_id == person.id) & (said.created >= since) & (said.revision == 0)
        row = select(func.count(), func.coalesce(func.sum(said.seconds), literal(0.0))).where(mine)
        n, seconds = self._run.read(lambda connection: connection.execute(row).one())
        return int(n), float(seconds)


def _add(connection: Connection, table: Any) -> Any:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)


def _told(row: Any, answer: Answer, swapped: bool) -> tuple[bool | None, Answer | None]:
    """Of a warm-up: whether it was answered right, and what was right."""
    if row.role != Role.WARM_UP.value or row.expected is None:
        return None, None
    expected = Answer.from_json(row.expected)
    return agrees(answer, expected), expected.swapped() if swapped else expected


def agrees(answer: Answer, expected: Answer) -> bool:
    """Whether an answer says what a known one says: its side and not its strength, its choice, its bet."""
    if answer.outcome is not Outcome.ANSWERED:
        return False
    if expected.grade is not None and answer.grade is not None:
        return (answer.grade > 0) - (answer.grade < 0) == (expected.grade > 0) - (expected.grade < 0)
    if expected.ratio is not None and answer.ratio is not None:
        return (answer.ratio > 1.0) - (answer.ratio < 1.0) == (expected.ratio > 1.0) - (expected.ratio < 1.0)
    return answer == expected


def _same(kept: str, given: str) -> None:
    if kept != given:
        raise Refused(409, "this key was used for another answer; nothing was changed")


def _check_key(key: str) -> None:
    if not 8 <= len(key) <= 64 or not all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in key):
        raise Refused(422, "the key is 8 to 64 letters, digits, hyphens and underscores")


_FIELD = {
    Kind.COMPARE_HYPOTHESES: "grade",
    Kind.COMPARE_ANSWERS: "grade",
    Kind.ODDS: "ratio",
    Kind.BET: "less_likely",
    Kind.ANSWER: "choice",
}


def _check_answer(answer: Answer, kind: Kind, choices: list[str]) -> None:
    """Whether it answers a query of this kind."""
    if answer.outcome is Outcome.UNREADABLE:
        raise Refused(422, "an answer is given or skipped")
    if answer.outcome is Outcome.SKIPPED:
        return
    field = _FIELD[kind]
    if getattr(answer, field) is None:
        raise Refused(422, f"a query of kind {kind.value} is answered by {field}")
    if kind is Kind.ANSWER and answer.choice not in choices:
        raise Refused(422, f"{shown(answer.choice)} is none of the answers")
