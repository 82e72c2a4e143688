"""A real server of the chat/completions protocol, on 127.0.0.1 and a free port, over whatever can speak.

    with Serving(TinyModel()) as server:
        Service(model="tiny", base_url=server.base_url)

It has log probabilities, structured output, streaming, `/models`, and faults that can be switched on, in the process
(`server.faults`) or over HTTP (`POST /faults`). It counts what it answers, independently of every ledger. Needs the
extra `server` (FastAPI, uvicorn), imported when it is started.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self, final

from imitative.calls.call import Message, Token

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

FAULTS = (
    "429", "429 soon", "500", "503", "slow", "cut", "broken", "lying", "html", "empty", "refusal", "huge", "overflow",
    "no tokens", "401", "blank",
)  # fmt: skip
"""What can go wrong, each for one request: too many requests (with and without a Retry-After), server errors, a reply
that comes too late, one that ends in the middle, broken JSON, impossible token counts, a web page, an empty choice
list, a refusal, 10 MB, a context overflow, no log probabilities, a key refused, an empty text."""


class Wish(NamedTuple):
    """How a reply is to be made."""

    most_tokens: int
    temperature: float
    seed: int
    alternatives: int
    schema: Mapping[str, Any] | None


class Spoken(NamedTuple):
    """A reply in tokens, how many were read, and whether it was cut at the limit."""

    tokens: tuple[Token, ...]
    read: int
    cut: bool = False

    @property
    def text(self) -> str:
        """The reply."""
        return "".join(token.text for token in self.tokens)


class Mind(Protocol):
    """Whatever speaks behind the server."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    def speak(self, messages: Sequence[Message], wish: Wish) -> Spoken:
        """The reply to a conversation; the same conversation and wish, the same reply."""
        ...


class NotSpoken(ValueError):
    """A mind that cannot: the conversation is longer than it reads."""


@final
@dataclass
class Seen:
    """What a server met."""

    requests: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    bodies: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=5000))
    keys: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)


