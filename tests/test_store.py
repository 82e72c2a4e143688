"""A run's rows are added once, kept for good, and survive whatever stops the process."""

from __future__ import annotations

import errno
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine
from sqlalchemy.exc import DBAPIError

from bench.postgresql import PrivateServer
from imitative.errors import InputError
from imitative.records import Answer, Judgement, Kind, Outcome, Query, Question
from imitative.store import Event, Run, database, files, runs, tables
from imitative.store.overview import Overview

Z = "If the odour is foul, the mushroom is poisonous (strong evidence).\nOtherwise, it is edible (a hint)."


def judgement(i: int, answer: Answer | None = None) -> Judgement:
    """Judgement i of a run: comparisons, answers and skips in turn."""
    if i % 3 == 0:
        query = Query(Kind.COMPARE_HYPOTHESES, (Z, f"Hypothesis {i}"), repeat=i)
        return Judgement(query, answer or Answer(grade=i % 5 - 2), "crowd", 0.1, 2.5)
    question: Question = {"odour": "f", "height": i / 7, "smell": None, "text": "naïve “quoted” 蘑菇\n"}
    query = Query(Kind.ANSWER, (Z,), question, ("e", "p"), purpose="transfer", repeat=i)
    said = Answer(choice="p") if i % 3 == 1 else Answer(Outcome.SKIPPED)
    return Judgement(query, answer or said, "simulated", 1 / 3, 0.0)


def opened(folder: Path, **other: Any) -> Run:
    """A run with everything as in the other tests but what is given."""
    return Run.open(folder, **{"problem": "huskies", "fingerprint": "abc", "seed": 0, "budget": 300, **other})


@pytest.fixture
def run(tmp_path: Path, store: str | None) -> Iterator[Run]:
    """A new run, in each of the databases."""
    with opened(tmp_path / "run", store=store) as found:
        yield found


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Run]:
    """A new run in a file of its own."""
    with opened(tmp_path / "run") as found:
        yield found


# ------------------------------------------------------------------------------------------------------------ the fold


def test_what_is_recorded_is_known_in_the_order_recorded_and_after_reopening(tmp_path: Path, store: str | None) -> None:
    told = [judgement(i) for i in range(50)]
    with opened(tmp_path, store=store) as run:
        assert run.known() == {}
        for each in told:
            run.record(each)
        run.event("round", {"round": 1, "gap": 0.25})
        assert list(run.known().values()) == told
    with opened(tmp_path, store=store) as run:
        known = run.known()
        assert list(known.values()) == told
        assert list(known) == [each.query.key for each in told]
        assert [each.seconds for each in known.values()] == [each.seconds for each in told]
        assert [event.body for event in run.events("round")] == [{"round": 1, "gap": 0.25}]


def test_the_same_judgement_twice_counts_once_and_a_different_one_is_refused(run: Run) -> None:
    run.record(judgement(1))
    run.record(judgement(1))
    run.record_all([judgement(2), judgement(2)])
    assert len(run.known()) == 2
    with pytest.raises(InputError, match="judged differently"):
        run.record(judgement(1, Answer(choice="e")))
    assert run.known()[judgement(1).query.key] == judgement(1)


def test_a_batch_is_added_whole_or_not_at_all(run: Run) -> None:
    run.record(judgement(1))
    with pytest.raises(InputError):
        run.record_all([judgement(2), judgement(1, Answer(choice="e"))])
    assert list(run.known()) == [judgement(1).query.key]
    run.record(judgement(2))  # what was rolled back is not thought to be stored
    assert len(run.known()) == 2


def test_a_hypothesis_shown_often_is_stored_once(own: Run) -> None:
    own.record_all([judgement(i) for i in range(60)])
    with sqlite3.connect(own.folder / runs.DATABASE) as connection:
        assert connection.execute("SELECT count(*) FROM hypothesis WHERE text = ?", (Z,)).fetchone() == (1,)
        assert connection.execute("SELECT max(ordinal), count(*) FROM judgement").fetchone() == (59, 60)
    connection.close()


def test_one_query_may_show_the_same_hypothesis_twice(run: Run) -> None:
    same = Judgement(Query(Kind.COMPARE_HYPOTHESES, (Z, Z)), Answer(grade=0), "simulated")
    run.record(same)
    assert list(run.known().values()) == [same]


def test_the_budget_may_change_and_the_newest_is_remembered(tmp_path: Path) -> None:
    opened(tmp_path).close()
    opened(tmp_path, budget=900).close()
    with Run.load(tmp_path) as run:
        assert (run.problem, run.seed, run.budget) == ("huskies", 0, 900)
        assert [event.kind for event in run.events()] == ["opened", "opened"]
        assert isinstance(run.events()[0], Event)


