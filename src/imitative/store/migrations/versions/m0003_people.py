"""People: judges, tokens, what is posted to them and what they said; append-only on PostgreSQL too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision: str | None = "0002"

OLD = ("run", "hypothesis", "query", "judgement", "event")
NEW = ("posted", "said", "late", "taken", "proposal")


def upgrade() -> None:
    """Create the tables of people's work, and refuse changes to the rows that are to stay."""
    op.add_column("run", sa.Column("name", sa.Text))
    op.create_index("run_name", "run", ["name"], unique=True)
    op.create_table(
        "judge",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("standing", sa.String(16), nullable=False),
        sa.Column("goal", sa.Integer, nullable=False),
        sa.Column("answered", sa.Integer, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.UniqueConstraint("run_id", "name", name="judge_name"),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("judge_id", sa.Integer, sa.ForeignKey("judge.id"), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False, unique=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_table(
        "posted",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("query_key", sa.String(64), sa.ForeignKey("query.key"), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("cap", sa.Integer, nullable=False),
        sa.Column("shown", sa.JSON, nullable=False),
        sa.Column("expected", sa.JSON),
        sa.Column("created", sa.String(32), nullable=False),
        sa.UniqueConstraint("run_id", "query_key", "role", name="posted_once"),
    )
    op.create_table(
        "slot",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("posted_id", sa.Integer, sa.ForeignKey("posted.id"), nullable=False),
        sa.Column("number", sa.Integer),
        sa.Column("judge_id", sa.Integer, sa.ForeignKey("judge.id")),
        sa.Column("expires", sa.Float),
        sa.Column("done", sa.Boolean, nullable=False),
        sa.Column("wanted", sa.Boolean, nullable=False),
        sa.UniqueConstraint("posted_id", "number", name="slot_number"),
        sa.UniqueConstraint("posted_id", "judge_id", name="slot_judge"),
    )
    op.create_table(
        "said",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("posted_id", sa.Integer, sa.ForeignKey("posted.id"), nullable=False),
        sa.Column("slot_id", sa.Integer, sa.ForeignKey("slot.id"), nullable=False),
        sa.Column("judge_id", sa.Integer, sa.ForeignKey("judge.id"), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("answer", sa.JSON),
        sa.Column("swapped", sa.Boolean, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.UniqueConstraint("slot_id", "revision", name="said_revision"),
        sa.UniqueConstraint("judge_id", "key", name="said_key"),
    )
    op.create_table(
        "late",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("posted_id", sa.Integer, sa.ForeignKey("posted.id"), nullable=False),
        sa.Column("judge_id", sa.Integer, sa.ForeignKey("judge.id"), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.UniqueConstraint("judge_id", "key", name="late_key"),
    )
    op.create_table(
        "taken",
        sa.Column("posted_id", sa.Integer, sa.ForeignKey("posted.id"), primary_key=True, autoincrement=False),
        sa.Column("answers", sa.JSON, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
    )
    op.create_table(
        "hand",
        sa.Column("judge_id", sa.Integer, sa.ForeignKey("judge.id"), primary_key=True, autoincrement=False),
        sa.Column("slot_id", sa.Integer, sa.ForeignKey("slot.id"), primary_key=True, autoincrement=False),
        sa.Column("swapped", sa.Boolean, nullable=False),
        sa.Column("typed", sa.JSON, nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
    )
    op.create_table(
        "proposal",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Integer, sa.ForeignKey("run.id"), nullable=False),
        sa.Column("judge_id", sa.Integer, sa.ForeignKey("judge.id"), nullable=False),
        sa.Column("posted_id", sa.Integer, sa.ForeignKey("posted.id")),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("wrong", sa.Text, nullable=False),
        sa.Column("readable", sa.Boolean, nullable=False),
        sa.Column("created", sa.String(32), nullable=False),
        sa.UniqueConstraint("judge_id", "key", name="proposal_key"),
    )
    op.create_index("ix_token_judge_id", "token", ["judge_id"])
    op.create_index("slot_free", "slot", ["run_id", "done", "posted_id"])
    op.create_index("slot_held", "slot", ["judge_id", "done"])
    op.create_index("ix_said_posted_id", "said", ["posted_id"])
    op.create_index("said_sitting", "said", ["judge_id", "created"])
    op.create_index("ix_proposal_run_id", "proposal", ["run_id"])
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("run", "seed", type_=sa.BigInteger)
        _append_only_on_postgresql()
    else:
        for table in NEW:
            for verb in ("update", "delete"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb.upper()} ON {table} "
                    f"BEGIN SELECT RAISE(ABORT, 'rows of {table} are append-only: {verb} refused'); END"
                )


def _append_only_on_postgresql() -> None:
    """TRUNCATE deletes without any row's trigger, so it is refused as well."""
    op.execute(
        "CREATE FUNCTION imitative_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'rows of % are append-only: % refused', TG_TABLE_NAME, lower(TG_OP); END $$"
    )
    for table in (*OLD, *NEW):
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION imitative_append_only()"
        )
