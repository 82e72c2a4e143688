"""A run: its folder, its rows, its files.

A run is a fold over its judgements. Started again after a crash it is given them back, asks nothing twice, and ends
where it would have ended.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, TypeVar, final

from sqlalchemy import Connection, Engine, Row, Select, bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import Insert

from imitative.errors import InputError, listed, one_line
from imitative.records import Answer, Judgement, Query
from imitative.store import database, files, tables

DATABASE: Final = "run.sqlite"
RESULT: Final = "result.json"
HYPOTHESIS: Final = "hypothesis.md"
LABELS: Final = "labels.csv"
REPORT: Final = "report.html"
MODEL: Final = "model.json"
LOCK: Final = "run.lock"
RESULTS: Final = (HYPOTHESIS, LABELS, REPORT, MODEL, RESULT)
FILES: Final = (*RESULTS, DATABASE, LOCK)
"""What a run's folder holds that cannot be made again, or is made again over whatever is there."""
JUDGED: Final = "judged"

T = TypeVar("T")


class Event(NamedTuple):
    """Something that happened in a run: a round, the end of a stage, a process that opened it."""

    kind: str
    body: dict[str, Any]
    created: str


@final
@dataclass(frozen=True)
class Run:
    """A run in a folder.

    Args:
        folder: where its files are.
        problem: the problem's name.
        fingerprint: which problem exactly; see `Problem.fingerprint`.
        seed: of everything random in it.
        budget: how many judgements may be asked in all.
        settings: what else it was begun with, for the reader; under `JUDGED`, what tells its overseer from others.
    """

    folder: Path
    problem: str
    fingerprint: str
    seed: int
    budget: int
    settings: Mapping[str, Any]
    _id: int
    _engine: Engine
    _lock: IO[str] | None
    _held: contextlib.ExitStack  # the lock and the connections, let go of when the run is closed
    _stored: set[str]  # keys of hypotheses and queries known to be in the database: not sent again

    @classmethod
    def open(
        cls,
        folder: Path | str,
        problem: str,
        fingerprint: str,
        seed: int,
        budget: int,
        settings: Mapping[str, Any] | None = None,
        *,
        store: str | None = None,
        alone: bool = True,
    ) -> Run:
        """Begin the run, or go on with it; close it when done (it is a context manager).

        A larger or smaller budget than before is welcome, though most is asked for anew by it. The folder is locked
        until the run is closed or the process ends, however it ends: two processes would ask, and pay for, the same
        judgements twice.

        With `store`, the URL of a database, several runs share it, each by the name of its folder. Whoever only shows
        queries to people is not `alone`: it locks nothing and tells no event.

        Raises:
            InputError: if the folder holds another problem's run, or files of other origin where a run's results are
                to be, is in use, damaged, or cannot be written.
        """
        folder = Path(folder)
        files.make_folder(folder)
        if store is None and not (folder / DATABASE).exists():
            _check_empty(folder)  # before anything is put there
        with contextlib.ExitStack() as undo:
            lock = undo.enter_context(_lock(folder)) if alone else None
            if alone:
                files.remove_leftovers(folder)
            engine = database.connect(store or database.sqlite_url(folder / DATABASE))
            undo.callback(engine.dispose)
            name = None if store is None else _name(folder)
            if alone and store is not None:
                undo.enter_context(_advised(engine, f"{problem}/{name}"))

            def begin(connection: Connection) -> Row[Any]:
                row = _begun(connection, name, problem, fingerprint, seed, budget, settings or {})
                _check_same(folder, row, problem, fingerprint, seed, (settings or {}).get(JUDGED))
                if alone:
                    if connection.execute(_finished(row.id)).first() is None:
                        _check_empty(folder)
                    add_event(connection, row.id, "opened", {"budget": budget, "process": os.getpid()})
                return row

            with database.explained(database.named(engine)):
                row = database.persistently(engine, lambda: database.write(engine, begin))
            held = undo.pop_all()
        return cls(folder, problem, fingerprint, seed, budget, dict(row.settings), row.id, engine, lock, held, set())

    @classmethod
    def load(cls, folder: Path | str, *, store: str | None = None) -> Run:
        """A run that exists, to be read while it may still be going on elsewhere.

        Args:
            folder: the run's; only its name matters where `store` names a database.
            store: see `open`.

        Raises:
            InputError: if there is none, or it is damaged.
        """
        folder = Path(folder)
        if store is None and not (folder / DATABASE).is_file():
            raise InputError(
                str(folder), f"no {DATABASE}", "the folder of a run", "make one with `imitative run PROBLEM`"
            )
        engine = database.connect(store or database.sqlite_url(folder / DATABASE))
        name = None if store is None else _name(folder)
        with database.explained(database.named(engine)), database.reading(engine) as connection:
            row = connection.execute(_first(name)).first()
        held = contextlib.ExitStack()
        held.callback(engine.dispose)
        if row is None:
            held.close()
            found = (
                "a run stopped before it began"
                if name is None
                else f"no run named {name!r} in {database.named(engine)}"
            )
            raise InputError(str(folder), found, remedy="give the same `imitative run` again")
        plain = (row.problem, row.fingerprint, row.seed, row.budget, row.settings, row.id)
        run = cls(folder, *plain, engine, None, held, set())
        opened = run.events("opened")
        object.__setattr__(run, "budget", int(opened[-1].body["budget"]) if opened else row.budget)
        return run

    def close(self) -> None:
        """Let go of the folder."""
        self._held.close()

    @property
    def id(self) -> int:
        """Its number in the database."""
        return self._id

    @property
    def engine(self) -> Engine:
        """Its database."""
        return self._engine

    @property
    def place(self) -> str:
        """What a message calls its database."""
        return database.named(self._engine)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a transaction that is on disk when this returns.

        It must be safe to do twice: where the server went away in between, it is done again.

        Raises:
            InputError: if the database cannot be written.
        """
        with database.explained(self.place):
            return database.persistently(self._engine, lambda: database.write(self._engine, work))

    def read(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a transaction that sees one moment.

        Raises:
            InputError: if the database cannot be read.
        """

        def look() -> T:
            with database.reading(self._engine) as connection:
                return work(connection)

        with database.explained(self.place):
            return database.persistently(self._engine, look)

    def one(self, statement: Select[Any], values: Mapping[str, Any]) -> Row[Any] | None:
        """The first row of one statement, which sees one moment by itself and needs no transaction.

        Raises:
            InputError: if the database cannot be read.
        """

        def look() -> Row[Any] | None:
            with database.looking(self._engine) as connection:
                return connection.execute(statement, values).first()

        with database.explained(self.place):
            return database.persistently(self._engine, look)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def known(self) -> dict[str, Judgement]:
        """Every judgement recorded, by `Query.key`, in the order recorded.

        Raises:
            InputError: if a row's content no longer has the key that it was stored under.
        """
        asked, said = tables.query.c, tables.judgement.c
        rows = select(said.query_key, asked.body, said.answer, said.judge, said.cost, said.seconds)
        rows = rows.join_from(tables.judgement, tables.query).where(said.run_id == self._id).order_by(said.ordinal)

        def look(connection: Connection) -> dict[str, Judgement]:
            texts = {row.key: row.text for row in connection.execute(select(tables.hypothesis))}
            found = {row.query_key: self._judgement(row, texts) for row in connection.execute(rows)}
            self._stored.update(texts, found)
            return found

        return self.read(look)

    def _judgement(self, row: Any, texts: Mapping[str, str]) -> Judgement:
        try:
            query = Query.from_json({**row.body, "hypotheses": [texts[key] for key in row.body["hypotheses"]]})
            answer = Answer.from_json(row.answer)
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(row.query_key) from error
        if query.key != row.query_key:
            raise self._damaged(row.query_key)
        return Judgement(query, answer, row.judge, row.cost, row.seconds)

    def _damaged(self, key: str) -> InputError:
        found = f"a damaged row for query {key[:12]}"
        return InputError(self.place, found, remedy="restore a copy or name another folder")

    def record(self, judgement: Judgement) -> None:
        """Add a judgement; it is on disk when this returns. Adding the same one again changes nothing.

        Raises:
            InputError: if the query was judged differently before, or the row cannot be written.
        """
        self.record_all([judgement])

    def record_all(self, judgements: Sequence[Judgement]) -> None:
        """Add judgements, all or none, in one transaction.

        Raises:
            InputError: see `record`.
        """

        def add(connection: Connection) -> set[str]:
            stored: set[str] = set()
            for judgement in judgements:
                self._add(connection, judgement, stored)
            return stored

        self._stored.update(self.write(add))  # only now are they there for certain

    def _add(self, connection: Connection, judgement: Judgement, stored: set[str]) -> None:
        key = judgement.query.key
        self._add_query(connection, judgement.query, stored)
        add = _statements(connection.dialect.name)
        said = {
            "run_id": self._id,
            "query_key": key,
            "judge": judgement.judge,
            "answer": judgement.answer.to_json(),
            "cost": judgement.cost,
            "seconds": judgement.seconds,
            "created": now(),
        }
        if connection.execute(add.judgement, {**said, "this_run": self._id}).rowcount == 0:
            ours = (tables.judgement.c.run_id == self._id) & (tables.judgement.c.query_key == key)
            if connection.execute(select(tables.judgement.c.answer).where(ours)).scalar() != said["answer"]:
                found = f"query {key[:12]} judged differently before"
                raise InputError(str(self.folder), found, remedy="nothing was changed; give the same command again")

    def _add_query(self, connection: Connection, query: Query, stored: set[str]) -> None:
        """Its row and its hypotheses', where they are not there."""
        add, known = _statements(connection.dialect.name), self._stored | stored
        hypotheses, row = query_rows(query)
        if unseen := [each for each in hypotheses if each["key"] not in known]:
            connection.execute(add.hypothesis, unseen)
        if row["key"] not in known:
            connection.execute(add.query, row)
        stored.update([row["key"]], (each["key"] for each in hypotheses))

    def event(self, kind: str, body: Mapping[str, Any]) -> None:
        """Add an event: a round, or a stage and its seconds."""
        self.write(lambda connection: add_event(connection, self._id, kind, body))

    def events(self, kind: str | None = None) -> list[Event]:
        """The events, or those of one kind, in the order they happened."""
        happened = tables.event.c
        rows = select(happened.kind, happened.body, happened.created).where(happened.run_id == self._id)
        if kind is not None:
            rows = rows.where(happened.kind == kind)
        return self.read(lambda connection: [Event(*row) for row in connection.execute(rows.order_by(happened.id))])

    def write_results(
        self, *, result: Mapping[str, Any], hypothesis: str, labels: str, report: str, model: Mapping[str, Any]
    ) -> None:
        """Write the files of a finished run, each whole or not at all, `result.json` last: it says that all are there.

        Args:
            result: what `show` prints.
            hypothesis: Markdown.
            labels: CSV.
            report: HTML.
            model: M_test, for labelling later.

        Raises:
            InputError: if one cannot be written.
        """
        for name, content in (
            (HYPOTHESIS, hypothesis),
            (LABELS, labels),
            (REPORT, report),
            (MODEL, json.dumps(model, ensure_ascii=False, allow_nan=False)),
            (RESULT, json.dumps(result, ensure_ascii=False, allow_nan=False, indent=2) + "\n"),
        ):
            files.write_atomically(self.folder / name, content)


