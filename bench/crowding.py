"""Many judges at once: never more answers than a query has places, and how fast the page answers."""

from __future__ import annotations

import gc
import http.client
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from bench.figure import Bench, Row
from bench.postgresql import PrivateServer, why_not
from bench.site import free_port
from imitative.config import load_problem
from imitative.mail import Person, Posting, Role
from imitative.overseers.presenting import presenter
from imitative.records import Answer, Kind, Query
from imitative.store import Run
from imitative.store.desk import Desk
from imitative.store.mailbox import StoredMailbox
from imitative.store.overview import Overview
from imitative.store.people import People
from imitative.store.task import Refused, Submission

ANNOTATORS = 50
TASKS = 1_000
SEEDS = int(os.environ.get("SEEDS", "20"))
PROCESSES = 2
LEASE = 0.3
"""Seconds: so short that leases run out all the time, and answers come late."""


def comparison(i: int) -> Posting:
    return Posting(Query(Kind.COMPARE_HYPOTHESES, (f"first {i}", f"second {i}")), {"i": i})


# --------------------------------------------------------------------------------------------------------- the cap


def cap(bench: Bench) -> Iterator[Row]:
    """50 annotators, 1,000 tasks, caps 1 and 3, 20 seeds: answers over the cap, lost, or doubled."""
    yield from _caps(bench, "SQLite", lambda folder, name: None)
    if reason := why_not():
        yield Row("over the cap, PostgreSQL", float("nan"), "0", False, {"reason": reason})
        return
    with PrivateServer() as server:
        yield from _caps(bench, "PostgreSQL", lambda folder, name: server.schema(name))


def _caps(bench: Bench, name: str, store: Callable[[Path, str], str | None]) -> Iterator[Row]:
    for most in (1, 3):
        over, wrong, answers, late, began = 0, 0, 0, 0, time.perf_counter()
        for seed in range(SEEDS):
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / f"cap-{most}-{seed}"
                found = _crowd(folder, store(folder, f"cap_{most}_{seed}"), most, seed)
            over, wrong = over + found["over"], wrong + found["wrong"]
            answers, late = answers + found["answers"], late + found["late"]
            bench.say(f"{name}, cap {most}, seed {seed}: {found}")
        seconds = time.perf_counter() - began
        detail = {"seeds": SEEDS, "answers": answers, "late": late, "per second": answers / seconds, "wrong": wrong}
        yield Row(f"answers over the cap of {most}, {name}", over, "0", over == 0 and wrong == 0, detail)


def _crowd(folder: Path, store: str | None, most: int, seed: int) -> dict[str, int]:
    """Two processes of 25 annotators each, on one database; what is there when nothing is left to judge."""
    with Run.open(folder, "cap", "abc", seed, 1, store=store) as run:
        postings = [comparison(i) for i in range(TASKS)]
        StoredMailbox(run).post([Posting(each.query, each.shown, cap=most) for each in postings])
        people = People(run)
        for i in range(ANNOTATORS):
            people.invite(f"annotator {i}", "judge")
        context = multiprocessing.get_context("fork")
        acknowledged = context.Queue()
        shares = [range(i, ANNOTATORS, PROCESSES) for i in range(PROCESSES)]
        workers = [
            context.Process(target=_annotators, args=(folder, store, share, seed, acknowledged)) for share in shares
        ]
        run.engine.dispose()  # connections must not cross a fork
        for worker in workers:
            worker.start()
        heard = [item for _ in workers for item in acknowledged.get()]
        for worker in workers:
            worker.join()
        asked = [each for each in Overview(run).answers() if each.role == Role.ASKED]
        stand = {(each.judge, each.posted_id): each.answer.grade for each in asked}
        each_has = Counter(each.posted_id for each in asked)
        return {
            "answers": len(asked),
            "over": sum(max(0, n - most) for n in each_has.values()),
            "wrong": sum(stand.get((judge, number)) != grade for judge, number, grade in heard)
            + (len(heard) - len(stand))
            + (len(asked) - len(stand))
            + (TASKS * most - len(asked)),
            "late": Overview(run).late(),
        }


