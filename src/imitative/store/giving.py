"""A free place of a query, given to a judge until it expires; and now and then a check instead.

    held: what they hold already, renewed; else
    due:  a check: a warm-up, a known answer, or a comparison of theirs with its sides exchanged; else
    free: the first query with a free place that they have no place in

Each is decided by the statement that takes the place, not before it: between a look and a step another could step in.
On PostgreSQL, where each statement is a journey over the network, taking a place, putting it into the judge's hands
and reading what the page shows of it are one statement; SQLite, which is in this process, does them one by one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, final

from sqlalchemy import Connection, Label, ScalarSelect, Select, bindparam, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from imitative.mail import Person, Role, Standing
from imitative.records import Answer, Kind
from imitative.store import runs, tables
from imitative.store.task import Task

LEASE_SECONDS: Final = 600.0
"""How long a judge may sit over a query, since they last typed, before it is given to another."""
CHECK_EVERY: Final = 12
"""Among so many queries one is a check: a known answer, or an earlier query with its sides swapped."""
APART: Final = 8
"""How many queries lie at least between a comparison and its repetition, so that it is not remembered."""
LOOKED_BACK: Final = 100
"""Among how many of a judge's latest answers one is sought to be repeated."""
MOST_WARM_UPS: Final = 10

posted, slot, said, hand = (t.c for t in (tables.posted, tables.slot, tables.said, tables.hand))
judge, query = tables.judge.c, tables.query.c
_free, _held, _mine, _earlier = (
    tables.slot.alias("free").c,
    tables.slot.alias("held").c,
    tables.slot.alias("mine").c,
    tables.said.alias("earlier").c,
)

LOCK: Final = select(judge.answered, judge.standing).where(judge.id == bindparam("me")).with_for_update()
"""How many answers a judge has given, and how they stand, once whatever they do in another tab is done."""


def last_revision(place: Any, *of: Any) -> Label[int]:
    """The last revision of what was said at a place, by whomever, or by those for whom this holds."""
    last = select(func.max(_earlier.revision)).where(_earlier.slot_id == place, *of)
    return last.scalar_subquery().label("revision")


def free_now(place: Any) -> Any:
    """Whether nobody holds this place, or nobody who has not run out of time."""
    return or_(
        place.judge_id.is_(None),
        place.expires < bindparam("now"),
        place.expires > bindparam("now") + 2.0 * LEASE_SECONDS,  # no lease is so long: the clock was put back
    )


def mine(number: Any) -> Any:
    """Whether this judge has a place in this posted query.

    Counted among the query's few places, so that it is done in one way whatever the server believes. EXISTS becomes a
    join of all places with all of the judge's; and asked for the judge's place, a server that last looked when nobody
    had answered anything goes through all of theirs.
    """
    own = func.count().filter(_mine.judge_id == bindparam("me"))
    return select(own).where(_mine.posted_id == number).scalar_subquery() > 0


