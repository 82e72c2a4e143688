"""Calls that are paid once: looked up, granted, sent with patience, written down.

complete(call):
known?                      → the answer, free
asked by somebody else?     → wait for their answer
over a limit?               → stop, saying which
intent row; send; answer row
busy, down, silent?         → a failure row, wait (jitter, Retry-After, circuit breaker), again
malformed?                  → once more, then unreadable
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any, final

from imitative.calls.book import Book, Granted, Known, Limits, Spent, Wait
from imitative.calls.call import Call, ContextOverflow, Reply
from imitative.calls.patience import Breaker, Patience
from imitative.calls.prices import FREE, Price
from imitative.calls.server import Server, ServerFailure
from imitative.errors import InputError

AT_ONCE = 8
"""Calls in flight at a time, unless told otherwise."""


@final
class Paid:
    """A `Completer` whose every call is a row.

    Args:
        server: who is asked.
        book: the rows.
        price: of the model.
        limits: what may be spent.
        patience: how failures are borne.
        at_once: calls in flight at a time.
        place: where the limits were written, for messages.

    Raises:
        InputError: for a limit of money on a model without a price.
    """

    def __init__(
        self,
        server: Server,
        book: Book,
        price: Price | None = None,
        limits: Limits | None = None,
        patience: Patience | None = None,
        at_once: int = AT_ONCE,
        place: str = "limits",
    ) -> None:
        self.server, self.book, self.limits, self.place = server, book, limits or Limits(), place
        self.patience = patience or Patience()
        if self.limits.money is not None and price is None and not server.service.local:
            remedy = "write what a million tokens cost (price = { input = …, output = … })"
            raise InputError(f"{place}.money", f"no price of {server.service.model!r}", "one", remedy)
        self.price = price or FREE
        self.hits = 0
        self._breaker = Breaker(self.patience)
        self._at_once = at_once
        self._gate: tuple[asyncio.AbstractEventLoop, asyncio.Semaphore] | None = None
        self._flights: dict[str, asyncio.Future[Reply]] = {}
        self._in_air = 0

    @property
    def notes(self) -> list[str]:
        """What a person should know of the server, and of money nobody knows the fate of."""
        found = list(self.server.notes)
        if uncertain := self.book.uncertain():
            money = sum(each.money for each in uncertain)
            found.append(
                f"{len(uncertain)} calls were sent and not heard of again: {money:g} was charged to the budget for them"
            )
        return found

    async def complete(self, call: Call) -> Reply:
        """See `Completer.complete`. Of the same call made several times at once, one is sent."""
        flight = self._flights.get(call.key)
        if flight is not None and flight.get_loop() is asyncio.get_running_loop() and not flight.done():
            self.hits += 1
            return await asyncio.shield(flight)
        flight = asyncio.ensure_future(self._completed(call))
        self._flights[call.key] = flight
        try:
            return await flight
        finally:
            if self._flights.get(call.key) is flight:
                del self._flights[call.key]

    async def rest(self) -> None:
        """See `Completer.rest`; another batch that is under way keeps its connections."""
        if not self._flights:
            await self.server.rest()

    async def _completed(self, call: Call) -> Reply:
        malformed, attempt = 0, 0
        while True:
            await self._circuit()
            async with self._gated():
                granted = await self._granted(call)
                if isinstance(granted, Known):
                    self.hits += 1
                    return granted.reply
                self._in_air += 1
                try:
                    return await self._sent(call, granted)
                except ServerFailure as failure:
                    failed = failure
                finally:
                    self._in_air -= 1
            if failed.kind == "malformed":
                malformed += 1
                if malformed == 2:
                    return Reply(unreadable=failed.message)
                continue
            attempt += 1
            await self._borne(failed, attempt)

    async def _granted(self, call: Call) -> Known | Granted:
        most = self.price.most(call)
        while True:
            found = self.book.begin(call, most, self.limits, 2.0 * self.server.service.timeout)
            if isinstance(found, Wait):
                await asyncio.sleep(found.seconds)
            elif isinstance(found, Spent) and self._in_air:
                await asyncio.sleep(0.02)  # what was sent is heard before the run is stopped: it is paid for
            elif isinstance(found, Spent):
                place, unit = f"{self.place}.{found.limit}", "" if found.limit == "money" else f" {found.limit}"
                told = f"{found.spent:g} of {found.most:g}{unit} spent, and the next call may need more than is left"
                raise InputError(place, told, remedy="raise it and give the same command: nothing is paid for twice")
            else:
                return found

    async def _sent(self, call: Call, granted: Granted) -> Reply:
        """Send it, and write down what became of it, whatever that is."""
        most_tokens, most = call.input_tokens + call.most_tokens, self.price.most(call)
        try:
            reply = await self.server.complete(call)
        except ServerFailure as failure:
            charged = failure.kind in ("uncertain", "malformed")
            tokens, money = (most_tokens, most) if charged else (0, 0.0)
            self.book.failed(granted.intent, call, failure.kind, failure.message, tokens, money)
            if failure.kind == "malformed":
                self._breaker.succeeded()
            else:
                self._breaker.fell()
            raise
        except (InputError, ContextOverflow) as refusal:
            self._breaker.succeeded()
            self.book.failed(granted.intent, call, "refused", str(refusal), 0, 0.0)
            raise
        except BaseException:  # stopped by hand: the request is on its way
            self.book.failed(granted.intent, call, "uncertain", "stopped while waiting", most_tokens, most)
            raise
        self._breaker.succeeded()
        bought = Reply(**{**reply.__dict__, "money": self.price.of(reply.input_tokens, reply.output_tokens)})
        self.book.answered(granted.intent, call, bought)
        return bought

    async def _borne(self, failure: ServerFailure, attempt: int) -> None:
        service = self.server.service
        waits = self.patience.wait(attempt - 1, failure.retry_after, random.random)
        if attempt >= self.patience.attempts or waits > self.patience.give_up:
            what = _FAILED[failure.kind]
            told = f"{what} {attempt} times ({failure.message})"
            if waits > self.patience.give_up:
                told = f"{what}, with the wish to be left alone for {waits:.0f} s"
            remedy = "check base_url and the server; the same command goes on from here"
            raise InputError(service.base_url, told, remedy=remedy)
        await asyncio.sleep(waits)

    async def _circuit(self) -> None:
        while (wait := self._breaker.hold()) > 0.0:
            if self._breaker.hopeless:
                told = f"no answer to {self._breaker.failed} calls in a row"
                raise InputError(self.server.service.base_url, told, remedy="the same command goes on from here")
            await asyncio.sleep(wait)

    def _gated(self) -> asyncio.Semaphore:
        loop = asyncio.get_running_loop()
        if self._gate is None or self._gate[0] is not loop:
            self._gate = (loop, asyncio.Semaphore(self._at_once))
        return self._gate[1]

    def told(self) -> dict[str, Any]:
        """What the calls of this run came to, as plain JSON values for `result.json`."""
        total = self.book.total()
        return {
            "server": self.server.service.base_url,
            "model": self.server.service.model,
            "calls": total.calls,
            "tokens": total.tokens,
            "money": total.money,
            "cached": self.hits,
            "purposes": [line._asdict() for line in self.book.ledger()],
            "uncertain": [each._asdict() for each in self.book.uncertain()],
            "failures": self.book.failures(),
        }


_FAILED: Mapping[str, str] = {
    "busy": "the server busy",
    "server": "the server failing",
    "unreached": "no server",
    "uncertain": "no whole reply",
}
