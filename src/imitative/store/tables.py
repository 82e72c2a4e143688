"""The tables. Rows are added, never changed: a run is a fold over them, and a fold needs its past to stay put.

What is only an arrangement of the moment may change, and nothing is folded from it: who holds a query (`slot`), how a
judge stands (`judge`; every change is an event too), what lets them in (`token`), what they have in hand (`hand`).

Hypotheses and queries are addressed by the SHA-256 of their content, so each is stored once however often it is shown.
Times are ISO 8601 in UTC, as text: every database sorts and keeps them alike.

The schema is created by the numbered migrations; a test compares what they make with what is said here.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

HEAD = "0005"
"""The newest migration, kept here so that opening an up-to-date database needs no Alembic (a quarter of a second)."""

KEY = String(64)  # a SHA-256 in hexadecimal digits

SEED = Integer().with_variant(BigInteger, "postgresql")  # SQLite's integers have 64 bits, PostgreSQL's 32

metadata = MetaData()

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("problem", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("seed", SEED, nullable=False),
    Column("budget", Integer, nullable=False),  # as first asked for; a later one is an `opened` event
    Column("settings", JSON, nullable=False),
    Column("created", String(32), nullable=False),
    Column("name", Text),  # in a database shared by several runs; NULL in a run's own
    Index("run_name", "name", unique=True),
)

hypothesis = Table(
    "hypothesis",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("text", Text, nullable=False),
)

query = Table(
    "query",
    metadata,
    Column("key", KEY, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("purpose", String(64), nullable=False),
    Column("body", JSON, nullable=False),  # Query.to_json with a hypothesis key in place of each hypothesis
)

judgement = Table(
    "judgement",
    metadata,
    Column("run_id", Integer, ForeignKey("run.id"), primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),  # 0, 1, … in the order recorded
    Column("query_key", KEY, ForeignKey("query.key"), nullable=False),
    Column("judge", Text, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("cost", Float, nullable=False),  # in the problem's unit of money
    Column("seconds", Float, nullable=False),
    Column("created", String(32), nullable=False),
    UniqueConstraint("run_id", "query_key", name="judgement_once"),  # no judgement is ever counted twice
)

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("run.id"), nullable=False, index=True),
    Column("kind", String(32), nullable=False),
    Column("body", JSON, nullable=False),
    Column("created", String(32), nullable=False),
)

# ------------------------------------------------------------------------------------------------------ people's work

judge = Table(
    "judge",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("run.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(8), nullable=False),  # judge or lead
    Column("standing", String(16), nullable=False),  # active, suspended, excluded or revoked
    Column("goal", Integer, nullable=False),  # how many judgements they mean to give in a sitting
    Column("answered", Integer, nullable=False),  # a count of their first answers, to space out checks
    Column("created", String(32), nullable=False),
    UniqueConstraint("run_id", "name", name="judge_name"),
)

token = Table(
    "token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("judge_id", Integer, ForeignKey("judge.id"), nullable=False, index=True),
    Column("digest", KEY, nullable=False, unique=True),  # SHA-256 of 256 random bits; the token itself is nowhere
    Column("kind", String(16), nullable=False),  # invitation, session or program
    Column("expires", Float, nullable=False),  # seconds since 1970
    Column("revoked", Boolean, nullable=False),
    Column("created", String(32), nullable=False),
)

posted = Table(
    "posted",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("run.id"), nullable=False),
    Column("query_key", KEY, ForeignKey("query.key"), nullable=False),
    Column("role", String(16), nullable=False),  # asked, warm-up, gold or repeat
    Column("cap", Integer, nullable=False),  # how many judges it is given to
    Column("shown", JSON, nullable=False),  # what the page needs to show it
    Column("expected", JSON(none_as_null=True)),  # the known answer, of a warm-up or gold query
    Column("created", String(32), nullable=False),
    UniqueConstraint("run_id", "query_key", "role", name="posted_once"),
    Index("posted_role", "run_id", "role", "id"),  # checks are few among what the run asks
)

slot = Table(
    "slot",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("run.id"), nullable=False),
    Column("posted_id", Integer, ForeignKey("posted.id"), nullable=False),
    Column("number", Integer),  # 0 … cap − 1, made with the query; NULL for checks, which every judge has one of
    Column("judge_id", Integer, ForeignKey("judge.id")),  # who holds it
    Column("expires", Float),  # seconds since 1970; after that another judge may take it
    Column("done", Boolean, nullable=False),
    Column("wanted", Boolean, nullable=False),  # whether the run still waits for it
    UniqueConstraint("posted_id", "number", name="slot_number"),  # no more answers than slots: the cap, by construction
    UniqueConstraint("posted_id", "judge_id", name="slot_judge"),  # nobody is given the same query twice
    Index(  # in the order in which places are given
        "slot_free",
        "run_id",
        "posted_id",
        "number",
        postgresql_where=text("done IS false AND wanted AND number IS NOT NULL"),
        sqlite_where=text("done IS 0 AND wanted = 1 AND number IS NOT NULL"),
    ),
    Index("slot_held", "judge_id", "done"),
)

said = Table(
    "said",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("run.id"), nullable=False),
    Column("posted_id", Integer, ForeignKey("posted.id"), nullable=False, index=True),
    Column("slot_id", Integer, ForeignKey("slot.id"), nullable=False),
    Column("judge_id", Integer, ForeignKey("judge.id"), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("key", String(64), nullable=False),  # chosen by the client: the same answer sent again is the same row
    Column("digest", KEY, nullable=False),
    Column(
        "answer", JSON(none_as_null=True)
    ),  # of the query as posted, whichever side was shown first; NULL: taken back
    Column("swapped", Boolean, nullable=False),
    Column("why", Text, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("created", String(32), nullable=False),
    UniqueConstraint("slot_id", "revision", name="said_revision"),
    UniqueConstraint("judge_id", "key", name="said_key"),
    Index("said_sitting", "judge_id", "created"),
    Index("said_latest", "judge_id", "id"),
)

late = Table(
    "late",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("run.id"), nullable=False),
    Column("posted_id", Integer, ForeignKey("posted.id"), nullable=False),
    Column("judge_id", Integer, ForeignKey("judge.id"), nullable=False),
    Column("key", String(64), nullable=False),
    Column("digest", KEY, nullable=False),
    Column("answer", JSON, nullable=False),
    Column("why", Text, nullable=False),
    Column("created", String(32), nullable=False),
    UniqueConstraint("judge_id", "key", name="late_key"),
)

taken = Table(
    "taken",
    metadata,
    Column("posted_id", Integer, ForeignKey("posted.id"), primary_key=True, autoincrement=False),
    Column("answers", JSON, nullable=False),  # the rows of `said` that the run's judgement was made of
    Column("created", String(32), nullable=False),
)

# What a judge has, or had, in hand: a row is made when they are given a slot. Nobody can answer without one.
hand = Table(
    "hand",
    metadata,
    Column("judge_id", Integer, ForeignKey("judge.id"), primary_key=True, autoincrement=False),
    Column("slot_id", Integer, ForeignKey("slot.id"), primary_key=True, autoincrement=False),
    Column("swapped", Boolean, nullable=False),  # whether they see the second side first
    Column("typed", JSON, nullable=False),  # a draft
    Column("updated", String(32), nullable=False),
)

proposal = Table(
    "proposal",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Integer, ForeignKey("run.id"), nullable=False, index=True),
    Column("judge_id", Integer, ForeignKey("judge.id"), nullable=False),
    Column("posted_id", Integer, ForeignKey("posted.id")),  # the query it was written at
    Column("key", String(64), nullable=False),
    Column("digest", KEY, nullable=False),
    Column("text", Text, nullable=False),
    Column("wrong", Text, nullable=False),  # what its author finds wrong with the hypothesis shown
    Column("readable", Boolean, nullable=False),  # whether it is a hypothesis of Z, which joins the search
    Column("created", String(32), nullable=False),
    UniqueConstraint("judge_id", "key", name="proposal_key"),
)

APPEND_ONLY = ("run", "hypothesis", "query", "judgement", "event", "posted", "said", "late", "taken", "proposal")
"""Tables whose rows no program can change or delete: triggers refuse it."""
