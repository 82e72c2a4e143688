"""Opening a database: SQLite in a run's folder by default, settings, migrations, and what its failures mean."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DBAPIError

from imitative.errors import InputError
from imitative.store.tables import HEAD

BUSY_SECONDS: Final = 10.0
"""How long to wait for another program's lock. Ours hold one for milliseconds; longer means that something hangs."""

_READING: Final = "imitative_reading"


def sqlite_url(path: Path) -> URL:
    """The URL of a SQLite file."""
    return URL.create("sqlite", database=str(path))


def connect(url: URL | str, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine for the database at `url`, brought to the newest schema.

    SQLite runs in WAL mode, so that reading a run never stops it, with synchronous=FULL: every commit is on disk
    before `record` returns. A judgement costs a person's minutes or money, a sync well under a millisecond on a solid
    state disk (measured: 0.6 ms a judgement in all); NORMAL would lose the last ones with the power.

    Raises:
        InputError: if it is damaged, locked, unwritable, or made by a newer version.
    """
    engine = create_engine(url, json_serializer=_canonical)
    place = engine.url.database or str(engine.url)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, busy_seconds)
    try:
        with explained(place):
            migrate(engine, place)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _prepare_sqlite(engine: Engine, busy_seconds: float) -> None:
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transactions of its own: `on_begin` does
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {round(busy_seconds * 1000)}")
        _use_wal(cursor, busy_seconds)
        for setting in ("synchronous = FULL", "foreign_keys = ON", "recursive_triggers = ON"):
            cursor.execute(f"PRAGMA {setting}")  # recursive triggers: INSERT OR REPLACE deletes, and is refused too
        cursor.close()

    def on_begin(connection: Connection) -> None:
        # A transaction that reads first and writes later can be refused half-way; one that will write says so first.
        reading = connection.get_execution_options().get(_READING, False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)


def _use_wal(cursor: Any, busy_seconds: float) -> None:
    """Switch to WAL; SQLite does not wait for locks on this one, so two processes starting at once need patience."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except Exception as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: it sees one moment, and waits for nobody."""
    with engine.connect().execution_options(**{_READING: True}) as connection:
        yield connection


def migrate(engine: Engine, place: str) -> None:
    """Check the database and apply the migrations it lacks, all or none.

    The version is read under the write lock, so of two processes that open a new database one waits for the other.

    Raises:
        InputError: if the database was made by a newer version, or is damaged.
    """
    with reading(engine) as connection:
        if engine.dialect.name == "sqlite":
            found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
            if found != "ok":
                raise _damaged(place, str(found))
        if _version(connection) == HEAD:
            return
    with engine.begin() as connection:
        version = _version(connection)
        if version == HEAD:
            return
        if version is not None and version > HEAD:
            raise InputError(
                place, f"schema {version}", f"at most {HEAD}", "a newer version wrote it: upgrade imitative"
            )
        _upgrade(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def _upgrade(connection: Connection, revision: str = "head") -> None:
    from alembic import command  # a quarter of a second, spent only on a new or an old database
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@contextlib.contextmanager
def explained(place: str | Path) -> Iterator[None]:
    """Turn a database's failure into one line with the place and the remedy.

    Raises:
        InputError: instead of a driver's error that the user can do something about.
    """
    try:
        yield
    except DBAPIError as error:
        message = str(error.orig).lower()
        for signs, found, remedy in _FAILURES:
            if any(sign in message for sign in signs):
                raise InputError(str(place), found, remedy=remedy) from error
        if any(sign in message for sign in _DAMAGE):
            raise _damaged(str(place), str(error.orig)) from error
        raise


_DAMAGE = ("not a database", "malformed", "corrupt", "no such table", "no such column", "disk i/o error")

_FAILURES = (
    (
        ("locked", "busy"),
        "it in use by another program",
        "wait for that to end, or stop it, and give the same command again",
    ),
    (
        ("disk is full",),
        "no space left on the disk",
        "free some and give the same command again: nothing recorded is lost",
    ),
    (
        ("readonly", "read-only", "unable to open"),
        "that it cannot be opened for writing",
        "check the permissions of the file and its folder, or name another folder",
    ),
)


def _damaged(place: str, found: str) -> InputError:
    return InputError(place, found.splitlines()[0], "an undamaged run", "restore a copy or name another folder")
