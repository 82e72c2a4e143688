"""What Steps 1–3 spend: judgements and seconds, whatever hypotheses are made of."""

from __future__ import annotations

import time
from abc import ABC
from dataclasses import dataclass, field
from typing import final

from imitative.overseers.overseer import Ledger
from imitative.settings import Settings


@dataclass(frozen=True, eq=False, kw_only=True)
class Outlay(ABC):
    """What was spent, and what is left; part of what Steps 1–3 give.

    Args:
        ledger: every judgement used, and who answers the next.
        budget: how many judgements may be asked for the whole run, the transfer's included; what an archive holds was
            asked before and does not count.
        settings: how budget and time were spent.
        seconds: by stage.
    """

    ledger: Ledger
    budget: int
    settings: Settings
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> int:
        """How many judgements may still be asked."""
        return max(0, self.budget - (self.ledger.asked_in_all - self.ledger.recorded))


@final
class Timer:
    """Adds the time spent inside to `seconds[stage]`."""

    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self._seconds, self._stage = seconds, stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + time.perf_counter() - self._start