def read_result(folder: Path | str) -> dict[str, Any]:
    """The result of a finished run. It reads one file and nothing else, so it works on a read-only copy of the folder.

    Raises:
        InputError: if there is no run, or it is not finished.
    """
    return _read_finished(Path(folder), RESULT)


def read_model(folder: Path | str) -> dict[str, Any]:
    """M_test of a finished run, as `write_results` was given it.

    Raises:
        InputError: if there is no run, or it is not finished.
    """
    return _read_finished(Path(folder), MODEL)


@contextlib.contextmanager
def as_written(path: Path) -> Iterator[None]:
    """Around what makes something of a file of a run, which somebody else may have written.

    Raises:
        InputError: in place of whatever goes wrong where the file does not hold what a run writes.
    """
    try:
        yield
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        damaged = f"something damaged ({type(error).__name__}: {one_line(str(error))[:200]})"
        raise InputError(str(path), damaged, "what a run wrote", "run the problem again to rewrite it") from error


def _read_finished(folder: Path, name: str) -> dict[str, Any]:
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder", "the folder of a run", "make one with `imitative run PROBLEM`")
    if (folder / RESULT).is_file():
        return files.read_json(folder / name)
    with Run.load(folder) as run:
        known = len(run.known())
        so_far = f"{known} judgement{'' if known == 1 else 's'}"
        told = f"an unfinished run of {run.problem} with {so_far} and a budget of {run.budget}"
        raise InputError(str(folder), told, remedy="the `imitative run` that began it goes on from here")


