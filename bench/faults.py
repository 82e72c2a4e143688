"""What is left of acknowledged answers when the server is killed, the database restarted, locked, full or read-only."""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import event

from bench.crowding import Browser
from bench.figure import Bench, Row
from bench.postgresql import PrivateServer, why_not
from bench.site import Site, comparison, free_port, live
from imitative.errors import InputError
from imitative.mail import Role
from imitative.records import Answer
from imitative.store import Run, database, runs
from imitative.store.desk import Desk
from imitative.store.mailbox import StoredMailbox
from imitative.store.overview import Overview
from imitative.store.people import People
from imitative.store.task import Submission

KILLS = int(os.environ.get("KILLS", "200"))
EACH_POINT = 8
POINTS = (
    "before the answer is written",
    "after it is written, before the commit",
    "after the commit, before the acknowledgement",
    "amid the acknowledgement",
    "while the next query is given",
)


# --------------------------------------------------------------------------------------------------------- kills


def kills(bench: Bench) -> Iterator[Row]:
    """kill -9 of the server at random moments and at named points; judges send again what was not acknowledged."""
    yield _kills(bench, "SQLite", None)
    if reason := why_not():
        yield Row("answers lost over kills, PostgreSQL", float("nan"), "0", False, {"reason": reason})
        return
    with PrivateServer() as server:
        yield _kills(bench, "PostgreSQL", server.schema("kills"))


def _kills(bench: Bench, name: str, store: str | None) -> Row:
    with tempfile.TemporaryDirectory() as scratch:
        folder, port = Path(scratch), free_port()
        site = Site(folder, origin=f"http://127.0.0.1:{port}", store=store)
        site.mailbox.post([comparison(i) for i in range(10_000)])
        tokens = [site.service.people.invite(f"judge {i}", "judge") for i in range(4)]
        site.run.engine.dispose()  # connections must not cross a fork
        judges = _Judges(port, tokens)
        points = [None] * KILLS + [point for point in POINTS for _ in range(EACH_POINT)]
        rng = random.Random(0)  # noqa: S311
        reached: Counter[str | None] = Counter()
        for i, point in enumerate(points):
            reached[point] += _one_life(site, port, judges, point, rng)
            if i % 20 == 19:
                bench.say(f"{name}: {i + 1} lives, {judges.heard} acknowledged")
        acknowledged, interrupted = judges.stop()
        answers = Overview(site.run).answers()
        site.run.close()
    stand = Counter((each.judge, each.posted_id) for each in answers)
    said = Counter((each.judge, each.why) for each in answers)
    lost = [key for key in acknowledged if key not in said]
    doubled = sum(n - 1 for n in stand.values()) + sum(n - 1 for n in said.values())
    detail = {
        "lives": len(points), "acknowledged": len(acknowledged), "stored": len(answers), "doubled": doubled,
        "sent again": interrupted, "died at": {point: reached[point] for point in POINTS},
    }  # fmt: skip
    bench.say(str(detail))
    good = not lost and doubled == 0 and len(answers) - len(acknowledged) <= len(tokens)
    good = good and all(reached[point] == EACH_POINT for point in POINTS)
    return Row(f"acknowledged answers lost over {len(points)} kills, {name}", len(lost), "0; 0 doubled", good, detail)


