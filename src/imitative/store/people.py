"""Who may judge or lead: their names, their tokens, how they stand.

A token is 256 random bits, told once and kept as its SHA-256 (which is enough for a secret that nobody chose: there is
no dictionary to try). An invitation opens sessions, until it runs out or is revoked; a session is what the browser
holds; a program has a token of its own kind.
"""

from __future__ import annotations

import hashlib
import secrets
import time
import unicodedata
from collections.abc import Sequence
from typing import Any, Final, final

from sqlalchemy import Connection, bindparam, insert, select, update

from imitative.errors import InputError, shown
from imitative.mail import Person, Standing
from imitative.store import runs, tables
from imitative.store.runs import Run

INVITATION_DAYS: Final = 30.0
SESSION_DAYS: Final = 30.0
GOAL: Final = 30
"""Judgements in a sitting, unless a judge sets another goal: about a quarter of an hour."""
LONGEST_NAME: Final = 60
DAY: Final = 86_400.0


_person = tables.judge.c
_COLUMNS = (
    _person.id,
    _person.run_id,
    _person.name,
    _person.role,
    _person.standing,
    _person.goal,
    _person.answered,
)
_BY_TOKEN = (
    select(*_COLUMNS)
    .join_from(tables.token, tables.judge)
    .where(
        tables.token.c.digest == bindparam("digest"),
        tables.token.c.kind.in_(bindparam("kinds", expanding=True)),
        tables.token.c.revoked.is_(False),
        tables.token.c.expires > bindparam("now"),
        _person.run_id == bindparam("this_run"),
        _person.standing != Standing.REVOKED.value,
    )
)


