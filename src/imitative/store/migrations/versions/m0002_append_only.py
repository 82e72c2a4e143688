"""Rows can be added, and neither changed nor deleted, by any program that opens the database."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision: str | None = "0001"

TABLES = ("run", "hypothesis", "query", "judgement", "event")


def upgrade() -> None:
    """Add two triggers to each table.

    Triggers are written differently by every database, so another one needs its own branch here; until it has one,
    it relies on the program, which has no statement that updates or deletes.
    """
    if op.get_bind().dialect.name != "sqlite":
        return
    for table in TABLES:
        for verb in ("update", "delete"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are append-only: {verb} refused'); END"
            )