def test_a_run_can_be_read_while_it_goes_on(run: Run, store: str | None) -> None:
    run.record(judgement(0))
    with Run.load(run.folder, store=store) as reader:
        assert len(reader.known()) == 1
        run.record(judgement(1))
        assert len(reader.known()) == 2


def test_recording_is_quick(run: Run) -> None:
    began = time.perf_counter()
    for i in range(300):
        run.record(judgement(i))
    assert time.perf_counter() - began < 5.0  # measured: 0.4 s


# --------------------------------------------------------------------------------------------------------- append-only


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("run", "seed = 1"),
        ("hypothesis", "text = 'other'"),
        ("query", "body = '{}'"),
        ("judgement", "cost = 0"),
        ("event", "body = '{}'"),
    ],
)
def test_no_program_can_change_or_delete_a_row(own: Run, table: str, change: str) -> None:
    own.record(judgement(0))
    connection = sqlite3.connect(own.folder / runs.DATABASE)
    for statement in (f"UPDATE {table} SET {change}", f"DELETE FROM {table}"):  # noqa: S608
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(statement)
    connection.close()


def test_a_row_cannot_be_replaced_either(own: Run) -> None:
    own.record(judgement(0))
    with own._engine.begin() as connection, pytest.raises(Exception, match="append-only"):
        connection.exec_driver_sql("INSERT OR REPLACE INTO hypothesis SELECT key, 'other' FROM hypothesis")


@pytest.mark.parametrize("table", tables.APPEND_ONLY)
def test_no_statement_changes_deletes_or_empties_a_table_that_is_to_stay(
    run: Run, table: str, store: str | None
) -> None:
    run.record(judgement(0))
    run.event("round", {})
    column = tables.metadata.tables[table].columns.keys()[0]
    statements = [f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"]  # noqa: S608
    if store is not None:
        statements.append(f"TRUNCATE {table} CASCADE")
    filled = run.read(lambda connection: connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar())  # noqa: S608
    for statement in statements if filled or store is not None else []:
        with run.engine.begin() as connection, pytest.raises(DBAPIError, match="append-only"):
            connection.exec_driver_sql(statement)


@pytest.mark.slow
def test_runs_share_a_database_by_the_names_of_their_folders(tmp_path: Path, postgresql: PrivateServer) -> None:
    store = postgresql.database("shared")
    with opened(tmp_path / "one", store=store) as one, opened(tmp_path / "two", store=store, seed=2**62) as two:
        one.record(judgement(1))
        two.record(judgement(2))
        assert [list(run.known()) for run in (one, two)] == [[judgement(1).query.key], [judgement(2).query.key]]
        with pytest.raises(InputError, match="another process"):
            opened(tmp_path / "elsewhere" / "one", store=store)  # another folder, perhaps on another machine
        with Run.load("two", store=store) as found:
            assert (found.seed, len(found.known())) == (2**62, 1)
    with pytest.raises(InputError, match="no run named 'three'"):
        Run.load("three", store=store)
    with pytest.raises(InputError, match="no such database"):
        Run.load("one", store=store.replace("/shared", "/absent"))


@pytest.mark.slow
def test_a_closed_run_in_a_shared_database_is_free_at_once(tmp_path: Path, postgresql: PrivateServer) -> None:
    """The lock goes with the run, not when the server happens to notice that the connection has ended."""
    store = postgresql.database("reopened")
    engine = create_engine(store)
    with engine.connect() as watching:
        for _ in range(50):
            opened(tmp_path / "one", store=store).close()
            held = watching.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").scalar()
            assert held == 0
    engine.dispose()


@pytest.mark.slow
def test_runs_of_one_name_in_two_schemas_are_two_runs(tmp_path: Path, postgresql: PrivateServer) -> None:
    here, there = postgresql.schema("here"), postgresql.schema("there")
    with opened(tmp_path / "here" / "one", store=here), opened(tmp_path / "there" / "one", store=there):
        pass


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://h/d",
        "postgresql+psycopg://u:secret@127.0.0.1:1/d",
        "postgresql+psycopg://u@127.0.0.1:1/d?password=secret",
        "postgresql+psycopg://u:p@ss:secret@127.0.0.1:1/d",
    ],
)
def test_a_store_that_cannot_be_used_is_named_without_its_password(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database.persistently, "__defaults__", (0.0,))
    with pytest.raises(InputError) as caught:
        opened(tmp_path, store=url)
    assert "secret" not in str(caught.value)


def test_every_commit_is_on_disk_before_record_returns(own: Run) -> None:
    with database.reading(own._engine) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


