"""A server that speaks chat/completions, reached through the `openai` client; what its failures mean.

Any server with that protocol: hosted ones, vLLM, llama.cpp, Ollama, `transformers serve`. The client's own retries are
off: they would be paid for without a row. The key is read from the environment when it is needed, sent to the server,
and kept nowhere: not in a row, not in an object that is shown, not in a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, final
from urllib.parse import urlsplit

from imitative.calls.call import Call, ContextOverflow, Reply, Token
from imitative.calls.patience import retry_after
from imitative.calls.prices import counted
from imitative.errors import InputError, did_you_mean, listed, one_line, shown

if TYPE_CHECKING:
    from openai import AsyncOpenAI

HOSTED: Final = "https://api.openai.com/v1"
_HOSTED_KEY: Final = "OPENAI_API_KEY"
OWN_KEY: Final = "IMITATIVE_API_KEY"
KEY_PREFIX: Final = "IMITATIVE_"
LONGEST_REPLY: Final = 4_000_000
"""Bytes read of a reply: 4 MB is a thousand times what is asked for; a server that sends more is not listened to."""
_OVERFLOW: Final = (
    "context length",
    "context_length",
    "maximum context",
    "context window",
    "too many tokens",
    "exceeds",
)
_NO_MODEL: Final = ("model_not_found", "does not exist", "unknown model", "not found", "no such model", "invalid model")

Failed = Literal["busy", "server", "unreached", "uncertain", "malformed"]
"""429; 5xx; no connection; a timeout or a cut after the request was sent, so that nobody knows whether it was charged;
something that is no reply."""


class ServerFailure(Exception):
    """A call that failed in a way that another attempt may mend."""

    def __init__(self, kind: Failed, message: str, retry_after: float | None = None) -> None:
        super().__init__(kind, message)
        self.kind, self.message, self.retry_after = kind, message, retry_after


@final
@dataclass(frozen=True)
class Service:
    """Which model, where.

    Args:
        model: its name at the server.
        base_url: the server, `http://127.0.0.1:8080/v1`.
        key: the environment variable that holds the key; "" for the server's usual one. A name that does not begin with
            `IMITATIVE_`, or is not called a `KEY`, is refused: a problem file from elsewhere must not be able to send
            any secret anywhere.
        context: tokens the model reads; 0: the server knows.
        timeout: seconds for a reply.
        extra: further fields of every request's body.
        place: where these were written, for messages.

    Raises:
        InputError: for an address or a variable's name that cannot be used.
    """

    model: str
    base_url: str = HOSTED
    key: str = ""
    context: int = 0
    timeout: float = 120.0
    extra: Mapping[str, Any] = field(default_factory=dict)
    place: str = "the server"

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.base_url)
            right = (
                parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
            )
        except ValueError:
            parts, right = urlsplit(""), False
        if not right:
            remedy = 'write base_url = "http://HOST:PORT/v1"'
            raise InputError(f"{self.place}.base_url", shown(self.base_url), "an address that begins with http", remedy)
        if parts.username or parts.password or parts.query or parts.fragment:
            found, remedy = "an address with a user, a password or a query in it", f"put the key into ${OWN_KEY}"
            raise InputError(f"{self.place}.base_url", found, "an address alone", remedy)
        if self.key and not (self.key.startswith(KEY_PREFIX) and "KEY" in self.key):
            remedy = f"copy the key to a variable of that form, or leave this out and use {OWN_KEY}"
            expected = f"a variable that begins with {KEY_PREFIX} and is called a KEY"
            raise InputError(f"{self.place}.key", shown(self.key), expected, remedy)
        object.__setattr__(self, "base_url", self.base_url.rstrip("/"))

    @property
    def local(self) -> bool:
        """Whether the server is this machine, and needs no key."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def variable(self) -> str:
        """The environment variable that holds the key."""
        return self.key or (_HOSTED_KEY if self.base_url == HOSTED and OWN_KEY not in os.environ else OWN_KEY)

    def secret(self) -> str:
        """The key, as the environment has it now; a server on this machine needs none.

        Raises:
            InputError: if there is none, or it could not be sent.
        """
        found = os.environ.get(self.variable, "").strip()
        if not found and not self.local:
            remedy = f"set it to the server's key (export {self.variable}=…)"
            raise InputError(f"${self.variable}", "nothing", f"the key of {self.base_url}", remedy)
        if not found.isascii() or not found.isprintable():
            raise InputError(f"${self.variable}", "signs that no key has", "a key", "copy it again")
        return found or "none"


