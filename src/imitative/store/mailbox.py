"""The run's side of the mailbox: queries posted, replies collected, proposals read.

A query with cap n has n slots, made in the transaction that posts it. Nobody can answer without holding a slot, so
there is nothing to count and nothing that two judges at once could count wrongly.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, final

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from imitative.mail import Guidance, Posting, Proposed, Reply, Role, Standing
from imitative.records import Answer
from imitative.store import runs, tables
from imitative.store.runs import Run

posted, slot, said, taken, judge = (t.c for t in (tables.posted, tables.slot, tables.said, tables.taken, tables.judge))

LATEST = select(said.slot_id, func.max(said.revision).label("revision")).group_by(said.slot_id).subquery()
"""The revision of each slot that counts: the last."""


_Rows = tuple[Posting, list[dict[str, str]], dict[str, Any]]
"""A posting, the rows of its hypotheses, and the row of its query."""


@final
class StoredMailbox:
    """A `Mailbox` in the run's database.

    Args:
        run: the run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def post(self, postings: Sequence[Posting]) -> None:
        """See `Mailbox.post`. What was posted for the run before, and is neither in this batch nor answered, is no
        longer given to anybody: the run has stopped waiting for it.
        """
        rows = [(posting, *runs.query_rows(posting.query)) for posting in postings]
        asked = [query["key"] for posting, _, query in rows if posting.role is Role.ASKED]

        def add(connection: Connection) -> None:
            for some in _chunks(rows):
                self._post(connection, some)
            if asked:
                self._want(connection, asked)

        self._run.write(add)
        if rows and self._run.engine.dialect.name == "postgresql":
            # Until it is told how many places there now are, the server sorts them all to find the next free one.
            self._run.write(lambda connection: connection.exec_driver_sql("ANALYZE posted, slot"))

    def _post(
        self, connection: Connection, rows: Sequence[tuple[Posting, list[dict[str, str]], dict[str, Any]]]
    ) -> None:
        def add(table: Any, values: list[dict[str, Any]]) -> None:
            insert_into = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            if values:
                connection.execute(insert_into(table).on_conflict_do_nothing(), values)

        add(tables.hypothesis, [hypothesis for _, hypotheses, _ in rows for hypothesis in hypotheses])
        add(tables.query, [query for _, _, query in rows])
        now = runs.now()
        add(
            tables.posted,
            [
                {
                    "run_id": self._run.id,
                    "query_key": query["key"],
                    "role": posting.role.value,
                    "cap": posting.cap,
                    "shown": dict(posting.shown),
                    "expected": None if posting.expected is None else posting.expected.to_json(),
                    "created": now,
                }
                for posting, _, query in rows
            ],
        )
        asked = [query["key"] for posting, _, query in rows if posting.role is Role.ASKED]
        ours = (posted.run_id == self._run.id) & (posted.role == Role.ASKED.value) & posted.query_key.in_(asked)
        without = posted.id.not_in(select(slot.posted_id).where(slot.number.is_not(None)))
        fresh = connection.execute(select(posted.id, posted.query_key, posted.cap).where(ours, without)).all()
        order = {key: i for i, key in enumerate(asked)}
        empty = {"run_id": self._run.id, "done": False, "wanted": True}
        add(
            tables.slot,
            [
                {**empty, "posted_id": row.id, "number": number}
                for row in sorted(fresh, key=lambda row: order[row.query_key])
                for number in range(row.cap)
            ],
        )

    def _want(self, connection: Connection, keys: Sequence[str]) -> None:
        """Only the slots of these queries are given out."""
        open_here = (slot.run_id == self._run.id) & slot.done.is_(False) & slot.number.is_not(None)
        held = connection.execute(
            select(slot.id, posted.query_key).join_from(tables.slot, tables.posted).where(open_here)
        ).all()
        wanted = set(keys)
        for on in (True, False):
            ids = [row.id for row in held if (row.query_key in wanted) is on]
            for some in _chunks(ids):
                changed = (slot.id.in_(some)) & (slot.wanted.is_not(on))
                connection.execute(update(tables.slot).where(changed).values(wanted=on))

    def waiting(self, keys: Sequence[str]) -> dict[str, int]:
        """See `Mailbox.waiting`."""

        def look(connection: Connection) -> dict[str, int]:
            lacking = (
                select(posted.query_key, func.count())
                .join_from(tables.posted, tables.slot)
                .where(posted.run_id == self._run.id, posted.role == Role.ASKED.value)
                .where(slot.done.is_(False), posted.id.not_in(select(taken.posted_id)))
                .group_by(posted.query_key)
            )
            wanted = set(keys)
            return {key: n for key, n in connection.execute(lacking) if key in wanted}

        return self._run.read(look)

    def collect(self, keys: Sequence[str]) -> dict[str, list[Reply]]:
        """See `Mailbox.collect`. Queries that still lack replies are not in it."""

        def collect(connection: Connection) -> dict[str, list[Reply]]:
            found: dict[str, list[Reply]] = {}
            for some in _chunks(list(keys)):
                found |= self._collect(connection, some)
            return found

        return self._run.write(collect)

    def _collect(self, connection: Connection, keys: Sequence[str]) -> dict[str, list[Reply]]:
        ours = (posted.run_id == self._run.id) & (posted.role == Role.ASKED.value) & posted.query_key.in_(keys)
        rows = connection.execute(
            select(posted.id, posted.query_key, posted.cap, taken.answers)
            .outerjoin_from(tables.posted, tables.taken)
            .where(ours)
        ).all()
        used = {row.id: row.answers for row in rows if row.answers is not None}
        answered = self._answered(connection, [row.id for row in rows if row.answers is None])
        fresh = {row.id: answered[row.id] for row in rows if len(answered.get(row.id, ())) >= row.cap}
        if fresh:
            now = runs.now()
            marks = [{"posted_id": key, "answers": ids, "created": now} for key, ids in fresh.items()]
            connection.execute(insert(tables.taken), marks)
        replies = self._replies(connection, [i for ids in (used | fresh).values() for i in ids])
        return {row.query_key: [replies[i] for i in (used | fresh)[row.id]] for row in rows if row.id in used | fresh}

    def _answered(self, connection: Connection, ids: Sequence[int]) -> dict[int, list[int]]:
        """Posted query → the rows of `said` that stand, in the order of the slots."""
        rows = (
            select(said.posted_id, said.id)
            .join_from(tables.said, LATEST, (said.slot_id == LATEST.c.slot_id) & (said.revision == LATEST.c.revision))
            .join(tables.slot, slot.id == said.slot_id)
            .where(said.posted_id.in_(ids), slot.done, said.answer.is_not(None))
            .order_by(slot.number)
        )
        found: dict[int, list[int]] = defaultdict(list)
        for posted_id, number in connection.execute(rows):
            found[posted_id].append(number)
        return found

    def _replies(self, connection: Connection, ids: Sequence[int]) -> dict[int, Reply]:
        rows = (
            select(said.id, said.answer, judge.name, said.seconds, said.created)
            .join_from(tables.said, tables.judge)
            .where(said.id.in_(ids))
        )
        return {
            row.id: Reply(Answer.from_json(row.answer), row.name, row.seconds, age(row.created))
            for row in connection.execute(rows)
        }

    def replies(self, keys: Sequence[str]) -> dict[str, list[Reply]]:
        """What each judge said of these queries, as the run has used it; without those it has not used."""

        def look(connection: Connection) -> dict[str, list[Reply]]:
            found: dict[str, list[Reply]] = {}
            for some in _chunks(list(keys)):
                ours = (posted.run_id == self._run.id) & (posted.role == Role.ASKED.value) & posted.query_key.in_(some)
                rows = select(posted.query_key, taken.answers).join_from(tables.posted, tables.taken).where(ours)
                used = {row.query_key: row.answers for row in connection.execute(rows)}
                said_by = self._replies(connection, [i for ids in used.values() for i in ids])
                found |= {key: [said_by[i] for i in ids] for key, ids in used.items()}
            return found

        return self._run.read(look)

    def newest(self) -> float:
        """See `Mailbox.newest`."""
        last = select(said.created).where(said.run_id == self._run.id).order_by(said.id.desc()).limit(1)
        found = self._run.read(lambda connection: connection.execute(last).scalar())
        return math.inf if found is None else age(found)

    def guidance(self, stage: int | str) -> Guidance:
        """What people have done to a round, by its number, or to a stage of Step 4, besides judging; settled when it
        first begins.

        A run started again must search as it did before: what a round was given is a row, and is given again.
        """

        def settle(connection: Connection) -> dict[str, Any]:
            events = tables.event.c
            before = select(events.body).where(events.run_id == self._run.id, events.kind == "guidance")
            for body in connection.execute(before).scalars():
                if body["round"] == stage:
                    return dict(body)
            proposal = tables.proposal.c
            rows = select(proposal.id).where(proposal.run_id == self._run.id, proposal.readable).order_by(proposal.id)
            out = select(judge.name).where(judge.run_id == self._run.id, judge.standing == Standing.EXCLUDED.value)
            body = {
                "round": stage,
                "proposals": list(connection.execute(rows).scalars()),
                "excluded": sorted(connection.execute(out).scalars()),
            }
            runs.add_event(connection, self._run.id, "guidance", body)  # of nothing, too: it was nothing then
            return body

        body = self._run.write(settle)
        written = {each.id: each for each in self.proposed()}
        return Guidance(tuple(written[i] for i in body["proposals"]), tuple(body["excluded"]))

    def proposed(self) -> list[Proposed]:
        """The hypotheses that judges wrote and Z can say, in the order written."""
        proposal = tables.proposal.c
        rows = (
            select(proposal.id, proposal.text, judge.name)
            .join_from(tables.proposal, tables.judge)
            .where(proposal.run_id == self._run.id, proposal.readable)
            .order_by(proposal.id)
        )
        return self._run.read(lambda connection: [Proposed(*row) for row in connection.execute(rows)])


def age(created: str) -> float:
    """Seconds since then; 0 where the clock has been put back since."""
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(created)).total_seconds())


def _chunks(values: Sequence[Any], size: int = 500) -> list[Sequence[Any]]:
    """Databases take only so many parameters at once."""
    return [values[i : i + size] for i in range(0, len(values), size)]