# -------------------------------------------------------------------------------------------------------------- killed

RECORDER = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from test_store import judgement, opened
with opened(Path(sys.argv[1])) as run:
    known = run.known()
    for i in range(int(sys.argv[2])):
        if judgement(i).query.key not in known:
            run.record(judgement(i))
            print(i, flush=True)
"""


def recorder(folder: Path, count: int = 100_000) -> subprocess.Popen[str]:
    """A process that records judgements, and says the number of each once `record` has returned."""
    script = RECORDER.format(path=[str(Path(__file__).parent), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder), str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_anywhere_every_acknowledged_judgement_is_there_once(tmp_path: Path) -> None:
    rng = random.Random(1)
    acknowledged: list[int] = []
    for attempt in range(4):
        with recorder(tmp_path) as process:
            assert process.stdout is not None
            # By turns: anywhere from the start of the process, and, having heard of a judgement, amid the next ones.
            said = process.stdout.readline() if attempt % 2 else ""
            time.sleep(rng.uniform(0.0, 0.15 if attempt % 2 else 1.0))
            process.send_signal(signal.SIGKILL)
            said += process.communicate()[0]
        whole = said[: said.rfind("\n") + 1]  # the last line may be cut short
        acknowledged += [int(line) for line in whole.split()]
        with opened(tmp_path) as run:
            known = run.known()
        keys = [judgement(i).query.key for i in range(len(known))]
        assert list(known) == keys  # in order, none missing between, none twice
        # A judgement may be on disk unacknowledged, when the kill falls between the commit and the line.
        assert len(known) > max(acknowledged, default=-1)
        assert len(set(acknowledged)) == len(acknowledged)  # nothing recorded was recorded again
    assert acknowledged


def test_two_processes_cannot_work_on_one_run(own: Run) -> None:
    with pytest.raises(InputError, match="another process"):
        opened(own.folder)
    with recorder(own.folder, 3) as process:
        _, error = process.communicate()
    assert process.returncode == 1
    assert "another process" in error
    own.close()
    with recorder(own.folder, 3) as process:
        assert process.communicate() == ("0\n1\n2\n", "")


def test_connections_that_open_a_new_database_at_once_agree(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def connect() -> None:
        try:
            database.connect(database.sqlite_url(tmp_path / runs.DATABASE)).dispose()
        except BaseException as error:
            failures.append(error)

    together = [threading.Thread(target=connect) for _ in range(4)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert not failures
    assert schema(tmp_path / runs.DATABASE) == schema_from_nothing(tmp_path)


# ---------------------------------------------------------------------------------------------------------- migrations


def schema(path: Path) -> list[tuple[str, str]]:
    """Names and definitions of everything in the database."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    connection.close()
    return rows


def schema_from_nothing(folder: Path) -> list[tuple[str, str]]:
    """The newest schema, made anew."""
    path = folder / "other.sqlite"
    database.connect(database.sqlite_url(path)).dispose()
    return schema(path)


def at_revision(path: Path, revision: str) -> None:
    """A database as an older version made it."""
    engine = create_engine(database.sqlite_url(path))
    with engine.begin() as connection:
        database._upgrade(connection, revision)
    engine.dispose()


def test_the_newest_migration_is_the_one_that_opening_looks_for() -> None:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory(str(Path(database.__file__).parent / "migrations"))
    assert script.get_heads() == [tables.HEAD]
    assert script.get_bases() == ["0001"]


