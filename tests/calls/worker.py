"""A process that makes calls: BASE_URL BOOK N same|each; prints a digest of the replies."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

from imitative.calls import Book, Call, Message, Paid, Patience, Server, Service


async def work(base_url: str, path: str, n: int, same: bool) -> str:
    service = Service("parrot", base_url)
    completer = Paid(Server(service), Book(Path(path), "run"), patience=Patience(first=0.01))
    texts = ["the same"] * n if same else [f"call {i}" for i in range(n)]
    calls = [Call(base_url, "parrot", (Message("user", text),), 4, alternatives=5) for text in texts]
    replies = await asyncio.gather(*(completer.complete(call) for call in calls))
    await completer.server.rest()
    return hashlib.sha256("".join(reply.text for reply in replies).encode()).hexdigest()


if __name__ == "__main__":
    print(asyncio.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "same")))  # noqa: T201
