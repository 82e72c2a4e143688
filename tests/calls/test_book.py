"""The book of calls: one payment for a key, limits that count what is in flight, rows that stay."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from imitative.calls import Book, Call, Limits, Message, Reply
from imitative.calls.book import Granted, Known, Spent, Wait
from imitative.errors import InputError


def a_call(text: str = "hello", purpose: str = "prior", most: int = 10) -> Call:
    return Call("http://127.0.0.1/v1", "m", (Message("user", text),), most, purpose=purpose)


REPLY = Reply("A", input_tokens=12, output_tokens=1, money=0.5, seconds=0.1)


def granted(book: Book, call: Call, money: float = 1.0, limits: Limits | None = None) -> int:
    found = book.begin(call, money, limits or Limits(), 60.0)
    assert isinstance(found, Granted)
    return found.intent


def test_what_was_answered_is_known_and_free_to_other_runs(tmp_path: Path) -> None:
    mine, theirs = (Book(tmp_path / "calls.sqlite", run) for run in ("mine", "theirs"))
    mine.answered(granted(mine, a_call()), a_call(), REPLY)
    again, other = (book.begin(a_call(purpose="audit"), 1.0, Limits(), 60.0) for book in (mine, theirs))
    assert isinstance(again, Known)
    assert isinstance(other, Known)
    assert (again.reply.text, again.reply.money, again.reply.cached) == ("A", 0.5, True)
    assert (other.reply.text, other.reply.money) == ("A", 0.0)
    assert theirs.total().money == 0.0


@pytest.mark.parametrize(
    "other",
    [
        a_call("hullo"),
        Call("http://127.0.0.2/v1", "m", (Message("user", "hello"),), 10),
        Call("http://127.0.0.1/v1", "n", (Message("user", "hello"),), 10),
        Call("http://127.0.0.1/v1", "m", (Message("system", "hello"),), 10),
        Call("http://127.0.0.1/v1", "m", (Message("user", "hello"),), 11),
        Call("http://127.0.0.1/v1", "m", (Message("user", "hello"),), 10, temperature=1.0),
        Call("http://127.0.0.1/v1", "m", (Message("user", "hello"),), 10, alternatives=5),
        Call("http://127.0.0.1/v1", "m", (Message("user", "hello"),), 10, schema={"type": "object"}),
        Call("http://127.0.0.1/v1", "m", (Message("user", "hello"),), 10, sample=1),
        Call("http://127.0.0.1/v1", "m", (Message("user", "hello"),), 10, extra={"top_p": 0.5}),
    ],
)
def test_the_key_is_everything_that_determines_the_answer(other: Call) -> None:
    assert other.key != a_call().key
    assert a_call(purpose="audit").key == a_call().key


def test_calls_in_flight_count_against_the_limit() -> None:
    book, limits = Book(None), Limits(money=2.5)
    first = granted(book, a_call("1"), 1.0, limits)
    granted(book, a_call("2"), 1.0, limits)
    # Two in flight may cost 2: a third could exceed 2.5, or not, once they are back.
    assert isinstance(book.begin(a_call("3"), 1.0, limits, 60.0), Wait)
    book.answered(first, a_call("1"), REPLY)
    third = granted(book, a_call("3"), 1.0, limits)
    assert book.total().money == pytest.approx(2.5)
    book.answered(third, a_call("3"), Reply("A", money=1.0))
    assert isinstance(book.begin(a_call("4"), 1.01, limits, 60.0), Spent)
    with_two = Limits(calls=3)
    assert book.begin(a_call("4"), 0.0, with_two, 60.0) == Spent("calls", 3, 3)
    assert isinstance(book.begin(a_call("4"), 0.0, Limits(tokens=20), 60.0), Spent)


def test_a_call_whose_process_was_killed_is_uncertain_and_stays_charged(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from imitative.calls import *;"
        "book = Book(Path(sys.argv[1]), 'run');"
        "call = Call('http://127.0.0.1/v1', 'm', (Message('user', 'hello'),), 10, purpose='prior');"
        "book.begin(call, 1.25, Limits(), 600.0); os.kill(os.getpid(), 9)"
    )
    path = tmp_path / "calls.sqlite"
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == -9
    book = Book(path, "run")
    [lost] = book.uncertain()
    assert (lost.purpose, lost.money, lost.key) == ("prior", 1.25, a_call().key)
    assert book.total().money == 1.25
    # The lease died with its process: nobody waits ten minutes for a dead one.
    book.answered(granted(book, a_call(), 1.25), a_call(), REPLY)
    assert book.total().money == pytest.approx(1.75)
    assert len(book.uncertain()) == 1


def test_a_live_process_keeps_its_lease_and_a_forgotten_one_expires(tmp_path: Path) -> None:
    now = [1000.0]
    one, two = (Book(tmp_path / "c.sqlite", "run", clock=lambda: now[0]) for _ in range(2))
    granted(one, a_call())
    assert isinstance(two.begin(a_call(), 1.0, Limits(), 60.0), Wait)
    now[0] += 61.0
    late = granted(two, a_call())
    two.answered(late, a_call(), REPLY)
    # The forgetful one comes back after all: its money is counted, its answer is not.
    one.answered(1, a_call(), Reply("B", money=0.25))
    known = one.begin(a_call(), 1.0, Limits(), 60.0)
    assert isinstance(known, Known)
    assert known.reply.text == "A"
    assert one.total().money == pytest.approx(0.75)


def test_the_rate_is_kept_over_every_process_that_shares_the_book(tmp_path: Path) -> None:
    now = [1000.0]
    books = [Book(tmp_path / "c.sqlite", run, clock=lambda: now[0]) for run in ("a", "b")]
    limits = Limits(requests_a_minute=2)
    granted(books[0], a_call("1"), 0.0, limits)
    now[0] += 10.0
    granted(books[1], a_call("2"), 0.0, limits)
    assert books[0].begin(a_call("3"), 0.0, limits, 60.0) == Wait(50.0)
    now[0] += 50.1
    granted(books[0], a_call("3"), 0.0, limits)
    tokens = a_call().input_tokens + a_call().most_tokens
    assert isinstance(books[0].begin(a_call("4"), 0.0, Limits(tokens_a_minute=2 * tokens), 60.0), Wait)
    assert isinstance(books[0].begin(a_call("4"), 0.0, Limits(tokens_a_minute=3 * tokens), 60.0), Granted)


def test_rows_are_never_rewritten(tmp_path: Path) -> None:
    book = Book(tmp_path / "c.sqlite", "run")
    book.answered(granted(book, a_call()), a_call(), REPLY)
    book.failed(granted(book, a_call("2")), a_call("2"), "server", "500", 0, 0.0)
    file = sqlite3.connect(tmp_path / "c.sqlite")
    for table in ("intent", "answer", "failure"):
        for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET created = 0"):  # noqa: S608
            with pytest.raises(sqlite3.IntegrityError, match="never rewritten"):
                file.execute(statement)
    file.close()


def test_the_ledger_adds_up_by_purpose() -> None:
    book = Book(None)
    for i, purpose in enumerate(["prior", "prior", "audit"]):
        call = a_call(str(i), purpose)
        book.answered(granted(book, call), call, REPLY)
    book.failed(granted(book, a_call("x", "audit")), a_call("x", "audit"), "busy", "429", 0, 0.0)
    lines = {line.purpose: line for line in book.ledger()}
    assert (lines["prior"].calls, lines["prior"].money, lines["prior"].input_tokens) == (2, 1.0, 24)
    assert lines["audit"].calls == 1
    assert book.failures() == {"busy": 1}


def test_what_is_no_book_is_refused_in_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "c.sqlite"
    wrong.write_text("not a database at all, " * 50)
    with pytest.raises(InputError, match="a book of calls that fails"):
        Book(wrong)
    newer = tmp_path / "d.sqlite"
    with sqlite3.connect(newer) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(InputError, match="upgrade imitative"):
        Book(newer)
    with sqlite3.connect(tmp_path / "e.sqlite") as file:
        file.execute("CREATE TABLE places (name TEXT)")
    with pytest.raises(InputError, match="a database of another program"):
        Book(tmp_path / "e.sqlite")
    assert file.execute("SELECT name FROM sqlite_master").fetchall() == [("places",)]
    if os.getuid() != 0:
        with pytest.raises(InputError):
            Book(Path("/proc/nowhere/c.sqlite"))