_HELD: ScalarSelect[int] = (
    select(_held.id)
    .where(_held.judge_id == bindparam("me"), _held.done.is_(False), _held.wanted)
    .order_by(_held.expires.desc(), _held.id)
    .limit(1)
    .with_for_update()  # else somebody could be given it at this very moment
    .scalar_subquery()
)
_FREE: ScalarSelect[int] = (
    select(_free.id)
    .where(_free.run_id == bindparam("this_run"), _free.done.is_(False), _free.wanted, _free.number.is_not(None))
    .where(free_now(_free), ~mine(_free.posted_id))
    .order_by(_free.posted_id, _free.number)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
_TAKE = (
    update(tables.slot).values(judge_id=bindparam("me"), expires=bindparam("until")).returning(slot.id, slot.posted_id)
)
_RENEW = _TAKE.where(slot.id == _HELD)
_GIVE = _TAKE.where(slot.id == func.coalesce(_HELD, _FREE))  # the second is looked for where there is no first
_MAKE = (
    insert(tables.slot)
    .values(run_id=bindparam("this_run"), posted_id=bindparam("this_posted"), judge_id=bindparam("me"))
    .values(expires=bindparam("until"), done=False, wanted=True)
    .returning(slot.id, slot.posted_id)
)
_TYPES = {"me": hand.judge_id.type, "swapped": hand.swapped.type, "typed": hand.typed.type, "at": hand.updated.type}
_ROW = [bindparam(name, type_=kind) for name, kind in _TYPES.items()]
_SHOWN = (posted.role, posted.shown, query.kind, query.body)
_BY_ME = _earlier.judge_id == bindparam("me")
_TASK = (
    select(slot.id, hand.swapped, hand.typed, *_SHOWN, last_revision(slot.id, _BY_ME))
    .join_from(tables.slot, tables.posted)
    .join(tables.query)
    .join(tables.hand, (hand.slot_id == slot.id) & (hand.judge_id == slot.judge_id))
    .where(slot.id == bindparam("this_slot"), slot.judge_id == bindparam("me"))
)


def _at_once(giving: Any) -> Select[Any]:
    """A place given, the row of `hand` and `_TASK`, as one statement. What it adds it does not see, so it says it."""
    given = giving.cte("given")
    names = ["judge_id", "slot_id", "swapped", "typed", "updated"]
    me, swapped, typed, at = _ROW
    row = select(me, given.c.id, swapped, typed, at)
    handed = postgresql.insert(tables.hand).from_select(names, row).on_conflict_do_nothing().cte("handed")
    return (
        select(given.c.id, func.coalesce(hand.swapped, swapped).label("swapped"), hand.typed)
        .add_columns(*_SHOWN, last_revision(given.c.id, _BY_ME))
        .join_from(given, tables.posted, posted.id == given.c.posted_id)
        .join(tables.query)
        .outerjoin(tables.hand, (hand.slot_id == given.c.id) & (hand.judge_id == bindparam("me")))
        .add_cte(handed)
    )


_AT_ONCE = {statement: _at_once(statement) for statement in (_GIVE, _MAKE)}
_UNSEEN = (
    select(posted.id)
    .where(posted.run_id == bindparam("this_run"), posted.role == bindparam("this_role"), ~mine(posted.id))
    .order_by(posted.id)
    .limit(1)
)
_again = tables.posted.alias("again").c
_REPEAT = (
    select(_again.id)
    .where(_again.run_id == posted.run_id, _again.query_key == posted.query_key, _again.role == Role.REPEAT.value)
    .correlate(tables.posted)
    .scalar_subquery()
)
_recent = (
    select(tables.said)
    .where(said.judge_id == bindparam("me"))
    .order_by(said.created.desc(), said.id.desc())
    .limit(LOOKED_BACK)
    .subquery("recent")
)
_REPEATABLE = (
    select(posted.query_key, posted.shown, _recent.c.swapped, _REPEAT.label("repeat"))
    .join_from(_recent, tables.posted, posted.id == _recent.c.posted_id)
    .join(tables.query)
    .where(_recent.c.answer.is_not(None), _recent.c.revision == last_revision(_recent.c.slot_id))
    .where(query.kind.in_((Kind.COMPARE_HYPOTHESES.value, Kind.COMPARE_ANSWERS.value)))
    .where(posted.role == Role.ASKED.value, ~mine(_REPEAT))
    .order_by(_recent.c.created.desc(), _recent.c.id.desc())
    .offset(APART)
    .limit(1)
)


class _Check(NamedTuple):
    """A posted query that tells how a judge judges, and whether its second side is shown first."""

    posted: int
    swapped: bool


@final
class Giving:
    """What a judge is given, within a transaction in which they do nothing else; see `LOCK`.

    Args:
        clock: seconds since 1970.
        lease: see `LEASE_SECONDS`.
        rng: which side is shown first.
    """

    def __init__(self, clock: Callable[[], float], lease: float, rng: random.Random) -> None:
        self._clock, self._lease, self._random = clock, lease, rng

    def now(self) -> float:
        """Seconds since 1970."""
        return float(self._clock())

    def until(self) -> float:
        """When a lease that begins now runs out."""
        return self.now() + self._lease

    def next(self, connection: Connection, person: Person, answered: int, standing: str) -> Task | None:
        """What they hold, a check that is due, or a free query; None where there is nothing for them now."""
        if standing != Standing.ACTIVE:
            return None
        if answered < MOST_WARM_UPS or answered % CHECK_EVERY == CHECK_EVERY - 1:
            number = connection.execute(_RENEW, {"me": person.id, "until": self.until()}).scalar()
            if number is not None:
                return self.task(connection, person, number)
            check = self._check(connection, person, answered)
            if check is not None:
                return self._given(connection, person, _MAKE, check.swapped, {"this_posted": check.posted})
        return self._given(connection, person, _GIVE, self._either(), {"now": self.now()})

    def _either(self) -> bool:
        """Whether the second side is shown first."""
        return self._random.random() < 0.5

    def _given(
        self, connection: Connection, person: Person, giving: Any, swapped: bool, values: Mapping[str, Any]
    ) -> Task | None:
        """What this statement gives them, in their hands."""
        given = {"me": person.id, "this_run": person.run_id, "until": self.until(), **values}
        if connection.dialect.name == "postgresql":
            in_hand = {"swapped": swapped, "typed": {}, "at": runs.now()}
            row = connection.execute(_AT_ONCE[giving], given | in_hand).first()
            return None if row is None else self._read(connection, person, row)
        number = connection.execute(giving, given).scalar()
        if number is None:
            return None
        put_in_hand(connection, person, number, swapped)
        return self.task(connection, person, number)

    def task(self, connection: Connection, person: Person, number: int) -> Task:
        """What the page shows of a slot that is in a judge's hands."""
        return self._read(connection, person, connection.execute(_TASK, {"me": person.id, "this_slot": number}).one())

    def _read(self, connection: Connection, person: Person, row: Any) -> Task:
        """With what they themselves said and took back: the place may have been somebody else's before."""
        before = None
        if row.revision is not None:
            last = (said.slot_id == row.id) & (said.judge_id == person.id) & said.answer.is_not(None)
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
            row.typed or {},
            before,
            0 if row.revision is None else row.revision + 1,
        )

    # -- checks -----------------------------------------------------------------------------------------------------

    def _check(self, connection: Connection, person: Person, answered: int) -> _Check | None:
        """What a judge is checked with, where that is due."""
        if answered < MOST_WARM_UPS:
            found = self._unseen(connection, person, Role.WARM_UP)
            if found is not None:
                return found
        if answered % CHECK_EVERY != CHECK_EVERY - 1:
            return None
        if answered // CHECK_EVERY % 2 == 0:
            found = self._unseen(connection, person, Role.GOLD)
            if found is not None:
                return found
        return _repeat(connection, person)

    def _unseen(self, connection: Connection, person: Person, role: Role) -> _Check | None:
        wanted = {"me": person.id, "this_run": person.run_id, "this_role": role.value}
        found = connection.execute(_UNSEEN, wanted).scalar()
        return None if found is None else _Check(found, self._either())