@final
class Serving:
    """The server, in a thread of its own, for as long as the `with` lasts.

    Args:
        mind: who speaks.
        key: the only key accepted; "": any.
        delay: seconds before each reply.
        late: seconds a `slow` reply takes.
    """

    def __init__(self, mind: Mind, key: str = "", delay: float = 0.0, late: float = 30.0) -> None:
        self.mind, self.key, self.delay, self.late = mind, key, delay, late
        self.faults: deque[str] = deque()
        self.always = ""
        self.seen = Seen()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._server: Any = None
        self._socket: socket.socket | None = None
        self.base_url = ""

    def fail(self, *faults: str) -> None:
        """Switch faults on: the next requests meet them, one each.

        Raises:
            ValueError: for a fault there is none of.
        """
        if unknown := set(faults) - set(FAULTS):
            raise ValueError(f"no fault {sorted(unknown)[0]!r}: one of {', '.join(FAULTS)}")
        self.faults.extend(faults)

    def __enter__(self) -> Self:
        import uvicorn

        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        config = uvicorn.Config(self.app(), log_level="critical", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        sockets = [self._socket]
        self._thread = threading.Thread(target=lambda: self._server.run(sockets=sockets), daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20.0
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.005)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.should_exit = True
        assert self._thread is not None
        assert self._socket is not None
        self._thread.join(10.0)
        self._socket.close()

    # -- the protocol ------------------------------------------------------------------------------------------------

    def app(self) -> FastAPI:
        """The application, for whoever serves it otherwise."""
        from fastapi import FastAPI, Request
        from fastapi.responses import JSONResponse

        app = FastAPI(openapi_url=None)

        @app.get("/v1/models")
        async def models() -> Any:
            return {"object": "list", "data": [{"id": self.mind.name, "object": "model", "owned_by": "imitative"}]}

        @app.post("/faults")
        async def faults(request: Request) -> Any:
            self.fail(*(await request.json())["faults"])
            return {"waiting": len(self.faults)}

        async def complete(request: Request) -> Any:
            return await self._complete(request)

        # Annotations of nested functions cannot be resolved by FastAPI where they are strings: given plainly.
        for endpoint in (faults, complete):
            endpoint.__annotations__ = {"request": Request, "return": Any}
        app.add_api_route("/v1/chat/completions", complete, methods=["POST"], response_model=None)

        @app.exception_handler(NotSpoken)
        async def overflow(_request: Any, error: Exception) -> JSONResponse:
            return JSONResponse({"error": {"message": str(error), "code": "context_length_exceeded"}}, 400)

        return app

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        with self._lock:
            self.seen.requests += 1
            self.seen.bodies.append(body)
            self.seen.keys.add(request.headers.get("authorization", "").removeprefix("Bearer "))
            fault = self.faults.popleft() if self.faults else self.always
        response = await self._answered(body, request, fault)
        with self._lock:
            self.seen.statuses[response.status_code] += 1
        return response

    async def _answered(self, body: dict[str, Any], request: Request, fault: str) -> Response:
        from fastapi.responses import JSONResponse, StreamingResponse

        if self.key and request.headers.get("authorization") != f"Bearer {self.key}":
            return _error(401, "Incorrect API key provided: " + request.headers.get("authorization", ""))
        if body.get("model") != self.mind.name:
            return _error(404, f"The model `{body.get('model')}` does not exist", code="model_not_found")
        if (broken := await self._broken(fault)) is not None:
            return broken
        await asyncio.sleep(self.delay)
        wish = _wish(body)
        messages = [Message(str(each["role"]), str(each["content"])) for each in body["messages"]]
        spoken = await asyncio.to_thread(self.mind.speak, messages, wish)
        text = "" if fault == "blank" else spoken.text
        found = _completion(self.mind.name, spoken, text, wish, fault)
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        with self._lock:
            self.seen.answered[digest] += 1
        if body.get("stream"):
            return StreamingResponse(_events(found, spoken), media_type="text/event-stream")
        if fault == "cut":
            return StreamingResponse(_half(json.dumps(found)), media_type="application/json")
        return JSONResponse(found)

    async def _broken(self, fault: str) -> Response | None:
        """The response of a fault that needs no mind; None for none."""
        from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse

        match fault:
            case "429":
                return _error(429, "Rate limit reached")
            case "429 soon":
                return _error(429, "Rate limit reached", headers={"retry-after": "0.2"})
            case "500" | "503":
                return _error(int(fault), "The server had an error")
            case "401":
                return _error(401, "Incorrect API key provided")
            case "overflow":
                return _error(400, "This model's maximum context length is 4096 tokens", code="context_length_exceeded")
            case "slow":
                await asyncio.sleep(self.late)
                return _error(504, "too late")
            case "broken":
                return PlainTextResponse('{"choices": [{"message": {"content": "A', media_type="application/json")
            case "html":
                return HTMLResponse("<html><body><h1>Welcome to the proxy</h1></body></html>")
            case "empty":
                return JSONResponse({"choices": []})
            case "huge":
                return PlainTextResponse('{"choices": [{"message": {"content": "' + "A" * 10_000_000 + '"}}]}')
        return None


def _error(status: int, message: str, code: str = "error", headers: Mapping[str, str] | None = None) -> Response:
    from fastapi.responses import JSONResponse

    return JSONResponse({"error": {"message": message, "code": code}}, status, headers)


def _wish(body: Mapping[str, Any]) -> Wish:
    form = body.get("response_format") or {}
    schema = form.get("json_schema", {}).get("schema") if form.get("type") == "json_schema" else None
    most = body.get("max_tokens") or body.get("max_completion_tokens") or 64
    alternatives = int(body.get("top_logprobs") or 1) if body.get("logprobs") else 0
    return Wish(int(most), float(body.get("temperature", 1.0)), int(body.get("seed") or 0), alternatives, schema)


def _completion(name: str, spoken: Spoken, text: str, wish: Wish, fault: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if fault == "refusal":
        message = {"role": "assistant", "content": None, "refusal": "I'm sorry, but I can't help with that."}
    logs = None
    if wish.alternatives and fault != "no tokens":
        logs = {"content": [_token(token) for token in spoken.tokens]}
    usage: dict[str, Any] = {"prompt_tokens": spoken.read, "completion_tokens": len(spoken.tokens)}
    if fault == "lying":
        usage = {"prompt_tokens": -5, "completion_tokens": 10**15}
    usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    finish = "length" if spoken.cut else "stop"
    choice = {"index": 0, "message": message, "logprobs": logs, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": name, "choices": [choice], "usage": usage}


def _token(token: Token) -> dict[str, Any]:
    others = [{"token": text, "logprob": log_p} for text, log_p in token.alternatives]
    return {"token": token.text, "logprob": token.log_probability, "top_logprobs": others}


async def _half(text: str) -> AsyncIterator[bytes]:
    """The first half, and then the connection goes away."""
    yield text[: len(text) // 2].encode()
    raise ConnectionResetError("cut, as was wished")


async def _events(found: Mapping[str, Any], spoken: Spoken) -> AsyncIterator[bytes]:
    """The same reply as server-sent events, a token at a time."""
    shell = {**found, "object": "chat.completion.chunk"}
    finish = found["choices"][0]["finish_reason"]
    for text, end in [*((token.text, None) for token in spoken.tokens), ("", finish)]:
        delta = {"role": "assistant", "content": text}
        chunk = {**shell, "choices": [{"index": 0, "delta": delta, "finish_reason": end}]}
        yield f"data: {json.dumps(chunk)}\n\n".encode()
    yield b"data: [DONE]\n\n"


def spoken_of(text: str, chances: Iterable[tuple[str, float]] = (), read: int = 1) -> Spoken:
    """A reply of one token with the given log probabilities in its place, for minds that are no model.

    >>> spoken_of("A", [("A", -0.1), ("B", -2.4)]).text
    'A'
    """
    others = tuple(chances)
    own = dict(others).get(text, 0.0)
    return Spoken((Token(text, own, others),), read)
