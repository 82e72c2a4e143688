"""The book of paid calls: a cache, a ledger, a limit and a lock, all made of rows in one SQLite file.

    intent   a row before anything is sent: the call's key, what it may cost at most, who sends it
    answer   a row after: the reply as JSON, tokens, money, seconds          once for a key, never rewritten
    failure  or this one: what went wrong, and what it is charged

    spent = Σ answers' money + Σ failures' charges + Σ the most that intents without either may cost

So calls in flight count against a limit before they are answered, and a call whose process was killed stays counted:
nobody knows whether the server charged for it. Single flight is a row too: who holds the lease of a key sends the call,
all others wait for its answer. A lease ends with its process, however that ends.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, final

from imitative.calls.call import Call, Reply
from imitative.errors import InputError

SCHEMA: Final = 1
_BUSY_SECONDS: Final = 30.0
_TABLES: Final = """
CREATE TABLE intent (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, purpose TEXT NOT NULL, run TEXT NOT NULL, process TEXT NOT NULL,
  request TEXT NOT NULL, most_tokens INTEGER NOT NULL, most_money REAL NOT NULL, created REAL NOT NULL);
CREATE INDEX intent_created ON intent (created);
CREATE INDEX intent_run ON intent (run);
CREATE TABLE answer (
  key TEXT PRIMARY KEY, intent INTEGER NOT NULL UNIQUE REFERENCES intent (id), body TEXT NOT NULL,
  input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, money REAL NOT NULL, seconds REAL NOT NULL,
  created REAL NOT NULL);
CREATE TABLE failure (
  intent INTEGER PRIMARY KEY REFERENCES intent (id), kind TEXT NOT NULL, message TEXT NOT NULL, tokens INTEGER NOT NULL,
  money REAL NOT NULL, created REAL NOT NULL);
CREATE TABLE lease (key TEXT PRIMARY KEY, process TEXT NOT NULL, expires REAL NOT NULL);
"""
_APPEND_ONLY: Final = ("intent", "answer", "failure")


@final
@dataclass(frozen=True)
class Limits:
    """What a run may spend in all; None: no limit. Calls in flight and uncertain ones count as if they cost the most.

    Args:
        calls: requests sent, retries included.
        tokens: read and written.
        money: in the unit of the price table.
        requests_a_minute, tokens_a_minute: over every process that shares the book.
    """

    calls: int | None = None
    tokens: int | None = None
    money: float | None = None
    requests_a_minute: int | None = None
    tokens_a_minute: int | None = None


class Known(NamedTuple):
    """The answer was there."""

    reply: Reply


class Granted(NamedTuple):
    """The call may be sent: its intent is a row."""

    intent: int


class Wait(NamedTuple):
    """Somebody else is asking the same, or the rate is at its limit: look again after so many seconds."""

    seconds: float


class Spent(NamedTuple):
    """A limit would be exceeded: which, how much is spent or in flight, and the limit."""

    limit: str
    spent: float
    most: float


class Purpose(NamedTuple):
    """A line of the ledger."""

    purpose: str
    calls: int
    input_tokens: int
    output_tokens: int
    money: float
    seconds: float


class Uncertain(NamedTuple):
    """A call that was sent, and never heard of again: charged with the most it may have cost."""

    intent: int
    key: str
    purpose: str
    money: float


class Total(NamedTuple):
    """What a limit is compared with: answers, failures' charges, and the most of what is open."""

    calls: int
    tokens: int
    money: float