def test_migrations_make_the_tables_that_the_code_speaks_of(tmp_path: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    engine = database.connect(database.sqlite_url(tmp_path / "run.sqlite"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    engine.dispose()


def test_the_oldest_database_is_brought_up_to_date_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / runs.DATABASE
    at_revision(path, "0001")
    query = judgement(1).query
    row = {"hypotheses": [runs._text_key(Z)]}
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO run VALUES (1, 'huskies', 'abc', 0, 300, '{}', '2026-01-01T00:00:00+00:00')")
        connection.execute("INSERT INTO hypothesis VALUES (?, ?)", (runs._text_key(Z), Z))
        body = database._canonical({**query.to_json(), **row})
        connection.execute("INSERT INTO query VALUES (?, 'answer', 'transfer', ?)", (query.key, body))
        said = database._canonical(judgement(1).answer.to_json())
        connection.execute(
            "INSERT INTO judgement VALUES (1, 0, ?, 'simulated', ?, ?, 0, '2026')", (query.key, said, 1 / 3)
        )
    connection.close()
    with opened(tmp_path) as run:
        assert list(run.known().values()) == [judgement(1)]
    assert schema(path) == schema_from_nothing(tmp_path)


def test_a_database_with_people_s_answers_is_brought_up_to_date_with_its_rows(tmp_path: Path) -> None:
    """As the version before the newest made it."""
    path = tmp_path / runs.DATABASE
    at_revision(path, "0004")
    query, at, digest = judgement(1).query, "2026-01-01T00:00:00+00:00", "0" * 64
    body = database._canonical({**query.to_json(), "hypotheses": [runs._text_key(Z)]})
    with sqlite3.connect(path) as connection:
        names = ("id", "name", "problem", "fingerprint", "seed", "budget", "settings", "created")
        row: tuple[object, ...] = (1, None, "huskies", "abc", 0, 300, "{}", at)
        connection.execute(f"INSERT INTO run ({', '.join(names)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608
        connection.execute("INSERT INTO hypothesis VALUES (?, ?)", (runs._text_key(Z), Z))
        connection.execute("INSERT INTO query VALUES (?, 'answer', 'transfer', ?)", (query.key, body))
        connection.execute("INSERT INTO judge VALUES (1, 1, 'ann', 'judge', 'active', 30, 1, ?)", (at,))
        connection.execute("INSERT INTO posted VALUES (1, 1, ?, 'asked', 1, '{}', NULL, ?)", (query.key, at))
        connection.execute("INSERT INTO slot VALUES (1, 1, 1, 0, 1, 0.0, 1, 1)")
        said = database._canonical(judgement(1).answer.to_json())
        row = (1, 1, 1, 1, 1, 0, "k", digest, said, False, "", 2.0, at)
        connection.execute("INSERT INTO said VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    with opened(tmp_path) as run:
        assert [(each.judge, each.answer) for each in Overview(run).answers()] == [("ann", judgement(1).answer)]
    assert schema(path) == schema_from_nothing(tmp_path)
    indexes = {name for name, sql in schema(path) if "INDEX" in sql}
    assert {"posted_role", "said_latest"} <= indexes


def test_a_database_of_a_newer_version_is_refused_and_untouched(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / runs.DATABASE) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(InputError, match="upgrade imitative"):
        opened(tmp_path)


def test_another_program_s_database_is_refused_and_untouched(tmp_path: Path) -> None:
    places = tmp_path / "places.sqlite"
    with sqlite3.connect(places) as connection:
        connection.execute("CREATE TABLE places (name TEXT)")
    connection.close()
    before = places.read_bytes()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / runs.DATABASE).symlink_to(places)
    with pytest.raises(InputError, match="a database of another program"):
        Run.load(tmp_path / "run")
    with pytest.raises(InputError, match="a database of another program"):
        opened(tmp_path / "other", store=f"sqlite:///{places}")
    assert places.read_bytes() == before


def test_other_databases_are_served_by_portable_sql() -> None:
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.schema import CreateTable

    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    for table in tables.metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
    for statement in runs._statements("postgresql"):
        assert "ON CONFLICT DO NOTHING" in str(statement.compile(dialect=dialect))


# ------------------------------------------------------------------------------------------------------ what goes wrong


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"problem": "finite"}, "run of 'huskies'.*'finite'.*--out"),
        ({"seed": 7}, "seed 0.*seed 7.*--seed 0"),
        ({"fingerprint": "xyz"}, "other data.*restore them"),
    ],
)
def test_a_folder_of_another_problem_is_refused(tmp_path: Path, other: dict[str, Any], message: str) -> None:
    opened(tmp_path).close()
    with pytest.raises(InputError, match=message):
        opened(tmp_path, **other)
    opened(tmp_path).close()  # and still serves its own


@pytest.mark.parametrize("damage", ["not a database", "truncated", "overwritten page"])
def test_a_damaged_database_is_named(tmp_path: Path, damage: str) -> None:
    with opened(tmp_path) as run:
        run.record_all([judgement(i) for i in range(300)])
    path = tmp_path / runs.DATABASE
    whole = path.read_bytes()
    if damage == "not a database":
        path.write_bytes(b"hello, this is not SQLite" * 100)
    elif damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.write_bytes(whole[:4096] + b"\x5a" * 8192 + whole[12288:])
    with pytest.raises(InputError) as failure:
        opened(tmp_path)
    assert str(path) in str(failure.value)
    assert "restore a copy" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_row_that_no_longer_has_its_key_is_named(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.record(judgement(1))
    with sqlite3.connect(tmp_path / runs.DATABASE) as connection:
        connection.execute("DROP TRIGGER hypothesis_no_update")
        connection.execute("UPDATE hypothesis SET text = 'something else'")
    connection.close()
    with opened(tmp_path) as run, pytest.raises(InputError, match="damaged row"):
        run.known()


def test_an_empty_database_file_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / runs.DATABASE).touch()
    with opened(tmp_path) as run:
        run.record(judgement(0))


