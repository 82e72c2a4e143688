"""Run by Alembic: applies the migrations on the connection, and in the transaction, that `database.migrate` opened."""

from __future__ import annotations

from alembic import context

# SQLite can undo DDL; Alembic assumes that it cannot. With this, a process killed half-way leaves the old schema.
context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