def _repeat(connection: Connection, person: Person) -> _Check | None:
    """A comparison of theirs from a while ago, with its sides the other way round."""
    row = connection.execute(_REPEATABLE, {"me": person.id}).first()
    if row is None:
        return None
    copy = {"run_id": person.run_id, "query_key": row.query_key, "role": Role.REPEAT.value, "cap": 1}
    number = row.repeat
    if number is None:
        add = _adding(connection, tables.posted).values(shown=row.shown, created=runs.now(), **copy)
        number = connection.execute(add.on_conflict_do_nothing().returning(posted.id)).scalar()
    if number is None:  # another judge was given it at this very moment
        this = (posted.run_id == person.run_id) & (posted.query_key == row.query_key)
        number = connection.execute(select(posted.id).where(this, posted.role == Role.REPEAT.value)).scalar_one()
    return _Check(number, not row.swapped)


def put_in_hand(connection: Connection, person: Person, number: int, swapped: bool) -> None:
    """Let a judge answer a slot; what they had in hand of it before stays."""
    row = {"judge_id": person.id, "slot_id": number, "swapped": swapped, "typed": {}, "updated": runs.now()}
    connection.execute(_adding(connection, tables.hand).on_conflict_do_nothing(), row)


def _adding(connection: Connection, table: Any) -> Any:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