@final
class Server:
    """Sends one call, once. Satisfies `Completer`, with failures raised for `Paid` to deal with.

    Args:
        service: which model, where.

    Raises:
        InputError: if the `openai` package is missing.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.notes: list[str] = []
        self._client: tuple[asyncio.AbstractEventLoop, AsyncOpenAI] | None = None
        self._limit_name = "max_completion_tokens" if service.base_url == HOSTED else "max_tokens"
        self._checked = False

    async def complete(self, call: Call) -> Reply:
        """See `Completer.complete`.

        Raises:
            ServerFailure: for what another attempt may mend.
            ContextOverflow, InputError: for what none will.
        """
        if self.service.context and call.input_tokens + call.most_tokens > self.service.context:
            raise ContextOverflow(call.input_tokens + call.most_tokens, self.service.context)
        started = time.perf_counter()
        raw = await self._sent(call)
        reply = self._read(raw, call)
        return Reply(**{**reply.__dict__, "seconds": time.perf_counter() - started})

    async def models(self) -> list[str]:
        """The names of the models the server offers; empty where it does not say."""
        from openai import OpenAIError

        try:
            found = await self._opened().models.list()
            names = [str(model.id) for model in found.data if getattr(model, "id", None)]
            owners = {str(getattr(model, "owned_by", "")).lower() for model in found.data}
        except (OpenAIError, ValueError, TypeError, AttributeError):
            return []
        if owners & {"llamacpp", "me"}:  # llama.cpp's server, and llama-cpp-python's
            self._note("llama.cpp punishes repetition by default: repeat_penalty = 1 was sent along")
        return names

    async def rest(self) -> None:
        """Close the connections; the next call opens new ones."""
        if self._client is not None:
            loop, client = self._client
            self._client = None
            if loop is asyncio.get_running_loop():
                with contextlib.suppress(Exception):
                    await client.close()

    # -- sending -----------------------------------------------------------------------------------------------------

    def _opened(self) -> AsyncOpenAI:
        """The client of the running loop: connections belong to the loop they were opened in."""
        loop = asyncio.get_running_loop()
        if self._client is None or self._client[0] is not loop:
            try:
                from openai import AsyncOpenAI
            except ImportError:
                remedy = "pip install 'imitative[language-models]'"
                raise InputError(self.service.place, "no package openai", "it installed", remedy) from None
            client = AsyncOpenAI(
                api_key=self.service.secret(),
                base_url=self.service.base_url,
                max_retries=0,
                timeout=self.service.timeout,
            )
            self._client = (loop, client)
        return self._client[1]

    async def _sent(self, call: Call) -> bytes:
        import openai

        if not self._checked:
            self._checked = True
            if self.service.local:
                await self.models()
        try:
            async with asyncio.timeout(self.service.timeout):
                return await self._received(call)
        except openai.APITimeoutError:
            raise ServerFailure("uncertain", f"no reply within {self.service.timeout:g} s") from None
        except TimeoutError:
            raise ServerFailure("uncertain", f"no whole reply within {self.service.timeout:g} s") from None
        except openai.APIStatusError as error:
            raise await self._refused(error, call) from None
        except openai.APIConnectionError as error:
            raise self._unreached(error.__cause__ or error) from None
        except openai.OpenAIError as error:
            raise ServerFailure("malformed", self._safe(str(error))) from None
        except Exception as error:
            if type(error).__module__.split(".")[0] in ("httpx", "httpx2", "httpcore", "httpcore2", "h11"):
                raise self._unreached(error) from None
            raise

    async def _received(self, call: Call) -> bytes:
        """The reply's bytes, never more than `LONGEST_REPLY`."""
        client = self._opened()
        found = bytearray()
        create = client.chat.completions.with_streaming_response.create
        async with create(**self._body(call)) as response:
            async for part in response.iter_bytes():
                found += part
                if len(found) > LONGEST_REPLY:
                    raise ServerFailure("malformed", f"a reply of more than {LONGEST_REPLY:,} bytes")
        return bytes(found)

    def _body(self, call: Call) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": call.model,
            "messages": [{"role": role, "content": content} for role, content in call.messages],
            self._limit_name: call.most_tokens,
            "temperature": call.temperature,
            "seed": call.sample,
            "extra_headers": {"Idempotency-Key": call.key},  # where a server knows it, a repeated call is charged once
        }
        if call.alternatives:
            body |= {"logprobs": True, "top_logprobs": call.alternatives}
        if call.schema is not None:
            schema = {"name": "reply", "strict": True, "schema": dict(call.schema)}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        extra = dict(self.service.extra) | dict(call.extra)
        if any("llama.cpp" in note for note in self.notes):
            extra.setdefault("repeat_penalty", 1.0)
        if extra:
            body["extra_body"] = extra
        return body

    async def _refused(self, error: Any, call: Call) -> Exception:
        """What a status says: an exception to raise."""
        status, message = int(error.status_code), self._safe(str(error.message))
        lower, service = message.lower(), self.service
        asked_for = retry_after(error.response.headers)
        if status in (408, 409, 429) and "insufficient_quota" not in lower:
            return ServerFailure("busy", message, asked_for)
        if status >= 500:
            return ServerFailure("server", f"{status}: {message}", asked_for)
        if status in (401, 403):
            remedy = f"set ${service.variable} to a key of that server"
            return InputError(service.base_url, f"the key refused ({status}: {message})", remedy=remedy)
        if status == 404 or (status in (400, 422) and any(sign in lower for sign in _NO_MODEL)):
            return await self._no_model(message)
        if status == 413 or any(sign in lower for sign in _OVERFLOW):
            return ContextOverflow(call.input_tokens + call.most_tokens, service.context)
        if status in (400, 422) and self._other_limit_name(lower):
            return ServerFailure("busy", message, 0.0)
        if "<html" in lower or "<!doctype" in lower:
            return InputError(service.base_url, f"a web page ({status})", "a chat/completions server", "check base_url")
        return InputError(
            service.base_url, f"the request refused ({status}: {message})", remedy="check model and extra"
        )

    async def _no_model(self, message: str) -> InputError:
        names, service = await self.models(), self.service
        if not names:
            found = f"no chat/completions there, or no model {shown(service.model)} ({message})"
            return InputError(service.base_url, found, remedy="check base_url (it usually ends in /v1) and model")
        remedy = did_you_mean(service.model, [name for name in names if name != service.model]) or "check the name"
        return InputError(f"{service.place}.model", shown(service.model), f"one of {listed(names)}", remedy)

    def _other_limit_name(self, message: str) -> bool:
        """Newer models want the limit by another name: change to it once, if that is the complaint."""
        other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[self._limit_name]
        if self._limit_name not in message or any("limit of a reply" in note for note in self.notes):
            return False
        self._note(f"the server takes the limit of a reply as {other}")
        self._limit_name = other
        return True

    def _unreached(self, error: BaseException) -> ServerFailure:
        name = type(error).__name__
        kind: Failed = "unreached" if name in ("ConnectError", "ConnectTimeout", "UnsupportedProtocol") else "uncertain"
        return ServerFailure(kind, self._safe(f"{name}: {error}"))

    def _safe(self, message: str) -> str:
        """A server's message as it may be shown and kept: one line, not long, without the key."""
        secret = os.environ.get(self.service.variable, "").strip()
        if len(secret) >= 4:
            message = message.replace(secret, "[key]")
        return one_line(message[:1000])[:300]

    # -- reading -----------------------------------------------------------------------------------------------------

    def _read(self, raw: bytes, call: Call) -> Reply:
        try:
            body = json.loads(raw.decode("utf-8"))
        except (ValueError, RecursionError):
            start = raw[:200].lstrip().lower()
            what = "a web page" if start.startswith((b"<html", b"<!doctype")) else "no JSON"
            raise ServerFailure("malformed", what) from None
        choices = body.get("choices") if isinstance(body, dict) else None
        choice = choices[0] if isinstance(choices, list) and choices else None
        message = choice.get("message") if isinstance(choice, dict) else None
        if not isinstance(choice, dict) or not isinstance(message, dict):
            raise ServerFailure("malformed", "JSON that is no completion")
        text = message.get("content")
        refusal = message.get("refusal")
        finish = choice.get("finish_reason")
        refused = (isinstance(refusal, str) and bool(refusal)) or finish == "content_filter"
        if text is not None and not isinstance(text, str):
            raise ServerFailure("malformed", "a message that is no text")
        if not (text or "").strip() and not refused:
            raise ServerFailure("malformed", "an empty reply")
        text = text or ""
        used = counted(body.get("usage"), call, text)
        if used.doubted:
            self._note("the server's token counts are impossible or missing: our own estimates were charged")
        tokens = _tokens(choice.get("logprobs")) if call.alternatives else ()
        if len(tokens) > call.most_tokens + 1:
            self._note(f"the server ignores the limit of a reply ({self._limit_name})")
        return Reply(text, refused, finish == "length", tokens, "", used.input, used.output, used.doubted)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _tokens(given: Any) -> tuple[Token, ...]:
    """The log probabilities of a reply, as far as they are ones: finite numbers up to 0."""
    content = given.get("content") if isinstance(given, Mapping) else None
    found: list[Token] = []
    for entry in content if isinstance(content, list) else []:
        if not isinstance(entry, Mapping) or not _log_probability(entry.get("logprob")):
            return ()
        others = entry.get("top_logprobs")
        alternatives = tuple(
            (str(other.get("token", "")), float(other["logprob"]))
            for other in (others if isinstance(others, list) else [])
            if isinstance(other, Mapping) and _log_probability(other.get("logprob"))
        )
        found.append(Token(str(entry.get("token", "")), float(entry["logprob"]), alternatives))
    return tuple(found)


def _log_probability(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value <= 1e-6