def _lock(folder: Path) -> IO[str]:
    """Lock the folder until the file is closed, by us or by the end of the process."""
    path = folder / LOCK
    with files.explained(path, "written"):
        file = path.open("a", encoding="utf-8")
    try:
        import fcntl
    except ImportError:  # not on Windows: there only the unique rows guard against two processes at once
        return file
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        found, remedy = "another process working on this run", "wait for it to end, or name another folder with --out"
        raise InputError(str(folder), found, remedy=remedy) from error
    return file


@contextlib.contextmanager
def _advised(engine: Engine, name: str) -> Iterator[None]:
    """Hold the run on the database's server, for whoever would work on it from another machine; until closed."""
    if engine.dialect.name != "postgresql":
        yield
        return
    # Of the schema as well: one server may hold runs of one name in several.
    held = select(func.hashtextextended(func.current_schema() + "/" + name, 0)).scalar_subquery()
    with database.explained(database.named(engine)):
        connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    try:
        if not connection.execute(select(func.pg_try_advisory_lock(held))).scalar():
            found, remedy = (
                "another process working on this run",
                "wait for it to end, or name another folder with --out",
            )
            raise InputError(name, found, remedy=remedy)
        yield
    finally:
        with contextlib.suppress(DBAPIError), connection:  # the server may have gone, and the lock with it
            # A connection that merely ends lets go when the server notices, and whoever reopens at once may be earlier.
            connection.execute(select(func.pg_advisory_unlock_all()))


