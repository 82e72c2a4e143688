"""Minds and servers that several tests share."""

from __future__ import annotations

import atexit
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence

from imitative.calls import Book, Call, Message, Paid, Server, Service
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
