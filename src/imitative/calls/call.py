"""The role of whoever completes a text for money, and the records that pass: a call and its reply.

A call is addressed by everything that determines its answer, so that the same call is recognised after a restart, in
another process, and in another run that shares the book.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar, final, runtime_checkable

from imitative.records import content_key

T = TypeVar("T")

CHARACTERS_A_TOKEN = 3.0
"""Tokens are estimated as one for every three bytes of UTF-8: English has about four to a token, so that an estimate
errs on the side of caution."""
TOKENS_A_MESSAGE = 8
"""What a chat template adds to each message, with room to spare."""


class Message(NamedTuple):
    """One turn of a conversation."""

    role: str
    content: str


@final
@dataclass(frozen=True)
class Call:
    """What a server is asked to complete. All of it determines the answer, but for `purpose`.

    Args:
        server: the server's base URL, without a key.
        model: the model's name there.
        messages: the conversation so far.
        most_tokens: the reply is cut there.
        temperature: 0 is greedy.
        alternatives: how many log probabilities to ask for at each token of the reply; 0: none.
        schema: a JSON schema that the reply must satisfy; None: free text.
        sample: tells apart deliberate repetitions of the same call; it is also the seed sent along.
        extra: further fields of the request's body, as the server names them.
        purpose: whose money it is; not part of the key.
    """

    server: str
    model: str
    messages: tuple[Message, ...]
    most_tokens: int = 256
    temperature: float = 0.0
    alternatives: int = 0
    schema: Mapping[str, Any] | None = None
    sample: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict)
    purpose: str = field(default="other", compare=False)

    @cached_property
    def key(self) -> str:
        """The SHA-256 of everything that determines the answer, 64 hexadecimal digits."""
        return content_key(self.to_json())

    @property
    def input_tokens(self) -> int:
        """An estimate from above of the tokens of the messages."""
        return estimate_tokens([message.content for message in self.messages])

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain JSON values."""
        return {
            "server": self.server,
            "model": self.model,
            "messages": [list(message) for message in self.messages],
            "most_tokens": self.most_tokens,
            "temperature": self.temperature,
            "alternatives": self.alternatives,
            "schema": None if self.schema is None else dict(self.schema),
            "sample": self.sample,
            "extra": dict(self.extra),
        }


class Token(NamedTuple):
    """One token of a reply: what it says, its log probability, and the most probable ones in its place."""

    text: str
    log_probability: float
    alternatives: tuple[tuple[str, float], ...] = ()


@final
@dataclass(frozen=True)
class Reply:
    """What came back.

    Args:
        text: the reply.
        refused: whether the model or a filter declined to answer.
        cut: whether the reply ended because `most_tokens` were spent.
        tokens: with log probabilities, where they were asked for and given.
        unreadable: why there is no text, where nothing usable came back; empty otherwise.
        input_tokens, output_tokens: as charged.
        doubted: whether the server's own token counts were implausible and estimates took their place.
        money: what it cost the run that asked, in the unit of the price table; 0 where another run had paid.
        seconds: from the request to the end of the reply.
        cached: whether it was known before.
    """

    text: str = ""
    refused: bool = False
    cut: bool = False
    tokens: tuple[Token, ...] = ()
    unreadable: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    doubted: bool = False
    money: float = 0.0
    seconds: float = 0.0
    cached: bool = False

    def to_json(self) -> dict[str, Any]:
        """What is kept of it: plain JSON values; `from_json` is its inverse, up to money, seconds and `cached`."""
        return {
            "text": self.text,
            "refused": self.refused,
            "cut": self.cut,
            "tokens": [[t.text, t.log_probability, [list(a) for a in t.alternatives]] for t in self.tokens],
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "doubted": self.doubted,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Reply:
        """Rebuild a reply from `to_json`."""
        tokens = tuple(
            Token(str(text), float(log_p), tuple((str(other), float(p)) for other, p in alternatives))
            for text, log_p, alternatives in row["tokens"]
        )
        return cls(
            text=str(row["text"]),
            refused=bool(row["refused"]),
            cut=bool(row["cut"]),
            tokens=tokens,
            input_tokens=int(row["input_tokens"]),
            output_tokens=int(row["output_tokens"]),
            doubted=bool(row["doubted"]),
        )


@runtime_checkable
class Completer(Protocol):
    """Completes calls. A server, and everything a server can wear: a cache, a ledger, a limit."""

    async def complete(self, call: Call) -> Reply:
        """The reply to one call.

        Raises:
            ContextOverflow: if the call is longer than the model reads.
            InputError: for what a person has to put right: a key, an address, a model's name, a limit that is spent.
        """
        ...

    async def rest(self) -> None:
        """Let go of connections until the next call: whoever made a batch of calls says that it has ended."""
        ...


class ContextOverflow(Exception):
    """A call is longer than the model reads: nothing was cut, and nothing was asked."""

    def __init__(self, tokens: int, most: int) -> None:
        super().__init__(tokens, most)
        self.tokens, self.most = tokens, most

    def __str__(self) -> str:
        room = f"{self.most:,}" if self.most else "what the model reads"
        return f"about {self.tokens:,} tokens, more than {room}"


def estimate_tokens(texts: Sequence[str]) -> int:
    """Tokens that the texts come to, estimated from above.

    >>> estimate_tokens(["a foul smell"])
    12
    """
    length = sum(len(text.encode("utf-8", "replace")) for text in texts)
    return int(length / CHARACTERS_A_TOKEN) + TOKENS_A_MESSAGE * len(texts)


async def side_by_side(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All of it at once, in order. The first that fails stops what is not done, and that is waited for: when this
    raises, nothing is under way any more and connections can be let go of.
    """
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
