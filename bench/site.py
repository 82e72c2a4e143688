"""A run's page for tests and figures: queries posted, people invited, and a client that behaves as a browser does."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from fastapi.testclient import TestClient

from imitative.mail import Posting
from imitative.records import Kind, Query
from imitative.serving import reader
from imitative.store import Run
from imitative.store.mailbox import StoredMailbox
from imitative.web.app import make_api
from imitative.web.security import Guarded
from imitative.web.service import Read, Service

HOST = "judge.test"
ORIGIN = f"http://{HOST}"


def shown(*hypotheses: str, item: Mapping[str, str] | None = None, **answers: str) -> dict[str, Any]:
    """What a page is given of a query."""
    found: dict[str, Any] = {
        "asks": "Is it edible?",
        "hypotheses": [[{"text": line} for line in text.splitlines()] for text in hypotheses],
        "answers": answers,
    }
    if item is not None:
        found["item"] = [{"name": name, "value": value} for name, value in item.items()]
    return found


def comparison(i: int) -> Posting:
    sides = (f"If the odour is foul, it is poisonous.\nRule {i}.", f"If the odour is almond, it is edible.\nRule {i}.")
    return Posting(Query(Kind.COMPARE_HYPOTHESES, sides), shown(*sides))


def one_of_each() -> list[Posting]:
    """A query of every kind."""
    x = {"odour": "foul"}
    z, other = "If the odour is foul, it is poisonous.", "If the odour is almond, it is edible."
    sides = ("p", "e")
    spoken = {"p": "it is poisonous", "e": "it is edible"}
    return [
        comparison(0),
        Posting(Query(Kind.COMPARE_ANSWERS, (z,), x, sides), shown(z, item=x, **spoken)),
        Posting(Query(Kind.ODDS, (z, other)), shown(z, other)),
        Posting(Query(Kind.BET, (z,), heads=5), shown(z)),
        Posting(Query(Kind.ANSWER, (z,), x, sides), shown(z, item=x, **spoken)),
    ]


def read(text: str) -> Read:
    """A language in which everything that begins with If can be said."""
    return Read(text.startswith("If"), text if text.startswith("If") else "expected If")


class Site:
    """A run, its page and its people."""

    def __init__(
        self,
        folder: Path,
        images: Path | None = None,
        rate: float = 1e6,
        origin: str = ORIGIN,
        store: str | None = None,
        run: Run | None = None,
    ) -> None:
        if run is None:
            run = Run.open(folder / "run", "mushrooms", "abc", 0, 100, store=store)
            self.serve(run, origin, images, rate)
        else:
            self.serve(run, origin, images, rate, reader(run))

    def serve(
        self, run: Run, origin: str, images: Path | None = None, rate: float = 1e6, reads: Callable[[str], Read] = read
    ) -> None:
        """The page of a run."""
        self.run = run
        self.service = Service(self.run, origin, reads, images)
        self.api = make_api(self.service)
        self.app = Guarded(self.api, frozenset((str(urlsplit(origin).hostname),)), False, rate)
        self.mailbox = StoredMailbox(self.run)

    def client(self) -> TestClient:
        """A browser that has not come in."""
        return self._client({"Origin": ORIGIN})

    def _client(self, headers: dict[str, str]) -> TestClient:
        return TestClient(self.app, ORIGIN, headers=headers, follow_redirects=False, raise_server_exceptions=False)

    def entered(self, name: str, role: str = "judge") -> TestClient:
        """A browser that has."""
        client = self.client()
        assert client.post("/join", data={"token": self.service.people.invite(name, role)}).status_code == 303
        return client

    def program(self, name: str, role: str = "judge") -> TestClient:
        """A program with its token, and without a browser's ways."""
        token = self.service.people.invite(name, role, kind="program")
        return self._client({"Authorization": f"Bearer {token}"})


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def live(folder: Path, images: Path | None = None, store: str | None = None, run: Run | None = None) -> Iterator[Site]:
    """A site served on a port of this machine, as `imitative serve` serves it, by a thread of this process.

    Args:
        folder: of a run made for it.
        images: the folder of pictures.
        store: the run's database.
        run: the run to serve, in its own language, instead of one made for it.
    """
    port = free_port()
    site = Site(folder, images, origin=f"http://127.0.0.1:{port}", store=store, run=run)
    config = uvicorn.Config(site.app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20.0
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    try:
        yield site
    finally:
        server.should_exit = True
        thread.join(10.0)
        site.run.close()