def _name(folder: Path) -> str:
    return folder.absolute().name


def _first(name: str | None) -> Select[Any]:
    """The run of that name in a shared database, or the one run of its own database."""
    rows = select(tables.run).order_by(tables.run.c.id)
    return rows if name is None else rows.where(tables.run.c.name == name)


def _begun(
    connection: Connection,
    name: str | None,
    problem: str,
    fingerprint: str,
    seed: int,
    budget: int,
    settings: Mapping[str, Any],
) -> Row[Any]:
    """The run's row, added where there is none."""
    row = connection.execute(_first(name)).first()
    if row is None:
        begun = {"problem": problem, "fingerprint": fingerprint, "seed": seed, "budget": budget, "created": now()}
        add = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        values = {"name": name, "settings": dict(settings), **begun}
        connection.execute(add(tables.run).values(values).on_conflict_do_nothing())
        row = connection.execute(_first(name)).one()
    return row


def _check_same(folder: Path, row: Row[Any], problem: str, fingerprint: str, seed: int, judged: str | None) -> None:
    remedy = "name another folder with --out"
    if row.problem != problem:
        raise InputError(str(folder), f"a run of {row.problem!r}", f"one of {problem!r}", remedy)
    if row.seed != seed:
        remedy = f"give --seed {row.seed}, or {remedy}"
        raise InputError(str(folder), f"a run with seed {row.seed}", f"seed {seed}", remedy)
    if row.fingerprint != fingerprint:
        found = f"a run of {problem!r} with other data, answers or space"
        raise InputError(str(folder), found, "the same as now", f"restore them, or {remedy}")
    before = row.settings.get(JUDGED)
    if judged and before and judged != before:  # its judgements would be taken for the new overseer's
        found = f"a run of {problem!r} that another overseer judged, or under another question"
        raise InputError(str(folder), found, "[overseer] and question as they are now", f"restore them, or {remedy}")


def _check_empty(folder: Path) -> None:
    """A run that never finished has no results: what is called so is somebody's own, and may be what the run reads."""
    if found := [name for name in RESULTS if (folder / name).exists()]:
        remedy = "name another folder with --out, or move them away"
        raise InputError(str(folder), f"{listed(found)} of no run", "a folder of its own", remedy)


def _finished(run_id: int) -> Select[Any]:
    event = tables.event.c
    return select(event.id).where(event.run_id == run_id, event.kind == "finished").limit(1)


def add_event(connection: Connection, run_id: int, kind: str, body: Mapping[str, Any]) -> None:
    """Add an event within a transaction."""
    connection.execute(insert(tables.event).values(run_id=run_id, kind=kind, body=dict(body), created=now()))


class _Statements(NamedTuple):
    hypothesis: Insert
    query: Insert
    judgement: Insert


@functools.cache
def _statements(dialect: str) -> _Statements:
    """`Add unless there`, which standard SQL cannot say, and both databases we mean to serve can, in the same words.

    Built once: to build and hash them for each row would cost more than to run them.
    """
    add = postgresql.insert if dialect == "postgresql" else sqlite.insert
    said = tables.judgement.c
    last = select(func.coalesce(func.max(said.ordinal), -1)).where(said.run_id == bindparam("this_run"))
    given: dict[str, Any] = {column.name: bindparam(column.name) for column in said if column.name != "ordinal"}
    return _Statements(
        add(tables.hypothesis).on_conflict_do_nothing(),
        add(tables.query).on_conflict_do_nothing(),
        add(tables.judgement)
        .values(ordinal=last.scalar_subquery() + 1, **given)
        .on_conflict_do_nothing()
        .execution_options(preserve_rowcount=True),  # 0: it was there
    )


def query_rows(query: Query) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """The rows of a query's hypotheses, each once, and its own, which names them by their keys."""
    shown = [_text_key(text) for text in query.hypotheses]
    texts = dict(zip(shown, query.hypotheses, strict=True))
    body = {**query.to_json(), "hypotheses": shown}
    row = {"key": query.key, "kind": query.kind.value, "purpose": query.purpose, "body": body}
    return [{"key": key, "text": text} for key, text in texts.items()], row


def _text_key(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def now() -> str:
    """The time, as the tables keep it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
