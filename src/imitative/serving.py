"""A run's page, served: which run, at which address, behind which guards.

service = Service(run, address, read=reader(run))
serve(service, host, port)
"""

from __future__ import annotations

import gc
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from imitative.errors import InputError, one_line
from imitative.hypotheses.belief import BeliefSpace
from imitative.hypotheses.sentences import Unread, said
from imitative.hypotheses.statements import StatementSpace
from imitative.hypotheses.text import TextSpace
from imitative.store.overview import Overview
from imitative.store.runs import DATABASE, Run
from imitative.web.service import Read, Service

LOCAL: Final = ("127.0.0.1", "localhost", "::1")
EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104


class Begun(NamedTuple):
    """A problem's run, whether it has begun or not.

    Args:
        folder: where it is, or will be.
        name: of the problem.
        fingerprint: see `Problem.fingerprint`.
        seed: of the run.
        budget: judgements in all.
        images: the folder of the problem's pictures, or None.
    """

    folder: Path
    name: str
    fingerprint: str
    seed: int
    budget: int
    images: str | None = None


def open_run(named: str, load: Callable[[], Begun], store: str | None) -> tuple[Run, Path | None]:
    """The run that `named` is: a run's folder, or else a problem, whose run is made where it has not begun.

    Args:
        named: what the command line was given.
        load: the run that a problem of that name has, or will have.
        store: a shared database's URL, or None.

    Returns:
        the run, and the folder of the problem's pictures.
    """
    path = Path(named)
    if (path / DATABASE).is_file() and not store:
        return Run.load(path), None
    try:
        loaded = load()
    except InputError:
        if store and not path.suffix:
            return Run.load(path, store=store), None
        raise
    run = Run.open(loaded.folder, loaded.name, loaded.fingerprint, loaded.seed, loaded.budget, store=store, alone=False)
    return run, None if loaded.images is None else Path(loaded.images)


Space = StatementSpace | TextSpace | BeliefSpace
SPACES: Final[Mapping[str, Callable[[Mapping[str, Any]], Space]]] = {
    "text": TextSpace.from_description,
    "belief": BeliefSpace.from_description,
}
"""What a run calls its space → that space; statements have no name there."""


def reader(run: Run) -> Callable[[str], Read]:
    """A text → the hypothesis it is, in the language of the run's problem, once the run has told it."""
    known: dict[str, Space] = {}

    def space() -> Space | None:
        if "space" not in known:
            about = Overview(run).about()
            if about:
                described = about["space"]
                made = SPACES.get(str(described.get("kind", "")), StatementSpace.from_description)
                known["space"] = made(described)
        return known.get("space")

    def read(text: str) -> Read:
        found = space()
        if found is None:
            return Read(False, "the run has not begun yet, so nothing can be read")
        if not text.strip():
            return Read(False, "nothing was written")
        if isinstance(found, TextSpace):
            return _text(text, found)
        if isinstance(found, BeliefSpace):
            return _belief(text, found)
        try:
            z = found.read("\n".join(line.strip() for line in text.splitlines() if line.strip()))
        except (ValueError, RecursionError) as error:
            return Read(False, one_line(str(error)))
        if z not in found:
            limits = found.limits
            return Read(
                False, f"at most {limits.statements} statements of at most {limits.conditions} conditions can be said"
            )
        return Read(True, found.show(z))

    return read


def _belief(text: str, space: BeliefSpace) -> Read:
    """Sentences about some of the numbers; what they leave unsaid is as the run has it. Others are sent back."""
    try:
        return Read(True, said(space, text).show(space))
    except Unread as error:
        why = one_line(error.why.partition(" is none of: ")[0])
        said_so = why if why == one_line(error.why) else f"{why} says nothing that can be read"
        return Read(False, f"{said_so[:1].upper()}{said_so[1:]}.\nFor example: {error.example}", sent_back=True)


def _text(text: str, space: TextSpace) -> Read:
    """In free text everything can be said that is not too long; whether it quotes D the run finds out."""
    try:
        z = space.read(text)
    except ValueError as error:
        return Read(False, one_line(str(error)))
    refused = space.refuse(z)
    return Read(True, space.show(z)) if refused is None else Read(False, refused.told)


def hosts_of(host: str, address: str | None) -> frozenset[str]:
    """The names that the service answers to.

    Raises:
        InputError: for an address that is none, or one that is needed and missing.
    """
    if address is None:
        if host in EVERYWHERE:
            remedy = "give --address, the URL that judges open, such as https://judge.example.org"
            raise InputError("--host", repr(host), "an address that judges can be told", remedy)
        return frozenset((host, *LOCAL)) if host in LOCAL else frozenset((host,))
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise InputError("--address", repr(address), "a URL without a path, such as https://judge.example.org")
    local = LOCAL if host in LOCAL else ()
    return frozenset((parts.hostname, host, *local))


def make_service(run: Run, address: str, images: Path | None) -> Service:
    """The run's page, at an address."""
    return Service(run, address.rstrip("/"), reader(run), images)


def serve(app: Any, host: str, port: int, tls: tuple[Path, Path] | None = None) -> None:
    """Serve until told to stop.

    Args:
        app: what `make_app` gives.
        host: where to listen.
        port: where to listen.
        tls: a certificate's file and its key's, or None.
    """
    import uvicorn

    class Quiet(logging.Filter):
        """Keeps whatever could be a secret out of the log: what follows a question mark, and long random words."""

        def filter(self, record: logging.LogRecord) -> bool:
            record.msg, record.args = redacted(record.getMessage()), None
            return True

    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    for name in ("uvicorn.error", "uvicorn.access", "imitative.web"):
        logging.getLogger(name).addFilter(Quiet())
    # What has been imported stays: looked through for garbage again and again, it would hold everybody up for 0.1 s.
    gc.collect()
    gc.freeze()
    certificate = {} if tls is None else {"ssl_certfile": str(tls[0]), "ssl_keyfile": str(tls[1])}
    uvicorn.run(
        app, host=host, port=port, log_level="warning", access_log=False, server_header=False, proxy_headers=False,
        timeout_keep_alive=30, h11_max_incomplete_event_size=65_536, **_only(certificate),
    )  # fmt: skip


def _only(options: Mapping[str, str]) -> dict[str, Any]:
    return dict(options)


def redacted(text: str) -> str:
    """A line for a log without what could be a secret."""
    return re.sub(r"[A-Za-z0-9_-]{40,}", "…", re.sub(r"\?\S*", "?…", text))
