"""Checks are found without passing by what the run asks, and a judge's last answer without the others."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    """An index of postings by their role, and one of each judge's answers, in the order in which they are sought."""
    op.create_index("posted_role", "posted", ["run_id", "role", "id"])
    op.create_index("said_latest", "said", ["judge_id", "id"])
