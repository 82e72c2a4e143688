"""What every page is given: the run's people, desk and figures, and how a page is made."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple, final

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from imitative.display import clean
from imitative.mail import Person, Standing
from imitative.store.desk import Desk
from imitative.store.overview import Overview
from imitative.store.people import People
from imitative.store.proposals import Proposals
from imitative.store.runs import Run
from imitative.store.task import Refused
from imitative.web.bodies import read_form

COOKIE: Final = "imitative"
SECURE_COOKIE: Final = "__Host-imitative"


async def _fields(request: Request) -> dict[str, str]:
    return read_form(await request.body())


Fields = Annotated[dict[str, str], Depends(_fields)]
"""The fields of a page's form."""


class Read(NamedTuple):
    """What became of a text that is to be a hypothesis.

    Args:
        readable: whether Z can say it.
        said: as the method reads it, or why it cannot.
        sent_back: whether what cannot be read is sent back to whoever wrote it, to be mended, and not kept.
    """

    readable: bool
    said: str
    sent_back: bool = False


@final
@dataclass(frozen=True, eq=False)
class Service:
    """A run's page.

    Args:
        run: the run.
        address: where browsers reach it, `https://judge.example`.
        read: a text → the hypothesis it is.
        images: the folder of the pictures shown, or None.
        desk: where queries are given and answers kept.
    """

    run: Run
    address: str
    read: Callable[[str], Read]
    images: Path | None = None
    desk: Desk | None = None

    @property
    def secure(self) -> bool:
        """Whether browsers come by HTTPS."""
        return self.address.startswith("https://")

    @property
    def cookie(self) -> str:
        """The cookie's name: browsers keep `__Host-` ones from every other host, and need HTTPS for them."""
        return SECURE_COOKIE if self.secure else COOKIE

    @cached_property
    def people(self) -> People:
        """Who may come in."""
        return People(self.run)

    @cached_property
    def judging(self) -> Desk:
        """Where queries are given."""
        return self.desk or Desk(self.run)

    @cached_property
    def proposals(self) -> Proposals:
        """Where judges leave what they wrote."""
        return Proposals(self.run)

    @cached_property
    def overview(self) -> Overview:
        """The lead's figures."""
        return Overview(self.run)

    @cached_property
    def _templates(self) -> Environment:
        found = Environment(
            loader=PackageLoader("imitative.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        found.filters["clean"] = clean
        return found

    def page(self, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page, or a part of one."""
        text = self._templates.get_template(name).render(**values)
        return HTMLResponse(text, status)

    def read_or_send_back(self, text: str) -> Read:
        """What became of a text that is to be a hypothesis.

        Raises:
            Refused: 422 for one that is sent back to be mended: nothing of it is kept.
        """
        found = self.read(text)
        if text.strip() and found.sent_back:
            raise Refused(422, found.said)
        return found

    def token(self, request: Request) -> str | None:
        """The session's token, if the browser sent one."""
        return request.cookies.get(self.cookie)

    def visitor(self, request: Request) -> Person | None:
        """Whose session it is."""
        token = self.token(request)
        return None if token is None else self.people.by_token(token)

    def person(self, request: Request) -> Person:
        """Whose session it is.

        Raises:
            Refused: 401 for nobody's.
        """
        found = self.visitor(request)
        if found is None:
            raise Refused(401, "you are not signed in, or no longer; open your invitation again")
        return found

    def judge(self, request: Request) -> Person:
        """A judge who is given queries.

        Raises:
            Refused: 401 for nobody, 403 for somebody suspended.
        """
        return active(self.person(request))

    def lead(self, request: Request) -> Person:
        """A lead.

        Raises:
            Refused: 401 for nobody, 403 for a judge.
        """
        return leading(self.person(request))

    def program(self, request: Request) -> Person:
        """Who calls: by a program's token, or by a session.

        Raises:
            Refused: 401 for nobody.
        """
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            return self.person(request)
        found = self.people.by_token(token.strip(), ("program",)) if kind.lower() == "bearer" else None
        if found is None:
            raise Refused(401, "the token is unknown, has run out or was revoked")
        return found


def active(person: Person) -> Person:
    """The person, if they are given queries.

    Raises:
        Refused: 403 otherwise.
    """
    if person.standing != Standing.ACTIVE:
        raise Refused(403, "the lead has paused your judging; what you said is kept")
    return person


def leading(person: Person) -> Person:
    """The person, if they lead.

    Raises:
        Refused: 403 otherwise.
    """
    if not person.leads or person.standing != Standing.ACTIVE:
        raise Refused(403, "this is for the lead of the run")
    return person


def new_key() -> str:
    """A key for a form, so that sending it twice is noticed."""
    return secrets.token_urlsafe(18)
