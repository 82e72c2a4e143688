"""Free places are found in the order in which they are given, without passing by those that are taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """An index of the places that can be given, and of no others."""
    op.drop_index("slot_free", "slot")
    op.create_index(
        "slot_free",
        "slot",
        ["run_id", "posted_id", "number"],
        postgresql_where=sa.text("done IS false AND wanted AND number IS NOT NULL"),
        sqlite_where=sa.text("done IS 0 AND wanted = 1 AND number IS NOT NULL"),
    )
