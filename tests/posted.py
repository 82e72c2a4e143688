"""What a run has posted for people, read from its store past the page."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from imitative.records import Answer, Query
from imitative.store import Run, tables


def look(run: Run, slot: int) -> tuple[Query, bool, Answer | None]:
    """The query at a slot as it was posted, whether its second side is shown first, and its known answer."""

    def find(connection: Any) -> tuple[Query, bool, Answer | None]:
        row = connection.execute(
            select(tables.query.c.body, tables.hand.c.swapped, tables.posted.c.expected)
            .join_from(tables.slot, tables.posted)
            .join(tables.query)
            .join(tables.hand, tables.hand.c.slot_id == tables.slot.c.id)
            .where(tables.slot.c.id == slot)
        ).one()
        texts = dict(connection.execute(select(tables.hypothesis.c.key, tables.hypothesis.c.text)).all())
        query = Query.from_json({**row.body, "hypotheses": [texts[key] for key in row.body["hypotheses"]]})
        return query, row.swapped, None if row.expected is None else Answer.from_json(row.expected)

    return run.read(find)
