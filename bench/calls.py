"""Calls as money: one payment for a thousand identical calls, none twice after kill -9, no limit ever exceeded."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.figure import Bench, Row
from imitative.calls import Book, Call, Limits, Message, Paid, Patience, Price, Reply, Server, Service
from imitative.errors import InputError
from imitative.testing.server import Serving, Spoken, Wish, spoken_of

CALLS = 1000
KILLS, WHILE_RECOVERING = 100, 20
PRICE = Price(1.0, 2.0)


class Letters:
    """Says a letter drawn from the conversation."""

    name = "letters"

    def speak(self, messages: Sequence[Message], wish: Wish) -> Spoken:
        digest = hashlib.sha256("".join(message.content for message in messages).encode()).digest()
        return spoken_of("AB"[digest[0] % 2], [("A", -0.5), ("B", -1.0)], len(messages[-1].content) // 4 + 2)


def single_flight(bench: Bench) -> Iterator[Row]:
    """1,000 identical calls over 4 processes."""
    with TemporaryDirectory() as folder, Serving(Letters(), delay=0.5) as server:
        workers = [worker(server.base_url, Path(folder) / "calls.sqlite", CALLS // 4, "same") for _ in range(4)]
        said = {process.communicate(timeout=120)[0] for process in workers}
        paid = sum(server.seen.answered.values())
        detail = {"calls": CALLS, "processes": 4, "answers alike": len(said) == 1, "requests": server.seen.requests}
        yield Row("1,000 identical calls over 4 processes: paid", paid, "1", paid == 1 and len(said) == 1, detail)


def crash(bench: Bench) -> Iterator[Row]:
    """1,000 different calls, a hundred kill -9, a fifth and more of them while what the last one left is taken up."""
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder, Serving(Letters(), delay=0.003) as server:
        path = Path(folder) / "calls.sqlite"
        kills = early = 0
        while kills < KILLS:
            process = worker(server.base_url, path, CALLS, "each")
            assert process.stdout is not None
            process.stdout.readline()  # it has opened the book
            before = committed(path)
            recovering = kills % 3 == 0
            # While recovering: before it has answered anything new. Otherwise after a few new answers.
            wait = float(rng.uniform(0.0, 0.05)) if recovering else 0.0
            target = before + (0 if recovering else int(rng.integers(1, 14)))
            time.sleep(wait)
            deadline = time.monotonic() + 20.0
            while committed(path) < target and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            if process.poll() is not None:
                break
            process.kill()
            process.communicate()
            kills += 1
            early += recovering
            if kills % 20 == 0:
                bench.say(f"{kills} kills, {committed(path)} answers")
        unfinished = committed(path) < CALLS
        last = worker(server.base_url, path, CALLS, "each").communicate(timeout=300)[0]
        twice = sum(n > 1 for n in server.seen.answered.values())
        book = Book(path, "bench")
        lost, total = book.uncertain(), book.total()
        lost_keys = {each.key for each in lost}
        paid_again = twice_after_commit(path)
        requests = server.seen.requests
        straight = worker(server.base_url, Path(folder) / "straight.sqlite", CALLS, "each").communicate(timeout=300)[0]
        alike = last.splitlines()[-1] == straight.splitlines()[-1]
        priced = sum(line.money for line in book.ledger()) + sum(each.money for each in lost)
        detail = {
            "kills": kills,
            "while recovering": early,
            "killed before the end": unfinished,
            "result equals the uninterrupted run's": alike,
            "requests": requests,
            "uncertain calls, listed and charged": len(lost),
            "answered twice by the server, all of them uncertain": twice,
            "distinct uncertain": len(lost_keys),
            "budget equals answers plus uncertain": abs(priced - total.money) < 1e-9,
        }
        right = (
            kills == KILLS and early >= WHILE_RECOVERING and alike and committed(path) == CALLS
            and requests <= CALLS + len(lost) and abs(priced - total.money) < 1e-9
        )  # fmt: skip
        yield Row(
            "100 kill -9 over 1,000 calls: committed, paid again", paid_again, "0", right and not paid_again, detail
        )


def budget(bench: Bench) -> Iterator[Row]:
    """Fifty budgets, hundreds of calls at once, some of which fail: how often is one exceeded?"""
    exceeded, used, calls = 0, [], 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        with Serving(Letters(), delay=0.001) as server:
            server.faults.extend(rng.choice(["", "429", "500", "html", "cut", "lying"], 200).tolist())
            service = Service("letters", server.base_url, timeout=5.0)
            most = float(rng.uniform(0.0005, 0.01))
            book = Book(None, "bench")
            limits = Limits(money=most)
            patience = Patience(first=0.001, longest=0.01, failures=1000)
            paid = Paid(Server(service), book, PRICE, limits, patience, at_once=int(rng.integers(1, 65)))
            texts = [f"call {i} " + "x" * int(rng.integers(0, 300)) for i in range(150)]

            async def work(paid: Paid, asked: list[Call]) -> list[Reply | BaseException]:
                found = await asyncio.gather(*(paid.complete(each) for each in asked), return_exceptions=True)
                await paid.rest()
                return list(found)

            asked = [Call(server.base_url, "letters", (Message("user", text),), 8, alternatives=5) for text in texts]
            found = asyncio.run(work(paid, asked))
            assert all(isinstance(each, Reply | InputError) for each in found)
            spent = book.total().money
            exceeded += spent > most
            used.append(spent / most)
            calls += server.seen.requests
    detail = {"budgets": 50, "requests": calls, "share used": {"mean": float(np.mean(used)), "most": max(used)}}
    yield Row("50 budgets under faults, up to 64 at once: exceeded", exceeded, "0", exceeded == 0, detail)


def committed(path: Path) -> int:
    """Answers in the book."""
    try:
        with sqlite3.connect(path, timeout=30.0) as file:
            return int(file.execute("SELECT COUNT(*) FROM answer").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def twice_after_commit(path: Path) -> int:
    """Intents written for a key that had its answer already."""
    with sqlite3.connect(path, timeout=30.0) as file:
        found = file.execute("SELECT COUNT(*) FROM intent i JOIN answer a ON a.key = i.key WHERE i.created > a.created")
        return int(found.fetchone()[0])


def worker(base_url: str, path: Path, calls: int, which: str) -> subprocess.Popen[str]:
    """A process that makes calls."""
    root = str(Path(__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path])}
    command = [sys.executable, "-m", "bench.calls", base_url, str(path), str(calls), which]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603


async def _work(base_url: str, path: Path, calls: int, which: str) -> str:
    book = Book(path, "bench")
    print("open", flush=True)
    paid = Paid(Server(Service("letters", base_url)), book, PRICE, patience=Patience(first=0.01))
    texts = ["the same"] * calls if which == "same" else [f"call {i}" for i in range(calls)]
    asked = [Call(base_url, "letters", (Message("user", text),), 8, alternatives=5) for text in texts]
    replies = await asyncio.gather(*(paid.complete(each) for each in asked))
    await paid.rest()
    return hashlib.sha256("".join(reply.text for reply in replies).encode()).hexdigest()


if __name__ == "__main__":
    print(asyncio.run(_work(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
