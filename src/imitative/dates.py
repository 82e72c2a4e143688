"""Dates as they are written → even steps: of months on the calendar, or of so many days, hours or minutes.

    months: the k-th date is k·n months on, on the same day of the month, or on its last day where it is shorter;
            where every date is the last day of its month, so are those ahead
    else:   the k-th moment is k·Δ after the first

Rows that are missing are steps all the same. Of n or Δ, whichever leaves fewest pairs of rows unexplained is taken.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import IntEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple, final

from imitative.errors import InputError, shown

MONTHS: Final = {1: "month", 3: "quarter", 12: "year"}
DAYS: Final = {1: "day", 7: "week", 14: "fortnight"}
LAST: Final = 31
"""The day of the month that is the last of every month."""


class Fineness(IntEnum):
    """How finely a date is written: so many characters of its ISO form say it."""

    YEAR = 4
    MONTH = 7
    DAY = 10
    TIME = 16


class Moment(NamedTuple):
    """A date as it was read.

    Args:
        at: its beginning.
        fineness: how finely it was written.
    """

    at: datetime
    fineness: Fineness

    def reaches(self, at: datetime) -> bool:
        """Whether a moment lies in what was written, or before: `2023-09` reaches to the end of that month."""
        if self.fineness is Fineness.TIME:
            return at <= self.at.replace(tzinfo=at.tzinfo and (self.at.tzinfo or at.tzinfo))
        return at.isoformat()[: self.fineness] <= self.at.isoformat()[: self.fineness]


def read_date(text: str | None, place: str) -> Moment:
    """A year, a month, a day or a time of day, as ISO 8601 writes them.

    Raises:
        InputError: for anything else.
    """
    said = (text or "").strip()
    try:
        if re.fullmatch("[0-9]{4}", said):
            return Moment(datetime(int(said), 1, 1), Fineness.YEAR)
        if re.fullmatch("[0-9]{4}-[0-9]{2}", said):
            return Moment(datetime.fromisoformat(f"{said}-01"), Fineness.MONTH)
        try:
            return Moment(datetime.combine(date.fromisoformat(said), time()), Fineness.DAY)
        except ValueError:
            return Moment(datetime.fromisoformat(said), Fineness.TIME)
    except ValueError:
        raise InputError(
            place, shown(text), "a date such as 2023-09-02, 2023-09 or 2023-09-02T14:00", "write it so"
        ) from None


def alike(moments: Sequence[Moment], place: str) -> tuple[list[datetime], Fineness]:
    """The moments of one column on one clock, and how finely they are to be written.

    Midnights are days: what writes 2023-09-02 00:00:00 means the date.

    Raises:
        InputError: where some say their time zone and others do not.
    """
    if all(moment.at.time() == time() for moment in moments):
        finest = min(max((moment.fineness for moment in moments), default=Fineness.DAY), Fineness.DAY)
        return [moment.at.replace(tzinfo=None) for moment in moments], finest
    zones = [moment.at.tzinfo for moment in moments]
    if None in zones and any(zones):
        bare = moments[zones.index(None)].at
        other = next(moment.at for moment in moments if moment.at.tzinfo)
        raise InputError(
            place, f"{spelt(bare, Fineness.TIME)} and {spelt(other, Fineness.TIME)}",
            "times that all say their zone, or none that does", "write them one way",
        )  # fmt: skip
    return [moment.at.astimezone(zones[0]) if zones[0] else moment.at for moment in moments], Fineness.TIME


def spelt(at: datetime, fineness: Fineness) -> str:
    """A moment in ISO 8601, as finely as the others are written."""
    if fineness is not Fineness.TIME:
        return at.isoformat()[:fineness]
    return at.isoformat(timespec="auto" if at.second or at.microsecond else "minutes")


@final
@dataclass(frozen=True)
class Steps:
    """Even steps from a first moment on.

    Args:
        first: where they begin.
        fineness: how finely they are written.
        months: months from one to the next; 0 where it is no matter of months.
        day: of the month; the last one where a month is shorter.
        apart: from one to the next, where it is no matter of months.
    """

    first: datetime
    fineness: Fineness
    months: int = 0
    day: int = LAST
    apart: timedelta = timedelta()

    @property
    def name(self) -> str:
        """`day`, `month`, `6 hours`, … how long one step is."""
        if self.months:
            years, rest = divmod(self.months, 12)
            return MONTHS.get(self.months, f"{self.months} months" if rest else f"{years} years")
        return _length(self.apart)

    def number(self, at: datetime) -> int:
        """How many steps on from the first a moment is."""
        if self.months:
            return (_month(at) - _month(self.first)) // self.months
        return (at - self.first) // self.apart

    def label(self, k: int) -> str:
        """What the k-th step is called."""
        return spelt(self.at(k), self.fineness)

    def at(self, k: int) -> datetime:
        """When the k-th step is.

        Raises:
            InputError: beyond the year 9999.
        """
        try:
            if not self.months:
                return self.first + k * self.apart
            year, month = divmod(_month(self.first) + k * self.months, 12)
            return self.first.replace(year=year, month=month + 1, day=_day(year, month + 1, self.day))
        except (OverflowError, ValueError):
            raise InputError(
                "unlabelled.horizon", f"{k} steps of one {self.name}", "dates up to the year 9999", "take fewer steps"
            ) from None


def steps_of(moments: Sequence[datetime], fineness: Fineness, place: str) -> Steps:
    """The even steps that moments in their order lie on, whichever are missing.

    Raises:
        InputError: for fewer than two, for two that are uneven, or for a distance that no gap explains.
    """
    if len(moments) < 2:
        raise InputError(place, f"{len(moments)} date", "at least 2", "a forecast needs a past")
    days = Counter(at.day for at in moments)
    same = max(days, key=lambda day: (days[day], day))
    tried = [*(_by_months(moments, fineness, day) for day in (LAST, same)), _by_time(moments, fineness)]
    steps, odd = min((each for each in tried if each is not None), key=lambda each: len(each[1]))  # the first of equals
    if odd:
        a, b = odd[0]
        once = len({_month(at) for at in moments}) == len(moments)
        raise InputError(
            place, _distance(a, b, fineness), f"steps of one {steps.name}",
            "mend the date, or write months as 2023-09" if once and fineness is Fineness.DAY
            else "leave out rows between, or mend the date",
        )  # fmt: skip
    if steps.number(moments[-1]) > 100 * len(moments) + 1000:
        a, b = max(pairwise(moments), key=lambda pair: pair[1] - pair[0])
        raise InputError(
            place, f"{_distance(a, b, fineness)} in steps of one {steps.name}",
            "fewer than a hundred gaps for every row", "mend the date",
        )  # fmt: skip
    return steps


_Tried = tuple[Steps, list[tuple[datetime, datetime]]]


def _by_months(moments: Sequence[datetime], fineness: Fineness, day: int) -> _Tried | None:
    """Steps of months on a day of the month, and the pairs of rows that are none; None where no two rows are."""
    clock = moments[0].time()
    there = {at: at.time() == clock and at.day == _day(at.year, at.month, day) for at in moments}
    gaps = Counter(_month(b) - _month(a) for a, b in pairwise(moments) if there[a] and there[b])
    if not gaps:
        return None
    months = _usual(gaps)
    odd = [(a, b) for a, b in pairwise(moments) if not (there[a] and there[b]) or (_month(b) - _month(a)) % months]
    return Steps(moments[0], fineness, months=months, day=day), odd


def _by_time(moments: Sequence[datetime], fineness: Fineness) -> _Tried:
    """Steps of one length, and the pairs of rows that are none."""
    apart = _usual(Counter(b - a for a, b in pairwise(moments)))
    return Steps(moments[0], fineness, apart=apart), [(a, b) for a, b in pairwise(moments) if (b - a) % apart]


def _usual(gaps: Counter[Any]) -> Any:
    """The most common distance; the smallest, where it divides all others and is more than half as common."""
    least, most = min(gaps), max(gaps.values())
    if 2 * gaps[least] > most and not any(gap % least for gap in gaps):
        return least
    return min(gap for gap, n in gaps.items() if n == most)


def _month(at: datetime) -> int:
    return 12 * at.year + at.month - 1


def _day(year: int, month: int, day: int) -> int:
    return min(day, monthrange(year, month)[1])


def _distance(a: datetime, b: datetime, fineness: Fineness) -> str:
    apart = (b - a).days
    said = f"{apart} {'day' if apart == 1 else 'days'}" if not (b - a) % timedelta(days=1) else str(b - a)
    return f"{spelt(a, fineness)} and {spelt(b, fineness)} {said} apart"


def _length(apart: timedelta) -> str:
    for unit, one in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        count, rest = divmod(apart, one)
        if not rest:
            return DAYS.get(count, f"{count} days") if unit == "day" else unit if count == 1 else f"{count} {unit}s"
    return f"{apart.total_seconds():g} seconds"
