"""Minds and servers that several tests share."""

from __future__ import annotations

import asyncio
import atexit
import functools
import hashlib
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.site import free_port
from imitative.calls import Book, Call, Message, Paid, Reply, Server, Service
from imitative.data import Feature
from imitative.overseers.language_model import LanguageModel
from imitative.overseers.prompts import Phrasing
from imitative.testing.server import Serving, Spoken, Wish, spoken_of


class Parrot:
    """Says a letter that depends on the conversation alone: P(A) from its digest."""

    name = "parrot"

    def speak(self, messages: Sequence[Message], wish: Wish) -> Spoken:
        digest = hashlib.sha256("".join(message.content for message in messages).encode()).digest()
        first = -0.1 - digest[0] / 128.0
        read = sum(len(message.content) for message in messages) // 4
        return spoken_of("A" if first > -1.1 else "B", [("A", first), ("B", -1.1)], read)


class Saying:
    """Says what a function of the conversation says."""

    name = "saying"

    def __init__(self, says: Callable[[Sequence[Message]], str], tells: bool = True) -> None:
        self._says, self._tells = says, tells

    def speak(self, messages: Sequence[Message], wish: Wish) -> Spoken:
        text = self._says(messages)
        return spoken_of(text, [(text, -0.01)] if self._tells else [], 10)


def service(server: Serving, timeout: float = 5.0, model: str = "") -> Service:
    return Service(model or server.mind.name, server.base_url, timeout=timeout)


def call(server: Serving, text: str, sample: int = 0, purpose: str = "test") -> Call:
    messages = (Message("user", text),)
    return Call(server.base_url, server.mind.name, messages, 4, alternatives=5, sample=sample, purpose=purpose)


@functools.cache
def _parrot() -> tuple[Serving, Paid]:
    server = Serving(Parrot()).__enter__()
    atexit.register(server.__exit__, None)
    return server, Paid(Server(service(server)), Book(None, "run"))


def parroting(question: str, spoken: Mapping[str, str], features: Sequence[Feature]) -> LanguageModel:
    """A language model over one server and one book, kept until the tests end: what was asked before is known."""
    server, paid = _parrot()
    return LanguageModel(paid, server.base_url, server.mind.name, Phrasing(question, spoken, features))


TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant: "
"""How another program's server puts a conversation before a model made here."""


class NotStarted(Exception):
    """A server that is not up within two minutes; the end of its log."""


@contextmanager
def running(command: Sequence[str], ready: str, log: Path, **environment: str) -> Iterator[str]:
    """The address of another program's server, started by a command that takes --host and --port.

    Args:
        command: without these two.
        ready: the path that answers 200 once it is up.
        log: where what it says is written.
        environment: variables beside this process's own.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    arguments = [*command, "--host", "127.0.0.1", "--port", str(port)]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    with log.open("wb") as out, subprocess.Popen(arguments, stdout=out, stderr=out, env=variables) as process:
        try:
            if not _up(f"{address}{ready}", process):
                raise NotStarted(log.read_text("utf-8", "replace")[-2000:])
            yield address
        finally:
            process.terminate()
            process.wait(20)


def _up(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 120.0
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    return False


def asked_twice(service: Service, asked: Call) -> tuple[Paid, Reply, Reply]:
    """What a server replies to a call, and to the same again; and who paid."""
    completer = Paid(Server(service), Book(None, "run"))

    async def work() -> tuple[Reply, Reply]:
        try:
            return await completer.complete(asked), await completer.complete(asked)
        finally:
            await completer.rest()

    return completer, *asyncio.run(work())