class _Judges:
    """A process of judges who never give up: each answer is sent, with one key, until it is acknowledged."""

    def __init__(self, port: int, tokens: list[str]) -> None:
        context = multiprocessing.get_context("fork")
        self._heard = context.Value("i", 0)
        self._stopped = context.Event()
        self._told = context.Queue()
        self._process = context.Process(target=self._all, args=(port, tokens))
        self._process.start()

    @property
    def heard(self) -> int:
        """How many answers were acknowledged."""
        return int(self._heard.value)

    def stop(self) -> tuple[list[tuple[str, str]], int]:
        """What was acknowledged, and how often something had to be sent again."""
        self._stopped.set()
        told: tuple[list[tuple[str, str]], int] = self._told.get(timeout=120.0)
        self._process.join()
        return told

    def _all(self, port: int, tokens: list[str]) -> None:
        acknowledged: list[tuple[str, str]] = []
        interrupted = [0]
        threads = [
            threading.Thread(target=self._judge, args=(port, token, i, acknowledged, interrupted))
            for i, token in enumerate(tokens)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._told.put((acknowledged, interrupted[0]))

    def _judge(
        self, port: int, token: str, number: int, acknowledged: list[tuple[str, str]], interrupted: list[int]
    ) -> None:
        rng, cookie, text, n = random.Random(number), "", "", 0  # noqa: S311
        pending: dict[str, str] | None = None
        while not self._stopped.is_set():
            browser = Browser(port)
            browser.connection.timeout = 5.0
            browser.cookie = cookie
            try:
                if not cookie:
                    browser.enter(token)
                    cookie = browser.cookie
                if pending is None:
                    _, text = browser.send("GET", "/judge/next")
                while not self._stopped.is_set():
                    if pending is None:
                        form = browser.form(text)
                        if form is None:
                            break
                        n += 1
                        pending = {**form, "grade": str(rng.randint(-2, 2)), "why": f"answer {n}"}
                    status, text = browser.send("POST", "/judge/answer", pending)
                    if status != 200:
                        break
                    acknowledged.append((f"judge {number}", pending["why"]))
                    with self._heard.get_lock():
                        self._heard.value += 1
                    pending = None
            except (OSError, RuntimeError, http.client.HTTPException):
                interrupted[0] += pending is not None
                time.sleep(0.02)


def _one_life(site: Site, port: int, judges: _Judges, point: str | None, rng: random.Random) -> bool:
    """A server from its start to its death: a fork of this process, which has everything ready and no threads.

    Returns whether it died where it was to die.
    """
    heard, nth = judges.heard, rng.randint(1, 8)
    process = multiprocessing.get_context("fork").Process(target=_serve_until, args=(site, port, point, nth))
    process.start()
    assert process.pid is not None
    deadline = time.monotonic() + 20.0
    while judges.heard < heard + 2 and time.monotonic() < deadline and process.is_alive():
        time.sleep(0.005)
    if point is None:
        time.sleep(rng.uniform(0.0, 0.25))
        os.kill(process.pid, signal.SIGKILL)
    process.join(20.0)
    died = process.exitcode == -signal.SIGKILL
    if process.is_alive():
        process.kill()
        process.join()
    return died


def _serve_until(site: Site, port: int, point: str | None, nth: int) -> None:
    """Serve, and die without a word at the nth time that the point is passed."""
    left = [nth + 2]

    def pass_by(name: str) -> None:
        if name == point:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    wrote = threading.local()

    def before(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "INSERT INTO said" in statement:
            wrote.answer = True
            pass_by(POINTS[0])
        elif "UPDATE slot SET judge_id" in statement:
            pass_by(POINTS[4])

    def commit(_c: Any) -> None:
        if getattr(wrote, "answer", False):
            wrote.answer = False
            pass_by(POINTS[1])

    event.listen(site.run.engine, "before_cursor_execute", before)
    event.listen(site.run.engine, "commit", commit)
    app: Any = _Dying(site.app, pass_by)
    uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical")).run()


class _Dying:
    """The app, dying at the points that lie in its answers."""

    def __init__(self, app: Any, pass_by: Callable[[str], None]) -> None:
        self._app, self._pass_by = app, pass_by

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if scope.get("path") == "/judge/answer":
                if message["type"] == "http.response.start":
                    self._pass_by(POINTS[2])
                elif message["type"] == "http.response.body":
                    half = message.get("body", b"")[: len(message.get("body", b"")) // 2]
                    await send({"type": "http.response.body", "body": half, "more_body": True})
                    self._pass_by(POINTS[3])
                    message = {**message, "body": message.get("body", b"")[len(half) :]}
            await send(message)

        await self._app(scope, receive, sending)


# --------------------------------------------------------------------------------------------------------- restarts

RESTARTED = 20_000


def restarts(bench: Bench) -> Iterator[Row]:
    """PostgreSQL restarted every 5–40 s, by turns politely and as if the power had gone, during 20,000 judgements."""
    if reason := why_not():
        yield Row("answers lost over restarts of PostgreSQL", float("nan"), "0", False, {"reason": reason})
        return
    with PrivateServer() as server, tempfile.TemporaryDirectory() as scratch:  # noqa: SIM117
        with Run.open(Path(scratch) / "run", "restarts", "abc", 0, 1, store=server.schema("restarts")) as run:
            mailbox = StoredMailbox(run)
            mailbox.post([comparison(i) for i in range(RESTARTED)])
            names = [f"judge {i}" for i in range(10)]
            for name in names:
                People(run).invite(name, "judge")
            people = {person.name: person for person in People(run).everybody()}
            desk, acknowledged, waited = Desk(run, seed=0), [], [0]

            def judge(name: str) -> None:
                rng, n = random.Random(name), 0  # noqa: S311
                task = _patiently(lambda: desk.claim(people[name]), waited)
                while task is not None:
                    n += 1
                    given = Submission(task.slot, f"{name.replace(' ', '-')}-key-{n}", Answer(grade=rng.randint(-2, 2)))
                    receipt, task = _patiently(functools.partial(desk.submit, people[name], given), waited)
                    if receipt.role is Role.ASKED:
                        acknowledged.append((name, given.key))

            together = [threading.Thread(target=judge, args=(name,)) for name in names]
            for thread in together:
                thread.start()
            rng, times, began = random.Random(1), 0, time.perf_counter()  # noqa: S311
            while any(thread.is_alive() for thread in together):
                pause = time.monotonic() + rng.uniform(5.0, 40.0)
                while time.monotonic() < pause and any(thread.is_alive() for thread in together):
                    time.sleep(0.2)
                if any(thread.is_alive() for thread in together):
                    server.restart(("fast", "immediate")[times % 2])
                    times += 1
                    bench.say(f"restart {times}: {len(acknowledged)} acknowledged")
            seconds = time.perf_counter() - began
            answers = [each for each in Overview(run).answers() if each.role == Role.ASKED]
    per_query = Counter(each.posted_id for each in answers)
    doubled = sum(n - 1 for n in per_query.values())
    lost = len(acknowledged) - len(answers)
    detail = {
        "restarts": times,
        "seconds": seconds,
        "stored": len(answers),
        "doubled": doubled,
        "asked to wait": waited[0],
    }
    good = lost == 0 and doubled == 0 and len(answers) == RESTARTED and times >= 2
    yield Row(f"answers lost of {len(acknowledged)} over {times} restarts", lost, "0 of 20,000", good, detail)


def _patiently(work: Callable[[], Any], waited: list[int]) -> Any:
    while True:
        try:
            return work()
        except InputError:
            waited[0] += 1
            time.sleep(0.5)


# --------------------------------------------------------------------------------------------------------- faults


def faults(bench: Bench) -> Iterator[Row]:
    """A clear message, nothing lost, and it goes on: locked for 30 s, disk full, read-only, the clock moved a day."""
    for name, fault in (
        ("locked for 30 s", _locked),
        ("disk full", _full),
        ("read-only", _read_only),
        ("clock", _clock),
    ):
        with tempfile.TemporaryDirectory() as scratch, live(Path(scratch)) as site:
            site.mailbox.post([comparison(i) for i in range(20)])
            browser = Browser(int(site.service.address.rsplit(":", 1)[1]))
            browser.enter(site.service.people.invite("ann", "judge"))
            messages: list[str] = []
            with fault(site):
                answered = _answer_through(site, browser, messages, name)
            answered += _answer_through(site, browser, messages, "")
            stored = len(site.service.overview.answers())
        clear = name == "clock" or (
            bool(messages) and all("nothing that was acknowledged is lost" in m for m in messages)
        )
        detail = {"messages": messages[:2], "acknowledged": answered, "stored": stored}
        bench.say(f"{name}: {detail}")
        yield Row(
            f"lost when {name}", answered - stored, "0, with a clear message", clear and answered == stored, detail
        )


def _answer_through(site: Site, browser: Browser, messages: list[str], during: str) -> int:
    """Three answers, each sent until it is taken; during a lasting fault, tried for a while and left."""
    done = 0
    why = "x" * 3900 if during == "disk full" else ""  # a short answer may yet fit into a page
    _, text = browser.send("GET", "/judge/next")
    deadline = time.monotonic() + (60.0 if during in ("", "locked for 30 s", "clock") else 1.5)
    while done < 3 and time.monotonic() < deadline:
        form = browser.form(text)
        if form is None:
            _, text = browser.send("GET", "/judge/next")
            if browser.form(text) is None:
                messages.append(text)
                time.sleep(0.3)
            continue
        while time.monotonic() < deadline:
            status, said = browser.send("POST", "/judge/answer", {**form, "grade": "1", "why": why})
            if status == 200:
                text, done = said, done + 1
                break
            assert status == 503, (status, said)
            messages.append(said)
            time.sleep(0.3)
    return done


@contextlib.contextmanager
def _locked(site: Site) -> Iterator[None]:
    other = sqlite3.connect(site.run.folder / runs.DATABASE, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(30.0, lambda: other.execute("COMMIT"))
    timer.start()
    yield
    timer.join()
    other.close()


@contextlib.contextmanager
def _every_connection(site: Site, *statements: str) -> Iterator[None]:
    def on_connect(connection: Any, _record: Any) -> None:
        for statement in statements:
            connection.execute(statement)

    event.listen(site.run.engine, "connect", on_connect)
    site.run.engine.dispose()
    try:
        yield
    finally:
        event.remove(site.run.engine, "connect", on_connect)
        site.run.engine.dispose()


@contextlib.contextmanager
def _full(site: Site) -> Iterator[None]:
    with database.reading(site.run.engine) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    with _every_connection(site, f"PRAGMA max_page_count = {pages}"):
        for size in (3000, 300, 10):  # the last free bytes of the last pages too
            with contextlib.suppress(InputError):
                while True:
                    site.run.event("filler", {"text": "x" * size})
        yield


@contextlib.contextmanager
def _read_only(site: Site) -> Iterator[None]:
    with _every_connection(site, "PRAGMA query_only = ON"):
        yield


@contextlib.contextmanager
def _clock(site: Site) -> Iterator[None]:
    site.service.judging._giving._clock = lambda: time.time() + 86_400.0
    yield
    site.service.judging._giving._clock = lambda: time.time() - 86_400.0


# --------------------------------------------------------------------------------------------------------- contract

CASES = 10_000


def contract(bench: Bench) -> Iterator[Row]:
    """Schemathesis: generated requests to every documented route; answers that break the schema, or 5xx."""
    with tempfile.TemporaryDirectory() as scratch, live(Path(scratch)) as site:
        site.mailbox.post([comparison(i) for i in range(3000)])
        token = site.service.people.invite("robot", "lead", kind="program")
        report = Path(scratch) / "events.ndjson"
        checks = "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"
        each = int(os.environ.get("CASES", CASES)) // 10 + 20
        command = [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{site.service.address}/openapi.json",
            "-H", f"Authorization: Bearer {token}", "--checks", checks,
            "--phases", "examples,coverage,fuzzing,stateful",
            "--max-examples", str(each), "--generation-deterministic", "--report", "ndjson",
            "--report-ndjson-path", str(report), "--continue-on-failure", "--no-color",
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        cases, failures = _told(report)
        tail = done.stdout[-1500:]
    bench.say(tail)
    detail = {"cases": cases, "exit": done.returncode, "said": tail}
    good = done.returncode == 0 and failures == 0 and cases >= CASES
    yield Row(f"breaches of the schema in {cases} generated requests", failures, "0 of ≥ 10,000", good, detail)


def _told(report: Path) -> tuple[int, int]:
    """Cases and failed checks, of schemathesis's own report."""
    cases, failures = 0, 0
    for line in report.read_text("utf-8").splitlines():
        finished = json.loads(line).get("ScenarioFinished")
        if finished is None:
            continue
        recorder = finished["recorder"]
        cases += len(recorder.get("interactions", recorder.get("cases", ())))
        failures += sum(
            check["status"] == "failure" for found in recorder.get("checks", {}).values() for check in found
        )
    return cases, failures
