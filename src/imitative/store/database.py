"""Opening a database: SQLite in a run's folder by default, settings, migrations, and what its failures mean."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, final

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from imitative.errors import InputError
from imitative.store.tables import HEAD

BUSY_SECONDS: Final = 10.0
"""How long to wait for another program's lock. Ours hold one for milliseconds; longer means that something hangs."""

PATIENCE_SECONDS: Final = 20.0
"""How long to try again while a database server is away: restarting one takes a few seconds."""

_READING: Final = "imitative_reading"

T = TypeVar("T")


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
    engine = _engine(url)
    place = named(engine)
    if engine.dialect.name == "sqlite":
        _check_own(place)
        _prepare_sqlite(engine, busy_seconds)
    try:
        with explained(place):
            persistently(engine, lambda: migrate(engine, place))
    except BaseException:
        engine.dispose()
        raise
    return engine


def _engine(url: URL | str) -> Engine:
    """An engine that has not connected yet.

    Raises:
        InputError: if the URL is none, or names a database there is no driver for.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number
        raise InputError("the store", "no database URL", "such as postgresql+psycopg://USER@HOST/DATABASE") from None
    place = _harmless(parsed)
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise InputError(
            "the store", place, "a URL of PostgreSQL or SQLite", "write postgresql+psycopg://HOST/DATABASE"
        )
    try:
        if parsed.get_backend_name() == "sqlite":
            return create_engine(parsed, json_serializer=_canonical, hide_parameters=True)
        # As many connections as threads that may ask: waiting for one would look like a slow database.
        waits = {"connect_timeout": 10}
        return create_engine(
            parsed, json_serializer=_canonical, hide_parameters=True,
            pool_size=16, max_overflow=32, connect_args=waits,
        )  # fmt: skip
    except (NoSuchModuleError, ModuleNotFoundError):
        remedy = "pip install 'imitative[people]', and begin the URL with postgresql+psycopg://"
        raise InputError("the store", f"no driver for {place}", remedy=remedy) from None


def named(engine: Engine) -> str:
    """What a message calls the database: a file's path, or a URL without its password."""
    if engine.dialect.name == "sqlite":
        return engine.url.database or str(engine.url)
    return _harmless(engine.url)


def _harmless(url: URL) -> str:
    """Without what may be secret: the password, and the query, which may hold another."""
    return url.set(query={}).render_as_string(hide_password=True)