@final
class People:
    """The people of a run.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def invite(self, name: str, role: str, *, days: float = INVITATION_DAYS, kind: str = "invitation") -> str:
        """A new token for somebody, who is added where the run does not know them.

        Args:
            name: what others see.
            role: judge or lead.
            days: how long it works.
            kind: invitation, or program for one that is sent with every request.

        Raises:
            InputError: for a name that cannot be shown, a role there is none of, or one revoked before.
        """
        name = _shown_name(name)
        if role not in ("judge", "lead"):
            raise InputError("the role", shown(role), "judge or lead")
        if not 0.0 < days <= 3650.0:
            raise InputError("the days", shown(days), "more than 0 and at most 3650")

        def add(connection: Connection) -> str:
            person = self._named(connection, name)
            if person is None:
                added = {"run_id": self._run.id, "name": name, "role": role, "standing": Standing.ACTIVE.value}
                counts = {"goal": GOAL, "answered": 0, "created": runs.now()}
                connection.execute(insert(tables.judge).values(**added, **counts))
                person = self._named(connection, name)
                assert person is not None
            if person.role != role:
                raise InputError(f"{name!r}", f"a {person.role}", f"a {role}", "give another name")
            if person.standing == Standing.REVOKED:
                raise InputError(
                    f"{name!r}", "somebody revoked", remedy="reinstate them on the lead's page, or give another name"
                )
            runs.add_event(connection, self._run.id, "invited", {"name": name, "role": role, "kind": kind})
            return _token(connection, person.id, kind, days)

        return self._run.write(add)

    def enter(self, token: str) -> str | None:
        """A session for whoever holds this invitation; None where it is none, has run out or was revoked."""

        def begin(connection: Connection) -> str | None:
            person = _by_token(connection, self._run.id, token, ("invitation",))
            return None if person is None else _token(connection, person.id, "session", SESSION_DAYS)

        return self._run.write(begin)

    def leave(self, token: str) -> None:
        """End a session."""
        end = update(tables.token).where(tables.token.c.digest == digest_of(token)).values(revoked=True)
        self._run.write(lambda connection: connection.execute(end))

    def by_token(self, token: str, kinds: Sequence[str] = ("session",)) -> Person | None:
        """Who holds this token."""
        row = self._run.one(_BY_TOKEN, _given(self._run.id, token, kinds))
        return None if row is None else Person(*tuple(row))

    def everybody(self) -> list[Person]:
        """The people of the run, in the order they were invited."""
        rows = select(*_COLUMNS).where(_person.run_id == self._run.id).order_by(_person.id)
        return self._run.read(lambda connection: [Person(*row) for row in connection.execute(rows)])

    def stand(self, name: str, standing: Standing, *, by: str, why: str = "") -> None:
        """Change how somebody stands; an event says who did it and why.

        Revoking ends every token of theirs. What they hold is given to others in every case but ACTIVE; nothing they
        said is removed.

        Raises:
            InputError: if the run does not know them, or they are its last lead and would be shut out.
        """

        def change(connection: Connection) -> None:
            person = self._named(connection, name)
            if person is None:
                raise InputError("the judge", shown(name), "somebody of this run")
            if person.leads and standing is not Standing.ACTIVE and self._leads(connection) == [name]:
                raise InputError(f"{name!r}", "the only lead", remedy="invite another lead first")
            this = tables.judge.c.id == person.id
            connection.execute(update(tables.judge).where(this).values(standing=standing.value))
            if standing is Standing.REVOKED:
                theirs = tables.token.c.judge_id == person.id
                connection.execute(update(tables.token).where(theirs).values(revoked=True))
            if standing is not Standing.ACTIVE:
                held = (tables.slot.c.judge_id == person.id) & tables.slot.c.done.is_(False)
                connection.execute(update(tables.slot).where(held).values(judge_id=None, expires=None))
            if standing is Standing.EXCLUDED:
                _reopen(connection, person.id)
            told = {"name": name, "standing": standing.value, "by": by, "why": why}
            runs.add_event(connection, self._run.id, "standing", told)

        self._run.write(change)

    def set_goal(self, person: Person, goal: int) -> None:
        """How many judgements they mean to give in a sitting."""
        this = (tables.judge.c.id == person.id) & (tables.judge.c.run_id == self._run.id)
        self._run.write(lambda connection: connection.execute(update(tables.judge).where(this).values(goal=goal)))

    def _named(self, connection: Connection, name: str) -> Person | None:
        rows = select(*_COLUMNS).where(_person.run_id == self._run.id, _person.name == name)
        row = connection.execute(rows).first()
        return None if row is None else Person(*tuple(row))

    def _leads(self, connection: Connection) -> list[str]:
        rows = select(_person.name).where(
            _person.run_id == self._run.id, _person.role == "lead", _person.standing == Standing.ACTIVE.value
        )
        return list(connection.execute(rows).scalars())


def _reopen(connection: Connection, judge_id: int) -> None:
    """What an excluded judge answered and the run has not used is asked of somebody else."""
    used = select(tables.taken.c.posted_id)
    theirs = tables.slot.c.judge_id == judge_id
    fresh = theirs & tables.slot.c.number.is_not(None) & tables.slot.c.posted_id.not_in(used)
    connection.execute(update(tables.slot).where(fresh).values(judge_id=None, expires=None, done=False))


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _token(connection: Connection, judge_id: int, kind: str, days: float) -> str:
    token = secrets.token_urlsafe(32)
    row: dict[str, Any] = {"judge_id": judge_id, "digest": digest_of(token), "kind": kind, "revoked": False}
    connection.execute(insert(tables.token).values(expires=time.time() + days * DAY, created=runs.now(), **row))
    return token


def _by_token(connection: Connection, run_id: int, token: str, kinds: Sequence[str]) -> Person | None:
    row = connection.execute(_BY_TOKEN, _given(run_id, token, kinds)).first()
    return None if row is None else Person(*tuple(row))


def _given(run_id: int, token: str, kinds: Sequence[str]) -> dict[str, Any]:
    return {"digest": digest_of(token), "kinds": list(kinds), "now": time.time(), "this_run": run_id}


def _shown_name(name: str) -> str:
    """A name in one form and on one line, so that no two look alike by their spaces or their accents' spelling.

    Raises:
        InputError: if nothing of it can be shown, or it is too long.
    """
    plain = " ".join(unicodedata.normalize("NFKC", name).split())
    if not plain or len(plain) > LONGEST_NAME or not plain.isprintable() or "," in plain or "+" in plain:
        expected = f"1 to {LONGEST_NAME} printable characters, without commas or plus signs"
        raise InputError("the name", shown(name), expected)
    return plain
