"""Paid calls against a real server: every fault, the key, single flight over processes, kill -9."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from imitative.calls import Book, ContextOverflow, Limits, Paid, Patience, Price, Reply, Server, Service, read_prices
from imitative.calls.patience import Breaker
from imitative.calls.prices import counted
from imitative.errors import InputError
from imitative.testing.server import Serving
from tests.serving import Parrot, Saying, call, service

QUICK = Patience(first=0.01, longest=0.05, cool=0.05, failures=4, trials=2)
WORKER = Path(__file__).with_name("worker.py")


def paid(server: Serving, path: Path | None = None, limits: Limits | None = None, **more: object) -> Paid:
    price = Price(1e6, 1e6)
    return Paid(Server(service(server, **more)), Book(path, "run"), price, limits, QUICK)  # type: ignore[arg-type]


def complete(completer: Paid, *calls: object) -> list[Reply]:
    async def work() -> list[Reply]:
        try:
            return list(await asyncio.gather(*(completer.complete(each) for each in calls)))  # type: ignore[arg-type]
        finally:
            await completer.server.rest()

    return asyncio.run(work())


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["429", "429 soon", "500", "503", "cut", "broken", "html", "empty", "huge", "blank"])
def test_a_fault_that_passes_is_borne(fault: str) -> None:
    with Serving(Parrot()) as server:
        server.fail(fault)
        completer = paid(server)
        [reply] = complete(completer, call(server, "hello"))
        assert reply.text in ("A", "B")
        assert server.seen.requests == 2
        charged = {"cut": 1, "broken": 1, "html": 1, "empty": 1, "huge": 1, "blank": 1}.get(fault, 0)
        most = completer.price.most(call(server, "hello"))
        assert completer.book.total().money == pytest.approx(reply.money + charged * most)
        assert len(completer.book.uncertain()) == (fault == "cut")


@pytest.mark.parametrize("fault", ["broken", "html", "empty", "huge", "blank"])
def test_a_malformed_reply_is_unreadable_the_second_time_and_is_not_kept(fault: str) -> None:
    with Serving(Parrot()) as server:
        server.fail(fault, fault)
        completer = paid(server)
        [reply] = complete(completer, call(server, "hello"))
        assert reply.unreadable
        assert not reply.text
        [after] = complete(completer, call(server, "hello"))
        assert after.text


def test_retry_after_is_honoured() -> None:
    with Serving(Parrot()) as server:
        server.fail("429 soon", "429 soon")
        began = time.monotonic()
        complete(paid(server), call(server, "hello"))
        assert time.monotonic() - began >= 0.4


def test_a_slow_reply_is_uncertain_and_charged() -> None:
    with Serving(Parrot(), late=2.0) as server:
        server.fail("slow")
        completer = paid(server, timeout=0.3)
        [reply] = complete(completer, call(server, "hello"))
        assert reply.text
        assert [each.purpose for each in completer.book.uncertain()] == ["test"]
        assert any("not heard of again" in note for note in completer.notes)


def test_a_refusal_is_neither_text_nor_an_error() -> None:
    with Serving(Parrot()) as server:
        server.fail("refusal")
        [reply] = complete(paid(server), call(server, "hello"))
        assert (reply.refused, reply.text) == (True, "")


@pytest.mark.parametrize(
    "usage",
    [None, {}, {"prompt_tokens": -5, "completion_tokens": 10**15}, {"prompt_tokens": "7", "completion_tokens": 1},
     {"prompt_tokens": True, "completion_tokens": 1}, {"prompt_tokens": float("nan"), "completion_tokens": 1},
     {"prompt_tokens": 0, "completion_tokens": 0}, [1, 2], {"prompt_tokens": 50, "completion_tokens": 0}],
)  # fmt: skip
def test_impossible_token_counts_are_estimated_from_above(usage: object) -> None:
    with Serving(Parrot()) as server:
        asked = call(server, "x" * 400)
        found = counted(usage, asked, "A reply of some length")
        assert found.doubted
        assert 100 <= found.input <= 400
        assert 0 < found.output <= asked.most_tokens
        assert not counted({"prompt_tokens": 101, "completion_tokens": 4}, asked, "A reply").doubted


def test_a_server_that_lies_about_tokens_is_told_of() -> None:
    with Serving(Parrot()) as server:
        server.fail("lying")
        completer = paid(server)
        [reply] = complete(completer, call(server, "hello"))
        assert reply.doubted
        assert any("impossible" in note for note in completer.notes)
        assert completer.book.total().tokens < 100


def test_a_server_that_is_down_ends_the_run_in_one_line() -> None:
    with Serving(Parrot()) as server:
        address = server
    began = time.monotonic()
    with pytest.raises(InputError, match="the same command goes on") as told:
        complete(paid(address), *(call(address, str(i)) for i in range(30)))
    assert "\n" not in str(told.value)
    assert time.monotonic() - began < 20.0


def test_the_circuit_opens_and_closes() -> None:
    now = [0.0]
    breaker = Breaker(Patience(failures=3, cool=10.0, trials=2), clock=lambda: now[0])
    for _ in range(3):
        assert breaker.hold() == 0.0
        breaker.fell()
    assert breaker.hold() == 10.0
    now[0] = 11.0
    assert breaker.hold() == 0.0  # the trial
    assert breaker.hold() > 0.0  # and nobody else
    breaker.succeeded()
    assert breaker.hold() == 0.0
    for _ in range(3):
        breaker.fell()
    for _ in range(2):
        now[0] += 10.5
        assert breaker.hold() == 0.0
        breaker.fell()
    assert breaker.hopeless


# -- what a person must put right --------------------------------------------------------------------------------------


def message(server: Serving, **changes: object) -> str:
    made = {"model": server.mind.name, "base_url": server.base_url, "timeout": 5.0, **changes}

    def ask() -> None:
        completer = Paid(Server(Service(**made)), Book(None), patience=QUICK)  # type: ignore[arg-type]
        complete(completer, call(server, "hello"))

    with pytest.raises(InputError) as told:
        ask()
    assert "\n" not in str(told.value)
    return str(told.value)


def test_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("IMITATIVE_API_KEY", raising=False)
    with Serving(Parrot()) as server:
        assert "$OPENAI_API_KEY: found nothing" in message(server, base_url="https://api.openai.com/v1")
        told = message(server, base_url="http://imitative.invalid/v1")
        assert "$IMITATIVE_API_KEY: found nothing" in told


def test_a_wrong_address_and_a_wrong_path(monkeypatch: pytest.MonkeyPatch) -> None:
    with Serving(Parrot()) as server:
        assert "an address that begins with http" in message(server, base_url="ftp://127.0.0.1/v1")
        assert "an address that begins with http" in message(server, base_url="127.0.0.1:1234")
        assert "an address alone" in message(server, base_url="http://me:secret@127.0.0.1/v1")
        assert "check base_url" in message(server, base_url=server.base_url.replace("/v1", "/elsewhere"))


def test_an_unknown_model_is_told_the_known_ones() -> None:
    with Serving(Parrot()) as server:
        completer = Paid(Server(Service("parot", server.base_url)), Book(None), patience=QUICK)
        with pytest.raises(InputError, match=r"found 'parot'; expected one of 'parrot'; did you mean 'parrot'\?"):
            complete(completer, replace(call(server, "hello"), model="parot"))


def test_a_problem_file_can_not_send_any_secret_anywhere() -> None:
    with pytest.raises(InputError, match="a variable that begins with IMITATIVE_"):
        Service("m", "http://127.0.0.1/v1", key="AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="is called a KEY"):
        Service("m", "http://127.0.0.1/v1", key="IMITATIVE_STORE")  # a database's URL, with its password


def test_a_context_overflow_is_never_cut_silently() -> None:
    with Serving(Parrot()) as server:
        server.fail("overflow")
        with pytest.raises(ContextOverflow):
            complete(paid(server), call(server, "hello"))
        with pytest.raises(ContextOverflow, match="more than 20"):
            complete(Paid(Server(Service("parrot", server.base_url, context=20)), Book(None)), call(server, "h" * 100))
        assert server.seen.requests == 1


def test_a_limit_that_is_spent_says_which_and_the_same_call_goes_on(tmp_path: Path) -> None:
    with Serving(Parrot()) as server:
        calls = [call(server, str(i)) for i in range(10)]
        with pytest.raises(InputError, match=r"limits\.calls: found 6 of 6 calls spent"):
            complete(paid(server, tmp_path / "c.sqlite", Limits(calls=6)), *calls)
        assert server.seen.requests == 6
        complete(paid(server, tmp_path / "c.sqlite", Limits(calls=10)), *calls)
        assert server.seen.requests == 10


def test_a_limit_of_money_needs_a_price() -> None:
    with pytest.raises(InputError, match="no price"):
        Paid(Server(Service("m", "https://api.openai.com/v1")), Book(None), limits=Limits(money=1.0))


def test_a_budget_is_never_exceeded_however_many_ask_at_once() -> None:
    with Serving(Parrot(), delay=0.01) as server:
        completer = paid(server, limits=Limits(money=2000.0))

        async def work() -> int:
            tasks = [completer.complete(call(server, f"call {i} " + "x" * (i % 7) * 30)) for i in range(200)]
            found = await asyncio.gather(*tasks, return_exceptions=True)
            await completer.server.rest()
            return sum(isinstance(each, InputError) for each in found)

        assert asyncio.run(work()) > 0
        assert completer.book.total().money <= 2000.0
        assert sum(line.money for line in completer.book.ledger()) > 1800.0


def test_prices(tmp_path: Path) -> None:
    table = tmp_path / "prices.toml"
    table.write_text('[models."a/b"]\ninput = 1\noutput = 2.5\n')
    assert read_prices(table) == {"a/b": Price(1.0, 2.5)}
    for wrong in (
        "[models.a]\ninput = -1\n",
        "[models.a]\nin = 1\n",
        "x = 1\n",
        "[models.a\n",
        '[models.a]\ninput = "1"\n',
    ):
        table.write_text(wrong)
        with pytest.raises(InputError):
            read_prices(table)


# -- the key -----------------------------------------------------------------------------------------------------------


def test_the_key_is_sent_and_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "sk-a-very-secret-key-123456789"  # noqa: S105
    monkeypatch.setenv("IMITATIVE_API_KEY", secret)
    monkeypatch.setenv("OPENAI_LOG", "debug")
    caplog.set_level("DEBUG")
    told = ""
    with Serving(Parrot(), key=secret) as server:
        completer = paid(server, tmp_path / "c.sqlite")
        complete(completer, call(server, "hello"))
        server.key = "another"  # from now on the server refuses, and repeats the key in its message
        with pytest.raises(InputError) as error:
            complete(completer, call(server, "goodbye"))
        told = str(error.value) + repr(error.value) + repr(error.value.__cause__)
        assert secret in server.seen.keys
    assert "[key]" in told
    assert secret not in told + repr(completer.__dict__) + repr(completer.server.service) + caplog.text
    assert secret not in json.dumps(completer.told())
    completer.book.close()
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


# -- many processes, and kill -9 ---------------------------------------------------------------------------------------


def start(server: Serving, path: Path, texts: int, same: bool) -> subprocess.Popen[bytes]:
    arguments = [server.base_url, str(path), str(texts), "same" if same else "each"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, str(WORKER), *arguments], env=environment, stdout=subprocess.PIPE)


def test_of_a_thousand_identical_calls_over_four_processes_one_is_paid(tmp_path: Path) -> None:
    with Serving(Parrot(), delay=0.5) as server:
        workers = [start(server, tmp_path / "c.sqlite", 250, True) for _ in range(4)]
        said = [worker.communicate(timeout=60)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * 4
        assert len(set(said)) == 1
        assert sum(server.seen.answered.values()) == 1


@pytest.mark.slow
def test_killed_and_started_again_nothing_committed_is_paid_twice(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    with Serving(Parrot(), delay=0.002) as server:
        kills = 0
        while kills < 3:
            worker = start(server, path, 120, False)
            before, deadline = committed(path), time.monotonic() + 20.0
            while committed(path) < before + 15 and worker.poll() is None and time.monotonic() < deadline:
                time.sleep(0.005)
            if worker.poll() is not None:
                break
            worker.send_signal(signal.SIGKILL)
            worker.communicate()
            kills += 1
        assert kills == 3
        last, _ = start(server, path, 120, False).communicate(timeout=60)
        assert last == start(server, tmp_path / "other.sqlite", 120, False).communicate(timeout=60)[0]
        book = Book(path, "run")
        assert committed(path) == 120
        lost = len(book.uncertain())
        paid_in_all = server.seen.requests - 120  # less the uninterrupted run's
        assert paid_in_all <= 120 + lost


def committed(path: Path) -> int:
    try:
        with sqlite3.connect(path) as file:
            return int(file.execute("SELECT COUNT(*) FROM answer").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def test_a_note_of_a_server_that_ignores_the_limit_of_a_reply() -> None:
    with Serving(Saying(lambda messages: "A")) as server:
        completer = paid(server)
        [reply] = complete(completer, call(server, "hello"))
        assert reply.text == "A"
        assert not completer.notes
