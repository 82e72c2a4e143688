"""When to ask again and when to stop asking: waiting times with jitter, Retry-After, and the circuit breaker."""

from __future__ import annotations

import email.utils
import math
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True)
class Patience:
    """How long a server is borne with.

    Args:
        attempts: how often one call is sent at most.
        first, longest: the first wait is at most `first` seconds, each later one at most twice as long, none longer
            than `longest`; a Retry-After is always waited for.
        give_up: a Retry-After longer than this ends the run, which can go on later with the same command.
        failures: so many failures in a row, of whatever calls, open the circuit.
        cool: seconds that an open circuit keeps every call waiting before one is let through to try.
        trials: so many trials in a row that fail end the run.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 60.0
    give_up: float = 600.0
    failures: int = 8
    cool: float = 5.0
    trials: int = 4

    def wait(self, attempt: int, retry_after: float | None, draw: Callable[[], float] = random.random) -> float:
        """Seconds to wait after the attempt of this number (0, 1, …) failed.

        Full jitter (a uniform share of a doubling bound) keeps clients that failed together from returning together;
        what the server asks for is never undercut, and jittered upwards by a tenth for the same reason.

        >>> Patience().wait(3, None, draw=lambda: 1.0), Patience().wait(0, 7.0, draw=lambda: 0.0)
        (4.0, 7.0)
        """
        if retry_after is not None:
            return retry_after * (1.0 + 0.1 * draw())
        bound: float = min(self.longest, self.first * 2.0**attempt)
        return bound * draw()


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Seconds that a server asks to be left alone: `retry-after-ms`, or `Retry-After` as seconds or as a date.

    >>> retry_after({"retry-after": "3"}), retry_after({"retry-after-ms": "250"}), retry_after({"retry-after": "soon"})
    (3.0, 0.25, None)
    >>> retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, now=50.0)
    10.0
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        return max(0.0, seconds) if math.isfinite(seconds) else None
    try:
        when = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, when.timestamp() - (time.time() if now is None else now))


@final
@dataclass
class Breaker:
    """Stops asking a server that fails call after call.

        closed —(`failures` in a row)→ open —(`cool` seconds)→ one trial —success→ closed, —failure→ open again

    Args:
        patience: how many, how long.
        clock: seconds, for tests.
    """

    patience: Patience
    clock: Callable[[], float] = time.monotonic
    failed: int = 0
    trials: int = 0
    _opened: float | None = field(default=None, init=False)
    _trying: bool = field(default=False, init=False)

    def hold(self) -> float:
        """Seconds to wait before asking; 0 lets the call through (as the trial, where the circuit is open)."""
        if self._opened is None:
            return 0.0
        left = self._opened + self.patience.cool - self.clock()
        if left > 0.0:
            return left
        if self._trying:
            return self.patience.cool / 10.0
        self._trying = True
        return 0.0

    @property
    def hopeless(self) -> bool:
        """Whether so many trials have failed that waiting longer is for a person to decide."""
        return self.trials >= self.patience.trials

    def succeeded(self) -> None:
        """A call was answered, be it with a complaint: the server is there."""
        self.failed, self.trials, self._opened, self._trying = 0, 0, None, False

    def fell(self) -> None:
        """A call failed in a way that another would too: no answer, or the server's own fault."""
        self.failed += 1
        if self._opened is not None:
            self.trials += self._trying
        elif self.failed < self.patience.failures:
            return
        self._opened, self._trying = self.clock(), False