def _annotators(folder: Path, store: str | None, share: range, seed: int, acknowledged: Any) -> None:
    with Run.load(folder, store=store) as run:
        people = {person.name: person for person in People(run).everybody()}
        desk = Desk(run, lease=LEASE, seed=seed)
        heard: list[tuple[str, int, int | None]] = []
        threads = [
            threading.Thread(target=_annotator, args=(desk, people[f"annotator {i}"], f"{seed} {i}", heard))
            for i in share
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        acknowledged.put(heard)


def _annotator(desk: Desk, person: Person, seed: str, heard: list[tuple[str, int, int | None]]) -> None:
    """Judges until nothing is left: now and then sends an answer twice, takes one back, or goes to lunch over it."""
    rng = random.Random(seed)  # noqa: S311
    mine: dict[int, int | None] = {}
    sent, idle = 0, 0
    task = desk.claim(person)
    while idle < 8:
        if task is None:
            idle += 1
            time.sleep(LEASE / 4)
            task = desk.claim(person)
            continue
        idle = 0
        if rng.random() < 0.004:
            time.sleep(1.5 * LEASE)
        sent += 1
        grade = rng.choice((-2, -1, 0, 1, 2))
        given = Submission(task.slot, f"answer-{person.id}-{sent}", Answer(grade=grade))
        try:
            receipt, following = desk.submit(person, given)
            if rng.random() < 0.05:
                assert desk.submit(person, given)[0].again
        except Refused as refused:
            if refused.status != 409:
                raise
            task = desk.claim(person)
            continue
        if receipt.kept == "answer" and receipt.role is Role.ASKED:
            mine[int(task.shown["i"])] = -grade if task.swapped else grade
        if rng.random() < 0.01:
            try:
                back = desk.undo(person, f"undo-{person.id}-{sent}")
            except Refused:
                back = None
            if back is not None:
                if back.role is Role.ASKED:
                    mine.pop(int(back.shown["i"]), None)
                following = back
        task = following
    heard.extend((person.name, number + 1, grade) for number, grade in mine.items())


# --------------------------------------------------------------------------------------------------------- the speed

JUDGEMENTS = 3_000
AT_ONCE = 10
PACED = 110
"""Judgements a second at which the wait for the next query is measured; flat out, every query waits for nine others."""


def speed(bench: Bench) -> Iterator[Row]:
    """10 simulated annotators on the page itself: judgements stored a second, and how long the next query takes."""
    for name, server in (("SQLite", None), ("PostgreSQL", None if why_not() else PrivateServer())):
        if name == "PostgreSQL" and server is None:
            yield Row("judgements a second, PostgreSQL", float("nan"), "≥ 100", False, {"reason": why_not()})
            return
        try:
            yield from _speed(bench, name, None if server is None else server.schema("speed"))
        finally:
            if server is not None:
                server.__exit__()


def _speed(bench: Bench, name: str, store: str | None) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        with Run.open(folder, "speed", "abc", 0, 1, store=store) as run:
            _post(run)
            tokens = [People(run).invite(f"annotator {i}", "judge") for i in range(AT_ONCE)]
            port = free_port()
            command = [sys.executable, "-m", "imitative", "serve", str(folder), "--port", str(port)]
            server = subprocess.Popen([*command, *(["--store", store] if store else [])])  # noqa: S603
            try:
                _until_served(port)
                gc.collect()
                gc.freeze()  # the stopwatch's own search for garbage is not the server's time
                times, seconds = _judged_by_all(port, tokens, JUDGEMENTS, 0.0)
                paced, _ = _judged_by_all(port, tokens, JUDGEMENTS // 2, AT_ONCE / PACED)
            finally:
                gc.unfreeze()
                server.terminate()
                server.wait(20)
            stored = len(Overview(run).answers())
    rate, p99 = len(times) / seconds, float(np.quantile(paced, 0.99)) * 1e3
    detail = {
        "judgements": len(times) + len(paced), "stored": stored, "median ms": float(np.median(paced)) * 1e3,
        "p99 ms flat out": float(np.quantile(times, 0.99)) * 1e3, "load": os.getloadavg()[0],
    }  # fmt: skip
    bench.say(f"{name}: {rate:.0f} a second, next query p50 {detail['median ms']:.1f} ms, p99 {p99:.1f} ms")
    yield Row(f"judgements a second, {name}", rate, "≥ 100", rate >= 100 and stored == detail["judgements"], detail)
    yield Row(f"next query at {PACED} a second, p99 in ms, {name}", p99, "≤ 100", p99 <= 100, detail)
    flat_out = detail["p99 ms flat out"]
    yield Row(f"next query flat out, p99 in ms, {name}", flat_out, "≤ 100", flat_out <= 100, detail)


def _post(run: Run) -> None:
    """Real comparisons of huskies' hypotheses, as the page shows them."""
    loaded = load_problem("huskies")
    space, show, rng = loaded.problem.space, presenter(loaded.problem), np.random.default_rng(0)
    texts = [space.show(space.sample(rng)) for _ in range(400)]
    queries = [
        Query(Kind.COMPARE_HYPOTHESES, (texts[i % 400], texts[(7 * i + 1 + i // 400) % 400]), repeat=i)
        for i in range(2 * JUDGEMENTS)
    ]
    StoredMailbox(run).post([Posting(query, show(query)) for query in queries])


def _until_served(port: int) -> None:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the page was not served within a minute")


class Browser:
    """A judge's browser, as far as HTTP goes: one connection, one cookie, the page's own forms."""

    def __init__(self, port: int) -> None:
        self.port, self.cookie = port, ""
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(self, method: str, path: str, fields: dict[str, str] | None = None) -> tuple[int, str]:
        headers = {"Origin": f"http://127.0.0.1:{self.port}", "HX-Request": "true", "Cookie": self.cookie}
        body = None
        if fields is not None:
            body, headers["Content-Type"] = urlencode(fields), "application/x-www-form-urlencoded"
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        if cookie := answer.getheader("set-cookie"):
            self.cookie = cookie.split(";")[0]
        return answer.status, text

    def enter(self, token: str) -> None:
        status, _ = self.send("POST", "/join", {"token": token})
        if status != 303:
            raise RuntimeError(f"an invitation was answered by {status}")

    def form(self, text: str) -> dict[str, str] | None:
        """The answer form's hidden fields; None where there is nothing to judge."""
        slot = re.search(r'name="slot" value="(\d+)"', text)
        key = re.search(r'<form id="answer".*?name="key" value="([^"]+)"', text, re.DOTALL)
        return None if slot is None or key is None else {"slot": slot[1], "key": key[1]}


def _judged_by_all(port: int, tokens: list[str], judgements: int, pause: float) -> tuple[list[float], float]:
    times: list[float] = []
    began: list[float] = []
    barrier = threading.Barrier(len(tokens), action=lambda: began.append(time.perf_counter()))

    def work(token: str, seed: int) -> None:
        rng, browser = random.Random(seed), Browser(port)  # noqa: S311
        browser.enter(token)
        _, text = browser.send("GET", "/judge/next")
        barrier.wait()
        due = time.perf_counter() + rng.random() * pause
        for _ in range(judgements // len(tokens)):
            time.sleep(max(0.0, due - time.perf_counter()))
            due += pause
            form = browser.form(text)
            assert form is not None
            sent = time.perf_counter()
            status, text = browser.send(
                "POST", "/judge/answer", {**form, "grade": str(rng.randint(-2, 2)), "seconds": "1", "why": ""}
            )
            times.append(time.perf_counter() - sent)
            assert status == 200, text

    together = [threading.Thread(target=work, args=(token, i)) for i, token in enumerate(tokens)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    return times, time.perf_counter() - began[0]


# --------------------------------------------------------------------------------------------------------- the same


def same_answer(bench: Bench) -> Iterator[Row]:
    """One key 100 times at once: rows; the same key with another body: what is said."""
    from bench.site import Site

    with tempfile.TemporaryDirectory() as scratch:
        site = Site(Path(scratch))
        site.mailbox.post([comparison(i) for i in range(3)])
        client = site.program("ann")
        slot = client.post("/api/task").json()["task"]["slot"]
        body = {"slot": slot, "key": "one-key-for-all", "answer": {"grade": 1}}
        statuses: list[int] = []
        together = [
            threading.Thread(target=lambda: statuses.append(client.post("/api/answers", json=body).status_code))
            for _ in range(100)
        ]
        for thread in together:
            thread.start()
        for thread in together:
            thread.join()
        other = client.post("/api/answers", json={**body, "answer": {"grade": 2}}).status_code
        stored = len(site.service.overview.answers())
        site.run.close()
    good = stored == 1 and other == 409 and set(statuses) == {200}
    yield Row("rows of one key sent 100 times at once", stored, "1; another body 409", good, {"other body": other})