def test_a_locked_database_is_waited_for_and_then_named(tmp_path: Path) -> None:
    opened(tmp_path).close()
    holder = sqlite3.connect(tmp_path / runs.DATABASE, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    engine = database.connect(database.sqlite_url(tmp_path / runs.DATABASE), busy_seconds=0.3)
    began = time.perf_counter()
    with pytest.raises(InputError, match="in use by another program"), database.explained(tmp_path), engine.begin():
        pass
    assert 0.25 < time.perf_counter() - began < 5.0
    holder.execute("ROLLBACK")
    with engine.begin():
        pass
    holder.close()
    engine.dispose()


def test_a_full_disk_is_named_and_nothing_recorded_is_lost(own: Run) -> None:
    own.record(judgement(0))
    with own._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite's own way of running out of room
    with pytest.raises(InputError, match="no space left"):
        own.record_all([judgement(i) for i in range(1, 1000)])
    with own._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    assert list(own.known().values()) == [judgement(0)]
    own.record(judgement(1))
    assert len(own.known()) == 2


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match="name another folder"):
            opened(folder)


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / runs.DATABASE).mkdir()
    with pytest.raises(InputError, match="cannot be opened"):
        opened(tmp_path)


def test_a_failed_opening_leaves_the_folder_unlocked(tmp_path: Path) -> None:
    (tmp_path / runs.DATABASE).mkdir()
    with pytest.raises(InputError):
        opened(tmp_path)
    (tmp_path / runs.DATABASE).rmdir()
    opened(tmp_path).close()


@pytest.mark.parametrize("missing", ["folder", "database", "row"])
def test_loading_what_is_no_run_says_how_to_make_one(tmp_path: Path, missing: str) -> None:
    folder = tmp_path / "none" if missing == "folder" else tmp_path
    if missing == "row":
        database.connect(database.sqlite_url(tmp_path / runs.DATABASE)).dispose()
    with pytest.raises(InputError, match="imitative run"):
        Run.load(folder)
    with pytest.raises(InputError, match="imitative run"):
        runs.read_result(folder)


# ---------------------------------------------------------------------------------------------------------------- files


def results(own: Run, number: int = 1) -> None:
    """Write the files of a finished own."""
    own.write_results(
        result={"seed": number}, hypothesis=Z, labels="row,answer\n", report="<html>", model={"format": number}
    )


def test_results_are_read_back(own: Run) -> None:
    results(own)
    assert runs.read_result(own.folder) == {"seed": 1}
    assert runs.read_model(own.folder) == {"format": 1}
    assert (own.folder / runs.HYPOTHESIS).read_text(encoding="utf-8") == Z
    assert (own.folder / runs.REPORT).stat().st_mode & 0o444  # readable by more than the owner, as umask says


def test_an_unfinished_run_says_how_far_it_is(own: Run) -> None:
    own.record(judgement(0))
    with pytest.raises(InputError, match="unfinished run of huskies with 1 judgement and a budget of 300"):
        runs.read_result(own.folder)


def test_a_failed_write_leaves_the_file_as_it_was(own: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    results(own, 1)

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(own.folder.iterdir())
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"no space left.*free some space"):
            results(own, 2)
    assert runs.read_result(own.folder) == {"seed": 1}
    assert sorted(own.folder.iterdir()) == before


WRITER = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from imitative.store import files
for i in range(1_000_000):
    files.write_atomically(Path(sys.argv[1]), str(i % 10) * 200_000)
"""


def test_killed_while_writing_the_file_is_whole_and_the_rest_is_cleared(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    rng = random.Random(2)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER.format(path=sys.path), str(path)])
        while not path.exists():
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.2))
        process.kill()
        process.wait()
        text = path.read_text()
        assert len(text) == 200_000
        assert len(set(text)) == 1
        path.unlink()
    opened(tmp_path).close()
    assert not list(tmp_path.glob(f"{files._TEMPORARY}*"))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_result_that_is_no_json_object_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / runs.RESULT).write_bytes(content)
    with pytest.raises(InputError, match="run the problem again"):
        runs.read_result(tmp_path)


def test_an_engine_can_be_asked_for_by_url(tmp_path: Path) -> None:
    url = URL.create("sqlite", database=str(tmp_path / "a%20b ü.sqlite"))
    database.connect(url.render_as_string(hide_password=False)).dispose()
    assert (tmp_path / "a%20b ü.sqlite").exists()