@final
class Book:
    """The rows of one file.

    Args:
        path: the file, made where missing; None keeps everything in memory, for this process alone.
        run: whose money is counted: what other runs paid is known here, and costs nothing.
        process: names this process; drawn where not given.
        clock: seconds since the epoch, for tests.

    Raises:
        InputError: if the file is damaged, locked for long, or no book.
    """

    def __init__(
        self, path: Path | None, run: str = "", process: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.path, self.run, self._clock = path, run, clock
        self.process = process or _this_process()
        with self._explained():
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._file = sqlite3.connect(path or ":memory:", timeout=_BUSY_SECONDS, isolation_level=None)
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")  # an answer that was paid for is on disk before it is used
            self._migrate()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # -- one call ----------------------------------------------------------------------------------------------------

    def begin(self, call: Call, most_money: float, limits: Limits, seconds: float) -> Known | Granted | Wait | Spent:
        """Look the call up; where it is unknown and nobody asks it, write the intent and take the lease.

        Args:
            call: what is to be asked.
            most_money: the most it can cost.
            limits: what must hold with this call counted.
            seconds: how long the lease lasts if the process lives but forgets.
        """
        now, most_tokens = self._clock(), call.input_tokens + call.most_tokens
        with self._writing():
            if (known := self._answer(call.key)) is not None:
                return Known(known)
            lease = self._file.execute("SELECT process, expires FROM lease WHERE key = ?", (call.key,)).fetchone()
            if lease is not None and lease[0] != self.process and lease[1] > now and _lives(lease[0]):
                return Wait(0.02)
            if (spent := self._exceeded(limits, most_tokens, most_money)) is not None:
                return spent
            if (wait := self._too_fast(limits, most_tokens, now)) > 0.0:
                return Wait(wait)
            cursor = self._file.execute(
                "INSERT INTO intent (key, purpose, run, process, request, most_tokens, most_money, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (call.key, call.purpose, self.run, self.process, _json(call.to_json()), most_tokens, most_money, now),
            )
            self._file.execute("INSERT OR REPLACE INTO lease VALUES (?, ?, ?)", (call.key, self.process, now + seconds))
            return Granted(int(cursor.lastrowid or 0))

    def answered(self, intent: int, call: Call, reply: Reply) -> None:
        """Write the answer and give up the lease. Of two answers to one key the first stays."""
        values = (reply.input_tokens, reply.output_tokens, reply.money, reply.seconds, self._clock())
        with self._writing():
            first = self._file.execute(
                "INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (call.key, intent, _json(reply.to_json()), *values),
            ).rowcount
            if not first:  # a lease that expired let a second process ask: its money is spent all the same
                tokens = reply.input_tokens + reply.output_tokens
                self._failure(intent, "answered twice", "another process had answered", tokens, reply.money)
            self._file.execute("DELETE FROM lease WHERE key = ? AND process = ?", (call.key, self.process))

    def failed(self, intent: int, call: Call, kind: str, message: str, tokens: int, money: float) -> None:
        """Write what went wrong, charged with so much, and give up the lease."""
        with self._writing():
            self._failure(intent, kind, message, tokens, money)
            self._file.execute("DELETE FROM lease WHERE key = ? AND process = ?", (call.key, self.process))

    def _failure(self, intent: int, kind: str, message: str, tokens: int, money: float) -> None:
        row = (intent, kind, message[:500], tokens, money, self._clock())
        self._file.execute("INSERT INTO failure VALUES (?, ?, ?, ?, ?, ?)", row)

    def _answer(self, key: str) -> Reply | None:
        row = self._file.execute(
            "SELECT a.body, a.money, a.seconds, i.run FROM answer a JOIN intent i ON i.id = a.intent WHERE a.key = ?",
            (key,),
        ).fetchone()
        if row is None:
            return None
        body, money, seconds, run = row
        reply = Reply.from_json(json.loads(body))
        kept = {**reply.__dict__, "money": money if run == self.run else 0.0, "seconds": seconds, "cached": True}
        return Reply(**kept)

    # -- limits ------------------------------------------------------------------------------------------------------

    def total(self) -> Total:
        """What this run has spent, with the most that calls in flight and uncertain ones may cost."""
        calls, tokens, money = self._file.execute(
            """SELECT COUNT(*),
                 COALESCE(SUM(COALESCE(a.input_tokens + a.output_tokens, f.tokens, i.most_tokens)), 0),
                 COALESCE(SUM(COALESCE(a.money, f.money, i.most_money)), 0.0)
               FROM intent i LEFT JOIN answer a ON a.intent = i.id LEFT JOIN failure f ON f.intent = i.id
               WHERE i.run = ?""",
            (self.run,),
        ).fetchone()
        return Total(int(calls), int(tokens), float(money))

    def _exceeded(self, limits: Limits, tokens: int, money: float) -> Spent | Wait | None:
        if limits.calls is limits.tokens is limits.money is None:
            return None
        total = self.total()
        asked = (("calls", 1, limits.calls), ("tokens", tokens, limits.tokens), ("money", money, limits.money))
        over = [
            (Spent(name, spent, most), more, flying)
            for (name, more, most), spent, flying in zip(asked, total, self._in_flight(), strict=True)
            if most is not None and spent + more > most + 1e-12
        ]
        if not over:
            return None
        # What is in flight may turn out cheaper than the most it may cost: only what is over without it is final.
        final = [spent for spent, more, flying in over if spent.spent - flying + more > spent.most + 1e-12]
        return final[0] if final else Wait(0.05)

    def _in_flight(self) -> Total:
        """The part of `total` that is open in processes that live; requests count once sent, whatever comes back."""
        rows = self._file.execute(
            """SELECT i.process, i.most_tokens, i.most_money FROM intent i
               LEFT JOIN answer a ON a.intent = i.id LEFT JOIN failure f ON f.intent = i.id
               WHERE i.run = ? AND a.intent IS NULL AND f.intent IS NULL""",
            (self.run,),
        ).fetchall()
        open_rows = [row for row in rows if row[0] == self.process or _lives(row[0])]
        return Total(0, sum(row[1] for row in open_rows), sum(row[2] for row in open_rows))

    def _too_fast(self, limits: Limits, tokens: int, now: float) -> float:
        """Seconds until the last minute's requests and tokens leave room for this call; 0 where they do."""
        if limits.requests_a_minute is None and limits.tokens_a_minute is None:
            return 0.0
        last = self._file.execute(
            "SELECT created, most_tokens FROM intent WHERE created > ? ORDER BY created", (now - 60.0,)
        ).fetchall()
        requests, used = len(last), sum(each[1] for each in last)
        most_requests = limits.requests_a_minute if limits.requests_a_minute is not None else requests + 1
        most_tokens = limits.tokens_a_minute if limits.tokens_a_minute is not None else used + tokens
        for created, spent in last:
            if requests < most_requests and (used + tokens <= most_tokens or used == 0):
                return 0.0
            requests, used, wait = requests - 1, used - spent, created + 60.0 - now
            if requests < most_requests and (used + tokens <= most_tokens or used == 0):
                return max(float(wait), 0.01)
        return 0.0

    # -- the ledger --------------------------------------------------------------------------------------------------

    def ledger(self) -> list[Purpose]:
        """What this run has paid, by purpose: answers, and failures that were charged."""
        rows = self._file.execute(
            """SELECT i.purpose, COUNT(*), COALESCE(SUM(a.input_tokens), 0),
                 COALESCE(SUM(COALESCE(a.output_tokens, f.tokens)), 0),
                 COALESCE(SUM(COALESCE(a.money, f.money)), 0.0), COALESCE(SUM(a.seconds), 0.0)
               FROM intent i LEFT JOIN answer a ON a.intent = i.id LEFT JOIN failure f ON f.intent = i.id
               WHERE i.run = ? AND (a.intent IS NOT NULL OR f.tokens > 0) GROUP BY i.purpose ORDER BY i.purpose""",
            (self.run,),
        )
        return [Purpose(*row) for row in rows]

    def uncertain(self) -> list[Uncertain]:
        """This run's calls of which nobody knows whether they were charged: killed, timed out, or cut off."""
        rows = self._file.execute(
            """SELECT i.id, i.key, i.purpose, COALESCE(f.money, i.most_money), i.process, f.kind
               FROM intent i LEFT JOIN answer a ON a.intent = i.id LEFT JOIN failure f ON f.intent = i.id
               WHERE i.run = ? AND a.intent IS NULL AND (f.kind IS NULL OR f.kind = 'uncertain') ORDER BY i.id""",
            (self.run,),
        ).fetchall()
        # An intent of this process, or of another that lives, is still in flight.
        return [Uncertain(*row[:4]) for row in rows if row[5] or (row[4] != self.process and not _lives(row[4]))]

    def failures(self) -> dict[str, int]:
        """How often this run met what."""
        rows = self._file.execute(
            "SELECT f.kind, COUNT(*) FROM failure f JOIN intent i ON i.id = f.intent WHERE i.run = ? GROUP BY f.kind",
            (self.run,),
        )
        return {str(kind): int(n) for kind, n in rows}

    # -- the file ----------------------------------------------------------------------------------------------------

    def _migrate(self) -> None:
        if self._version() == SCHEMA:
            return
        self._file.execute("BEGIN IMMEDIATE")
        try:
            version = self._version()
            if version > SCHEMA:
                found = f"a book of calls of schema {version}"
                raise InputError(
                    str(self.path), found, f"at most {SCHEMA}", "a newer version wrote it: upgrade imitative"
                )
            if version == 0:
                if self._file.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone():
                    remedy = "name another file"
                    raise InputError(str(self.path), "a database of another program", "a book of calls", remedy)
                for statement in _TABLES.split(";"):
                    self._file.execute(statement)
                for table in _APPEND_ONLY:
                    for doing in ("UPDATE", "DELETE"):
                        self._file.execute(
                            f"CREATE TRIGGER {table}_{doing.lower()} BEFORE {doing} ON {table} "
                            f"BEGIN SELECT RAISE(ABORT, '{table} rows are never rewritten'); END"
                        )
                self._file.execute(f"PRAGMA user_version = {SCHEMA}")
            self._file.execute("COMMIT")
        except BaseException:
            self._file.execute("ROLLBACK")
            raise

    def _version(self) -> int:
        return int(self._file.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._explained():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._file.execute("COMMIT")
            except BaseException:
                self._file.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            remedy = "name another place, or move the file away: what it knows would be paid for again"
            raise InputError(str(self.path), f"a book of calls that fails ({error})", remedy=remedy) from error


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _this_process() -> str:
    """`host/pid/start/random`: the start tells a process from a later one that was given its number."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}/{uuid.uuid4().hex[:8]}"


def _lives(process: str) -> bool:
    """Whether the process may still be there; one on another machine counts until its lease expires."""
    host, _, rest = process.partition("/")
    number, _, rest = rest.partition("/")
    if host != socket.gethostname() or not number.isdigit():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # not ours to signal: it is there
    return _started(int(number)) in ("", rest.partition("/")[0])


def _started(number: int) -> str:
    """When a process began, in ticks since the machine did; empty where the system does not say."""
    try:
        told = Path(f"/proc/{number}/stat").read_text("ascii", "replace")
    except OSError:
        return ""
    state, *fields = told.rpartition(")")[2].split()
    return "gone" if state == "Z" else fields[18]
