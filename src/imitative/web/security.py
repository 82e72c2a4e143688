"""What stands between the network and every page: who may ask from where, how much, how often; and what is said back.

Pure ASGI, so that it holds for every answer, errors and files included.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, final
from urllib.parse import urlsplit

from imitative.errors import one_line
from imitative.store.task import Refused
from imitative.web.bodies import LARGEST_BODY, read_json

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with `no-referrer` browsers send `Origin: null` with our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-frame-options": "DENY",
}
SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
JOINS_A_MINUTE: Final = 20.0
REMEMBERED: Final = 10_000

_log = logging.getLogger("imitative.web")


@final
class Buckets:
    """A token bucket for each caller: `rate` a second, `burst` at once. The oldest callers are forgotten first."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """0.0 if the caller may go on; else the seconds to wait."""
        now = time.monotonic()
        left, last = self._left.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - last) * self._rate)
        allowed = left >= 1.0
        self._left[caller] = (left - 1.0 if allowed else left, now)
        while len(self._left) > REMEMBERED:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1.0 - left) / self._rate


@final
class Guarded:
    """The app behind its guards.

    Args:
        app: what is guarded.
        hosts: the names it answers to, as in the Host header without the port.
        secure: whether browsers reach it by HTTPS, by us or a proxy before us.
        rate: requests a second from one caller; bursts of four seconds' worth are allowed.
    """

    def __init__(self, app: App, hosts: frozenset[str], secure: bool, rate: float) -> None:
        self._app, self._hosts, self._secure = app, hosts, secure
        self._requests = Buckets(rate, 4.0 * rate)
        self._joins = Buckets(JOINS_A_MINUTE / 60.0, JOINS_A_MINUTE)
        self._headers = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
        if secure:
            self._headers.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                given = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in self._headers if pair[0] not in given)]
                if b"cache-control" not in given:
                    message["headers"].append((b"cache-control", b"no-store"))
            await send(message)

        try:
            headers = self._read_headers(scope)
            self._check(scope, headers)
            body = await self._body(scope, headers, receive)
            await self._app(scope, body, sending)
        except Refused as error:
            await _say(sending, scope, error.status, error.message)
        except _TooMany as error:
            await _say(sending, scope, 429, "too many requests; wait a moment", {"retry-after": str(error.seconds)})
        except Exception as error:
            _log.exception("%s %s", scope["method"], one_line(scope["path"]))
            if not started:
                message = f"something went wrong here ({type(error).__name__}); it has been logged"
                await _say(sending, scope, 500, message)

    def _read_headers(self, scope: Scope) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in scope["headers"]:
            key = name.decode("latin-1").lower()
            if key in found and key in ("host", "origin", "content-length", "authorization"):
                raise Refused(400, f"the header {key} is repeated")
            found[key] = value.decode("latin-1")
        return found

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if name is None or name not in self._hosts:
            raise Refused(400, "this address is not one that the service was told it has; see --address")
        path, method = scope["path"], scope["method"]
        if path.startswith("/static/"):
            return
        if method not in SAFE:
            self._check_origin(host, headers)
        caller = _caller(scope, headers)
        bucket = self._joins if path == "/join" and method == "POST" else self._requests
        if wait := bucket.take(caller if bucket is self._requests else _client(scope)):
            raise _TooMany(max(1, round(wait)))

    def _check_origin(self, host: str, headers: dict[str, str]) -> None:
        """A page elsewhere cannot make a browser act here: SameSite keeps the cookie, and this keeps the rest."""
        origin = headers.get("origin")
        if origin is None:
            # Browsers send an origin with whatever changes something. Programs need none: they hold no cookie.
            if headers.get("authorization"):
                return
            raise Refused(403, "the request names no origin")
        if origin != f"{'https' if self._secure else 'http'}://{host}":
            raise Refused(403, "the request comes from another site")

    async def _body(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Receive:
        """The whole body, read before anybody waits for it, and no larger than may be; JSON strictly."""
        if scope["method"] in SAFE:
            return receive
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:12]) > LARGEST_BODY:
            raise Refused(413, f"the body is too large; at most {LARGEST_BODY} bytes")
        raw = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "the request was broken off")
            raw += message.get("body", b"")
            if len(raw) > LARGEST_BODY:
                raise Refused(413, f"the body is too large; at most {LARGEST_BODY} bytes")
            if not message.get("more_body", False):
                break
        if scope["path"].startswith("/api/"):
            kind = headers.get("content-type", "").split(";")[0].strip().lower()
            if raw and kind != "application/json":
                raise Refused(415, "the body is sent as application/json")
            if raw:
                read_json(bytes(raw))
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(raw), "more_body": False}

        return again


class _TooMany(Exception):
    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def _client(scope: Scope) -> str:
    return str((scope.get("client") or ("unknown",))[0])


def _caller(scope: Scope, headers: dict[str, str]) -> str:
    """Who asks: by their token, so that judges behind one proxy do not share a limit; else by their address."""
    secret = headers.get("authorization") or headers.get("cookie")
    return _client(scope) if secret is None else hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


async def _say(send: Send, scope: Scope, status: int, message: str, headers: dict[str, str] | None = None) -> None:
    """A refusal: JSON for programs, a line of text for the page, which shows it."""
    is_api = scope["path"].startswith("/api/")
    body = json.dumps({"message": message}).encode() if is_api else message.encode("utf-8", "replace")
    kind = "application/json" if is_api else "text/plain; charset=utf-8"
    pairs = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
    if status == 401:
        pairs["www-authenticate"] = "Bearer"
    encoded = [(name.encode(), value.encode()) for name, value in pairs.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
