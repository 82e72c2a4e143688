"""The tables. Rows are added, never changed: a run is a fold over them, and a fold needs its past to stay put.

Hypotheses and queries are addressed by the SHA-256 of their content, so each is stored once however often it is shown.
Times are ISO 8601 in UTC, as text: every database sorts and keeps them alike.

The schema is created by the numbered migrations; a test compares what they make with what is said here.
"""

from __future__ import annotations

from sqlalchemy import JSON, Column, Float, ForeignKey, Integer, MetaData, String, Table, Text, UniqueConstraint

HEAD = "0002"
"""The newest migration, kept here so that opening an up-to-date database needs no Alembic (a quarter of a second)."""

KEY = String(64)  # a SHA-256 in hexadecimal digits

metadata = MetaData()

run = Table(
    "run",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("problem", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("budget", Integer, nullable=False),  # as first asked for; a later one is an `opened` event
    Column("settings", JSON, nullable=False),
    Column("created", String(32), nullable=False),
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