def _check_own(place: str) -> None:
    """Look, without a trace, whether the file is another program's database: not even its journal may be changed.

    Raises:
        InputError: if it is.
    """
    path = Path(place).resolve()
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as file:
            held = {str(name) for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except sqlite3.Error:
        return  # damaged or locked: who opens it says so better
    if held and "alembic_version" not in held:
        raise InputError(place, "a database of another program", "one of runs", "give another folder, or another store")


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
    options: dict[str, Any] = {_READING: True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "REPEATABLE READ"
    with engine.connect().execution_options(**options) as connection:
        yield connection


@contextlib.contextmanager
def looking(engine: Engine) -> Iterator[Connection]:
    """For a single statement that reads: to a server it is one journey instead of three."""
    if engine.dialect.name == "sqlite":
        with reading(engine) as connection:
            yield connection
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


@final
class _Job:
    """Work for a transaction, and what became of it."""

    def __init__(self, work: Callable[[Connection], Any]) -> None:
        self.work = work
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None


@final
class _Writers:
    """Who wants to write to a database, and the lock of whoever writes for them all."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.waiting: deque[_Job] = deque()


_writers: weakref.WeakKeyDictionary[Engine, _Writers] = weakref.WeakKeyDictionary()
_writers_lock = threading.Lock()


def write(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Do `work` in a transaction that is on disk when this returns.

    SQLite has one writer at a time, and each commit waits for the disk. The threads of a process therefore wait for
    each other here, and whoever comes first writes for all who wait: each work within its own savepoint, one commit for
    all (group commit, DeWitt et al. 1984). Nobody is told of success before that commit.
    """
    if engine.dialect.name != "sqlite":
        with engine.begin() as connection:
            return work(connection)
    with _writers_lock:
        writers = _writers.setdefault(engine, _Writers())
    job = _Job(work)
    writers.waiting.append(job)
    with writers.lock:
        if not job.done:
            jobs = [writers.waiting.popleft() for _ in range(len(writers.waiting))]
            try:
                _write_all(engine, jobs)
            except BaseException as error:
                for each in jobs:
                    each.error = each.error or error
            finally:
                for each in jobs:
                    each.done = True
    if job.error is not None:
        raise job.error
    found: T = job.result
    return found


def _write_all(engine: Engine, jobs: Sequence[_Job]) -> None:
    if len(jobs) > 1:
        try:
            with engine.begin() as connection:
                for job in jobs:
                    _within_savepoint(connection, job)
            return
        except DBAPIError:  # the disk is full, perhaps: whose fault it is will show when each is alone
            pass
    for job in jobs:
        job.result, job.error = None, None
        try:
            with engine.begin() as connection:
                job.result = job.work(connection)
        except Exception as error:
            job.error = error


def _within_savepoint(connection: Connection, job: _Job) -> None:
    """What the work refuses is undone alone; what the database refuses undoes all."""
    savepoint = connection.begin_nested()
    try:
        job.result = job.work(connection)
    except DBAPIError:
        raise
    except Exception as error:
        savepoint.rollback()
        job.error = error
    else:
        savepoint.commit()


def persistently(engine: Engine, work: Callable[[], T], patience: float = PATIENCE_SECONDS) -> T:
    """Do `work`, a transaction that may safely be done twice, again while the database server is away or undecided."""
    deadline, pause = time.monotonic() + patience, 0.02
    while True:
        try:
            return work()
        except OperationalError as error:
            if engine.dialect.name == "sqlite" or time.monotonic() > deadline or not _passing(error):
                raise
        time.sleep(pause)
        pause = min(2.0 * pause, 0.5)


_PASSING = ("40001", "40P01", "57P01", "57P02", "57P03", "08000", "08003", "08006", "53300")
"""SQLSTATEs of what passes: undecided between two transactions, stopping, starting, disconnected, too many at once."""


def _passing(error: OperationalError) -> bool:
    state = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or state in _PASSING:
        return True
    return state is None and not any(sign in str(error.orig).lower() for sign in _NEVER)


_NEVER = ("authentication failed", "does not exist", "could not translate", "name or service", "no password")
"""What a server, or the lack of one, says that no waiting will mend."""


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
        if engine.dialect.name == "postgresql":  # SQLite's write lock does this
            connection.execute(text("SELECT pg_advisory_xact_lock(7301152)"))
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


_SERVER = "that the database server cannot be reached"
_DAMAGE = ("not a database", "malformed", "corrupt", "no such table", "no such column", "disk i/o error")

_FAILURES = (
    (
        ("locked", "busy"),
        "it in use by another program",
        "wait for that to end, or stop it, and give the same command again",
    ),
    (
        ("disk is full", "no space left"),
        "no space left on the disk",
        "free some and give the same command again: nothing recorded is lost",
    ),
    (
        ("readonly", "read-only", "unable to open"),
        "that it cannot be opened for writing",
        "check the permissions of the file and its folder, or name another folder",
    ),
    (
        ("authentication failed", "no password supplied", 'role "', "permission denied"),
        "that the database server refuses the user",
        "check the user and password of the URL",
    ),
    (('database "',), "no such database on the server", "create it: createdb NAME"),
    (
        (
            "connection refused",
            "connection failed",
            "could not translate",
            "name or service",
            "timeout expired",
            "server closed",
            "terminating connection",
            "starting up",
            "shutting down",
            "connection is bad",
        ),
        _SERVER,
        "check that it runs and that the URL's host and port are its own, and give the same command again",
    ),
)


def _damaged(place: str, found: str) -> InputError:
    return InputError(place, found.splitlines()[0], "an undamaged run", "restore a copy or name another folder")
